"""What the lines of why are made of: the rows that duties are about, read once for a whole queue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Q

from accounts.models import Activity, Opportunity, Reroute
from adoption.models import CheckIn, Stage, Survey
from lifecycle.milestones.models import Milestone
from lifecycle.policies.models import PolicyVersion
from lifecycle.words import day_words, time_words
from onboarding.models import Forum, Onboarding, TrainingSession

RECAPS = ("recap_call", "recap_training", "recap_meeting")


@dataclass(slots=True)
class Scene:
    """What the lines of why are made of: read once for all rows, a query for each type of source."""

    now: datetime
    zone: ZoneInfo
    today: date
    sources: dict[tuple[str, int], Any]
    recap_hour: int = 24

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
        scene = cls(now=now, zone=zone, today=now.astimezone(zone).date(), sources=found)
        if any(row.kind in RECAPS for row in milestones):
            scene.recap_hour = PolicyVersion.in_force(scene.today).duties.recap_hour
        return scene

    def is_late(self, milestone: Milestone) -> bool:
        """Whether its day is over, or for a recap the hour by which it leaves, where its owner is (ONB-2, ONB-3)."""
        local = self.now.astimezone(milestone.owner.zone if milestone.owner else self.zone)
        past = milestone.kind in RECAPS and local.hour >= self.recap_hour
        return milestone.act_by < self.today or (past and milestone.act_by == local.date())

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
    "survey": Survey.objects.all,
    "check_in": lambda: CheckIn.objects.select_related("adoption"),
    "reroute": Reroute.objects.all,
    "onboarding": Onboarding.objects.all,
    "training_session": TrainingSession.objects.all,
    "activity": lambda: Activity.objects.select_related("author"),
    "bug": Activity.objects.all,
    "opportunity": Opportunity.objects.all,
    "forum": Forum.objects.all,
}
