"""Milestones as people read them: a verb, one line of why, a date, and one button."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Q

from accounts.models import Activity, Opportunity, Reroute
from adoption.models import CheckIn, Stage
from lifecycle.dashboards.shown import SHOWN
from lifecycle.dashboards.templatetags.waymark import day_words, time_words
from lifecycle.milestones.models import Milestone
from onboarding.models import Onboarding, TrainingSession

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
    """What the lines of why are made of: read once for all rows, a query for each type of source."""

    now: datetime
    zone: ZoneInfo
    today: date
    sources: dict[tuple[str, int], Any]

    @classmethod
    def load(cls, milestones: list[Milestone], *, now: datetime, zone: ZoneInfo) -> Scene:
        ids: dict[str, set[int]] = defaultdict(set)
        for row in milestones:
            ids[row.source_type].add(row.source_id)
        found = {
            (kind, row.pk): row
            for kind in sorted(ids.keys() & SOURCES.keys())
            for row in SOURCES[kind]().filter(pk__in=ids[kind])
        }
        return cls(now=now, zone=zone, today=now.astimezone(zone).date(), sources=found)

    def source(self, milestone: Milestone) -> Any:
        """The row that a milestone is about; None where its account is enough."""
        return self.sources.get((milestone.source_type, milestone.source_id))

    def day_of(self, source: Stage | CheckIn) -> int:
        """How many days the account has been adopting."""
        return (self.today - source.adoption.day_zero).days

    def when(self, instant: datetime) -> str:
        """A booked instant in words, in the viewer's zone."""
        local = instant.astimezone(self.zone)
        return f"{day_words(local.date(), self.today)} at {time_words(local)}"

    def on(self, day: date) -> str:
        """A day in words."""
        return day_words(day, self.today)


def _stages() -> Any:
    answered = Count("checklist__answers", filter=~Q(checklist__answers__value=""))
    return Stage.objects.select_related("adoption").annotate(answered=answered)


SOURCES: dict[str, Callable[[], Any]] = {
    "stage": _stages,
    "check_in": lambda: CheckIn.objects.select_related("adoption"),
    "reroute": Reroute.objects.all,
    "onboarding": Onboarding.objects.all,
    "training_session": TrainingSession.objects.all,
    "activity": lambda: Activity.objects.select_related("author"),
    "bug": Activity.objects.all,
    "opportunity": Opportunity.objects.all,
}


def rows_of(milestones: Iterable[Milestone], *, now: datetime, zone: ZoneInfo) -> list[Row]:
    """The rows of a queue, sorted; a fixed number of queries whatever their number."""
    found = list(milestones)
    scene = Scene.load(found, now=now, zone=zone)
    return sorted((_row(milestone, scene) for milestone in found), key=lambda row: row.order)


def _row(milestone: Milestone, scene: Scene) -> Row:
    shown = SHOWN[milestone.kind]
    stage = scene.source(milestone) if milestone.source_type == "stage" else None
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


def week_of(today: date) -> list[date]:
    """Monday to Friday of the week that `today` belongs to; at the weekend, of the one that ends."""
    monday = today - timedelta(days=today.weekday())
    return [monday + timedelta(days=n) for n in range(5)]
