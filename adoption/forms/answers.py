"""One answer of a checklist, and those of a team lead's check-in, as forms."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django import forms

from adoption.models import CheckIn
from adoption.models.checklist import LONGEST
from lifecycle.dashboards.forms import MergingForm, date_input

TOPICS = {
    "supervision": "Supervision: experience with the system, issues, feedback",
    "relationship": "Relationship with the CSM",
    "prospects": "Prospects: goals, how we can help, hires or expansion",
}


class AnswerForm(forms.Form):
    """CHK-1: one item's answer as it is made. `seen` is the version of the answer the person looked at (none sent:
    none seen), `template` the template."""

    value = forms.CharField(required=False, max_length=LONGEST)
    comment = forms.CharField(required=False, max_length=LONGEST)
    seen = forms.IntegerField(required=False, min_value=0)
    template = forms.IntegerField(required=False, min_value=0)
    use = forms.CharField(required=False, max_length=LONGEST)  # what the app knows, taken over by its button

    def clean_comment(self) -> str:
        return self.cleaned_data["comment"].replace("\r\n", "\n")

    def clean_seen(self) -> int:
        return self.cleaned_data["seen"] or 0

    def given(self) -> dict[str, Any]:
        """What `Checklist.answer` takes."""
        kept = self.cleaned_data
        return {
            "value": kept["use"] or kept["value"],
            "comment": kept["comment"],
            "seen_version": kept["seen"],
            "seen_template": kept["template"],
        }


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
