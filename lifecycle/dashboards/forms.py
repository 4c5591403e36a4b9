"""Forms that merge: only what a person changed is recorded, so two people on one page do not overwrite each other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.utils import timezone
from django.utils.choices import flatten_choices

from lifecycle.guard import DomainModel
from lifecycle.rules.refused import Refused
from lifecycle.words import time_words

YES_NO = [("", "Not recorded"), ("True", "Yes"), ("False", "No")]


class MergingForm(forms.ModelForm):
    """A form over some fields of a row that is read unlocked. Beside each field goes the value the person saw;
    `merge` compares it with the locked row, and refuses (409) where somebody else changed the same field."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = True
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True

    def clean(self) -> dict[str, Any]:
        for name, value in self.cleaned_data.items():
            if isinstance(value, str):
                self.cleaned_data[name] = _plain(value)
        return self.cleaned_data

    def merge(self, row: DomainModel) -> dict[str, Any]:
        """The values that this person changed, for the row's own verb. Raises Refused on a conflict."""
        changed = {name: self.cleaned_data[name] for name in self.changed_data if name in self.cleaned_data}
        for name, value in changed.items():
            theirs = _plain(getattr(row, name))
            if self._saw(name) and theirs not in (self._seen(name), value):
                self._show(name, theirs)
                text = f"Changed meanwhile: it now reads “{shown(theirs)}”. Save again to keep yours."
                raise Refused(name, "changed", text, rule="CHK-3", conflict=True)
        return changed

    @property
    def said(self) -> list[tuple[str, str]]:
        """What is recorded, for those who may only read: labels and words."""
        found = []
        for bound in self:
            value = bound.initial
            unticked = value is False and isinstance(bound.field, forms.BooleanField)
            if value not in (None, "", []) and not unticked:
                names = dict(flatten_choices(getattr(bound.field, "choices", ())))
                words = (
                    [str(names.get(v, v)) for v in value]
                    if isinstance(value, list)
                    else names.get(value, value)
                )
                found.append((bound.label.removesuffix(" (optional)"), shown(words)))
        return found

    def refuse(self, no: Refused) -> int:
        """Put the words at the field they are about; the status of the answer."""
        self.add_error(no.field if no.field in self.fields else None, no.text)
        return 409 if no.conflict else 422

    def _saw(self, name: str) -> bool:
        return self.add_initial_prefix(name) in self.data

    def _seen(self, name: str) -> Any:
        field = self.fields[name]
        raw = field.hidden_widget().value_from_datadict(self.data, self.files, self.add_initial_prefix(name))
        try:
            return _plain(field.clean(raw))
        except forms.ValidationError:  # nothing was there yet, in a field that must not stay so
            return field.to_python(None)

    def _show(self, name: str, theirs: Any) -> None:
        """From now on the person has seen the other's value."""
        self.data = self.data.copy()
        initial = self.fields[name].prepare_value(theirs)
        if isinstance(initial, list):
            self.data.setlist(self.add_initial_prefix(name), initial)
        else:
            self.data[self.add_initial_prefix(name)] = "" if initial is None else str(initial)


def save(form: MergingForm, act: Callable[[], None]) -> int:
    """Run `act` where the form is valid; 0 when it went through, else the status with which to show the form again."""
    if not form.is_valid():
        return 422
    try:
        act()
    except Refused as no:
        return form.refuse(no)
    return 0


def shown(value: Any) -> str:
    """A stored value as a sentence quotes it."""
    if isinstance(value, datetime):
        local = timezone.localtime(value)
        return f"{shown(local.date())}, {time_words(local)}"
    if isinstance(value, date):
        return f"{value:%a, %b} {value.day}, {value.year}"
    if isinstance(value, list):
        return ", ".join(str(item).replace("_", " ") for item in value) or "nothing"
    return {None: "nothing", "": "nothing", True: "yes", False: "no"}.get(value, str(value))


def date_input() -> forms.DateInput:
    """The browser's own date picker."""
    return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


def time_input() -> forms.DateTimeInput:
    """The browser's own picker of day and time, in the viewer's zone."""
    return forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


def yes_no(label: str, **more: Any) -> forms.TypedChoiceField:
    """A question that may stay open."""
    return forms.TypedChoiceField(
        label=label,
        choices=YES_NO,
        coerce=lambda value: value == "True",
        empty_value=None,
        required=False,
        **more,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\r\n", "\n")
    if isinstance(value, datetime):
        return value.replace(second=0, microsecond=0)
    return value
