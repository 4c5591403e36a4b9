"""Everything from day 0 on: the adoption of an account, its stages and its team-lead check-ins."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.core.validators import URLValidator
from django.db import models
from django.db.models import Q

from accounts.models import AccountRow
from lifecycle.rules.cadence import ExistingRow, PlannedRow
from lifecycle.rules.duties.stages import GAP_CLOSING
from lifecycle.rules.facts import AdoptionFacts, CheckInFacts, StageFacts
from lifecycle.rules.gates import missing
from lifecycle.rules.policy import LEVELS
from lifecycle.rules.refused import GateClosed, Refused
from onboarding.models import Onboarding

GAP_DECISIONS = ("retry", *GAP_CLOSING, "rescue")
ENGAGEMENTS = ("increasing", "steady", "decreasing")
SIDES = ("ours", "customer", "both")
INVESTMENTS = ("positive", "neutral", "negative")
REFERENCES = ("yes", "no", "not_asked")
DISENGAGEMENT_REASONS = ("early_disengagement", "knowledge_gaps", "internal_situation")
ROOT_CAUSES = (
    "relationship",
    "bugs",
    "workflow_errors",
    "improvement_wishes",
    "product_fit",
    "too_expensive",
    "locations_closed",
    "staff_reduced",
    "never_took_off",
    "bankrupt",
    "acquired",
    "competitor",
    "organisational",
)
FEEDBACK_FIELDS = ("bugs", "workflow", "suggestions")


def _choices(names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, name.replace("_", " ").capitalize()) for name in names]


def _no_feedback() -> dict[str, str]:
    return dict.fromkeys(FEEDBACK_FIELDS, "")


class Adoption(AccountRow):
    """CAD-1: one adoption per onboarding, made with the entry of its Training Completed Date."""

    resource = "adoption"

    onboarding = models.OneToOneField(Onboarding, on_delete=models.PROTECT, related_name="adoption")
    day_zero = models.DateField()
    service_level = models.CharField(max_length=8, choices=_choices(LEVELS))
    policy = models.PositiveIntegerField()
    completed_on = models.DateField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    def __str__(self) -> str:
        return f"Adoption of {self.account}"

    def facts(
        self, stages: list[Stage], check_ins: list[CheckIn], checklists: dict[int, Any]
    ) -> AdoptionFacts:
        return AdoptionFacts(
            id=self.pk,
            day_zero=self.day_zero,
            service_level=self.service_level,
            completed=self.completed_on is not None,
            withdrawn=self.withdrawn_at is not None,
            stages=tuple(stage.facts(checklists.get(stage.pk)) for stage in stages),
            check_ins=tuple(check_in.facts() for check_in in check_ins),
        )


class PlannedAdoptionRow(AccountRow):
    """What a stage and a check-in share: a day of an adoption, planned, perhaps cancelled and revived."""

    type: str
    adoption: Adoption

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


class Stage(PlannedAdoptionRow):
    """STAGE-1..10: a follow-up meeting with its preparation, outcome and recap."""

    resource = "stage"
    type = "stage"

    adoption = models.ForeignKey(Adoption, on_delete=models.PROTECT, related_name="stages")
    final = models.BooleanField(default=False)
    meeting_scheduled_at = models.DateTimeField(null=True, blank=True)
    recording_confirmed = models.BooleanField(default=False)
    recording_url = models.URLField(blank=True, max_length=500, validators=[URLValidator(("https", "http"))])
    postponements = models.PositiveSmallIntegerField(default=0, editable=False)
    meeting_held = models.BooleanField(null=True, blank=True)
    meeting_held_on = models.DateField(null=True, blank=True)
    no_meeting_reason = models.TextField(blank=True, max_length=2000)
    gap_decision = models.CharField(max_length=12, choices=_choices(GAP_DECISIONS), blank=True)
    send_reference_email = models.BooleanField(default=False)
    engaged = models.BooleanField(null=True, blank=True)
    engagement = models.CharField(max_length=10, choices=_choices(ENGAGEMENTS), blank=True)
    disengagement_reasons = models.JSONField(default=list, blank=True)
    reengage_on = models.DateField(null=True, blank=True)
    action = models.TextField(blank=True, max_length=20_000)
    root_causes = models.JSONField(default=list, blank=True)
    cause_side = models.CharField(max_length=8, choices=_choices(SIDES), blank=True)
    contacts_unchanged = models.BooleanField(null=True, blank=True)
    feedback = models.JSONField(default=_no_feedback, blank=True)
    investment = models.CharField(max_length=8, choices=_choices(INVESTMENTS), blank=True)
    summary = models.TextField(blank=True, max_length=20_000)
    expectations = models.TextField(blank=True, max_length=20_000)
    notes = models.TextField(blank=True, max_length=20_000)
    reference = models.CharField(max_length=9, choices=_choices(REFERENCES), default="not_asked")
    recap_sent_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(PlannedAdoptionRow.Meta):
        constraints = [
            models.UniqueConstraint(fields=("adoption", "day"), name="one_stage_a_day"),
            models.CheckConstraint(
                condition=~Q(meeting_held=True) | Q(meeting_held_on__isnull=False), name="held_on"
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None) | Q(cancelled_at=None), name="closed_not_cancelled"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day}-day adoption"

    @property
    def meeting_type(self) -> str:
        """STAGE-2: the meeting's type, named after the stage's day."""
        return f"Adoption - {self.day}D"

    @property
    def finished(self) -> bool:
        return self.closed_at is not None

    def facts(self, checklist: Any = None) -> StageFacts:
        """This row as the rules see it; `checklist` carries `ready_at` and `exported`."""
        return StageFacts(
            id=self.pk,
            day=self.day,
            final=self.final,
            due_on=self.due_on,
            cancelled=self.cancelled_at is not None,
            started=self.started_at is not None,
            closed=self.closed_at is not None,
            meeting_at=self.meeting_scheduled_at,
            meeting_held=self.meeting_held,
            meeting_held_on=self.meeting_held_on,
            no_meeting_reason=self.no_meeting_reason,
            gap_decision=self.gap_decision,
            notes=self.notes,
            recap_sent=self.recap_sent_at is not None,
            checklist_ready=bool(checklist and checklist.ready_at),
            checklist_exported=bool(checklist and checklist.exported),
        )

    def plan(self, row: PlannedRow) -> None:
        super().plan(row)
        self.final = row.final

    def record(self, values: dict[str, Any], *, now: datetime, today: date) -> None:
        """Take what a person or client entered; the stage counts as started from then on.

        Raises Refused on a closed or cancelled stage (409), and for a held date in the future or missing.
        """
        self.refuse_if_shut()
        booked = self.meeting_scheduled_at
        for name, value in values.items():
            setattr(self, name, value)
        if "meeting_scheduled_at" in values and booked and self.meeting_scheduled_at != booked:
            self.postponements += 1
        self._try_again(values, booked)
        if self.meeting_held is True and self.meeting_held_on is None:
            self.meeting_held_on = today
        if values.get("meeting_held_on") and self.meeting_held is not True:
            text = "Only a meeting that was held has this date: say meeting_held too."
            raise Refused("meeting_held_on", "not_held", text, rule="STAGE-3")
        if self.meeting_held is not True:
            self.meeting_held_on = None
        if self.meeting_held_on and self.meeting_held_on > today:
            text = "Held date is in the future. Enter today or earlier."
            raise Refused("meeting_held_on", "future", text, rule="STAGE-3")
        if self.difference():
            self.mark_started(now=now)
        self.save()

    def _try_again(self, values: dict[str, Any], booked: datetime | None) -> None:
        """STAGE-3: a lead's "retry" makes the meeting one to book again; booking it closes the old gap,
        so that a second miss asks for its own reason. What was said before stays in the log."""
        rebooked = self.meeting_scheduled_at not in (None, booked)
        if rebooked and (self.meeting_held is False or self.gap_decision == "retry"):
            self.meeting_held, self.no_meeting_reason, self.gap_decision = None, "", ""
        elif values.get("gap_decision") == "retry" and self.meeting_held is False:
            self.meeting_held, self.meeting_scheduled_at = None, None

    def close(self, checklist: Any, *, now: datetime) -> None:
        """STAGE-10: close the stage, once. Raises GateClosed with what is missing."""
        if self.closed_at is not None:
            return
        self.refuse_if_shut()
        lacking = missing(self.facts(checklist))
        if lacking:
            raise GateClosed(lacking)
        self.closed_at = now
        self.save()

    def refuse_if_shut(self) -> None:
        """Refused (409) once the stage is closed or cancelled, or its account archived."""
        self.refuse_if_archived()
        if self.closed_at is not None:
            text = f"The {self.day}-day stage is closed and read-only."
            raise Refused("", "closed", text, rule="STAGE-10", conflict=True)
        if self.cancelled_at is not None:
            text = f"The {self.day}-day stage was cancelled: it no longer belongs to this adoption."
            raise Refused("", "cancelled", text, rule="CAD-7", conflict=True)


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
