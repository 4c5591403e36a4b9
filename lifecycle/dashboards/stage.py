"""What the pages of a stage show: its steps with their state, the gate, the checklist, the meeting."""

from __future__ import annotations

from copy import copy
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.urls import reverse

from accounts.models import User
from adoption import emails, pdfs
from adoption.forms import BookForm, GapForm, HoldForm, MissedForm
from adoption.models import Answer, CheckIn, Checklist, Stage
from lifecycle.dashboards.access import may_work
from lifecycle.dashboards.templatetags.waymark import day_words, relative_words, time_words
from lifecycle.events.models import Event
from lifecycle.milestones.models import Milestone
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.gates import missing
from lifecycle.rules.refused import Refused

# Where on the page each field of the gate is filled in.
ANCHORS = {
    "meeting_held": "hold",
    "no_meeting_reason": "missed",
    "gap_decision": "gap",
    "recap_sent_at": "recap",
    "checklist": "close",
}


def stage_context(stage: Stage, user: User, *, now: datetime) -> dict[str, Any]:
    """The stage page: every step's form on the values of now, and what the gate misses."""
    sheet = pdfs.sheet(stage)
    checklist = sheet["checklist"]
    lacking = missing(stage.facts(checklist if checklist.pk else None))
    opened = may_work(stage, user, now=now) and not _shut(stage)
    frame = _frame(stage, sheet, lacking, user, now=now)
    unfinished = [step["key"] for step in frame["steps"] if step["state"] not in ("done", "skip")]
    return frame | {
        "works": opened,
        "current": unfinished[0] if unfinished else "",
        "missing": [{"text": m.text, "rule": m.rule, "anchor": _anchor(m.field, stage)} for m in lacking],
        "book_form": BookForm(instance=copy(stage)),
        "hold_form": HoldForm(instance=copy(stage)),
        "missed_form": MissedForm(instance=copy(stage)),
        "gap_form": GapForm(instance=copy(stage)),
        "recap": emails.recap(stage, first_name=_first_name(stage)),
        "exports": list(checklist.exports.all()) if checklist.pk else [],
        "feedback": [item for section in sheet["sections"] for item in section["items"] if item["meeting"]],
        "objectives": list(stage.adoption.onboarding.objectives.all()) if stage.final else [],
    }


