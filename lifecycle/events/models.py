"""The one append-only log. Timeline, audit, change feed and webhooks are its readers."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from datetime import UTC
from functools import cache
from typing import Any

from django.conf import settings
from django.db import models

NONCE = 16  # letters of a signature that make it one of its own
VIAS = ("page", "api", "import", "admin", "rule", "task")
SIGNED = (
    "at",
    "actor_id",
    "via",
    "type",
    "account_id",
    "object_type",
    "object_id",
    "changed",
    "data",
    "policy",
)
_as_json = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def audit_keys() -> list[bytes]:
    """The keys of the audit chain: the first seals, the others still verify what they sealed."""
    return [_derived(key) for key in settings.AUDIT_KEYS]


@cache
def _derived(key: str) -> bytes:
    return hmac.digest(key.encode(), b"lifecycle.audit", "sha256")


def canonical(signed: Iterable[Any]) -> bytes:
    """What an event tells (the columns `SIGNED`, in that order) as bytes, the same on every database."""
    at, *rest = signed
    return _as_json([at.astimezone(UTC).isoformat(), *rest]).encode()


def signature(key: bytes, nonce: str, told: bytes) -> str:
    """The mark of an event that the application wrote, over its canonical bytes: no two events have the same."""
    return nonce + hmac.digest(key, f"event\n{nonce}\n".encode() + told, "sha256").hex()[NONCE:]


class Event(models.Model):
    """One change of one object: who, by which route, what from and to, the object after, the policy.

    Insert only. On PostgreSQL the table also stores the id of the writing transaction (`xact`, a column
    default), so that the publisher numbers only what has settled. `signature` tells a row that the application
    wrote from one put in behind its back, sealed or not.
    """

    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    via = models.CharField(max_length=6, choices=[(via, via) for via in VIAS])
    type = models.CharField(max_length=60)
    account = models.ForeignKey(
        "accounts.Account", on_delete=models.PROTECT, null=True, related_name="events"
    )
    object_type = models.CharField(max_length=40)
    object_id = models.BigIntegerField()
    changed = models.JSONField(default=dict)
    data = models.JSONField(default=dict)
    policy = models.PositiveIntegerField()
    signature = models.CharField(max_length=64, db_default="", editable=False)

    class Meta:
        indexes = [
            models.Index(fields=("account", "-id"), name="event_by_account"),
            models.Index(fields=("object_type", "object_id", "-id"), name="event_by_object"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.object_id}"

    def sign(self) -> Event:
        """Mark it as the application's own, before it is inserted."""
        told = canonical(getattr(self, name) for name in SIGNED)
        self.signature = signature(audit_keys()[0], secrets.token_hex(NONCE // 2), told)
        return self


class EventSeq(models.Model):
    """The place of an event in the feed: given once, in order, by the publisher."""

    seq = models.BigAutoField(primary_key=True)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="numbered")


class EventSeal(models.Model):
    """A link of the audit chain: a keyed hash over the link before and over the whole event with its number.

    Insert only. `prev` is unique: two sealers cannot both go on from one link.
    """

    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="sealed")
    prev = models.CharField(max_length=64, unique=True)
    hash = models.CharField(max_length=64)


class EventHead(models.Model):
    """How far the audit chain reaches, in one row with a keyed hash of its own, so that a cut tail is seen.

    `told_on` is the day on which the head was last written to the log.
    """

    seq = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64)
    mac = models.CharField(max_length=64)
    told_on = models.DateField(null=True)


class EventPersonal(models.Model):
    """A personal value of an event, kept apart from it: the only part that erasure deletes."""

    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="personal")
    field = models.CharField(max_length=80)
    salt = models.CharField(max_length=32)
    value = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=("event", "field"), name="one_personal_value")]

    @staticmethod
    def digest(salt: str, value: Any) -> str:
        """What stands in the event in the value's place."""
        return "sha256:" + hashlib.sha256(f"{salt}{json.dumps(value, sort_keys=True)}".encode()).hexdigest()
