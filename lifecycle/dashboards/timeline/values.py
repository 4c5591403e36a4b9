"""Fields of the log in words: what they are called, and what stood in them, never as the database spells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models

from accounts.forms import product_name
from accounts.models import User
from adoption.models.outcomes import DISENGAGEMENT_REASONS, ROOT_CAUSES
from lifecycle.dashboards.templatetags.waymark import words
from lifecycle.rules.facts import PRODUCTS
from lifecycle.words import day_words, time_words

APART = "sha256:"  # what stands in the log for a personal value that is kept apart from it
LONGEST = 80

# Computed, or told by an event of its own: no news where they change.
HIDDEN = {
    "account": {
        *("phase", "policy", "reasons", "pool", "segment", "onboarded_by"),
        *("override_by", "override_at", "archived_at"),
    },
    "onboarding": set(),
    "training-session": {"onboarding", "product"},
    "objective": {"onboarding"},
    "adoption": {"policy", "onboarding", "completed_on", "withdrawn_at"},
    "stage": {
        *("adoption", "started_at", "cancelled_at", "closed_at", "reopen_reason", "final", "postponements"),
        *("booked_on", "held_recorded_at"),
    },
    "check-in": {"adoption", "started_at", "cancelled_at"},
    "contact": set(),
    "opportunity": {"author"},
}
# Where the name of the column is not what people say.
LABELS = {
    "account.mrr_cents": "MRR",
    "account.csm": "owner",
    "account.name": "name",
    "account.rsm_name": "RSM",
    "account.rsm_email": "RSM's email",
    "account.starter_package": "Starter package",
    "account.employee_sync": "employee sync",
    "account.domain_allowlisted": "our domain allowed",
    "account.close_date": "closed on",
    "account.reference_since": "reference since",
    "account.override_pool": "pool set by hand",
    "account.override_reason": "reason",
    "onboarding.call_scheduled_at": "call booked for",
    "onboarding.call_completed_on": "call held",
    "onboarding.training_completed_on": "training completed",
    "onboarding.recap_sent_at": "recap sent",
    "onboarding.completed_mail_sent_at": "onboarding-completed mail sent",
    "onboarding.manuals_told_on": "policy manuals explained",
    "training-session.scheduled_at": "booked for",
    "training-session.completed_on": "held",
    "training-session.modules": "what was covered",
    "training-session.participants": "who came",
    "training-session.relevant_links": "links",
    "training-session.recap_sent_at": "recap sent",
    "adoption.day_zero": "day 0",
    "stage.due_on": "date",
    "stage.meeting_scheduled_at": "meeting booked for",
    "stage.meeting_held": "meeting held",
    "stage.meeting_held_on": "held on",
    "stage.meeting_url": "link to join",
    "stage.recording_url": "recording",
    "stage.no_meeting_reason": "why there was no meeting",
    "stage.gap_decision": "how to go on",
    "stage.reengage_on": "starting again on",
    "stage.cause_side": "on whose side",
    "stage.contacts_unchanged": "same contacts",
    "stage.investment": "interest in more",
    "stage.recap_sent_at": "recap sent",
    "check-in.due_on": "date",
    "check-in.done_on": "done",
    "contact.is_main": "main contact",
    "contact.is_billing": "billing contact",
    "contact.confirmed_on": "still the right person",
    "opportunity.demo_on": "demo",
    "opportunity.surfaced_on": "came up",
    "opportunity.rsm_told_at": "RSM told",
}
# The names of what stands in lists, which have no choices of their own.
LISTED = {"disengagement_reasons": DISENGAGEMENT_REASONS, "root_causes": ROOT_CAUSES}
# Told without what stands in them: long, or not for everybody who reads the timeline.
UNQUOTED = {"contact.email", "contact.phone", "account.rsm_email", "stage.meeting_url", "stage.recording_url"}


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads, and what ids stand for."""

    zone: ZoneInfo
    today: date
    people: Mapping[int, str] = field(default_factory=dict)

    def day(self, day: date) -> str:
        return day_words(day, self.today)

    def instant(self, at: datetime) -> str:
        local = at.astimezone(self.zone)
        return f"{self.day(local.date())} at {time_words(local)}"


def label(resource: str, name: str) -> str:
    """What people call a field."""
    return LABELS.get(f"{resource}.{name}") or words(name.removesuffix("_on").removesuffix("_at")).lower()


def in_words(model: type[models.Model], changed: Mapping[str, list[Any]], reading: Reading) -> list[str]:
    """Each change of a row as a part of a sentence: "MRR from $250.00 to $300.00"."""
    hidden = HIDDEN.get(model.resource, set())
    return [
        _part(model, name, *pair, reading)
        for name, pair in changed.items()
        if name not in hidden and len(pair) == 2
    ]


def _part(model: type[models.Model], name: str, before: Any, after: Any, reading: Reading) -> str:
    called = label(model.resource, name)
    column = model._meta.get_field(name)
    if f"{model.resource}.{name}" in UNQUOTED or _is_long(column, before) or _is_long(column, after):
        return called if after else f"{called} taken out"
    was, now = (value_words(column, value, reading) for value in (before, after))
    if isinstance(column, models.BooleanField):
        return f"{called}: {now or 'not known'}"
    if not now:
        return f"{called} taken out (was {was})"
    return f"{called} from {was} to {now}" if was else f"{called} {now}"


def _is_long(column: models.Field, value: Any) -> bool:
    if isinstance(column, models.TextField) or isinstance(value, dict):
        return True
    return isinstance(value, str) and (value.startswith(APART) or len(value) > LONGEST)


def value_words(column: models.Field, value: Any, reading: Reading) -> str:
    """One stored value as people say it; "" for nothing."""
    if value in (None, "", []):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.name.endswith("_cents"):
        return f"${value / 100:,.2f}"
    if column.is_relation:
        return reading.people.get(value, "somebody") if column.related_model is User else f"{value:,}"
    if isinstance(column, models.DateTimeField):
        return reading.instant(datetime.fromisoformat(value))
    if isinstance(column, models.DateField):
        return reading.day(date.fromisoformat(value))
    if isinstance(value, list):
        names = LISTED.get(column.name, {})
        return ", ".join(_word(item, names) for item in value)
    if column.choices:
        return _word(value, dict(column.flatchoices))
    return f"{value:,}" if isinstance(value, int) else f"“{value}”"


def _word(value: Any, names: Mapping[str, str]) -> str:
    text = product_name(value) if value in PRODUCTS else names.get(value, words(value))
    return {"Smb": "SMB"}.get(text, text)
