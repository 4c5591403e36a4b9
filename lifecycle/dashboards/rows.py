"""Milestones as people read them: a verb, one line of why, a date, and one button."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Q
from django.urls import reverse

from accounts.models import Reroute
from adoption.models import CheckIn, Stage
from lifecycle.dashboards.templatetags.waymark import day_words, time_words
from lifecycle.milestones.models import Milestone

RECAPS = ("recap_call", "recap_training", "recap_meeting")
MEETING_PREPARATION = ("prepare_checklist",)


@dataclass(slots=True)
class Row:
    """One line of a queue, ready to be shown."""

    milestone: Milestone
    why: str
    button: str
    url: str
    posts: bool
    meeting_at: datetime | None
    state: str

    @property
    def order(self) -> tuple[Any, ...]:
        """Inside a group: recaps first, then preparation by meeting time, then by due date, then by MRR."""
        kind = self.milestone.kind
        rank = 0 if kind in RECAPS else 1 if kind in MEETING_PREPARATION and self.meeting_at else 2
        meeting = self.meeting_at.timestamp() if rank == 1 and self.meeting_at else 0
        mrr = self.milestone.account.mrr_cents if self.milestone.account else 0
        return rank, meeting, self.milestone.act_by, -mrr, self.milestone.pk


@dataclass(slots=True)
class Scene:
    """What the lines of why are made of: read once for all rows."""

    now: datetime
    zone: ZoneInfo
    today: date
    stages: dict[int, Stage]
    check_ins: dict[int, CheckIn]
    reroutes: dict[int, Reroute]

    @classmethod
    def load(cls, milestones: list[Milestone], *, now: datetime, zone: ZoneInfo) -> Scene:
        ids: dict[str, set[int]] = {"stage": set(), "check_in": set(), "reroute": set()}
        for row in milestones:
            ids.setdefault(row.source_type, set()).add(row.source_id)
        answered = Count("checklist__answers", filter=~Q(checklist__answers__value=""))
        stages = (
            Stage.objects.filter(pk__in=ids["stage"]).select_related("adoption").annotate(answered=answered)
        )
        return cls(
            now=now,
            zone=zone,
            today=now.astimezone(zone).date(),
            stages={row.pk: row for row in stages},
            check_ins={
                row.pk: row
                for row in CheckIn.objects.filter(pk__in=ids["check_in"]).select_related("adoption")
            },
            reroutes={row.pk: row for row in Reroute.objects.filter(pk__in=ids["reroute"])},
        )

    def day_of(self, source: Stage | CheckIn) -> int:
        """How many days the account has been adopting."""
        return (self.today - source.adoption.day_zero).days

    def when(self, instant: datetime) -> str:
        """A booked instant in words, in the viewer's zone."""
        local = instant.astimezone(self.zone)
        return f"{day_words(local.date(), self.today)} at {time_words(local)}"


def rows_of(milestones: Iterable[Milestone], *, now: datetime, zone: ZoneInfo) -> list[Row]:
    """The rows of a queue, sorted; a fixed number of queries whatever their number."""
    found = list(milestones)
    scene = Scene.load(found, now=now, zone=zone)
    return sorted((_row(milestone, scene) for milestone in found), key=lambda row: row.order)


def _row(milestone: Milestone, scene: Scene) -> Row:
    shown = SHOWN[milestone.kind]
    stage = scene.stages.get(milestone.source_id) if milestone.source_type == "stage" else None
    state = (
        "overdue"
        if milestone.act_by < scene.today
        else "today"
        if milestone.act_by == scene.today
        else "todo"
    )
    if milestone.kind == "prepare_checklist" and stage and stage.answered and state != "overdue":
        state = "progress"
    return Row(
        milestone=milestone,
        why=shown.why(milestone, scene),
        button="Continue"
        if milestone.kind == "prepare_checklist" and stage and stage.answered
        else shown.button,
        url=shown.url(milestone),
        posts=shown.posts,
        meeting_at=stage.meeting_scheduled_at if stage else None,
        state=state,
    )


# --- what each kind says and where its button leads


@dataclass(frozen=True, slots=True)
class Shown:
    button: str
    why: Callable[[Milestone, Scene], str]
    url: Callable[[Milestone], str]
    posts: bool = False


def _to_step(step: str) -> Callable[[Milestone], str]:
    return lambda row: f"{reverse('adoption:stage', args=[row.account_id, row.day])}#{step}"


