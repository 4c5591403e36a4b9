"""CAD-6, CAD-7: day 0 and the service level of a running adoption, to be corrected with a look at what moves."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

from django import forms

from accounts.models import Account
from adoption.models import Adoption
from lifecycle.dashboards.forms import MergingForm, date_input
from lifecycle.rules.policy import LEVELS
from onboarding.models import Onboarding


class PlanForm(MergingForm):
    """Both facts lie elsewhere: on the onboarding and on the account; `apply` records them there."""

    day_zero = forms.DateField(label="Day 0: trainings completed on", widget=date_input())
    service_level = forms.ChoiceField(
        label="Service level",
        choices=[(level, level.capitalize()) for level in LEVELS],
        widget=forms.RadioSelect,
    )

    class Meta:
        model = Adoption
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["day_zero"].initial = self.instance.day_zero
        self.fields["service_level"].initial = self.instance.account.service_level

    def apply(self, account: Account, *, today: date) -> None:
        onboarding = Onboarding.objects.get(adoption=self.instance.pk)
        seen = SimpleNamespace(day_zero=onboarding.training_completed_on, service_level=account.service_level)
        changed = self.merge(seen)
        if "day_zero" in changed:
            onboarding.record({"training_completed_on": changed["day_zero"]}, today=today)
        if "service_level" in changed:
            account.record({"service_level": changed["service_level"]})
