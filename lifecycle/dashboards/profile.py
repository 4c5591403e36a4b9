"""What a person sets for themselves: name, time zone, the hour of their digest, how the pages look (ux.md 4.20)."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Div, Layout
from django import forms

from accounts.forms import one_line
from accounts.models import User
from accounts.models.people import THEMES
from lifecycle.dashboards.forms import MergingForm
from lifecycle.rules.policy import Policy
from lifecycle.words import hour_words, place_words

AREAS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


@lru_cache(maxsize=1)
def _zones() -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """The zones people live in, by area, as places."""
    places = defaultdict(list)
    for zone in sorted(available_timezones()):
        area, _, place = zone.partition("/")
        if area in AREAS and place:
            places[area].append((zone, place_words(place)))
    return ("Everywhere", (("UTC", "UTC"),)), *((area, tuple(places[area])) for area in AREAS)


def zone_choices(current: str) -> list[tuple[str, Any]]:
    """What a time zone may be chosen from; an unusual one that somebody has stays."""
    groups: list[tuple[str, Any]] = list(_zones())
    known = {zone for _, zones in groups for zone, _ in zones}
    return groups if current in known else [*groups, ("As it is", ((current, place_words(current)),))]


class ProfileForm(MergingForm):
    """A person's own settings."""

    time_zone = forms.ChoiceField(label="Time zone", help_text="Your days, times and mail follow it.")
    digest_hour = forms.TypedChoiceField(
        label="Morning mail",
        coerce=int,
        empty_value=None,
        required=False,
        help_text="One mail a day lists what is due. It leaves at this time where you are.",
    )
    theme = forms.ChoiceField(
        label="Light or dark",
        choices=[("", "As my system has it"), *((theme, theme.capitalize()) for theme in THEMES)],
        required=False,
        widget=forms.RadioSelect,
    )

    class Meta:
        model = User
        fields = ("name", "time_zone", "digest_hour", "stage_mail", "booking_url", "signature", "theme")
        labels = {
            "booking_url": "Booking link (optional)",
            "signature": "Signature (optional)",
            "stage_mail": "Tell me in the morning mail when a stage of my team is closed",
        }
        help_texts = {
            "booking_url": "Customers book their meetings with you here. Starts with https://.",
            "signature": "Ends the drafts written for you. Empty: your name.",
            "stage_mail": "Reminders of what is due come either way.",
        }
        widgets = {"signature": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, policy: Policy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usual = hour_words(policy.reminders.digest_hour)
        self.fields["time_zone"].choices = zone_choices(self.instance.time_zone)
        self.fields["digest_hour"].choices = [
            ("", f"{usual}, as everybody"),
            *((hour, hour_words(hour)) for hour in range(24)),
        ]
        if not self.instance.decides:
            del self.fields["stage_mail"]
        one_line(self)
        self.helper = FormHelper()
        self.helper.form_tag, self.helper.disable_csrf = False, True
        rows = (("name",), ("time_zone", "digest_hour"), ("stage_mail",), ("booking_url",), ("signature",))
        known = [[name for name in row if name in self.fields] for row in (*rows, ("theme",))]
        self.helper.layout = Layout(*(Div(*row, css_class="form-row") for row in known if row))
