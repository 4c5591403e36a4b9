"""Mail that people write: versioned templates, the links they mention, and drafts on their way to a customer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import models
from django.db.models import F, Q

from accounts.models import Account, User
from lifecycle.guard import DomainModel
from lifecycle.rules.refused import Refused

LONGEST_LETTER = 100_000  # four notes of a training, each of the longest, and the words around them


class MailTemplate(DomainModel):
    """One published version of a letter's words. Version 1 of each kind is the product's own text, and no row."""

    resource = "mail-template"

    key = models.CharField(max_length=40)
    number = models.PositiveIntegerField()
    subject = models.CharField(max_length=200)
    body = models.TextField(max_length=LONGEST_LETTER)
    note = models.CharField(max_length=500, blank=True)
    author = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(null=True, editable=False)

    class Meta(DomainModel.Meta):
        ordering = ("key", "-number")
        constraints = [
            models.UniqueConstraint(fields=("key", "number"), name="one_version_of_a_letter"),
            models.CheckConstraint(condition=Q(number__gte=2), name="letter_versions_from_2"),
        ]

    def __str__(self) -> str:
        return f"{self.key}, version {self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise Refused("", "immutable", "A published template never changes: publish a new version.")
        super().save(*args, **kwargs)


class Link(DomainModel):
    """ONB-5: an address or a contact that letters mention, kept by CS Ops. Empty until they enter it."""

    resource = "link"

    key = models.CharField(max_length=40, unique=True)
    value = models.CharField(max_length=1000, blank=True)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta(DomainModel.Meta):
        ordering = ("key",)

    def __str__(self) -> str:
        return f"{self.key}: {self.value}"


class DraftQuerySet(models.QuerySet):
    def open(self) -> DraftQuerySet:
        """Neither on its way nor marked as sent by hand."""
        return self.filter(sent_at=None, copied_at=None)

    def drop(self) -> None:
        """Let go of those being written. What was taken back stays with its cancelled mails, as it was sent."""
        left = self.open()
        left.exclude(messages=None).update(sent_at=F("updated_at"))
        left.filter(messages=None).delete()

    def visible_to(self, user: User, *, today: date | None = None) -> DraftQuerySet:
        """security.md: a letter belongs to its account; viewers see none."""
        if user.role == "viewer":
            return self.none()
        accounts = Account.objects.visible_to(user, today=today)
        return self.filter(Q(account__in=accounts.values("pk")) | Q(account=None, author=user))


class Draft(models.Model):
    """A letter somebody is writing. Not a domain row: sending it, or saying it was sent, is what counts.

    At most one is open about one thing, so that two people write the same letter, not two.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="drafts")
    kind = models.CharField(max_length=40)
    source_id = models.BigIntegerField()
    template = models.PositiveIntegerField(default=1)
    to = models.JSONField(default=list)
    cc = models.JSONField(default=list)
    subject = models.CharField(max_length=200, blank=True)
    body = models.TextField(max_length=LONGEST_LETTER, blank=True)
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="drafts")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    version = models.PositiveIntegerField(default=1)
    sent_at = models.DateTimeField(null=True)
    copied_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(null=True)

    objects = DraftQuerySet.as_manager()

    class Meta:
        ordering = ("-updated_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=("kind", "source_id"),
                condition=Q(sent_at=None, copied_at=None),
                name="one_open_draft",
            ),
            models.CheckConstraint(condition=Q(sent_at=None) | Q(copied_at=None), name="draft_leaves_once"),
        ]
        indexes = [
            models.Index(fields=("account", "-updated_at"), name="draft_by_account"),
        ]

    def __str__(self) -> str:
        return self.subject or self.kind

    @property
    def is_open(self) -> bool:
        return self.sent_at is None and self.copied_at is None

    def write(self, values: dict[str, Any], *, seen: int, now: datetime) -> None:
        """Keep what was typed. Raises Refused (409) when it left meanwhile, or somebody else wrote since `seen`."""
        mine = type(self).objects.open().filter(pk=self.pk, version=seen)
        if not mine.update(version=seen + 1, updated_at=now, **values):
            self.refresh_from_db()
            if not self.is_open:
                raise Refused("", "sent", "This letter has left already.", conflict=True)
            if all(getattr(self, name) == value for name, value in values.items()):
                return  # kept already: the page saved it by itself a moment ago
            text = "Somebody else changed this letter meanwhile. Both versions are shown."
            raise Refused("", "changed", text, rule="CHK-3", conflict=True)
        self.refresh_from_db()
