"""Milestones as people read them: a verb, one line of why, a date, and one button."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adoption.models import Stage
from lifecycle.dashboards.scene import RECAPS, Scene
from lifecycle.dashboards.shown import SHOWN
from lifecycle.milestones.models import Milestone

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
        return order(self.milestone, self.meeting_at)

    def is_asleep(self, today: date) -> bool:
        """Whether somebody put it off until a later day."""
        return self.milestone.snoozed_until is not None and self.milestone.snoozed_until > today

    def place(self, today: date) -> tuple[Any, ...]:
        """Where My day shows it: late, today, this week, next week, by date, asleep; each group in `order`."""
        act_by, sunday = self.milestone.act_by, today + timedelta(days=6 - today.weekday())
        if self.is_asleep(today):
            return (5, *self.order)
        group = sum(act_by >= end for end in (today, today + timedelta(days=1), sunday + timedelta(days=1)))
        if act_by > sunday + timedelta(days=7):
            return (4, act_by, *self.order)
        return (group, *self.order)


def order(milestone: Milestone, meeting_at: datetime | None) -> tuple[Any, ...]:
    """The order of My day, and of the mails that read like it (MIL-4): recaps first, then preparation by meeting
    time, then by due date, then by MRR."""
    prepares = milestone.kind in MEETING_PREPARATION and meeting_at is not None
    rank = 0 if milestone.kind in RECAPS else 1 if prepares else 2
    meeting = meeting_at.timestamp() if prepares and meeting_at else 0
    mrr = milestone.account.mrr_cents if milestone.account else 0
    last = milestone.pk or math.inf  # what is only foreseen has no key yet
    return rank, meeting, milestone.act_by, -mrr, last


def meetings_of(milestones: Iterable[Milestone]) -> dict[int, datetime]:
    """By stage, the meeting that a duty prepares: what `order` asks for. No query where nothing is prepared."""
    stages = [row.source_id for row in milestones if row.kind in MEETING_PREPARATION]
    found = Stage.objects.filter(pk__in=stages).exclude(meeting_scheduled_at=None) if stages else ()
    return {stage.pk: stage.meeting_scheduled_at for stage in found}


def next_step(rows: Iterable[Row], *, today: date) -> Row | None:
    """The one next step of an account, the same wherever it appears: what My day shows of it first."""
    return min(rows, key=lambda row: row.place(today), default=None)


def rows_of(milestones: Iterable[Milestone], *, now: datetime, zone: ZoneInfo) -> list[Row]:
    """The rows of a queue, sorted; a fixed number of queries whatever their number."""
    found = list(milestones)
    scene = Scene.load(found, now=now, zone=zone)
    return sorted((_row(milestone, scene) for milestone in found), key=lambda row: row.order)


def _row(milestone: Milestone, scene: Scene) -> Row:
    shown = SHOWN[milestone.kind]
    stage = scene.source(milestone) if milestone.source_type == "stage" else None
    state = "overdue" if scene.is_late(milestone) else "today" if milestone.act_by == scene.today else "todo"
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
