"""ACT: what was said and done with a customer, and what it could still become."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import models
from django.db.models import Q

from accounts.models.account import AccountRow, Contact, VisibleQuerySet
from accounts.models.people import User
from lifecycle.rules.facts import ActivityFacts, OpportunityFacts
from lifecycle.rules.refused import Refused

ACTIVITY_KINDS = {
    "call": "Call",
    "email": "Email",
    "meeting": "Meeting",
    "note": "Note",
    "bug": "Bug",
    "workflow": "Workflow error",
    "improvement": "Improvement wish",
    "upsell": "Upsell",
    "request": "Request",
}
IN_TOUCH = ("call", "email", "meeting")
LONGEST_NOTE = 20_000
ASKING = Q(follow_up_on__isnull=False) | Q(kind__in=("bug", "workflow", "improvement"))
OPPORTUNITY_KINDS = {
    "added_users": "Added users",
    "module": "Module",
    "service_level": "Service level",
    "other": "Other",
}
OPPORTUNITY_STATES = {
    "surfaced": "Surfaced",
    "demo": "Demo",
    "negotiation": "Negotiation",
    "won": "Won",
    "lost": "Lost",
}


class ActivityQuerySet(VisibleQuerySet):
    def asking(self) -> ActivityQuerySet:
        """Entries that may owe a duty (ACT-1, ACT-2)."""
        return self.filter(ASKING, removed_at=None)

    def in_touch(self) -> ActivityQuerySet:
        """ACT-1: calls, emails and meetings: what counts as contact."""
        return self.filter(kind__in=IN_TOUCH, removed_at=None)


class Activity(AccountRow):
    """ACT-1, ACT-2: one entry of the contact log. A bug carries its ticket; `about` makes a note belong to it."""

    resource = "activity"

    kind = models.CharField(max_length=11, choices=list(ACTIVITY_KINDS.items()))
    happened_at = models.DateTimeField()
    author = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="activities")
    contact = models.ForeignKey(
        Contact, on_delete=models.PROTECT, null=True, blank=True, related_name="activities"
    )
    text = models.TextField(max_length=LONGEST_NOTE)
    about = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="notes")
    follow_up_on = models.DateField(null=True, blank=True)
    ticket_url = models.URLField(blank=True, max_length=500)
    noted_at = models.DateTimeField(null=True, editable=False)
    resolved_at = models.DateTimeField(null=True, blank=True)
    pinned_at = models.DateTimeField(null=True, blank=True)
    edited_at = models.DateTimeField(null=True, blank=True, editable=False)
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    objects = ActivityQuerySet.as_manager()

    class Meta(AccountRow.Meta):
        ordering = ("-happened_at", "-id")
        indexes = [
            models.Index(fields=("account", "-happened_at", "-id"), name="activity_by_account"),
            models.Index(
                fields=("account",),
                name="activity_that_asks",
                condition=Q(removed_at=None) & ASKING,
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="bug") | Q(ticket_url="", resolved_at=None), name="only_bugs_have_tickets"
            ),
            models.CheckConstraint(condition=~Q(text="") | Q(removed_at__isnull=False), name="activity_says"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.text[:60]}"

    def facts(self, *, author: int | None) -> ActivityFacts:
        return ActivityFacts(
            id=self.pk,
            kind=self.kind,
            author=author,
            follow_up_on=self.follow_up_on,
            open_bug=self.kind == "bug" and self.resolved_at is None,
            noted_at=self.noted_at or self.happened_at,
        )

    def record(self, values: dict[str, Any], *, by: User | None, now: datetime) -> None:
        """ACT-1: take what a person or client entered; the first author stays.

        Raises Refused for a time in the future, a ticket on anything but a bug, or a removed entry.
        """
        self.refuse_if_archived()
        if self.removed_at is not None:
            raise Refused("", "removed", "This entry was removed.", rule="ACT-1", conflict=True)
        for name, value in values.items():
            setattr(self, name, value)
        if self.happened_at is None:
            self.happened_at = now
        if self._state.adding:
            self.author = by
        elif "text" in self.difference():
            self.edited_at = now
        if "happened_at" in values and self.happened_at > now:
            text = "This is in the future. Enter when it happened, or set a follow-up date."
            raise Refused("happened_at", "future", text, rule="ACT-1")
        if self.kind != "bug" and (self.ticket_url or self.resolved_at):
            raise Refused("ticket_url", "not_a_bug", "Only a bug has a ticket.", rule="ACT-2")
        if self.about_id and (self.about.account_id != self.account_id or self.about_id == self.pk):
            raise Refused("about", "unknown", "There is no such entry on this account.", rule="ACT-2")
        if self.about_id and self._state.adding:
            self.about.noted_at = now
            self.about.save()
        self.save()

    def resolve(self, *, now: datetime) -> None:
        """ACT-2: the bug is fixed; it asks for no more follow-up."""
        if self.resolved_at is None:
            self.record({"resolved_at": now}, by=None, now=now)

    def remove(self, *, now: datetime) -> None:
        """Take the words out; who wrote something when stays as a stub."""
        self.refuse_if_archived()
        if self.removed_at is None:
            self.removed_at, self.text, self.follow_up_on, self.pinned_at = now, "", None, None
            self.ticket_url, self.resolved_at = "", now if self.kind == "bug" else None
            self.save()


class Opportunity(AccountRow):
    """ACT-3: something more the customer might want; the RSM is told, with the date."""

    resource = "opportunity"

    kind = models.CharField(max_length=13, choices=list(OPPORTUNITY_KINDS.items()))
    state = models.CharField(max_length=11, choices=list(OPPORTUNITY_STATES.items()), default="surfaced")
    text = models.TextField(max_length=LONGEST_NOTE, blank=True)
    demo_on = models.DateField(null=True, blank=True)
    surfaced_on = models.DateField()
    author = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    rsm_told_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta(AccountRow.Meta):
        verbose_name_plural = "opportunities"
        ordering = ("-surfaced_on", "-id")

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.get_state_display().lower()})"

    @property
    def is_open(self) -> bool:
        return self.state not in ("won", "lost")

    def facts(self) -> OpportunityFacts:
        return OpportunityFacts(self.pk, self.kind, self.is_open, self.rsm_told_at is not None)

    def record(self, values: dict[str, Any], *, by: User | None, today: date) -> None:
        """ACT-3: take what a person or client entered. Refused on an archived account."""
        self.refuse_if_archived()
        for name, value in values.items():
            setattr(self, name, value)
        if self._state.adding:
            self.author = by
            self.surfaced_on = self.surfaced_on or today
        self.save()
