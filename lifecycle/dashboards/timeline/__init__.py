"""The log of an account as people read it: newest first, a day at a time, in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import Account, Activity, User
from accounts.models.contact_log import ACTIVITY_KINDS, IN_TOUCH
from adoption.models import Checklist
from lifecycle.dashboards.timeline.sentences import TELLERS, Scene, Told, tell
from lifecycle.dashboards.timeline.values import Reading
from lifecycle.events.models import Event, EventPersonal
from lifecycle.milestones.models import Milestone
from lifecycle.rules.duties import KINDS
from lifecycle.words import day_words, time_words

SHOWN, PER_PAGE = 8, 40
LONG = 300  # letters from which on words are folded to four lines
MINUTES = timedelta(minutes=10)
ICONS = {
    "call": "phone",
    "email": "mail",
    "meeting": "video",
    "note": "doc",
    "bug": "bug",
    "workflow": "gear",
    "improvement": "star",
    "upsell": "trend-up",
    "request": "info",
}
GROUPS = {
    "account": ("Account and owner", ("account", "reroute", "milestone")),
    "contacts": ("Contacts", ("contact",)),
    "onboarding": ("Onboarding", ("onboarding", "training-session", "objective")),
    "adoption": (
        "Adoption",
        ("adoption", "stage", "check-in", "survey", "checklist", "answer", "checklist-export"),
    ),
    "upsells": ("Upsell opportunities", ("opportunity",)),
    "mail": ("Mail", ("message", "reminder")),
}
FILTERS = [*ACTIVITY_KINDS.items(), *((key, title) for key, (title, _) in GROUPS.items())]
BY_HAND = sorted({kind.slug for kind in KINDS if kind.by_hand})
ROUTES = {"api": " through the API", "import": " by import", "task": "", "page": "", "rule": "", "admin": ""}


@dataclass(slots=True)
class Entry:
    """One line of the timeline. `activity` is the entry of the contact log it shows, as it reads now."""

    event: int
    icon: str
    text: str
    by: str
    day: date
    time: str
    url: str = ""
    answers: int = 0
    activity: Activity | None = None
    happened: str = ""
    duties: list[Milestone] = field(default_factory=list)

    @property
    def is_long(self) -> bool:
        return self.activity is not None and is_long(self.activity.text)


def is_long(text: str) -> bool:
    """Whether words need more than four lines."""
    return len(text) > LONG or text.count("\n") > 3


def recent(account: Account, *, viewer: User, now: datetime) -> list[Entry]:
    """The latest things that people and the rules did on an account."""
    events = list(_events(account)[: 3 * SHOWN])
    return _entries(account, events, viewer=viewer, now=now)[:SHOWN]


def page(
    account: Account, *, viewer: User, now: datetime, kind: str, people_only: bool, before: int | None
) -> dict[str, Any]:
    """One page of the timeline by keyset: what happened before an event, the newest without."""
    found = _filtered(_events(account), account, kind=kind, people_only=people_only)
    found = found.filter(pk__lt=before) if before is not None else found
    events = list(found[: PER_PAGE + 1])
    more, events = len(events) > PER_PAGE, events[:PER_PAGE]
    entries = _entries(account, events, viewer=viewer, now=now, people_only=people_only)
    today = viewer.today(now)
    return {
        "days": [
            (day_called(day, today), list(rows)) for day, rows in groupby(entries, key=lambda row: row.day)
        ],
        "older": events[-1].pk if more else None,
        "first_page": before is None,
        "pinned": pinned(account, viewer=viewer, now=now) if before is None else [],
        "filters": FILTERS,
        "kind": kind,
        "people_only": people_only,
    }


def pinned(account: Account, *, viewer: User, now: datetime) -> list[Entry]:
    """What somebody keeps on top, whatever the filter."""
    rows = Activity.objects.filter(account=account, pinned_at__isnull=False).order_by("-pinned_at", "-pk")
    made = Event.objects.filter(account=account, type="activity.created", object_id__in=rows.values("pk"))
    return _entries(account, list(made.select_related("actor").order_by("-pk")), viewer=viewer, now=now)


def entry_of(activity: Activity, *, viewer: User, now: datetime) -> Entry | None:
    """One entry of the contact log as the timeline shows it; None where the log does not have it."""
    made = Event.objects.filter(type="activity.created", object_type="activity", object_id=activity.pk)
    return next(
        iter(_entries(activity.account, list(made.select_related("actor")), viewer=viewer, now=now)), None
    )


def notes_of(bug: Activity, *, viewer: User, now: datetime) -> list[Entry]:
    """ACT-2: what was said about a bug, the newest first."""
    notes = Activity.objects.filter(about=bug).values("pk")
    made = Event.objects.filter(account=bug.account_id, type="activity.created", object_id__in=notes)
    return _entries(bug.account, list(made.select_related("actor").order_by("-pk")), viewer=viewer, now=now)


def day_called(day: date, today: date) -> str:
    """A heading of the timeline: "Today, Tue, Sep 15"."""
    near = {0: "Today", 1: "Yesterday"}.get((today - day).days)
    return f"{near}, {day_words(day, today)}" if near else day_words(day, today)


def _events(account: Account) -> QuerySet[Event]:
    told = Q(type__in=[*(TELLERS.keys() - {"milestone.updated"}), "activity.created"])
    told |= Q(type="activity.updated", changed__has_key="resolved_at")
    told |= Q(type="milestone.updated", changed__status__1="done", data__kind__in=BY_HAND)
    return Event.objects.filter(told, account=account).select_related("actor").order_by("-pk")


def _filtered(events: QuerySet[Event], account: Account, *, kind: str, people_only: bool) -> QuerySet[Event]:
    if kind in ACTIVITY_KINDS:
        of_kind = Activity.objects.filter(account=account, kind=kind).values("pk")
        events = events.filter(object_type="activity", object_id__in=of_kind)
    elif kind in GROUPS:
        events = events.filter(object_type__in=GROUPS[kind][1])
    return events.filter(actor__isnull=False).exclude(via="import") if people_only else events


def _entries(
    account: Account, events: list[Event], *, viewer: User, now: datetime, people_only: bool = False
) -> list[Entry]:
    scene = _scene(events, viewer=viewer, now=now)
    activities = _activities(account, events)
    entries: list[Entry] = []
    for event in events:
        activity = activities.get(event.object_id) if event.object_type == "activity" else None
        told = _logged(event, activity, scene) if activity else tell(event, scene)
        if told is None or (people_only and told.rules):
            continue
        local = event.at.astimezone(viewer.zone)
        entry = Entry(
            event.pk, told.icon, told.text, _by(event, told), local.date(), time_words(local), told.url
        )
        if event.type == "activity.created":
            entry.activity, entry.happened = activity, _happened(event, activity, scene)
        if not _joins(event, entry, entries):
            entries.append(entry)
    _add_duties(account, entries)
    return entries


def _joins(event: Event, entry: Entry, entries: list[Entry]) -> bool:
    """Answers given one after another on one checklist are one line."""
    if event.object_type != "answer":
        return False
    entry.answers, last = 1, entries[-1] if entries else None
    same = last is not None and (last.url, last.by, last.day) == (entry.url, entry.by, entry.day)
    if not same or not last.answers:
        return False
    last.answers += 1
    last.text = f"{entry.text.removesuffix('1 answer')}{last.answers} answers"
    return True


def _scene(events: list[Event], *, viewer: User, now: datetime) -> Scene:
    people = {value for event in events for value in event.changed.get("csm", ()) if isinstance(value, int)}
    contacts = [event.pk for event in events if event.object_type == "contact"]
    checklists = {event.object_id for event in events if event.object_type == "checklist"}
    checklists |= {event.data["checklist"] for event in events if "checklist" in event.data}
    named = EventPersonal.objects.filter(event__in=contacts, field="data.name") if contacts else ()
    of_stages = Checklist.objects.filter(pk__in=checklists, stage__isnull=False) if checklists else None
    return Scene(
        Reading(viewer.zone, viewer.today(now), _names(people)),
        days=dict(of_stages.values_list("pk", "stage__day")) if of_stages is not None else {},
        names={row.event_id: row.value for row in named},
        sees_mail=viewer.role != "viewer",
    )


def _names(people: Iterable[int]) -> dict[int, str]:
    return dict(User.objects.filter(pk__in=people).values_list("pk", "name")) if people else {}


def _activities(account: Account, events: list[Event]) -> dict[int, Activity]:
    ids = {event.object_id for event in events if event.object_type == "activity"}
    rows = Activity.objects.filter(account=account, pk__in=ids) if ids else ()
    return {row.pk: row for row in rows and rows.select_related("contact", "about", "author", "edited_by")}


def _logged(event: Event, activity: Activity, scene: Scene) -> Told:
    called = activity.get_kind_display()
    url = scene.page(event, "accounts:entry", activity.pk)
    if event.type == "activity.updated":
        fixed = bool(event.changed["resolved_at"][1])
        return Told("check" if fixed else "bug", "Bug fixed" if fixed else "Bug open again", url)
    if activity.removed_at:
        by = f" by {activity.edited_by.name}" if activity.edited_by else ""
        day = scene.reading.day(activity.removed_at.astimezone(scene.reading.zone).date())
        return Told("x", f"{called}, removed{by} {day}")
    if activity.about_id:
        return Told(
            ICONS["bug"], f"{called} on a bug", scene.page(event, "accounts:entry", activity.about_id)
        )
    link = " with " if activity.kind in IN_TOUCH else ", "
    return Told(
        ICONS[activity.kind], called + (f"{link}{activity.contact.name}" if activity.contact else ""), url
    )


def _happened(event: Event, activity: Activity, scene: Scene) -> str:
    """When it was, where that is not when it was written down."""
    return (
        "" if abs(event.at - activity.happened_at) < MINUTES else scene.reading.instant(activity.happened_at)
    )


def _by(event: Event, told: Told) -> str:
    if told.rules:
        return "The rules"
    if event.actor is None:
        known = {"import": "Import", "task": "The rules", "page": "The customer"}
        return known.get(event.via, "The system")
    return event.actor.name + ROUTES[event.via]


def _add_duties(account: Account, entries: list[Entry]) -> None:
    """What an entry of the contact log still asks for."""
    logged = {
        entry.activity.pk: entry for entry in entries if entry.activity and not entry.activity.removed_at
    }
    asked = Milestone.objects.open().filter(
        account=account, source_type__in=("activity", "bug"), source_id__in=logged
    )
    for milestone in asked.select_related("owner").order_by("act_by", "pk") if logged else ():
        logged[milestone.source_id].duties.append(milestone)
