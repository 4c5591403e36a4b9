"""Everything up to day 0 as forms: the call, the goals, each training, the completion."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django import forms

from lifecycle.dashboards.forms import MergingForm, date_input, time_input
from onboarding.models import Onboarding, TrainingSession

AREA = forms.Textarea(attrs={"rows": 3})


class OnboardingForm(MergingForm):
    """A part of the onboarding: `apply` records it on the fresh row."""

    def apply(self, row: Any, *, now: datetime, today: date) -> None:
        row.record(self.merge(row), today=today)


class CallForm(OnboardingForm):
    """ONB-1: the onboarding call and what was learned in it."""

    class Meta:
        model = Onboarding
        fields = ("call_scheduled_at", "call_completed_on", "discovery_notes")
        labels = {
            "call_scheduled_at": "Call booked for",
            "call_completed_on": "Call held on",
            "discovery_notes": "Discovery notes (optional)",
        }
        widgets = {
            "call_scheduled_at": time_input(),
            "call_completed_on": date_input(),
            "discovery_notes": AREA,
        }


class GoalsForm(OnboardingForm):
    """ONB-1: the objectives, one a line; a line that stays keeps its objective and its judgement."""

    goals = forms.CharField(
        label="Goals, one a line",
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="What made them buy, and what would make them stay. We come back to these at the last stage.",
    )

    class Meta:
        model = Onboarding
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        goals = [_one_line(objective.text) for objective in self.instance.objectives.all()]
        self.fields["goals"].initial = "\n".join(dict.fromkeys(goals))

    def clean_goals(self) -> list[str]:
        lines = _lines(self.cleaned_data["goals"])
        if any(len(line) > 1000 for line in lines):
            raise forms.ValidationError("Keep each goal to 1,000 characters.")
        return lines

    def apply(self, row: Onboarding, *, now: datetime, today: date) -> None:
        """Goals that somebody else added meanwhile stay."""
        here = {objective.pk: _one_line(objective.text) for objective in row.objectives.all()}
        lines = list(here.values())
        if "goals" in self.changed_data:
            seen = _lines(self.data.get(self.add_initial_prefix("goals"), "\n".join(lines)))
            lines = [*self.cleaned_data["goals"], *(text for text in lines if text not in seen)]
        kept = [{"id": pk} for pk, text in here.items() if text in lines]
        row.set_objectives([*kept, *({"text": text} for text in lines if text not in here.values())])


def _lines(text: str) -> list[str]:
    return [line for line in dict.fromkeys(map(_one_line, text.splitlines())) if line]


def _one_line(text: str) -> str:
    return " ".join(text.split())


class SessionForm(OnboardingForm):
    """ONB-3: one training."""

    class Meta:
        model = TrainingSession
        fields = (
            "scheduled_at",
            "completed_on",
            "recording_confirmed",
            "participants",
            "modules",
            "pending_subjects",
            "relevant_links",
        )
        labels = {
            "scheduled_at": "Booked for",
            "completed_on": "Held on",
            "recording_confirmed": "Recording confirmed",
            "participants": "Who came (optional)",
            "modules": "What you covered (optional)",
            "pending_subjects": "What is pending (optional)",
            "relevant_links": "Links (optional)",
        }
        widgets = {
            "scheduled_at": time_input(),
            "completed_on": date_input(),
            **{
                name: forms.Textarea(attrs={"rows": 2})
                for name in ("participants", "modules", "pending_subjects", "relevant_links")
            },
        }


class ManualsForm(OnboardingForm):
    """ONB-5: that policy manuals can be copied or downloaded was told."""

    class Meta:
        model = Onboarding
        fields = ("manuals_told_on",)
        labels = {"manuals_told_on": "Told on"}
        widgets = {"manuals_told_on": date_input()}


class CompleteForm(OnboardingForm):
    """CAD-1: day 0."""

    class Meta:
        model = Onboarding
        fields = ("training_completed_on",)
        labels = {"training_completed_on": "Training completed on"}
        widgets = {"training_completed_on": date_input()}

    def merge(self, row: Any) -> dict[str, Any]:
        """While there is none, the offered day counts as entered when it is submitted, changed or not."""
        if row.training_completed_on is None:
            return {"training_completed_on": self.cleaned_data["training_completed_on"]}
        return super().merge(row)


class SentForm(OnboardingForm):
    """A mail was sent outside the app; `field` names the instant that says so."""

    field = "recap_sent_at"

    class Meta:
        model = Onboarding
        fields = ()

    def apply(self, row: Any, *, now: datetime, today: date) -> None:
        if getattr(row, self.field) is None:
            row.record({self.field: now}, today=today, now=now)


class CompletedMailForm(SentForm):
    field = "completed_mail_sent_at"
