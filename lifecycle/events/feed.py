"""The change feed: events get their place once everything before them has settled, and are read in that order.

An event is never published behind a cursor already handed out (reliability.md, "Event feed without gaps").
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Max, Prefetch, Q

from accounts.models import Account, User
from lifecycle.events.models import Event, EventPersonal, EventSeq
from lifecycle.guard import DomainModel

LOCK = 0x57415903  # the publisher's advisory lock
FOR_ALL = ("user", "policy")  # resources of no account that everybody may read
NOT_FOR_ADMIN = ("survey",)  # security.md: who runs the system sees neither its link nor its answers

# Transaction ids only rise, and all below the snapshot's xmin have ended: nothing can still appear among those.
# What was numbered before lies at or below the last numbered transaction, so that the rest is found by index.
# After a restore ids begin anew: then the last one lies above the horizon, and everything is looked at.
PUBLISH = """
WITH horizon AS (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS x),
     last AS (
       SELECT s.seq, e.xact FROM events_eventseq s JOIN events_event e ON e.id = s.event_id
        ORDER BY s.seq DESC LIMIT 1)
INSERT INTO events_eventseq (seq, event_id)
SELECT coalesce((SELECT seq FROM last), 0) + row_number() OVER (ORDER BY e.xact, e.id), e.id
  FROM events_event e, horizon
 WHERE e.xact < horizon.x
   AND e.xact >= CASE WHEN (SELECT xact FROM last) < horizon.x THEN (SELECT xact FROM last) ELSE '0'::xid8 END
   AND NOT EXISTS (SELECT 1 FROM events_eventseq s WHERE s.event_id = e.id)
"""


def publish() -> int:
    """Number the events that have settled; returns how many. Safe to call from anywhere, any number of times.

    On SQLite the log numbers at insert: there is one writer.
    """
    if connection.vendor != "postgresql":
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute(PUBLISH)
        return cursor.rowcount


@dataclass(frozen=True, slots=True)
class Page:
    """Some events in order, the cursor to go on from, and whether there is more already."""

    events: list[Event]
    cursor: int
    more: bool


def read(user: User, *, after: int, limit: int, today: date) -> Page:
    """Numbered events after a cursor that this person may see. The cursor also passes what they may not see."""
    end = EventSeq.objects.aggregate(end=Max("seq"))["end"] or 0
    wanted = Event.objects.filter(numbered__seq__gt=after, numbered__seq__lte=end)
    if not user.sees_all:
        accounts = Account.objects.visible_to(user, today=today)
        wanted = wanted.filter(
            Q(account__in=accounts.values("pk")) | Q(account=None, object_type__in=FOR_ALL)
        )
    if user.role == "admin":
        wanted = wanted.exclude(object_type__in=NOT_FOR_ADMIN)
    rows = wanted.select_related("numbered", "actor", "account").order_by("numbered__seq")
    rows = rows.prefetch_related(
        Prefetch("personal", EventPersonal.objects.filter(field__startswith="data."))
    )
    found = list(rows[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    return Page(found, found[-1].numbered.seq if more else max(end, after), more)


def whole(event: Event) -> dict[str, Any]:
    """The object after the event, with its personal values joined back; null where they were erased."""
    names = _personal().get(event.object_type, ())
    values = {row.field.removeprefix("data."): row.value for row in event.personal.all()}
    joined = {name: values.get(name) for name in names if event.data.get(name)}
    return {**event.data, **joined}


@cache
def _personal() -> dict[str, tuple[str, ...]]:
    """Which fields of which resources the log keeps apart."""
    rows = [model for model in apps.get_models() if issubclass(model, DomainModel)]
    return {model.resource: model.personal for model in rows if model.personal}
