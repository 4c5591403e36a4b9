"""The letters of an adoption: the invitation to a meeting, times proposed for it, and its recap (STAGE-2, STAGE-7)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.urls import reverse

from accounts.models import Opportunity, User
from adoption import pdfs
from adoption.models import Stage, Survey
from lifecycle.dashboards.survey import survey_link, survey_of
from lifecycle.mail.dispatch.kinds import Attachment
from lifecycle.mail.drafts import Letter, register_letter
from lifecycle.mail.drafts.invitations import calendar_file
from lifecycle.mail.models import Link
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.cadence import WorkCalendar, local_instant
from lifecycle.words import letter_day, time_words

MEETING_FIELDS = {
    "meeting_day": "Day of the meeting, where the account is",
    "meeting_time": "Time of the meeting, where the account is",
    "minutes": "Length of the meeting in minutes",
    "join_link": "Link to join the meeting",
}
TIMES_FIELDS = {
    "minutes": "Length of the meeting in minutes",
    "proposed_times": "The times you propose, one a line",
}
RECAP_FIELDS = {
    "held_on": "Day the meeting was held",
    "main_points": "Main points and pain points",
    "feedback": "What they said about the system",
    "action": "What was agreed",
    "expectations": "What they can expect",
    "interests": "What else they might want, with what there is to read",
}
SURVEY_FIELDS = {"survey_link": "Link of the survey, put in as the letter leaves"}
FIRST_FIELDS = RECAP_FIELDS | {"next_day": "Day of the next stage"}
FINAL_FIELDS = (
    RECAP_FIELDS
    | SURVEY_FIELDS
    | {
        "improved": "What went better than at the first meeting",
        "goals": "The goals with their judgement",
    }
)
RECAPS = {
    "stage_recap_first": ("Recap of the first meeting", FIRST_FIELDS),
    "stage_recap_final": ("Recap of the final meeting", FINAL_FIELDS),
    "stage_recap_only": ("Recap of the adoption meeting", FINAL_FIELDS),
}
# SUR-2, SUR-4: the link on its own, and the reminder while nobody answered.
SURVEYS = (
    ("survey_link", "Survey link", "sent_at", "with the invitation"),
    ("survey_reminder", "Survey reminder", "reminded_at", "a week after the meeting"),
)
REQUIRED = {"held_on", "main_points"}
MAY_LACK = {"owner_booking_link", "support_email", "support_phone", "support_hours"}
FEEDBACK = {"bugs": "Errors", "workflow": "Steps that get in the way", "suggestions": "Wishes"}
JUDGED = {"met": "reached", "partly": "reached in part", "not_met": "still open"}
PROPOSED = (time(10), time(14), time(11))


def register() -> None:
    """Tell the letters about those of this app; called by `LifecycleConfig.ready()`."""
    register_letter(
        Letter(
            "stage_invitation",
            "Meeting invitation",
            Stage,
            back=lambda stage: _page(stage, "book"),
            fields=MEETING_FIELDS | SURVEY_FIELDS,
            optional=frozenset({"join_link", "survey_link", "owner_booking_link"}),
            values=_of_meeting,
            late={"survey_link": survey_link},
            also=_survey_went_out,
            attachments=lambda stage: [_calendar_file(stage)] if stage.meeting_scheduled_at else [],
            due="a week before the meeting",
        )
    )
    register_letter(
        Letter(
            "stage_times",
            "Proposed times",
            Stage,
            back=lambda stage: _page(stage, "book"),
            fields=TIMES_FIELDS,
            values=_of_times,
        )
    )
    for key, (title, fields) in RECAPS.items():
        register_letter(
            Letter(
                key,
                title,
                Stage,
                back=lambda stage: _page(stage, "recap"),
                fields=fields,
                optional=frozenset(fields.keys() - REQUIRED | MAY_LACK),
                values=_of_recap,
                late={"survey_link": survey_link} if "survey_link" in fields else {},
                also=_survey_went_out,
                sent="recap_sent_at",
                due="the day of the meeting",
            )
        )
    for key, title, sent, due in SURVEYS:
        register_letter(
            Letter(
                key,
                title,
                Survey,
                back=_back_from_survey,
                fields=SURVEY_FIELDS | {"meeting_day": "Day of the meeting"},
                optional=frozenset({"meeting_day"}),
                values=_of_survey,
                late={"survey_link": lambda survey: survey_link(survey.stage)},
                also=_survey_went_out,
                sent=sent,
                due=due,
            )
        )


def recap_key(stage: Stage) -> str:
    """STAGE-7: which recap a meeting gets: that of a first one, of a last one, or of the only one."""
    if not stage.final:
        return "stage_recap_first"
    others = Stage.objects.filter(adoption=stage.adoption_id, cancelled_at=None).exclude(pk=stage.pk)
    return "stage_recap_final" if others.exists() else "stage_recap_only"


def _back_from_survey(survey: Survey) -> str:
    """To the survey's page, as long as there is one (SUR-1)."""
    return reverse("adoption:survey" if survey.is_asked else "accounts:detail", args=[survey.account_id])