def checklist_context(
    stage: Stage, user: User, *, now: datetime, only: str = "", trouble: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The checklist page; `only` names the item just answered, `trouble` why it was not kept."""
    sheet = pdfs.sheet(stage)
    checklist = sheet["checklist"]
    lacking = missing(stage.facts(checklist if checklist.pk else None))
    for section in sheet["sections"]:
        for item in section["items"]:
            item["trouble"] = trouble if item["key"] == only else None
    answered = [
        (section, item) for section in sheet["sections"] for item in section["items"] if item["key"] == only
    ]
    return _frame(stage, sheet, lacking, user, now=now) | {
        "works": may_work(stage, user, now=now) and not _shut(stage),
        "current": "checklist",
        "answers_url": reverse("adoption:checklist", args=[stage.account_id, stage.day]),
        "answered": answered[0] if answered else None,
        "trouble": trouble,
        "next_open": next(
            (
                i["key"]
                for s in sheet["sections"]
                for i in s["items"]
                if not i["answered"] and not i["meeting"]
            ),
            "",
        ),
    }


def conflict_of(stage: Stage, item: str, no: Refused, given: dict[str, Any]) -> dict[str, Any]:
    """CHK-3: both values of an answer that somebody else changed meanwhile."""
    theirs = Answer.objects.filter(checklist__stage=stage, item=item).select_related("answered_by").first()
    if theirs is None or no.code != "changed":
        return {"text": no.text}
    both = {"mine": given["value"], "theirs": theirs.value}
    words = {f"{whose}_word": pdfs.WORDS.get(value, value) or "No answer" for whose, value in both.items()}
    return {"text": no.text, "mine": given, "theirs": theirs, **words}


def check_in_context(check_in: CheckIn, user: User, *, now: datetime) -> dict[str, Any]:
    """TLC-1, TLC-2: the check-in, and the earlier one's answers beside it."""
    today = user.today(now)
    earlier = CheckIn.objects.filter(
        adoption=check_in.adoption_id, day__lt=check_in.day, cancelled_at=None
    ).last()
    return {
        "check_in": check_in,
        "account": check_in.account,
        "earlier": earlier,
        "due": relative_words(check_in.due_on, today),
        "today": today,
    }


def _frame(stage: Stage, sheet: dict[str, Any], lacking: Any, user: User, *, now: datetime) -> dict[str, Any]:
    """What both pages share: the steps beside, the meeting and the changes in the rail."""
    today = user.today(now)
    rules = PolicyVersion.in_force(today).duties
    notice = rules.booking_due_days
    book_by = stage.due_on - timedelta(days=notice)
    at = stage.meeting_scheduled_at
    theirs = ZoneInfo(stage.account.time_zone)
    differs = at is not None and at.astimezone(theirs).utcoffset() != at.astimezone(user.zone).utcoffset()
    return {
        "stage": stage,
        "account": stage.account,
        "sheet": sheet,
        "steps": _steps(stage, sheet, lacking, book_by=book_by, today=today, zone=user.zone),
        "due": _due(stage, today),
        "due_day": _worked_by(stage, today),
        "book_by": day_words(book_by, today),
        "notice": notice,
        "minutes": rules.meeting_minutes,
        "short_notice": _short_notice(stage, days=notice),
        "for_them": f"{time_words(at.astimezone(theirs))} in {_city(theirs)}" if differs and at else "",
        "saved_at": _saved_at(stage, sheet["checklist"]),
        "today": today,
        "zone": user.zone,
        "shut": _shut(stage),
    }


def _steps(
    stage: Stage, sheet: dict[str, Any], lacking: Any, *, book_by: date, today: date, zone: ZoneInfo
) -> list[dict[str, str]]:
    page = reverse("adoption:stage", args=[stage.account_id, stage.day])
    checklist = sheet["checklist"]
    count = f"{sheet['answered']} of {sheet['total']} answered"
    at, missed = stage.meeting_scheduled_at, stage.meeting_held is False
    booked = (
        f"{day_words(at.astimezone(zone).date(), today)}, {time_words(at.astimezone(zone))}" if at else ""
    )
    held = day_words(stage.meeting_held_on, today) if stage.meeting_held_on else ""
    sent = stage.recap_sent_at
    prepared = "done" if checklist.ready_at else "progress" if sheet["answered"] else "todo"
    recap = "done" if sent else "skip" if missed else "today" if held else "todo"
    rows = (
        ("checklist", "Prepare the checklist", count, prepared),
        (
            "book",
            "Book the meeting",
            booked or f"By {day_words(book_by, today)}",
            _booking(stage, book_by, today),
        ),
        ("hold", "Hold the meeting", _held(stage, held), "done" if held else "skip" if missed else "todo"),
        ("recap", "Send the recap", _recap(stage, today, zone), recap),
        (
            "close",
            "Attach PDF and close",
            _closing(stage, lacking, today, zone),
            "done" if stage.closed_at else "todo",
        ),
    )
    return [
        {"key": key, "title": title, "text": text, "state": state, "url": f"{page}#{key}"}
        for key, title, text, state in rows
    ]


def _booking(stage: Stage, book_by: date, today: date) -> str:
    if stage.meeting_scheduled_at or stage.meeting_held:
        return "done"
    if stage.meeting_held is False:
        return "skip"
    return "overdue" if book_by < today else "today" if book_by == today else "todo"


def _held(stage: Stage, held: str) -> str:
    if stage.meeting_held is False:
        return "It did not happen"
    return f"Held {held}" if held else "Engagement, feedback, outcome"


def _recap(stage: Stage, today: date, zone: ZoneInfo) -> str:
    if stage.recap_sent_at:
        on = stage.recap_sent_at.astimezone(zone).date()
        late = " (late)" if stage.meeting_held_on and on > stage.meeting_held_on else ""
        return f"Sent {day_words(on, today)}{late}"
    return "Not needed" if stage.meeting_held is False else "Same day as the meeting"


def _closing(stage: Stage, lacking: Any, today: date, zone: ZoneInfo) -> str:
    if stage.closed_at:
        return f"Closed {day_words(stage.closed_at.astimezone(zone).date(), today)}"
    return f"{len(lacking)} still missing" if lacking else "Ready to close"


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


def _short_notice(stage: Stage, *, days: int) -> bool:
    """STAGE-2: whether the meeting was booked fewer days ahead than the customer should have."""
    if stage.meeting_scheduled_at is None:
        return False
    told = Event.objects.filter(account_id=stage.account_id, object_type="stage", object_id=stage.pk)
    booked = told.filter(changed__has_key="meeting_scheduled_at").order_by("-pk").first()
    return booked is not None and stage.meeting_scheduled_at - booked.at < timedelta(days=days)


def _saved_at(stage: Stage, checklist: Checklist) -> datetime | None:
    newest = checklist.answers.order_by("-updated_at").first() if checklist.pk else None
    times = [row.updated_at for row in (stage, newest) if row is not None and row.updated_at]
    return max(times) if times and stage.started_at else None


def _anchor(field: str, stage: Stage) -> str:
    if field == "notes":
        return "gap" if stage.meeting_held is False else "hold"
    return ANCHORS.get(field, "hold")


def _shut(stage: Stage) -> str:
    """Why nothing can be changed, if so."""
    if stage.account.archived:
        return "This account is archived. Nothing can be changed."
    if stage.cancelled_at:
        return f"The {stage.day}-day stage was cancelled: it no longer belongs to this adoption."
    if stage.closed_at:
        return f"The {stage.day}-day stage is closed and read-only."
    return ""


def _first_name(stage: Stage) -> str:
    contact = stage.account.contacts.first()
    return contact.name.split()[0] if contact and contact.name.split() else "there"


def _city(zone: ZoneInfo) -> str:
    return zone.key.rpartition("/")[2].replace("_", " ")
