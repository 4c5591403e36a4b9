"""MIL-1, MIL-2: which milestones an account should have. A kind is a row of KINDS, not a branch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from lifecycle.rules.cadence import Span, start_of_day
from lifecycle.rules.facts import (
    AccountFacts,
    CheckInFacts,
    Key,
    OnboardingFacts,
    RerouteFacts,
    StageFacts,
    required_trainings,
)
from lifecycle.rules.policy import Policy

AT_ONCE = datetime.min.replace(tzinfo=UTC)
GAP_CLOSING = ("email_review", "waive")


@dataclass(frozen=True, slots=True)
class Duty:
    """What one owner owes on one account. `due` is a date, or a Span counted from the row's appearance."""

    key: Key
    title: str
    owner: int | None
    due: date | Span
    appears_at: datetime


@dataclass(frozen=True, slots=True)
class Source:
    """Where a kind's duties come from: each row of it may owe one."""

    type: str
    rows: Callable[[AccountFacts], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table in `model.md`.

    `condition`: the duty belongs to this source row. `evidence`: the fact that clears it (None: a person
    says "done"). `appears`: the instant from which it is owed (None: at once). `due`: date or Span.
    `tells_lead`: the lead gets a notice when it appears. `acts_on_the_day`: due the very day something happened, so `act_by` is that day, weekends too.
    """

    slug: str
    source: Source
    title: str
    owner: str
    condition: Callable[[AccountFacts, Any], bool]
    evidence: Callable[[Any], bool] | None
    due: Callable[[AccountFacts, Any, Policy], date | Span]
    appears: Callable[[AccountFacts, Any, Policy], datetime | None] = lambda facts, row, policy: None
    acts_on_the_day: bool = False
    schedule: str = "other"
    tells_lead: bool = False

    @property
    def by_hand(self) -> bool:
        return self.evidence is None


def duties(facts: AccountFacts, policy: Policy, now: datetime) -> tuple[tuple[Duty, ...], datetime | None]:
    """MIL-2: what is owed on this account at `now`, and the next instant at which that changes by time alone.

    Pure and total: the same facts, policy and instant give the same answer; None when time changes nothing.
    """
    now = now.astimezone(UTC)  # within one zone Python compares wall clocks, wrong in a doubled hour
    owed: list[Duty] = []
    recheck_at: datetime | None = None
    if facts.open:
        for kind in KINDS:
            for row in kind.source.rows(facts):
                duty = _duty(kind, row, facts, policy)
                if not kind.condition(facts, row) or _cleared(kind, row, duty.key, facts):
                    continue
                if duty.appears_at <= now:
                    owed.append(duty)
                elif recheck_at is None or duty.appears_at < recheck_at:
                    recheck_at = duty.appears_at
    return tuple(owed), recheck_at


def is_done(facts: AccountFacts, key: Key) -> bool:
    """MIL-2: whether a milestone that is no longer owed was done (its fact is there) or merely lapsed."""
    kind = KIND[key.kind]
    if kind.evidence is None:
        return key in facts.by_hand
    return any(kind.evidence(row) for row in kind.source.rows(facts) if row.id == key.source_id)


def lapsed(facts: AccountFacts) -> frozenset[Key]:
    """MIL-2: keys declared done by hand whose condition no longer holds, so that the duty may arise anew."""
    return frozenset(key for key in facts.by_hand if not _still_holds(facts, key))


def _still_holds(facts: AccountFacts, key: Key) -> bool:
    kind = KIND[key.kind]
    return any(kind.condition(facts, row) for row in kind.source.rows(facts) if row.id == key.source_id)


def _duty(kind: Kind, row: Any, facts: AccountFacts, policy: Policy) -> Duty:
    day = getattr(row, "day", 0)
    return Duty(
        key=Key(kind.slug, kind.source.type, row.id, day),
        title=kind.title.format(day=day, pool=getattr(row, "to_pool", "").capitalize()),
        owner=facts.csm if kind.owner == "csm" else facts.lead,
        due=kind.due(facts, row, policy),
        appears_at=(kind.appears(facts, row, policy) or AT_ONCE).astimezone(UTC),
    )


def _cleared(kind: Kind, row: Any, key: Key, facts: AccountFacts) -> bool:
    return key in facts.by_hand if kind.evidence is None else kind.evidence(row)


# --- instants and dates the rows below speak of


def meeting_day(facts: AccountFacts, stage: StageFacts) -> date | None:
    """The local day (the CSM's zone) for which the follow-up meeting is booked."""
    return stage.meeting_at.astimezone(facts.zone).date() if stage.meeting_at else None


def meeting_ends_at(stage: StageFacts, policy: Policy) -> datetime | None:
    """STAGE-2: the booked start plus the length of a meeting."""
    if stage.meeting_at is None:
        return None
    return stage.meeting_at.astimezone(UTC) + timedelta(minutes=policy.duties.meeting_minutes)


def _days_before(facts: AccountFacts, day: date, days: int) -> datetime:
    return start_of_day(day - timedelta(days=days), facts.zone)


def _no_meeting_appears(facts: AccountFacts, stage: StageFacts, policy: Policy) -> datetime | None:
    return None if stage.meeting_held is False else _days_before(facts, stage.due_on, -1)


def _checklist_appears(facts: AccountFacts, stage: StageFacts, policy: Policy) -> datetime:
    first = min(stage.due_on, meeting_day(facts, stage) or stage.due_on)
    return _days_before(facts, first, policy.duties.checklist_opens_days)


def _checklist_due(facts: AccountFacts, stage: StageFacts, policy: Policy) -> date:
    return facts.calendar.working_day_before(meeting_day(facts, stage) or stage.due_on)


def _booking_due(facts: AccountFacts, stage: StageFacts, policy: Policy) -> date | Span:
    if stage.gap_decision == "retry":  # the stage's own date is over or near: it counts from the decision
        return Span(working_days=policy.duties.gap_working_days)
    return stage.due_on - timedelta(days=policy.duties.booking_due_days)


def _trainings_held(facts: AccountFacts, onboarding: OnboardingFacts) -> bool:
    required = required_trainings(products=facts.products, smb=facts.smb)
    held = {session.product for session in onboarding.sessions if session.completed_on}
    return bool(required) and held.issuperset(required)


def _last_held(onboarding: OnboardingFacts) -> date:
    held = [session.completed_on for session in onboarding.sessions if session.completed_on]
    return max([*held, onboarding.call_completed_on or date.min])


def _outcome_settled(facts: AccountFacts, stage: StageFacts) -> bool:
    held = stage.meeting_held is True and stage.recap_sent
    return stage.live and (held or (stage.meeting_held is False and stage.gap_decision in GAP_CLOSING))


# --- the table

ACCOUNT = Source("account", lambda facts: (facts,))
ONBOARDING = Source("onboarding", lambda facts: (facts.onboarding,) if facts.onboarding else ())
STAGE = Source("stage", lambda facts: _stages(facts))
CHECK_IN = Source("check_in", lambda facts: _check_ins(facts))
REROUTE = Source("reroute", lambda facts: facts.reroutes)


def _stages(facts: AccountFacts) -> tuple[StageFacts, ...]:
    return facts.adoption.stages if facts.adoption and not facts.adoption.withdrawn else ()


def _check_ins(facts: AccountFacts) -> tuple[CheckInFacts, ...]:
    return facts.adoption.check_ins if facts.adoption and not facts.adoption.withdrawn else ()


def _is_open_reroute(facts: AccountFacts, reroute: RerouteFacts) -> bool:
    return not reroute.decided


KINDS: tuple[Kind, ...] = (
    Kind(
        slug="stage",
        source=STAGE,
        title="{day}-day adoption",
        owner="csm",
        condition=lambda facts, stage: stage.live,
        evidence=lambda stage: stage.closed,
        due=lambda facts, stage, policy: stage.due_on,
        schedule="stage",
    ),
    Kind(
        slug="check_in",
        source=CHECK_IN,
        title="Send the {day}-day check-in",
        owner="lead",
        condition=lambda facts, check_in: not check_in.cancelled,
        evidence=lambda check_in: check_in.done,
        due=lambda facts, check_in, policy: check_in.due_on,
        schedule="check_in",
    ),
    Kind(
        slug="complete_onboarding",
        source=ONBOARDING,
        title="Complete onboarding",
        owner="csm",
        condition=lambda facts, onboarding: (
            onboarding.call_completed_on is not None and _trainings_held(facts, onboarding)
        ),
        evidence=lambda onboarding: onboarding.training_completed_on is not None,
        due=lambda facts, onboarding, policy: _last_held(onboarding),
        acts_on_the_day=True,
    ),
    Kind(
        slug="prepare_checklist",
        source=STAGE,
        title="Prepare the {day}-day checklist",
        owner="csm",
        condition=lambda facts, stage: stage.live and stage.meeting_held is not False,
        evidence=lambda stage: stage.checklist_ready or stage.checklist_exported,
        appears=_checklist_appears,
        due=_checklist_due,
    ),
    Kind(
        slug="book_meeting",
        source=STAGE,
        title="Book the {day}-day meeting",
        owner="csm",
        condition=lambda facts, stage: stage.live and stage.meeting_held is None,
        evidence=lambda stage: stage.meeting_at is not None or stage.meeting_held is True,
        appears=lambda facts, stage, policy: _days_before(
            facts, stage.due_on, policy.duties.booking_opens_days
        ),
        due=_booking_due,
    ),
    Kind(
        slug="record_meeting",
        source=STAGE,
        title="Record the outcome",
        owner="csm",
        condition=lambda facts, stage: stage.live and stage.meeting_at is not None,
        evidence=lambda stage: stage.meeting_held is not None,
        appears=lambda facts, stage, policy: meeting_ends_at(stage, policy),
        due=lambda facts, stage, policy: meeting_day(facts, stage) or stage.due_on,
        acts_on_the_day=True,
    ),
    Kind(
        slug="explain_no_meeting",
        source=STAGE,
        title="Say why the {day}-day meeting was missed",
        owner="csm",
        condition=lambda facts, stage: (
            stage.live
            and (stage.meeting_held is False or (stage.meeting_held is None and stage.meeting_at is None))
        ),
        evidence=lambda stage: bool(stage.no_meeting_reason),
        appears=_no_meeting_appears,
        due=lambda facts, stage, policy: Span(working_days=policy.duties.explain_working_days),
    ),
    Kind(
        slug="close_gap",
        source=STAGE,
        title="Review a missed meeting",
        owner="lead",
        condition=lambda facts, stage: (
            stage.live and stage.meeting_held is False and bool(stage.no_meeting_reason)
        ),
        evidence=lambda stage: bool(stage.gap_decision),
        due=lambda facts, stage, policy: Span(working_days=policy.duties.gap_working_days),
    ),
    Kind(
        slug="recap_meeting",
        source=STAGE,
        title="Send the {day}-day recap",
        owner="csm",
        condition=lambda facts, stage: stage.live and stage.meeting_held is True,
        evidence=lambda stage: stage.recap_sent,
        due=lambda facts, stage, policy: stage.meeting_held_on or meeting_day(facts, stage) or stage.due_on,
        acts_on_the_day=True,
    ),
    Kind(
        slug="close_stage",
        source=STAGE,
        title="Attach the checklist and close",
        owner="csm",
        condition=_outcome_settled,
        evidence=lambda stage: stage.closed,
        due=lambda facts, stage, policy: Span(working_days=policy.duties.close_working_days),
    ),
    Kind(
        slug="level_review",
        source=ACCOUNT,
        title="Review the plan with your TL",
        owner="csm",
        condition=lambda facts, account: account.smb and account.service_level != "basic",
        evidence=None,
        due=lambda facts, account, policy: Span(working_days=policy.duties.level_review_working_days),
        tells_lead=True,
    ),
    Kind(
        slug="reroute",
        source=REROUTE,
        title="Move to {pool}?",
        owner="lead",
        condition=_is_open_reroute,
        evidence=lambda reroute: reroute.decided,
        due=lambda facts, reroute, policy: Span(working_days=policy.duties.reroute_working_days),
    ),
)

KIND = {kind.slug: kind for kind in KINDS}
