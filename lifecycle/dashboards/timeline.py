"""The log as sentences: what happened on an account, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from accounts.models import Account
from lifecycle.dashboards.templatetags.waymark import day_words, time_words, words
from lifecycle.events.models import Event

SHOWN = 12
SENTENCES = {
    "account.created": ("plus", "Account created"),
    "account.deleted": ("x", "Account archived"),
    "account.routed": ("rules", "Routed to {pool}"),
    "account.updated": ("doc", "Account changed: {fields}"),
    "contact.created": ("user", "Contact added"),
    "contact.updated": ("user", "Contact changed"),
    "contact.deleted": ("user", "Contact removed"),
    "onboarding.updated": ("book", "Onboarding: {fields} recorded"),
    "onboarding.completed": ("flag", "Onboarding completed"),
    "training-session.updated": ("book", "Training: {fields} recorded"),
    "objective.created": ("star", "Objective added"),
    "adoption.created": ("flag", "Adoption started"),
    "adoption.completed": ("flag", "Adoption completed"),
    "stage.updated": ("doc", "{day}-day stage: {fields} recorded"),
    "stage.closed": ("check", "{day}-day stage closed"),
    "check-in.updated": ("mail", "{day}-day check-in: {fields} recorded"),
    "checklist.created": ("doc", "Checklist started"),
    "checklist-export.created": ("download", "Checklist PDF exported"),
    "reroute.created": ("swap", "Another pool asked for: {to_pool}"),
    "reroute.updated": ("swap", "Question of another pool decided"),
}
HIDDEN = {
    "phase",
    "policy",
    "reasons",
    "started_at",
    "override_at",
    "override_by",
    "csm_id",
    "segment",
    "pool",
}
NAMES = {
    "mrr_cents": "MRR",
    "csm": "owner",
    "training_completed_on": "training completed date",
    "rsm_name": "RSM",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline."""

    icon: str
    text: str
    by: str
    when: str


def recent(account: Account, *, zone: ZoneInfo, today: date) -> list[Entry]:
    """The latest things that people and the rules did on an account."""
    events = Event.objects.filter(account=account, type__in=SENTENCES).select_related("actor").order_by("-pk")
    entries = (_entry(event, zone=zone, today=today) for event in events[: 3 * SHOWN])
    return [entry for entry in entries if entry is not None][:SHOWN]


def _entry(event: Event, *, zone: ZoneInfo, today: date) -> Entry | None:
    icon, sentence = SENTENCES[event.type]
    fields = [NAMES.get(name, words(name).lower()) for name in event.changed if name not in HIDDEN]
    if "{fields}" in sentence and not fields:
        return None
    routing = event.data.get("routing") or {}
    text = sentence.format(
        fields=", ".join(fields),
        pool=words(routing.get("pool") or event.data.get("pool") or ""),
        to_pool=words(event.data.get("to_pool", "")),
        day=event.data.get("day", ""),
    )
    local = event.at.astimezone(zone)
    by = (
        event.actor.name
        if event.actor
        else {"import": "Import", "task": "The rules"}.get(event.via, "The system")
    )
    return Entry(icon, text, by, f"{day_words(local.date(), today)} at {time_words(local)}")
