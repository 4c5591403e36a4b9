"""TLC: the team lead's check-ins."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import models

from adoption.models.adoption import Adoption
from adoption.models.planned import PlannedAdoptionRow
from lifecycle.rules.facts import CheckInFacts
from lifecycle.rules.refused import Refused


class CheckIn(PlannedAdoptionRow):
    """TLC-1: the team lead's own email to the admin, and the answers by topic."""

    resource = "check-in"
    type = "check_in"

    adoption = models.ForeignKey(Adoption, on_delete=models.PROTECT, related_name="check_ins")
    answers = models.JSONField(default=dict, blank=True)
    done_on = models.DateField(null=True, blank=True)

    class Meta(PlannedAdoptionRow.Meta):
        constraints = [models.UniqueConstraint(fields=("adoption", "day"), name="one_check_in_a_day")]

    def __str__(self) -> str:
        return f"{self.day}-day check-in"

    @property
    def finished(self) -> bool:
        return self.done_on is not None

    def facts(self) -> CheckInFacts:
        return CheckInFacts(
            id=self.pk,
            day=self.day,
            due_on=self.due_on,
            cancelled=self.cancelled_at is not None,
            started=self.started_at is not None,
            done=self.done_on is not None,
        )

    def record(self, values: dict[str, Any], *, now: datetime, today: date) -> None:
        """Take the answers and the day it was done; Refused for a date in the future."""
        self.refuse_if_archived()
        if self.cancelled_at is not None:
            text = f"The {self.day}-day check-in was cancelled: it no longer belongs to this adoption."
            raise Refused("", "cancelled", text, rule="CAD-7", conflict=True)
        for name, value in values.items():
            setattr(self, name, value)
        if self.done_on and self.done_on > today:
            text = "The day is in the future. Enter today or earlier."
            raise Refused("done_on", "future", text, rule="TLC-1")
        if self.difference():
            self.mark_started(now=now)
        self.save()
