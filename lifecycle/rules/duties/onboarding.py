"""Duties up to day 0: the call, the trainings, their recaps, the completion (ONB)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from lifecycle.rules.cadence import Span
from lifecycle.rules.duties.kind import Kind, Source
from lifecycle.rules.facts import AccountFacts, OnboardingFacts, SessionFacts, required_trainings
from lifecycle.rules.policy import Policy


def _onboarding(facts: AccountFacts) -> tuple[OnboardingFacts, ...]:
    return (facts.onboarding,) if facts.onboarding else ()


def _required(facts: AccountFacts) -> tuple[str, ...]:
    return required_trainings(products=facts.products, smb=facts.smb)


def _sessions(facts: AccountFacts) -> tuple[SessionFacts, ...]:
    """ONB-3: the trainings this account needs; those of products it gave up ask for nothing."""
    if facts.onboarding is None:
        return ()
    wanted = _required(facts)
    return tuple(session for session in facts.onboarding.sessions if session.product in wanted)


ONBOARDING = Source("onboarding", _onboarding)
TRAINING = Source("training_session", _sessions)


def _call_held(facts: AccountFacts) -> bool:
    return facts.onboarding is not None and facts.onboarding.call_completed_on is not None


def _trainings_held(facts: AccountFacts) -> bool:
    held = {session.product for session in _sessions(facts) if session.completed_on}
    return bool(held) and held.issuperset(_required(facts))


def _last_held(facts: AccountFacts, onboarding: OnboardingFacts) -> date:
    """ONB-4: the day of the last required training, or of the call where that came later."""
    held = [session.completed_on for session in _sessions(facts) if session.completed_on]
    return max([*held, onboarding.call_completed_on or date.min])


def _over(at: datetime | None, policy: Policy) -> datetime | None:
    """The end of what was booked: its start plus the length of a meeting."""
    return at and at.astimezone(UTC) + timedelta(minutes=policy.duties.meeting_minutes)


def _local_day(facts: AccountFacts, at: datetime) -> date:
    return at.astimezone(facts.zone).date()


KINDS: tuple[Kind, ...] = (
    Kind(
        slug="book_call",
        source=ONBOARDING,
        title="Book the onboarding call",
        owner="csm",
        until_day_zero=True,
        condition=lambda facts, onboarding, policy: facts.csm is not None,
        evidence=lambda onboarding: bool(onboarding.call_scheduled_at or onboarding.call_completed_on),
        due=lambda facts, onboarding, policy: Span(working_days=policy.duties.call_booking_working_days),
    ),
    Kind(
        slug="record_call",
        source=ONBOARDING,
        title="Enter the onboarding call date",
        owner="csm",
        until_day_zero=True,
        condition=lambda facts, onboarding, policy: onboarding.call_scheduled_at is not None,
        evidence=lambda onboarding: onboarding.call_completed_on is not None,
        appears=lambda facts, onboarding, policy: _over(onboarding.call_scheduled_at, policy),
        due=lambda facts, onboarding, policy: _local_day(facts, onboarding.call_scheduled_at),
        acts_on_the_day=True,
    ),
    Kind(
        slug="recap_call",
        source=ONBOARDING,
        title="Send the onboarding recap",
        owner="csm",
        until_day_zero=True,
        condition=lambda facts, onboarding, policy: onboarding.call_completed_on is not None,
        evidence=lambda onboarding: onboarding.recap_sent,
        due=lambda facts, onboarding, policy: onboarding.call_completed_on,
        sent="recap_sent_at",
        acts_on_the_day=True,
        at_once=True,
    ),
    Kind(
        slug="book_training",
        source=TRAINING,
        title="Book the {product} training",
        owner="csm",
        until_day_zero=True,
        condition=lambda facts, session, policy: _call_held(facts),
        evidence=lambda session: bool(session.scheduled_at or session.completed_on),
        due=lambda facts, session, policy: Span(days=policy.duties.training_booking_days),
    ),
    Kind(
        slug="record_training",
        source=TRAINING,
        title="Record the {product} training",
        owner="csm",
        until_day_zero=True,
        condition=lambda facts, session, policy: session.scheduled_at is not None,
        evidence=lambda session: session.completed_on is not None,
        appears=lambda facts, session, policy: _over(session.scheduled_at, policy),
        due=lambda facts, session, policy: _local_day(facts, session.scheduled_at),
        acts_on_the_day=True,
    ),
    Kind(
        slug="recap_training",
        source=TRAINING,
        title="Send the {product} training recap",
        owner="csm",
        until_day_zero=True,
        condition=lambda facts, session, policy: session.completed_on is not None,
        evidence=lambda session: session.recap_sent,
        due=lambda facts, session, policy: session.completed_on,
        sent="recap_sent_at",
        acts_on_the_day=True,
        at_once=True,
    ),
    Kind(
        slug="complete_onboarding",
        source=ONBOARDING,
        title="Complete onboarding",
        owner="csm",
        condition=lambda facts, onboarding, policy: _call_held(facts) and _trainings_held(facts),
        evidence=lambda onboarding: not onboarding.open,
        due=lambda facts, onboarding, policy: _last_held(facts, onboarding),
        acts_on_the_day=True,
    ),
    Kind(
        slug="send_completed",
        source=ONBOARDING,
        title="Send the onboarding-completed mail",
        owner="csm",
        condition=lambda facts, onboarding, policy: facts.smb and not onboarding.open,
        evidence=lambda onboarding: onboarding.completed_mail_sent,
        due=lambda facts, onboarding, policy: onboarding.training_completed_on,
        sent="completed_mail_sent_at",
        acts_on_the_day=True,
        at_once=True,
    ),
)
