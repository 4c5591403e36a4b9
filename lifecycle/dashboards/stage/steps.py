"""The list of a stage's steps, each with its honest state and one line."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.urls import reverse

from adoption.models import Stage, Survey
from lifecycle.dashboards.onboarding import recap_clock
from lifecycle.dashboards.survey import survey_of
from lifecycle.rules.gates import Missing
from lifecycle.words import day_words, time_words

OF_THE_REFERENCE = {"contacts_unchanged", "reference", "objectives"}
ELSEWHERE = OF_THE_REFERENCE | {"recap_sent_at", "checklist", "survey"}


class Step(NamedTuple):
    key: str
    title: str
    text: str
    state: str


def steps(
    stage: Stage,
    sheet: dict[str, Any],
    gaps: tuple[Missing, ...],
    *,
    book_by: date,
    now: datetime,
    today: date,
    zone: ZoneInfo,
) -> list[dict[str, str]]:
    """The steps in order, each with its address on the stage's page."""
    survey = survey_of(stage)
    page = reverse("adoption:stage", args=[stage.account_id, stage.day])
    lacking = {gap.field for gap in gaps}
    rows = [
        _prepare(sheet),
        _book(stage, book_by=book_by, today=today, zone=zone),
        *([_survey(survey, today=today, zone=zone)] if survey else []),
        _hold(stage, lacking, today=today),
        _recap(stage, now=now, today=today, zone=zone),
        *([_reference(stage, lacking)] if stage.final else []),
        _close(stage, gaps, today=today, zone=zone),
    ]
    return [row._asdict() | {"url": f"{page}#{row.key}"} for row in rows]


def _prepare(sheet: dict[str, Any]) -> Step:
    answered, ready = sheet["answered"], sheet["checklist"].ready_at
    state = "done" if ready else "progress" if answered else "todo"
    return Step("checklist", "Prepare the checklist", f"{answered} of {sheet['total']} answered", state)


def _book(stage: Stage, *, book_by: date, today: date, zone: ZoneInfo) -> Step:
    at = stage.meeting_scheduled_at
    if at:
        local = at.astimezone(zone)
        text, state = f"{day_words(local.date(), today)}, {time_words(local)}", "done"
    elif stage.meeting_held:
        text, state = "Not booked ahead", "done"
    elif stage.meeting_held is False:
        text, state = "No new date", "skip"
    else:
        text = f"By {day_words(book_by, today)}"
        state = "overdue" if book_by < today else "today" if book_by == today else "todo"
    return Step("book", "Book the meeting", text, state)


def _survey(survey: Survey, *, today: date, zone: ZoneInfo) -> Step:
    """SUR-1..4: only where the account is asked at all."""
    text, state = "With the invitation", "todo"
    if survey.answered_at:
        text, state = f"Answered {day_words(survey.answered_at.astimezone(zone).date(), today)}", "done"
    elif survey.waived_at:
        text, state = "Left out", "skip"
    elif survey.sent_at:
        text, state = (
            f"Sent {day_words(survey.sent_at.astimezone(zone).date(), today)}, no answer yet",
            "wait",
        )
    return Step("survey", "Sentiment survey", text, state)


def _hold(stage: Stage, lacking: set[str], *, today: date) -> Step:
    if stage.meeting_held is False or (stage.gap_decision and stage.meeting_held is None):
        text, state = _gap(stage)
    elif not stage.meeting_held_on:
        text, state = "Engagement, feedback, outcome", "todo"
    else:
        open_answers = len(lacking - ELSEWHERE)
        held = f"Held {day_words(stage.meeting_held_on, today)}"
        text = f"{held}, {open_answers} to answer" if open_answers else held
        state = "progress" if open_answers else "done"
    return Step("hold", "Hold the meeting", text, state)


def _gap(stage: Stage) -> tuple[str, str]:
    """STAGE-3: who has the next word on a meeting that did not happen."""
    csm = stage.account.csm
    lead = csm.team.lead if csm and csm.team_id else None
    if not stage.gap_decision:
        return (f"Reviewing with {lead.name.split()[0]}" if lead else "Waits for a team lead"), "wait"
    return {
        "retry": ("Try again, with a new date", "todo"),
        "email_review": ("Review by email", "skip"),
        "waive": ("Left out", "skip"),
        "rescue": ("Rescue plan first", "wait"),
    }[stage.gap_decision]


def _recap(stage: Stage, *, now: datetime, today: date, zone: ZoneInfo) -> Step:
    title = "Send the recap"
    if stage.recap_sent_at:
        on = stage.recap_sent_at.astimezone(zone).date()
        late = " (late)" if stage.meeting_held_on and on > stage.meeting_held_on else ""
        return Step("recap", title, f"Sent {day_words(on, today)}{late}", "done")
    if stage.meeting_held is False:
        return Step("recap", title, "Not needed", "skip")
    clock = recap_clock(stage.meeting_held_on, None, stage.account, now=now)
    return Step("recap", title, clock.get("text", "Same day as the meeting"), clock.get("state", "todo"))


def _reference(stage: Stage, lacking: set[str]) -> Step:
    title, left = "Reference and goals", len(lacking & OF_THE_REFERENCE)
    if stage.meeting_held is False:
        return Step("reference", title, "Not asked", "skip")
    if stage.meeting_held and not left:
        return Step("reference", title, "Answered", "done")
    text = f"{left} to answer" if stage.meeting_held and left else "Ask, then record the answer"
    return Step("reference", title, text, "progress" if stage.meeting_held else "todo")


def _close(stage: Stage, gaps: tuple[Missing, ...], *, today: date, zone: ZoneInfo) -> Step:
    title = "Attach PDF and close"
    if stage.closed_at:
        return Step(
            "close", title, f"Closed {day_words(stage.closed_at.astimezone(zone).date(), today)}", "done"
        )
    return Step("close", title, f"{len(gaps)} still missing" if gaps else "Ready to close", "todo")
