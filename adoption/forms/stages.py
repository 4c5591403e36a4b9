"""Booking a stage's meeting, saying that it did not happen, and what the lead decides then."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django import forms

from accounts.models import User
from adoption.models import Stage
from adoption.models.adoption import LONGEST_REASON
from adoption.models.outcomes import GAP_DECISIONS
from lifecycle.dashboards.forms import MergingForm, time_input

REASONS = (
    "No-show",
    "Unresponsive",
    "They postponed",
    "Internal issue on their side",
    "Our side",
    "Account is leaving",
    "Other",
)


class StageForm(MergingForm):
    """A step of a stage: `apply` records it on the locked row."""

    def apply(self, stage: Stage, *, by: User, now: datetime, today: date) -> None:
        stage.record(self.merge(stage), by=by, now=now, today=today)


class BookForm(StageForm):
    """STAGE-2."""

    class Meta:
        model = Stage
        fields = ("meeting_scheduled_at", "meeting_url", "recording_confirmed", "recording_url")
        labels = {
            "meeting_scheduled_at": "Meeting on",
            "meeting_url": "Link to join (optional)",
            "recording_confirmed": "Recording confirmed",
            "recording_url": "Link to the recording (optional)",
        }
        widgets = {"meeting_scheduled_at": time_input()}


class MissedForm(StageForm):
    """STAGE-3: there was no meeting, and why."""

    why = forms.ChoiceField(
        label="Why was there no meeting?", choices=[("", "Choose a reason"), *((r, r) for r in REASONS)]
    )
    note = forms.CharField(
        label="What happened, and what next (optional)",
        max_length=1900,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    class Meta:
        model = Stage
        fields = ()

    def apply(self, stage: Stage, *, by: User, now: datetime, today: date) -> None:
        reason = ": ".join(part for part in (self.cleaned_data["why"], self.cleaned_data["note"]) if part)
        stage.record({"meeting_held": False, "no_meeting_reason": reason}, by=by, now=now, today=today)


class GapForm(StageForm):
    """STAGE-3: the lead decides how the gap is closed, and notes what was decided."""

    gap_decision = forms.ChoiceField(
        label="How do we close the gap?",
        choices=[("", "Choose"), *GAP_DECISIONS.items()],
    )

    class Meta:
        model = Stage
        fields = ("gap_decision", "notes")
        labels = {"notes": "What was decided"}
        widgets = {"notes": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "gap_%s"} | kwargs)


class RecapForm(StageForm):
    """STAGE-7: the recap was sent outside the app."""

    class Meta:
        model = Stage
        fields = ()

    def apply(self, stage: Stage, *, by: User, now: datetime, today: date) -> None:
        if stage.recap_sent_at is None:
            stage.record({"recap_sent_at": now}, by=by, now=now, today=today)


class ReopenForm(StageForm):
    """STAGE-10: a lead opens the closed stage again, and says why."""

    reason = forms.CharField(
        label="Why is it opened again?",
        max_length=LONGEST_REASON,
        error_messages={"required": "Say why the stage is opened again."},
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    class Meta:
        model = Stage
        fields = ()

    def apply(self, stage: Stage, *, by: User, now: datetime, today: date) -> None:
        stage.reopen(self.cleaned_data["reason"], by=by)