def _page(stage: Stage, part: str) -> str:
    return f"{reverse('adoption:stage', args=[stage.account_id, stage.day])}#{part}"


def _of_meeting(stage: Stage, writer: User, now: datetime) -> dict[str, str]:
    at = stage.meeting_scheduled_at
    local = at.astimezone(ZoneInfo(stage.account.time_zone)) if at else None
    return {
        "meeting_day": letter_day(local.date()) if local else "",
        "meeting_time": _clock(local) if local else "",
        "minutes": str(_minutes(writer.today(now))),
        "join_link": stage.meeting_url,
    }


def _of_times(stage: Stage, writer: User, now: datetime) -> dict[str, str]:
    zone, today = ZoneInfo(stage.account.time_zone), writer.today(now)
    first = max(today, stage.due_on - 2 * _notice(today)) + _notice(today)
    calendar = writer.team.calendar(today=today) if writer.team_id else WorkCalendar()
    lines = []
    for at in PROPOSED:
        first = next(on for on in _days_from(first) if calendar.is_working(on))
        lines.append(f"- {letter_day(first)}, {_clock(local_instant(first, at, zone).astimezone(zone))}")
        first += timedelta(days=1)
    return {"minutes": str(_minutes(today)), "proposed_times": "\n".join(lines)}


def _of_recap(stage: Stage, writer: User, now: datetime) -> dict[str, str]:
    told = [
        f"- {name}: {stage.feedback[key].strip()}"
        for key, name in FEEDBACK.items()
        if stage.feedback.get(key)
    ]
    coming = Stage.objects.filter(adoption=stage.adoption_id, day__gt=stage.day, cancelled_at=None).first()
    goals = stage.adoption.onboarding.objectives.exclude(judgement="") if stage.final else ()
    return {
        "held_on": letter_day(stage.meeting_held_on),
        "main_points": stage.summary.strip(),
        "feedback": "\n".join(told),
        "action": stage.action.strip(),
        "expectations": stage.expectations.strip(),
        "interests": _interests(stage),
        "next_day": letter_day(coming.due_on) if coming else "",
        "improved": "\n".join(f"- {item['text']}" for item in pdfs.sheet(stage)["moved"]["improved"]),
        "goals": "\n".join(f"- {goal.text}: {JUDGED[goal.judgement]}" for goal in goals),
    }


def _interests(stage: Stage) -> str:
    """STAGE-7: what they might want more of, each with what there is to read about it."""
    links = {link.key: link.value for link in Link.objects.filter(key__startswith="more_")}
    open_ones = [row for row in Opportunity.objects.filter(account=stage.account_id) if row.is_open]
    names = {row.kind: row.get_kind_display() for row in reversed(open_ones)}
    told = [(name, links.get(f"more_{kind}_link", "")) for kind, name in names.items()]
    return "\n".join(f"- {name}: {link}" if link else f"- {name}" for name, link in told)


def _of_survey(survey: Survey, writer: User, now: datetime) -> dict[str, str]:
    at = survey.stage.meeting_scheduled_at
    on = survey.stage.meeting_held_on or (at and at.astimezone(ZoneInfo(survey.account.time_zone)).date())
    return {"meeting_day": letter_day(on)}


def _survey_went_out(row: Stage | Survey, body: str, now: datetime) -> None:
    """SUR-2: the link counts as sent, in whatever mail."""
    found = row if isinstance(row, Survey) else survey_of(row)
    if found and found.is_open and "{survey_link}" in body:
        found.mark_sent(now=now)


def _calendar_file(stage: Stage) -> Attachment:
    return calendar_file(
        "meeting",
        uid=f"stage-{stage.pk}",
        version=stage.version,
        stamped_at=stage.updated_at,
        begins_at=stage.meeting_scheduled_at,
        minutes=_minutes(stage.meeting_scheduled_at.date()),
        summary=f"{stage.account.name}: {stage.meeting_type}",
        location=stage.meeting_url,
    )


def _minutes(today: date) -> int:
    return PolicyVersion.in_force(today).duties.meeting_minutes


def _notice(today: date) -> timedelta:
    """STAGE-2: how long ahead a meeting is booked."""
    return timedelta(days=PolicyVersion.in_force(today).duties.booking_due_days)


def _days_from(first: date) -> Any:
    while True:
        yield first
        first += timedelta(days=1)


def _clock(local: datetime) -> str:
    place = local.tzinfo.key.rpartition("/")[2].replace("_", " ")
    return f"{time_words(local)} ({place})"
