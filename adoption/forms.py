"""The steps of a stage as forms. Each hands what the person changed to one verb of the model."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django import forms

from accounts.models import User
from adoption.models import CheckIn, Stage
from adoption.models.adoption import DISENGAGEMENT_REASONS, GAP_DECISIONS, ROOT_CAUSES
from adoption.models.checklist import LONGEST
from lifecycle.dashboards.forms import MergingForm, date_input, time_input, yes_no

REASONS = (
    "No-show",
    "Unresponsive",
    "They postponed",
    "Internal issue on their side",
    "Our side",
    "Account is leaving",
    "Other",
)
DECISIONS = {
    "retry": "Try again, with a new date",
    "email_review": "Review the checklist by email",
    "waive": "Leave this meeting out",
    "rescue": "Open a rescue plan",
}
TOPICS = {
    "supervision": "Supervision: experience with the system, issues, feedback",
    "relationship": "Relationship with the CSM",
    "prospects": "Prospects: goals, how we can help, hires or expansion",
}


def _named(names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, name.replace("_", " ").capitalize()) for name in names]


def _several(label: str, names: tuple[str, ...]) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label, choices=_named(names), required=False, widget=forms.CheckboxSelectMultiple
    )


class StageForm(MergingForm):
    """A step of a stage: `apply` records it on the locked row."""

    def apply(self, stage: Stage, *, by: User, now: datetime, today: date) -> None:
        stage.record(self.merge(stage), now=now, today=today)


class BookForm(StageForm):
    """STAGE-2."""

    class Meta:
        model = Stage
        fields = ("meeting_scheduled_at", "recording_confirmed", "recording_url")
        labels = {
            "meeting_scheduled_at": "Meeting on",
            "recording_confirmed": "Recording confirmed",
            "recording_url": "Link to the recording (optional)",
        }
        widgets = {"meeting_scheduled_at": time_input()}


class HoldForm(StageForm):
    """STAGE-3..6: the meeting's day and outcome. Entering the day says that it was held."""

    engaged = yes_no("Are they engaged?")
    disengagement_reasons = _several("If not, why", DISENGAGEMENT_REASONS)
    root_causes = _several("If it is falling, the causes", ROOT_CAUSES)
    contacts_unchanged = yes_no("Are the contacts still the same people?")
    FIRST = ("engaged", "disengagement_reasons", "reengage_on", "action")
    FINAL = (
        "engagement",
        "root_causes",
        "cause_side",
        "contacts_unchanged",
        "reference",
        "send_reference_email",
    )

    class Meta:
        model = Stage
        fields = (
            "meeting_held_on",
            "engaged",
            "disengagement_reasons",
            "reengage_on",
            "action",
            "engagement",
            "root_causes",
            "cause_side",
            "contacts_unchanged",
            "reference",
            "send_reference_email",
            "investment",
            "summary",
            "expectations",
            "notes",
        )
        labels = {
            "meeting_held_on": "Meeting held on",
            "reengage_on": "They expect to start again on (optional)",
            "action": "What we agreed to do (optional)",
            "engagement": "Engagement is",
            "cause_side": "On whose side (optional)",
            "reference": "Would they be a reference?",
            "send_reference_email": "Send them the reference email",
            "investment": "Interest in more",
            "summary": "Main points and pain points",
            "expectations": "What they can expect from us (optional)",
            "notes": "Notes (optional)",
        }
        widgets = {"meeting_held_on": date_input(), "reengage_on": date_input()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.FIRST if self.instance.final else self.FINAL:
            del self.fields[name]
        for name in {"engagement", "investment", "cause_side"} & set(self.fields):
            self.fields[name].choices = [("", "Not recorded"), *self.fields[name].choices[1:]]
        for name in {"action", "summary", "expectations", "notes"} & set(self.fields):
            self.fields[name].widget.attrs["rows"] = 3

    def merge(self, row: Stage) -> dict[str, Any]:
        values = super().merge(row)
        if "meeting_held_on" in values:
            values["meeting_held"] = True if values["meeting_held_on"] else None
        return values


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
        stage.record({"meeting_held": False, "no_meeting_reason": reason}, now=now, today=today)


class GapForm(StageForm):
    """STAGE-3: the lead decides how the gap is closed, and notes what was decided."""

    gap_decision = forms.ChoiceField(
        label="How do we close the gap?",
        choices=[("", "Choose"), *((name, DECISIONS[name]) for name in GAP_DECISIONS)],
    )

    class Meta:
        model = Stage
        fields = ("gap_decision", "notes")
        labels = {"notes": "What was decided"}
        widgets = {"notes": forms.Textarea(attrs={"rows": 3})}


class RecapForm(StageForm):
    """STAGE-7: the recap was sent outside the app."""

    class Meta:
        model = Stage
        fields = ()

    def apply(self, stage: Stage, *, by: User, now: datetime, today: date) -> None:
        if stage.recap_sent_at is None:
            stage.record({"recap_sent_at": now}, now=now, today=today)


class AnswerForm(forms.Form):
    """CHK-1: one item's answer as it is made. `seen` is the version of the answer the person looked at."""

    value = forms.CharField(required=False, max_length=LONGEST)
    comment = forms.CharField(required=False, max_length=LONGEST)
    seen = forms.IntegerField(required=False, min_value=0)


class CheckInForm(MergingForm):
    """TLC-1: the answers by topic, and the day."""

    class Meta:
        model = CheckIn
        fields = ("done_on",)
        labels = {"done_on": "Answered on"}
        widgets = {"done_on": date_input()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for topic, label in TOPICS.items():
            self.fields[topic] = forms.CharField(
                label=f"{label} (optional)",
                required=False,
                max_length=LONGEST,
                initial=self.instance.answers.get(topic, ""),
                widget=forms.Textarea(attrs={"rows": 3}),
            )

    def apply(self, check_in: CheckIn, *, now: datetime, today: date) -> None:
        answers = {topic: self.cleaned_data[topic] for topic in TOPICS}
        values = {"answers": {**check_in.answers, **answers}, "done_on": self.cleaned_data["done_on"]}
        check_in.record(values, now=now, today=today)
