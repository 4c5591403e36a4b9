"""ACT: what was said and done with a customer, and what it could still become."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import models
from django.db.models import Q

from accounts.models.account import AccountRow, VisibleQuerySet
from accounts.models.contacts import Contact
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
WORDS = {"kind", "happened_at", "contact_id", "text"}  # what another hand makes "edited"
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
    personal = ("text",)

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
    edited_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, editable=False, related_name="+")
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

    @property
    def is_open_bug(self) -> bool:
        return self.kind == "bug" and self.resolved_at is None and self.removed_at is None

    def record(self, values: dict[str, Any], *, by: User | None, now: datetime) -> None:
        """ACT-1: take what a person or client entered; the first author stays.

        Raises Refused for a time in the future, a ticket on anything but a bug, somebody or something of another
        account, no words, or a removed entry.
        """
        self.refuse_if_archived()
        if self.removed_at is not None:
            raise Refused("", "removed", "This entry was removed.", rule="ACT-1", conflict=True)
        for name, value in values.items():
            setattr(self, name, value)
        if self.happened_at is None:
            self.happened_at = now
        self._refuse_nonsense(values, now=now)
        if self._state.adding:
            self.author = by
            if self.about_id:
                self.about.note(now=now)
        elif WORDS & self.difference().keys():
            self.edited_at, self.edited_by = now, by
        self.save()

    def _refuse_nonsense(self, values: dict[str, Any], *, now: datetime) -> None:
        if not self.text.strip():
            raise Refused("text", "blank", "Write what happened.", rule="ACT-1")
        if "happened_at" in values and self.happened_at > now:
            text = "This is in the future. Enter when it happened, or set a follow-up date."
            raise Refused("happened_at", "future", text, rule="ACT-1")
        if self.contact_id and self.contact.account_id != self.account_id:
            raise Refused("contact", "does_not_exist", "There is no such contact here.", rule="ACT-1")
        if self.kind != "bug" and (self.ticket_url or self.resolved_at):
            field = "ticket_url" if self.ticket_url else "resolved_at"
            raise Refused(field, "not_a_bug", "Only a bug has a ticket and gets fixed.", rule="ACT-2")
        if values.get("resolved_at") and self.resolved_at > now:
            raise Refused("resolved_at", "future", "This is in the future.", rule="ACT-2")
        if self.about_id and not self._is_about_a_bug_here():
            raise Refused("about", "does_not_exist", "There is no such bug here.", rule="ACT-2")

    def _is_about_a_bug_here(self) -> bool:
        bug = self.about
        return bug.account_id == self.account_id and bug.kind == "bug" and bug.removed_at is None

    def note(self, *, now: datetime) -> None:
        """ACT-2: something was said about this bug; the next follow-up counts from now."""
        self.noted_at = now
        self.save()

    def resolve(self, *, now: datetime) -> None:
        """ACT-2: the bug is fixed; it asks for no more follow-up."""
        if self.resolved_at is None:
            self.record({"resolved_at": now}, by=None, now=now)

    def reopen(self, *, now: datetime) -> None:
        """ACT-2: the bug is not fixed after all."""
        self.record({"resolved_at": None}, by=None, now=now)

    def pin(self, on: bool, *, now: datetime) -> None:
        """Keep the entry on top of the timeline, or let it go back to its place."""
        if on != (self.pinned_at is not None):
            self.record({"pinned_at": now if on else None}, by=None, now=now)

    def remove(self, *, by: User | None, now: datetime) -> None:
        """Take the words out; who wrote something when stays as a stub."""
        self.refuse_if_archived()
        if self.removed_at is None:
            self.removed_at, self.edited_by = now, by
            self.text, self.follow_up_on, self.pinned_at = "", None, None
            self.ticket_url, self.resolved_at = "", now if self.kind == "bug" else None
            self.save()


class Opportunity(AccountRow):
    """ACT-3: something more the customer might want; the RSM is told, with the date."""

    resource = "opportunity"
    personal = ("text",)

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

    def record(self, values: dict[str, Any], *, by: User | None, now: datetime, today: date) -> None:
        """ACT-3: take what a person or client entered.

        Raises Refused for a day it came up, or a time the RSM was told, in the future, and on an archived account.
        """
        self.refuse_if_archived()
        for name, value in values.items():
            setattr(self, name, value)
        if self._state.adding:
            self.author = by
            self.surfaced_on = self.surfaced_on or today
        if "surfaced_on" in values and self.surfaced_on > today:
            raise Refused("surfaced_on", "future", "This is in the future.", rule="ACT-3")
        if values.get("rsm_told_at") and self.rsm_told_at > now:
            raise Refused("rsm_told_at", "future", "This is in the future.", rule="ACT-3")
        self.save()

    def tell_rsm(self, *, now: datetime) -> None:
        """ACT-3: the RSM knows; the first time counts."""
        self.refuse_if_archived()
        if self.rsm_told_at is None:
            self.rsm_told_at = now
            self.save()
