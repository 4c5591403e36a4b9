"""Team queue: what a lead's people owe, who is behind, and what waits for the lead. A fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q

from accounts.models import Account, Reroute, Team, User
from adoption.models import Stage
from lifecycle.dashboards.rows import RECAPS, rows_of, week_of
from lifecycle.milestones.models import Milestone, MilestoneQuerySet
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.cadence import start_of_day

LOOK_BACK = timedelta(days=90)
PAGE = 50


@dataclass(slots=True)
class Load:
    """One CSM's week: what is done, to do and overdue; nothing ranks people by anything but work."""

    csm: User
    accounts: int = 0
    done: int = 0
    to_do: int = 0
    overdue: int = 0
    late_recaps: int = 0

    @property
    def total(self) -> int:
        return self.done + self.to_do + self.overdue


def teams_of(person: User) -> list[Team]:
    """The teams whose queue this person may open: a lead's own, a manager's and CS Ops' all."""
    led = Team.objects.all() if person.role in ("manager", "cs_ops") else Team.objects.filter(lead=person)
    return list(led.order_by("name"))


def page(person: User, *, now: datetime, team: Team | None, csm: int | None, show: str) -> dict[str, Any]:
    """Everything Team queue shows: one team or (None) all that `person` sees, one CSM or all, one filter."""
    today = person.today(now)
    open_rows = _scope(person, team, today=today).queued()
    filters = _filters(today)
    counts = open_rows.aggregate(**{key: Count("pk", filter=where) for key, (_, where) in filters.items()})
    show = show if show in filters else "overdue"
    listed = open_rows.filter(filters[show][1])
    listed = listed.filter(owner=csm) if csm else listed
    listed = listed.select_related("account", "owner").order_by("act_by", "pk")[:PAGE]
    return {
        "today": today,
        "now": now,
        "zone": person.zone,
        "team": team,
        "chips": [
            {"key": key, "label": label, "count": counts[key], "current": key == show}
            for key, (label, _) in filters.items()
        ],
        "show": show,
        "csm": csm,
        "stats": {**counts, **_kept(person, team, today=today)},
        "loads": _loads(person, team, today=today),
        "rows": sorted(rows_of(listed, now=now, zone=person.zone), key=lambda row: row.milestone.act_by),
        "more": max(0, counts[show] - PAGE) if not csm else 0,
        "reroutes": _reroutes(person, team, today=today),
        "check_ins": rows_of(_own_check_ins(person, today=today), now=now, zone=person.zone),
        "unroutable": list(
            Account.objects.visible_to(person).open().filter(csm=None).order_by("name", "pk")[:PAGE]
        ),
    }


def _scope(person: User, team: Team | None, *, today: date) -> MilestoneQuerySet:
    seen = Milestone.objects.visible_to(person, today=today)
    return seen.filter(team=team) if team else seen


def _filters(today: date) -> dict[str, tuple[str, Q]]:
    sunday = today + timedelta(days=6 - today.weekday())
    soon = today + timedelta(days=14)
    return {
        "overdue": ("Overdue", Q(act_by__lt=today)),
        "week": ("Due this week", Q(act_by__gte=today, act_by__lte=sunday)),
        "unbooked": ("Not booked, due in 14 days", Q(kind="book_meeting", due_on__lte=soon)),
        "missed": ("Missed meetings", Q(kind__in=("explain_no_meeting", "close_gap"))),
    }


def _kept(person: User, team: Team | None, *, today: date) -> dict[str, int | None]:
    """Percent of recaps sent the same day, and of stages closed by their day plus the working days that
    closing may take; None with nothing to count."""
    stages = Stage.objects.visible_to(person, today=today)
    stages = stages.filter(account__csm__team=team) if team else stages
    since = start_of_day(today - LOOK_BACK, person.zone)
    recaps = stages.filter(recap_sent_at__gte=since, meeting_held=True).values_list(
        "recap_sent_at", "meeting_held_on", "account__csm__time_zone"
    )
    same_day = [sent.astimezone(_zone(zone)).date() <= held for sent, held, zone in recaps]
    closed = stages.filter(closed_at__gte=since).values_list("closed_at", "due_on", "account__csm__time_zone")
    grace = PolicyVersion.in_force(today).duties.close_working_days
    calendar = (team or Team()).calendar(today=today)
    on_time = [
        at.astimezone(_zone(zone)).date() <= calendar.add_working(due, grace) for at, due, zone in closed
    ]
    return {"same_day_recaps": _percent(same_day), "closed_on_time": _percent(on_time)}


def _zone(name: str | None) -> Any:
    return User(time_zone=name or "UTC").zone


def _percent(kept: list[bool]) -> int | None:
    return round(100 * sum(kept) / len(kept)) if kept else None


def _loads(person: User, team: Team | None, *, today: date) -> list[Load]:
    people = User.objects.csms()
    if team is not None:
        people = people.filter(team=team)
    elif not person.sees_all:
        people = people.filter(team__lead=person)
    is_open = Q(accounts__archived_at=None, accounts__churned_on=None)
    loads = {
        csm.pk: Load(csm, accounts=csm.open_accounts)
        for csm in people.annotate(open_accounts=Count("accounts", filter=is_open)).order_by("name", "pk")
    }
    monday, sunday = week_of(today)[0], week_of(today)[0] + timedelta(days=6)
    owed = Milestone.objects.visible_to(person, today=today).filter(owner__in=list(loads))
    for row in (
        owed.queued()
        .values("owner")
        .annotate(
            to_do=Count("pk", filter=Q(act_by__gte=today, act_by__lte=sunday)),
            overdue=Count("pk", filter=Q(act_by__lt=today)),
            late_recaps=Count("pk", filter=Q(act_by__lt=today, kind__in=RECAPS)),
        )
        .order_by()
    ):
        load = loads[row["owner"]]
        load.to_do, load.overdue, load.late_recaps = row["to_do"], row["overdue"], row["late_recaps"]
    since = start_of_day(monday, person.zone)
    done = owed.filter(status="done", done_at__gte=since).values("owner").annotate(n=Count("pk")).order_by()
    for row in done:
        loads[row["owner"]].done = row["n"]
    return sorted(loads.values(), key=lambda load: (-load.overdue, load.csm.name))


def _reroutes(person: User, team: Team | None, *, today: date) -> list[Reroute]:
    asked = Reroute.objects.visible_to(person, today=today).filter(
        accepted_at=None, kept_at=None, withdrawn_at=None, account__archived_at=None
    )
    asked = asked.filter(account__csm__team=team) if team else asked
    return list(asked.select_related("account", "account__csm").order_by("opened_at", "pk")[:PAGE])


def _own_check_ins(person: User, *, today: date) -> MilestoneQuerySet:
    soon = today + timedelta(days=14)
    own = Milestone.objects.open().filter(owner=person, kind="check_in", act_by__lte=soon)
    return own.select_related("account", "owner").order_by("act_by", F("pk"))[:5]
