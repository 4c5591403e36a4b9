"""Duties of the sentiment survey: its link goes out, the customer answers, and somebody looks at what is low (SUR)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from lifecycle.rules.cadence import Span
from lifecycle.rules.duties.kind import Kind, Source
from lifecycle.rules.duties.stages import STAGE, days_before
from lifecycle.rules.facts import AccountFacts, StageFacts, SurveyFacts
from lifecycle.rules.policy import Policy


def asks_survey(mrr: Decimal, *, final: bool, policy: Policy) -> bool:
    """SUR-1: whether a stage of an account with this MRR asks for the survey: final ones, from the amount on."""
    return final and mrr >= policy.survey.from_mrr


def lacks_survey(stage: StageFacts) -> bool:
    """SUR-2, for the gate (STAGE-10): a survey is asked for, and its link has not gone out. An answer that is still
    to come keeps no stage open."""
    survey = stage.survey
    return survey is not None and survey.sent_at is None and not survey.settled


def reminded_from(
    *,
    held_on: date | None,
    meeting_at: datetime | None,
    sent_at: datetime | None,
    zone: ZoneInfo,
    policy: Policy,
) -> date | None:
    """SUR-4: the local day on which an unanswered survey is brought up again: so many days after the meeting, held
    or missed; without one, after the link was sent. None while neither is known."""
    after = meeting_at or sent_at
    start = held_on or (after and after.astimezone(zone).date())
    return start and start + timedelta(days=policy.survey.reminder_days)


def _surveys(facts: AccountFacts) -> tuple[SurveyFacts, ...]:
    return tuple(row.survey for row in STAGE.rows(facts) if row.survey and not row.cancelled)


SURVEY = Source("survey", _surveys)


def _settled(stage: StageFacts) -> bool:
    return stage.survey is not None and stage.survey.settled


def _sent_or_settled(stage: StageFacts) -> bool:
    return stage.survey is not None and not lacks_survey(stage)


def _goes_unanswered(facts: AccountFacts, stage: StageFacts, policy: Policy) -> bool:
    """A closed stage whose link never went out asks for no reminder of it."""
    if stage.survey is None or stage.cancelled or (stage.closed and stage.survey.sent_at is None):
        return False
    return _reminded_from(facts, stage, policy) is not None


def _reminded_from(facts: AccountFacts, stage: StageFacts, policy: Policy) -> date | None:
    return reminded_from(
        held_on=stage.meeting_held_on,
        meeting_at=stage.meeting_at,
        sent_at=stage.survey.sent_at if stage.survey else None,
        zone=facts.zone,
        policy=policy,
    )


def _reminder_day(facts: AccountFacts, stage: StageFacts, policy: Policy) -> date:
    return _reminded_from(facts, stage, policy) or stage.due_on


def _reminder_appears(facts: AccountFacts, stage: StageFacts, policy: Policy) -> datetime:
    return days_before(facts, _reminder_day(facts, stage, policy), 0)


def _is_low(facts: AccountFacts, survey: SurveyFacts, policy: Policy) -> bool:
    return survey.lowest is not None and survey.lowest <= policy.survey.low_score


KINDS: tuple[Kind, ...] = (
    Kind(
        slug="send_survey",
        source=STAGE,
        title="Send the survey link",
        owner="csm",
        condition=lambda facts, stage, policy: stage.live and stage.survey is not None,
        evidence=_sent_or_settled,
        appears=lambda facts, stage, policy: days_before(
            facts, stage.due_on, policy.duties.booking_opens_days
        ),
        due=lambda facts, stage, policy: stage.due_on - timedelta(days=policy.duties.booking_due_days),
        sent="survey.sent_at",
    ),
    Kind(
        slug="survey_reminder",
        source=STAGE,
        title="Send the survey reminder",
        owner="csm",
        condition=_goes_unanswered,
        evidence=_settled,
        appears=_reminder_appears,
        due=_reminder_day,
        acts_on_the_day=True,
        schedule="once",
    ),
    Kind(
        slug="lead_review",
        source=SURVEY,
        title="Review a low survey answer",
        owner="lead",
        condition=_is_low,
        by_hand=True,
        due=lambda facts, survey, policy: Span(working_days=policy.duties.lead_review_working_days),
    ),
)
