"""Duties of an adoption: its stages and the team lead's check-ins (ADO)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from lifecycle.rules.cadence import Span, start_of_day
from lifecycle.rules.duties.kind import Kind, Source
from lifecycle.rules.facts import AccountFacts, CheckInFacts, StageFacts
from lifecycle.rules.policy import Policy

GAP_CLOSING = ("email_review", "waive")


def _stages(facts: AccountFacts) -> tuple[StageFacts, ...]:
    return facts.adoption.stages if facts.adoption and not facts.adoption.withdrawn else ()


def _check_ins(facts: AccountFacts) -> tuple[CheckInFacts, ...]:
    return facts.adoption.check_ins if facts.adoption and not facts.adoption.withdrawn else ()


STAGE = Source("stage", _stages)
CHECK_IN = Source("check_in", _check_ins)


def meeting_day(facts: AccountFacts, stage: StageFacts) -> date | None:
    """The local day (the CSM's zone) for which the follow-up meeting is booked."""
    return stage.meeting_at.astimezone(facts.zone).date() if stage.meeting_at else None


def meeting_ends_at(stage: StageFacts, policy: Policy) -> datetime | None:
    """STAGE-2: the booked start plus the length of a meeting."""
    if stage.meeting_at is None:
        return None
    return stage.meeting_at.astimezone(UTC) + timedelta(minutes=policy.duties.meeting_minutes)


def days_before(facts: AccountFacts, day: date, days: int) -> datetime:
    """The start of the local day that many days before another (after it, when negative)."""
    return start_of_day(day - timedelta(days=days), facts.zone)


def _no_meeting_appears(facts: AccountFacts, stage: StageFacts, policy: Policy) -> datetime | None:
    return None if stage.meeting_held is False else days_before(facts, stage.due_on, -1)


def _checklist_appears(facts: AccountFacts, stage: StageFacts, policy: Policy) -> datetime:
    first = min(stage.due_on, meeting_day(facts, stage) or stage.due_on)
    return days_before(facts, first, policy.duties.checklist_opens_days)


def _checklist_due(facts: AccountFacts, stage: StageFacts, policy: Policy) -> date:
    return facts.calendar.working_day_before(meeting_day(facts, stage) or stage.due_on)


def _booking_due(facts: AccountFacts, stage: StageFacts, policy: Policy) -> date | Span:
    if stage.gap_decision == "retry":  # the stage's own date is over or near: it counts from the decision
        return Span(working_days=policy.duties.gap_working_days)
    return stage.due_on - timedelta(days=policy.duties.booking_due_days)


def _outcome_settled(facts: AccountFacts, stage: StageFacts, policy: Policy) -> bool:
    held = stage.meeting_held is True and stage.recap_sent
    return stage.live and (held or (stage.meeting_held is False and stage.gap_decision in GAP_CLOSING))


KINDS: tuple[Kind, ...] = (
    Kind(
        slug="stage",
        source=STAGE,
        title="{day}-day adoption",
        owner="csm",
        condition=lambda facts, stage, policy: stage.live,
        evidence=lambda stage: stage.closed,
        due=lambda facts, stage, policy: stage.due_on,
        schedule="stage",
    ),
    Kind(
        slug="check_in",
        source=CHECK_IN,
        title="Send the {day}-day check-in",
        owner="lead",
        condition=lambda facts, check_in, policy: not check_in.cancelled,
        evidence=lambda check_in: check_in.done,
        due=lambda facts, check_in, policy: check_in.due_on,
        schedule="check_in",
    ),
    Kind(
        slug="prepare_checklist",
        source=STAGE,
        title="Prepare the {day}-day checklist",
        owner="csm",
        condition=lambda facts, stage, policy: stage.live and stage.meeting_held is not False,
        evidence=lambda stage: stage.checklist_ready or stage.checklist_exported,
        appears=_checklist_appears,
        due=_checklist_due,
    ),
    Kind(
        slug="book_meeting",
        source=STAGE,
        title="Book the {day}-day meeting",
        owner="csm",
        condition=lambda facts, stage, policy: stage.live and stage.meeting_held is None,
        evidence=lambda stage: stage.meeting_at is not None or stage.meeting_held is True,
        appears=lambda facts, stage, policy: days_before(
            facts, stage.due_on, policy.duties.booking_opens_days
        ),
        due=_booking_due,
    ),
    Kind(
        slug="record_meeting",
        source=STAGE,
        title="Record the outcome",
        owner="csm",
        condition=lambda facts, stage, policy: stage.live and stage.meeting_at is not None,
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
        condition=lambda facts, stage, policy: (
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
        condition=lambda facts, stage, policy: (
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
        condition=lambda facts, stage, policy: stage.live and stage.meeting_held is True,
        evidence=lambda stage: stage.recap_sent,
        due=lambda facts, stage, policy: stage.meeting_held_on or meeting_day(facts, stage) or stage.due_on,
        sent="recap_sent_at",
        acts_on_the_day=True,
        at_once=True,
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
)
