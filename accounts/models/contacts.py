"""The people at the customers."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import models

from accounts.models.account import AccountRow
from lifecycle.rules.refused import Refused


class Contact(AccountRow):
    """A person at the customer, an admin mostly. Personal data: erasable, kept apart in the log."""

    resource = "contact"
    personal = ("name", "email", "phone")

    name = models.CharField(max_length=150)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=40, blank=True)
    title = models.CharField(max_length=150, blank=True)
    is_main = models.BooleanField(default=False)
    is_billing = models.BooleanField(default=False)
    confirmed_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta(AccountRow.Meta):
        ordering = ("-is_main", "name", "id")

    def __str__(self) -> str:
        return self.name

    def record(self, values: dict[str, Any], *, today: date | None = None) -> None:
        """Take what a person or client entered; with `confirmed_on` among it, `today` is the CSM's. An account has
        one main contact: who was it before is it no more.

        Raises Refused on an archived account, and for a day in the future.
        """
        self.refuse_if_archived()
        becomes_main = values.get("is_main") or (self._state.adding and self.is_main)
        for name, value in values.items():
            setattr(self, name, value)
        if values.get("confirmed_on") and self.confirmed_on > today:
            raise Refused("confirmed_on", "future", "This is in the future.", rule="STAGE-5")
        if becomes_main:
            for other in Contact.objects.filter(account=self.account, is_main=True).exclude(pk=self.pk):
                other.is_main = False
                other.save()
        self.save()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Forget the person; what was said to them stays in the log, without them."""
        for activity in self.activities.all():
            activity.contact = None
            activity.save()
        return super().delete(*args, **kwargs)
