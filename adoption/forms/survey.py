"""The survey's questions as a form, for the customer's page and for filling it in together; and its links."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms

from adoption.models import Survey
from adoption.models.survey import LONGEST_NAME, LONGEST_WORDS, OPEN_QUESTION, QUESTIONS, SCORES
from lifecycle.dashboards.forms import MergingForm
from lifecycle.imports.rows import Wrong, plain_text


class Words(forms.CharField):
    """Some lines of text, in any script."""

    def __init__(self, label: str) -> None:
        area = forms.Textarea(attrs={"rows": 3, "dir": "auto", "class": "form-control"})
        super().__init__(label=label, required=False, max_length=LONGEST_WORDS, widget=area)

    def to_python(self, value: Any) -> str:
        return super().to_python(value).replace("\r\n", "\n")


class AnswersForm(forms.Form):
    """SUR-3: a score for each question, words where somebody wants to say more, and who it was."""

    respondent = forms.CharField(
        label="Your name (optional)",
        required=False,
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"autocomplete": "name", "dir": "auto", "class": "form-control"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, question in QUESTIONS.items():
            self.fields[name] = forms.TypedChoiceField(
                label=question,
                choices=SCORES.items(),
                coerce=int,
                empty_value=None,
                required=False,
                widget=forms.RadioSelect,
            )
            self.fields[f"{name}_words"] = Words("Your words")
        self.fields["open"] = Words(f"{OPEN_QUESTION} (optional)")

    def clean_respondent(self) -> str:
        """One line, without characters that cannot be seen."""
        try:
            return plain_text(
                self.cleaned_data["respondent"], longest=LONGEST_NAME, what="a name", blank=True
            )
        except Wrong:
            raise forms.ValidationError("Write the name in letters that can be seen.") from None

    @property
    def questions(self) -> Iterator[tuple[forms.BoundField, forms.BoundField]]:
        """Each question with the place for words beside it."""
        return ((self[name], self[f"{name}_words"]) for name in QUESTIONS)

    @property
    def answers(self) -> dict[str, Any]:
        """What was answered, as the survey keeps it."""
        given = self.cleaned_data
        return {
            "scores": {name: given[name] for name in QUESTIONS},
            "words": {name: given[f"{name}_words"] for name in QUESTIONS},
            "open": given["open"],
        }


class LinksForm(MergingForm):
    """SUR-2: a form of another product instead of our page, and the link of a second survey."""

    class Meta:
        model = Survey
        fields = ("external_url", "second_url")
        labels = {
            "external_url": "Their own form elsewhere, instead of our page (optional)",
            "second_url": "Link of a second survey (optional)",
        }


class WaiveForm(forms.Form):
    """SUR-4: why we do without an answer."""

    reason = forms.CharField(
        label="Why do we do without an answer?",
        max_length=500,
        widget=forms.TextInput(attrs={"class": "form-control"}),
    )
