"""My day: what one person does next, in the order in which to do it. A fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Q

from accounts.models import User
from adoption.models import Stage
from lifecycle.dashboards.rows import RECAPS, Row, rows_of, week_of
from lifecycle.milestones.models import Milestone, MilestoneQuerySet
from lifecycle.rules.cadence import start_of_day


@dataclass(slots=True)
class Group:
    """A heading of the queue with its rows; `folded` ones open on demand."""

    key: str
    title: str
    rows: list[Row]
    folded: bool = False


def mine(person: User, *, today: date) -> MilestoneQuerySet:
    """The duties a person works: their own, and those of colleagues they cover today (MIL-6)."""
    covered = User.objects.filter(
        covers__substitute=person, covers__from_on__lte=today, covers__to_on__gte=today
    )
    return Milestone.objects.visible_to(person, today=today).filter(Q(owner=person) | Q(owner__in=covered))


def page(person: User, *, now: datetime, on: date | None = None) -> dict[str, Any]:
    """Everything My day shows of `person`; with `on`, the duties of that one day alone."""
    today = person.today(now)
    sunday = today + timedelta(days=6 - today.weekday())
    until = max(sunday + timedelta(days=7), on or today)
    found = mine(person, today=today).queued().filter(act_by__lte=until).select_related("account", "owner")
    rows = rows_of(found, now=now, zone=person.zone)
    awake = [row for row in rows if not row.is_asleep(today)]
    return {
        "today": today,
        "now": now,
        "zone": person.zone,
        "week": _week(person, awake, today=today),
        "on": on,
        "recaps": [row for row in awake if row.milestone.kind in RECAPS and row.milestone.act_by <= today],
        "groups": _groups(awake, rows, today=today, sunday=sunday, on=on),
        "meetings": _meetings(person, today=today),
        "done_today": _done_today(person, today=today),
        "coming": sum(1 for row in awake if today < row.milestone.act_by <= until),
    }


def _groups(awake: list[Row], rows: list[Row], *, today: date, sunday: date, on: date | None) -> list[Group]:
    if on is not None:
        chosen = [row for row in awake if row.milestone.act_by == on]
        return [Group("day", f"{on:%A}, {on:%b} {on.day}", chosen)]
    groups = [
        Group("overdue", "Overdue", [row for row in awake if row.milestone.act_by < today]),
        Group("today", "Today", [row for row in awake if row.milestone.act_by == today]),
        Group("week", "Later this week", [row for row in awake if today < row.milestone.act_by <= sunday]),
        Group("next", "Next week", [row for row in awake if row.milestone.act_by > sunday], folded=True),
        Group("snoozed", "Snoozed", [row for row in rows if row.is_asleep(today)], folded=True),
    ]
    return [group for group in groups if group.rows]


def _week(person: User, awake: list[Row], *, today: date) -> list[dict[str, Any]]:
    days = week_of(today)
    start, end = (start_of_day(day, person.zone) for day in (days[0], days[-1] + timedelta(days=1)))
    done_at = Milestone.objects.filter(done_by=person, done_at__gte=start, done_at__lt=end)
    done = [instant.astimezone(person.zone).date() for instant in done_at.values_list("done_at", flat=True)]
    return [
        {
            "day": day,
            "done": done.count(day),
            "to_do": sum(1 for row in awake if row.milestone.act_by == day),
            "now": day == today,
            "past": day < today,
        }
        for day in days
    ]


def _meetings(person: User, *, today: date) -> list[Stage]:
    start, end = (start_of_day(day, person.zone) for day in (today, today + timedelta(days=1)))
    booked = Stage.objects.visible_to(person, today=today).filter(
        account__csm=person, meeting_scheduled_at__gte=start, meeting_scheduled_at__lt=end, cancelled_at=None
    )
    return list(booked.select_related("account").order_by("meeting_scheduled_at"))


def _done_today(person: User, *, today: date) -> list[Milestone]:
    since = datetime.combine(today, time(), tzinfo=person.zone)
    done = Milestone.objects.visible_to(person, today=today).filter(done_by=person, done_at__gte=since)
    return list(done.select_related("account").order_by("-done_at", "-pk")[:20])
