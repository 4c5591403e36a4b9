"""The log: every written row becomes an event, with what changed and the object after (reliability.md)."""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from accounts.models import Account, Activity, User
from adoption.models import Adoption, Stage
from lifecycle.events.models import Event, EventPersonal, EventSeq
from lifecycle.guard import DomainModel, Ledger, Written
from lifecycle.policies.models import PolicyVersion
from onboarding.models import Onboarding

Renderer = Callable[[list[Any]], list[dict[str, Any]]]
_renderers: dict[str, Renderer] = {}
ROUTED = {"pool", "reasons", "override_pool"}


def register_object(resource: str, renderer: Renderer) -> None:
    """Say how the API shows objects of a resource: rows in, one JSON-able dict each, in order.

    Called by `LifecycleConfig.ready()`, so that the log need not know the API above it.
    """
    _renderers[resource] = renderer


def record(ledger: Ledger, *, by: User | None, via: str, policy: int) -> None:
    """Write the events of a change: one for each row that was made, changed or deleted, and the domain's own."""
    told = [entry for entry in ledger.written.values() if entry.row.resource and _is_news(entry)]
    data = _render(told)
    events, secret = [], []
    for entry in told:
        changed, after, personal = _split(entry, data[id(entry)])
        for kind in _types(entry):
            event = Event(
                at=ledger.now,
                actor=by,
                via=via,
                type=kind,
                account_id=entry.row.door_account_id(),
                object_type=entry.row.resource,
                object_id=entry.deleted_pk or entry.row.pk,
                changed=changed,
                data=after,
                policy=policy,
            )
            events.append(event)
            secret += [(event, *value) for value in personal]
    _append(events)
    EventPersonal.objects.bulk_create(
        [
            EventPersonal(event=event, field=name, salt=salt, value=value)
            for event, name, salt, value in secret
        ]
    )


def tell(work: Any, kind: str, row: Any, *, resource: str, changed: dict[str, list[Any]]) -> None:
    """Inside the open change `work`, write one event about a row that is no domain row, such as a mail. Of the
    row itself it keeps the id alone: whoever may read the event need not be allowed to read the row."""
    event = Event(
        at=work.now,
        actor=work.by,
        via=work.via,
        type=kind,
        account_id=row.account_id,
        object_type=resource,
        object_id=row.pk,
        changed=changed,
        data={"id": row.pk},
        policy=work.policy.number,
    )
    _append([event])


def _append(events: list[Event]) -> None:
    Event.objects.bulk_create([event.sign() for event in events])
    if connection.vendor != "postgresql":  # one writer: the order of inserts is the order of the feed
        EventSeq.objects.bulk_create([EventSeq(event=event) for event in events])


def _is_news(entry: Written) -> bool:
    return entry.created or entry.deleted_pk is not None or bool(_difference(entry))


def _difference(entry: Written) -> dict[str, list[Any]]:
    if entry.created:
        return {}
    row = entry.row
    return {
        row._meta.get_field(name).name: [before, getattr(row, name)]
        for name, before in entry.before.items()
        if name not in row.quiet and getattr(row, name) != before
    }


def _types(entry: Written) -> list[str]:
    row, changed = entry.row, _difference(entry)
    if entry.deleted_pk is not None:
        return [f"{row.resource}.deleted"]
    archived = isinstance(row, Account) and "archived_at" in changed and row.archived
    removed = isinstance(row, Activity) and "removed_at" in changed
    verb = "created" if entry.created else "deleted" if archived or removed else "updated"
    found = ["policy.published"] if isinstance(row, PolicyVersion) else [f"{row.resource}.{verb}"]
    if isinstance(row, Account) and (entry.created or ROUTED & set(changed)):
        found.append("account.routed")
    if isinstance(row, Onboarding) and "training_completed_on" in changed and row.training_completed_on:
        found.append("onboarding.completed")
    if isinstance(row, Stage) and "closed_at" in changed and row.closed_at:
        found.append("stage.closed")
    if isinstance(row, Adoption) and "completed_on" in changed and row.completed_on:
        found.append("adoption.completed")
    return found


def _render(entries: list[Written]) -> dict[int, dict[str, Any]]:
    """The objects as the API shows them after the change; a resource the API does not show, field by field."""
    by_resource: dict[str, list[Written]] = defaultdict(list)
    for entry in entries:
        by_resource[entry.row.resource].append(entry)
    shown: dict[int, dict[str, Any]] = {}
    for resource, group in by_resource.items():
        live = [entry for entry in group if entry.deleted_pk is None]
        renderer = _renderers.get(resource, _plain)
        for entry, data in zip(live, renderer([entry.row for entry in live]), strict=True):
            shown[id(entry)] = data
        for entry in group:
            shown.setdefault(id(entry), {"id": entry.deleted_pk})
    return shown


def _plain(rows: list[DomainModel]) -> list[dict[str, Any]]:
    hidden = {"password", "last_login"}
    return [
        {f.name: getattr(row, f.attname) for f in row._meta.concrete_fields if f.name not in hidden}
        for row in rows
    ]


def _split(
    entry: Written, data: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], list[tuple[str, str, Any]]]:
    """Keep personal values out of the hashed row: a salted digest stays, the value goes beside it."""
    changed = json.loads(json.dumps(_difference(entry), cls=DjangoJSONEncoder))
    after = json.loads(json.dumps(data, cls=DjangoJSONEncoder))
    personal: list[tuple[str, str, Any]] = []
    for name in entry.row.personal:
        if after.get(name):
            after[name] = _apart(f"data.{name}", after[name], personal)
        if name in changed:
            changed[name] = [
                _apart(f"changed.{name}.{i}", value, personal) for i, value in enumerate(changed[name])
            ]
    return changed, after, personal


def _apart(name: str, value: Any, personal: list[tuple[str, str, Any]]) -> str:
    salt = secrets.token_hex(16)
    personal.append((name, salt, value))
    return EventPersonal.digest(salt, value)
