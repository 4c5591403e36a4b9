"""The one append-only log. Timeline, audit, change feed and webhooks are its readers."""

from __future__ import annotations

from django.conf import settings
from django.db import models

VIAS = ("page", "api", "import", "admin", "rule", "task")


class Event(models.Model):
    """One change of one object: who, by which route, what from and to, the object after, the policy.

    Insert only. On PostgreSQL the table also stores the id of the writing transaction (`xact`, a column
    default), so that the publisher numbers only what has settled.
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

    class Meta:
        indexes = [
            models.Index(fields=("account", "-id"), name="event_by_account"),
            models.Index(fields=("object_type", "object_id", "-id"), name="event_by_object"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.object_id}"


class EventSeq(models.Model):
    """The place of an event in the feed: given once, in order, by the publisher."""

    seq = models.BigAutoField(primary_key=True)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="numbered")


class EventPersonal(models.Model):
    """A personal value of an event, kept apart from it: the only part that erasure deletes."""

    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="personal")
    field = models.CharField(max_length=80)
    salt = models.CharField(max_length=32)
    value = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=("event", "field"), name="one_personal_value")]
