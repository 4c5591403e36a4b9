"""Everything up to day 0: the onboarding call, its objectives, and the trainings."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import models
from django.db.models import Q

from accounts.models import AccountRow
from lifecycle.rules.facts import PRODUCT_NAMES, PRODUCTS, OnboardingFacts, SessionFacts, required_trainings
from lifecycle.rules.refused import Refused

HELD = {
    "call_completed_on": ("Held date", "CAD-1"),
    "training_completed_on": ("Training completed date", "CAD-1"),
    "manuals_told_on": ("Told date", "ONB-5"),
}
EARLIER = "Enter today or earlier."
JUDGEMENTS = {"met": "Reached", "partly": "Reached in part", "not_met": "Not reached"}


class Onboarding(AccountRow):
    """ONB-1: one open onboarding per account, made with it."""

    resource = "onboarding"

    call_scheduled_at = models.DateTimeField(null=True, blank=True)
    call_completed_on = models.DateField(null=True, blank=True)
    discovery_notes = models.TextField(blank=True, max_length=20_000)
    training_completed_on = models.DateField(null=True, blank=True)
    recap_sent_at = models.DateTimeField(null=True, blank=True)
    completed_mail_sent_at = models.DateTimeField(null=True, blank=True)
    manuals_told_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta(AccountRow.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=("account",), condition=Q(training_completed_on=None), name="one_open_onboarding"
            )
        ]

    def __str__(self) -> str:
        return f"Onboarding of {self.account}"

    def facts(self, sessions: list[TrainingSession]) -> OnboardingFacts:
        return OnboardingFacts(
            id=self.pk,
            call_scheduled_at=self.call_scheduled_at,
            call_completed_on=self.call_completed_on,
            training_completed_on=self.training_completed_on,
            recap_sent=self.recap_sent_at is not None,
            completed_mail_sent=self.completed_mail_sent_at is not None,
            sessions=tuple(session.facts() for session in sessions),
        )

    def trainings(self) -> list[TrainingSession]:
        """ONB-3: the trainings that the account needs, and those held of products it gave up since."""
        wanted = self._required()
        return [row for row in self.sessions.all() if row.product in wanted or row.completed_on]

    def offered_day(self) -> date | None:
        """ONB-4: once every required training was held, the last day of them, or that of a later call."""
        wanted = self._required()
        held = {row.product: row.completed_on for row in self.sessions.all() if row.completed_on}
        if not wanted or not held.keys() >= set(wanted):
            return None
        return max([*(held[product] for product in wanted), self.call_completed_on or date.min])

    def _required(self) -> tuple[str, ...]:
        return required_trainings(products=tuple(self.account.products), smb=self.account.is_smb)

    def record(self, values: dict[str, Any], *, today: date, now: datetime | None = None) -> None:
        """Take what a person or client entered. `today` is the CSM's (CAD-1: no date after it); `now` is needed
        where they say that a mail was sent.

        Raises Refused for a day or an instant in the future, or a completion before the call.
        """
        self.refuse_if_archived()
        for name, value in values.items():
            setattr(self, name, value)
        for name, (title, rule) in HELD.items():
            if values.get(name) and values[name] > today:
                raise Refused(name, "future", f"{title} is in the future. {EARLIER}", rule=rule)
        for name in ("recap_sent_at", "completed_mail_sent_at"):
            _refuse_if_to_come(name, values.get(name), now)
        if (
            self.training_completed_on
            and self.call_completed_on
            and (self.training_completed_on < self.call_completed_on)
        ):
            name = "training_completed_on" if "training_completed_on" in values else "call_completed_on"
            text = "Training cannot be completed before the call was held. Correct one of the dates."
            raise Refused(name, "before_call", text, rule="CAD-1")
        self.save()

    def set_objectives(self, wanted: list[dict[str, Any]]) -> None:
        """ONB-1: make the list of objectives read as `wanted` (items with an `id` are kept, others added)."""
        self.refuse_if_archived()
        here = {objective.pk: objective for objective in self.objectives.all()}
        for item in wanted:
            if item.get("id") is not None and item["id"] not in here:
                raise Refused(
                    "objectives", "unknown", f"There is no objective {item['id']} on this onboarding."
                )
            row = here.pop(item.get("id"), None) or Objective(account=self.account, onboarding=self)
            row.text = item.get("text", row.text)
            row.judgement = item.get("judgement", row.judgement) or ""
            row.save()
        for left_out in here.values():
            left_out.delete()


class Objective(AccountRow):
    """What the customer wants to reach; judged at the final stage (STAGE-9)."""

    resource = "objective"

    onboarding = models.ForeignKey(Onboarding, on_delete=models.PROTECT, related_name="objectives")
    text = models.CharField(max_length=1000)
    judgement = models.CharField(max_length=7, choices=list(JUDGEMENTS.items()), blank=True)

    class Meta(AccountRow.Meta):
        ordering = ("id",)


class TrainingSession(AccountRow):
    """ONB-3: one training of one purchased product."""

    resource = "training-session"

    onboarding = models.ForeignKey(Onboarding, on_delete=models.PROTECT, related_name="sessions")
    product = models.CharField(max_length=24, choices=[(p, PRODUCT_NAMES[p]) for p in PRODUCTS])
    scheduled_at = models.DateTimeField(null=True, blank=True)
    completed_on = models.DateField(null=True, blank=True)
    participants = models.TextField(blank=True, max_length=20_000)
    modules = models.TextField(blank=True, max_length=20_000)
    pending_subjects = models.TextField(blank=True, max_length=20_000)
    relevant_links = models.TextField(blank=True, max_length=20_000)
    recording_confirmed = models.BooleanField(default=False)
    recap_sent_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta(AccountRow.Meta):
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.get_product_display()} training"

    def facts(self) -> SessionFacts:
        return SessionFacts(
            self.pk, self.product, self.scheduled_at, self.completed_on, self.recap_sent_at is not None
        )

    def record(self, values: dict[str, Any], *, today: date, now: datetime | None = None) -> None:
        """Take what a person or client entered, as `Onboarding.record` does; Refused for what is in the future."""
        self.refuse_if_archived()
        for name, value in values.items():
            setattr(self, name, value)
        if "completed_on" in values and self.completed_on and self.completed_on > today:
            raise Refused("completed_on", "future", f"Held date is in the future. {EARLIER}", rule="ONB-3")
        _refuse_if_to_come("recap_sent_at", values.get("recap_sent_at"), now)
        self.save()


def _refuse_if_to_come(name: str, at: datetime | None, now: datetime | None) -> None:
    if at and at > now:
        raise Refused(name, "future", "This is in the future.", rule="ONB-2")
