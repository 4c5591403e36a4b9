"""Open Forums as forms (ONB-6)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from crispy_forms.helper import FormHelper
from django import forms

from accounts.models import User
from lifecycle.dashboards.forms import MergingForm, date_input
from onboarding.models import Forum


def _hosts() -> Any:
    return User.objects.filter(is_active=True).exclude(role__in=("viewer", "admin")).order_by("name")


class SeriesForm(forms.Form):
    """A forum on each first Thursday of the coming year."""

    host = forms.ModelChoiceField(queryset=User.objects.none(), label="Host", empty_label=None)
    starts_at = forms.TimeField(
        label="Begins at, where the host is",
        initial="11:00",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["host"].queryset = _hosts()
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True


class ForumForm(MergingForm):
    """What one forum is about, who hosts it and when on its day."""

    class Meta:
        model = Forum
        fields = ("topic", "host", "starts_at", "questions")
        labels = {
            "topic": "Topic (optional)",
            "starts_at": "Begins at, where the host is",
            "questions": "Questions raised (optional)",
        }
        widgets = {
            "starts_at": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "questions": forms.Textarea(attrs={"rows": 3}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["host"].queryset = _hosts()
        self.fields["host"].empty_label = None

    def apply(self, row: Forum, *, now: datetime, today: date) -> None:
        values = self.merge(row)
        if values.keys() & {"host", "starts_at"}:
            row.refuse_if_over(today)
        row.record(values)


class MoveForm(forms.Form):
    """Another day for one forum, or none this month; either with a word why."""

    held_on = forms.DateField(label="Move to", required=False, widget=date_input())
    note = forms.CharField(label="Why", max_length=500)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
