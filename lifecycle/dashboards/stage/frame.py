"""What the pages of a stage share: the steps with their state, the meeting, the changes in the rail."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from accounts.models import User
from adoption.models import Checklist, Stage
from lifecycle.dashboards.stage.steps import steps
from lifecycle.dashboards.survey import survey_of
from lifecycle.milestones.models import Milestone
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.gates import Missing
from lifecycle.words import day_words, relative_words, time_words


def frame(
    stage: Stage, sheet: dict[str, Any], gaps: tuple[Missing, ...], user: User, *, now: datetime
) -> dict[str, Any]:
    """What both pages share: the steps beside, the meeting and the changes in the rail."""
    today = user.today(now)
    rules = PolicyVersion.in_force(today).duties
    notice = rules.booking_due_days
    book_by = stage.due_on - timedelta(days=notice)
    at = stage.meeting_scheduled_at
    theirs, csm = ZoneInfo(stage.account.time_zone), stage.account.csm
    differs = at is not None and at.astimezone(theirs).utcoffset() != at.astimezone(user.zone).utcoffset()
    return {
        "stage": stage,
        "account": stage.account,
        "sheet": sheet,
        "steps": steps(stage, sheet, gaps, book_by=book_by, now=now, today=today, zone=user.zone),
        "due": _due(stage, today),
        "due_day": _worked_by(stage, today),
        "book_by": day_words(book_by, today),
        "notice": notice,
        "minutes": rules.meeting_minutes,
        "short_notice": stage.short_notice(csm.zone if csm else theirs, days=notice),
        "for_them": f"{time_words(at.astimezone(theirs))} in {_city(theirs)}" if differs and at else "",
        "contact": stage.account.contacts.order_by("-is_main", "pk").first(),
        "saved_at": _saved_at(stage, sheet["checklist"]),
        "today": today,
        "zone": user.zone,
        "shut": shut(stage),
        "bring_up": [] if stage.meeting_held is not None or shut(stage) else _bring_up(stage, sheet),
    }


def _bring_up(stage: Stage, sheet: dict[str, Any]) -> list[tuple[str, str]]:
    """What the meeting should speak of, each with its icon: unusual figures, what slipped, reference and survey."""
    points = [("flag", flag.text) for flag in stage.prefill().flags]
    points += [("trend-down", item["text"]) for item in sheet["moved"]["slipped"]]
    if stage.final and stage.reference == "not_asked":
        points.append(("star", "Ask about being a reference"))
    survey = survey_of(stage)
    if survey and not survey.answered_at and not survey.waived_at:
        points.append(("mail", "Survey: fill it in together if it is still open"))
    return points


def _due(stage: Stage, today: date) -> dict[str, str]:
    """The chip beside the stage's name: a shape's colour with a word."""
    if stage.closed_at:
        return {"colour": "green", "text": "Closed"}
    if stage.cancelled_at:
        return {"colour": "", "text": "Cancelled"}
    text = relative_words(stage.due_on, today)
    if stage.due_on < today:
        return {"colour": "red", "text": text if "late" in text else f"Due {text}"}
    return {
        "colour": "amber" if (stage.due_on - today).days <= 1 else "",
        "text": f"Due {text[0].lower()}{text[1:]}"
        if text.split()[0] in ("Today", "Tomorrow", "In")
        else f"Due {text}",
    }


def _worked_by(stage: Stage, today: date) -> str:
    """CAD-5: the working day by which to act, where the due date is none."""
    row = Milestone.objects.filter(
        account=stage.account_id, kind="stage", source_type="stage", source_id=stage.pk
    ).last()
    if row is None or row.act_by == stage.due_on:
        return day_words(stage.due_on, today)
    return f"{day_words(row.act_by, today)}, day {stage.day} is {stage.due_on:%a}"


def _saved_at(stage: Stage, checklist: Checklist) -> datetime | None:
    newest = checklist.answers.order_by("-updated_at").first() if checklist.pk else None
    times = [row.updated_at for row in (stage, newest) if row is not None and row.updated_at]
    return max(times) if times and stage.started_at else None


def shut(stage: Stage) -> str:
    """Why nothing can be changed, if so."""
    if stage.account.archived:
        return "This account is archived. Nothing can be changed."
    if stage.cancelled_at:
        return f"The {stage.day}-day stage was cancelled: it no longer belongs to this adoption."
    if stage.closed_at:
        return f"The {stage.day}-day stage is closed and read-only."
    return ""


def _city(zone: ZoneInfo) -> str:
    return zone.key.rpartition("/")[2].replace("_", " ")
