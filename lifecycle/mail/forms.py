"""A letter, its template and the links, as forms."""

from __future__ import annotations

import re
from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts.models import Contact
from lifecycle.mail.drafts import LETTERS
from lifecycle.mail.drafts.letters import LINKS
from lifecycle.mail.models import Draft, Link, MailTemplate
from lifecycle.mail.models.letters import LONGEST_LETTER

MOST_ADDRESSES = 20


class Addresses(forms.CharField):
    """Addresses, one after another, separated by commas or lines."""

    def to_python(self, value: Any) -> list[str]:
        return list(dict.fromkeys(a.lower() for a in re.split(r"[\s,;]+", value or "") if a))

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def validate(self, value: list[str]) -> None:
        if len(value) > MOST_ADDRESSES:
            raise ValidationError(f"Enter at most {MOST_ADDRESSES} addresses.")
        for address in value:
            try:
                validate_email(address)
            except ValidationError:
                raise ValidationError(f"“{address}” is not an email address.") from None


class Plain(forms.Form):
    """Our own forms, laid out by crispy, with the form tag in the page."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True


class LetterForm(Plain):
    """A draft: who gets it, and what it says."""

    to = Addresses(label="To", required=False)
    cc = Addresses(label="Copy to (optional)", required=False)
    subject = forms.CharField(label="Subject", max_length=200, required=False)
    body = forms.CharField(
        label="Letter", max_length=LONGEST_LETTER, required=False, widget=forms.Textarea(attrs={"rows": 18})
    )

    def __init__(self, *args: Any, draft: Draft, **kwargs: Any) -> None:
        initial = {name: getattr(draft, name) for name in ("to", "cc", "subject", "body")}
        super().__init__(*args, initial=initial, **kwargs)
        people = Contact.objects.filter(account=draft.account).exclude(email="") if draft.account else ()
        self.fields["to"].help_text = ", ".join(f"{c.name}: {c.email}" for c in people)

    def clean_body(self) -> str:
        return self.cleaned_data["body"].replace("\r\n", "\n")

    @property
    def values(self) -> dict[str, Any]:
        """What was typed, as the draft keeps it."""
        return {name: self.cleaned_data[name] for name in ("to", "cc", "subject", "body")}


class TemplateForm(Plain):
    """New words of a letter."""

    subject = forms.CharField(label="Subject", max_length=200)
    body = forms.CharField(
        label="Letter", max_length=LONGEST_LETTER, widget=forms.Textarea(attrs={"rows": 18})
    )
    note = forms.CharField(label="What changed, and why (optional)", max_length=500, required=False)

    def clean_body(self) -> str:
        return self.cleaned_data["body"].replace("\r\n", "\n")


class LinksForm(Plain):
    """ONB-5: the addresses and contacts that letters mention."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {link.key: link.value for link in Link.objects.all()}
        for key, label in LINKS.items():
            kind = forms.URLField if key.endswith("_link") else forms.EmailField
            if not key.endswith(("_link", "_email")):
                kind = forms.CharField
            more = {"assume_scheme": "https"} if kind is forms.URLField else {}
            self.fields[key] = kind(
                label=label, max_length=1000, required=False, initial=known.get(key, ""), **more
            )

    def apply(self) -> None:
        """Write what differs; inside the door."""
        for key, value in self.cleaned_data.items():
            link = Link.objects.filter(key=key).first() or Link(key=key)
            if link.value != value:
                link.value = value
                link.save()


def letter_choices() -> list[tuple[str, str]]:
    """Every kind of letter, by title."""
    return sorted(((key, letter.title) for key, letter in LETTERS.items()), key=lambda pair: pair[1])


def versions_of(key: str) -> list[MailTemplate]:
    """The published versions of a letter, newest first."""
    return list(MailTemplate.objects.filter(key=key).select_related("author"))
