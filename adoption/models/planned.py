"""What a stage and a check-in share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models

from accounts.models import AccountRow
from lifecycle.rules.cadence import ExistingRow, PlannedRow


class PlannedAdoptionRow(AccountRow):
    """What a stage and a check-in share: a day of an adoption, planned, perhaps cancelled and revived."""

    type: str
    adoption: Any

    day = models.PositiveSmallIntegerField()
    due_on = models.DateField()
    cancelled_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta(AccountRow.Meta):
        abstract = True
        ordering = ("day",)

    @property
    def finished(self) -> bool:
        raise NotImplementedError

    def existing(self) -> ExistingRow:
        """CAD-7: this row as the re-planning sees it."""
        kept = self.finished or (self.started_at is not None and self.cancelled_at is None)
        return ExistingRow(
            self.type,
            self.day,
            kept=kept,
            live=self.cancelled_at is None,
            final=getattr(self, "final", False),
        )

    def plan(self, row: PlannedRow) -> None:
        """Take the date of the plan; a cancelled row is revived."""
        self.due_on, self.cancelled_at = row.due_on, None

    def mark_started(self, *, now: datetime) -> None:
        """CAD-6: from the first recorded field on, the row counts as started."""
        if self.started_at is None:
            self.started_at = now