def _to_checklist(row: Milestone) -> str:
    return reverse("adoption:checklist", args=[row.account_id, row.day])


def _to_onboarding(row: Milestone) -> str:
    return reverse("onboarding:page", args=[row.account_id])


def _why_stage(row: Milestone, scene: Scene) -> str:
    stage = scene.stages[row.source_id]
    if stage.meeting_scheduled_at and stage.meeting_held is None:
        return f"Day {scene.day_of(stage)}. Meeting is {scene.when(stage.meeting_scheduled_at)}."
    return f"Day {scene.day_of(stage)}. Due on day {row.day}."


def _why_check_in(row: Milestone, scene: Scene) -> str:
    return f"Day {scene.day_of(scene.check_ins[row.source_id])}. Your own email to the admin."


def _why_book(row: Milestone, scene: Scene) -> str:
    stage = scene.stages[row.source_id]
    return f"Day {scene.day_of(stage)}, no date set. Meeting is due {day_words(stage.due_on, scene.today)}."


def _why_prepare(row: Milestone, scene: Scene) -> str:
    stage = scene.stages[row.source_id]
    start = f"{stage.answered} answered" if stage.answered else "Not started"
    if stage.meeting_scheduled_at:
        return f"{start}. Meeting is {scene.when(stage.meeting_scheduled_at)}."
    return f"{start}. Day {row.day} is {day_words(stage.due_on, scene.today)}."


def _why_record(row: Milestone, scene: Scene) -> str:
    return f"The meeting was booked for {scene.when(scene.stages[row.source_id].meeting_scheduled_at)}."


def _why_explain(row: Milestone, scene: Scene) -> str:
    stage = scene.stages[row.source_id]
    if stage.meeting_held is False:
        return "The meeting did not happen. Your TL reviews the reason with you."
    return f"Day {scene.day_of(stage)}, no meeting held or booked."


def _why_gap(row: Milestone, scene: Scene) -> str:
    return scene.stages[row.source_id].no_meeting_reason


def _why_recap(row: Milestone, scene: Scene) -> str:
    return f"Meeting was {day_words(row.due_on, scene.today)}. Recaps go out the same day."


def _why_close(row: Milestone, scene: Scene) -> str:
    stage = scene.stages[row.source_id]
    if stage.meeting_held_on:
        return f"Meeting held {day_words(stage.meeting_held_on, scene.today)}. {stage.answered} answered."
    return "No meeting; your TL decided how to go on."


def _why_reroute(row: Milestone, scene: Scene) -> str:
    asked = scene.reroutes[row.source_id]
    texts = [reason["text"] for reason in asked.reasons] or ["no trigger holds any more"]
    return f"{asked.from_pool.capitalize()} to {asked.to_pool.capitalize()}: {', '.join(texts)}."


SHOWN: dict[str, Shown] = {
    "stage": Shown("Open", _why_stage, _to_step("steps")),
    "check_in": Shown(
        "Review", _why_check_in, lambda row: reverse("adoption:check-in", args=[row.account_id, row.day])
    ),
    "complete_onboarding": Shown(
        "Review and complete", lambda row, scene: "All trainings are held.", _to_onboarding
    ),
    "prepare_checklist": Shown("Start", _why_prepare, _to_checklist),
    "book_meeting": Shown("Set date", _why_book, _to_step("book")),
    "record_meeting": Shown("Record", _why_record, _to_step("hold")),
    "explain_no_meeting": Shown("Add reason", _why_explain, _to_step("missed")),
    "close_gap": Shown("Review", _why_gap, _to_step("missed")),
    "recap_meeting": Shown("Send recap", _why_recap, _to_step("recap")),
    "close_stage": Shown("Export PDF", _why_close, _to_step("close")),
    "level_review": Shown(
        "Done",
        lambda row, scene: f"SMB account on {row.account.get_service_level_display()}.",
        lambda row: reverse("dashboards:complete", args=[row.pk]),
        posts=True,
    ),
    "reroute": Shown("Decide", _why_reroute, lambda row: reverse("accounts:reroute", args=[row.account_id])),
}


def week_of(today: date) -> list[date]:
    """Monday to Friday of the week that `today` belongs to; at the weekend, of the one that ends."""
    monday = today - timedelta(days=today.weekday())
    return [monday + timedelta(days=n) for n in range(5)]
