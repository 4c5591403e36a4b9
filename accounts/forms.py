"""Forms of the account pages. They name fields and words; the verbs are on the models."""

from __future__ import annotations

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Div, Layout
from django import forms

from accounts.models import Account, Contact, Reroute, User
from lifecycle.rules.facts import PRODUCTS, SMB_TRAITS
from lifecycle.rules.routing import POOLS

TRAIT_NAMES = {
    "start_up": "Start-up",
    "small_team": "Small team",
    "new_to_compliance": "New to compliance",
    "limited_budget": "Limited budget",
}


def product_name(slug: str) -> str:
    """A product as people call it."""
    return slug.replace("_", " ").title()


class PlainHelper(FormHelper):
    """Fields only: the page writes the form element, the token and the buttons."""

    form_tag = False
    disable_csrf = True
    show_errors = True


class MoneyField(forms.DecimalField):
    """Dollars a month with at most two places."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=9, decimal_places=2, min_value=0, **kwargs)


class AccountForm(forms.ModelForm):
    """The facts of an account. Leads and CS Ops also choose its CSM; a CSM asks for another owner."""

    mrr = MoneyField(label="MRR in USD")
    traits = forms.MultipleChoiceField(
        choices=[(trait, TRAIT_NAMES[trait]) for trait in SMB_TRAITS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Small-business traits",
    )
    products = forms.MultipleChoiceField(
        choices=[(product, product_name(product)) for product in PRODUCTS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Account
        fields = (
            "name",
            "external_id",
            "service_level",
            "contracted_users",
            "mrr",
            "close_date",
            "time_zone",
            "starter_package",
            "traits",
            "products",
            "rsm_name",
            "rsm_email",
            "csm",
        )
        labels = {
            "external_id": "External id",
            "close_date": "Closed on",
            "csm": "CSM",
            "rsm_name": "RSM name",
            "rsm_email": "RSM email",
        }
        widgets = {"close_date": forms.DateInput(attrs={"type": "date"})}

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["mrr"].initial = self.instance.mrr if self.instance.pk else None
        self.fields["external_id"].disabled = bool(self.instance.external_id)
        if by.role in ("csm", "viewer", "admin"):
            del self.fields["csm"]
        else:
            self.fields["csm"].queryset = User.objects.csms().order_by("name")
            self.fields["csm"].empty_label = "By the rules"
        self.helper = PlainHelper()
        rows = (
            ("name", "external_id"),
            ("service_level", "contracted_users", "mrr"),
            ("close_date", "time_zone"),
        )
        rows += (("starter_package",), ("traits", "products"), ("rsm_name", "rsm_email"), ("csm",))
        known = [[name for name in row if name in self.fields] for row in rows]
        self.helper.layout = Layout(*(Div(*row, css_class="form-row") for row in known if row))

    def clean_external_id(self) -> str | None:
        return self.cleaned_data["external_id"] or None

    def values(self) -> dict[str, Any]:
        """What to record: only what was asked; an empty CSM leaves the choice to the rules."""
        values = {name: self.cleaned_data[name] for name in self.fields}
        if values.get("csm", True) is None:
            del values["csm"]
        return values

    def _post_clean(self) -> None:
        """Validate as the model would, without writing into the instance: the verb does that inside the door."""
        probe = Account(**{name: value for name, value in self.cleaned_data.items() if name != "mrr"})
        probe.pk, probe._state.adding = self.instance.pk, self.instance.pk is None
        skipped = [f.name for f in Account._meta.fields if f.name not in self.cleaned_data]
        try:
            probe.full_clean(exclude=skipped, validate_constraints=False)
        except forms.ValidationError as problem:
            self._update_errors(problem)


class ContactForm(forms.ModelForm):
    """A person at the customer."""

    class Meta:
        model = Contact
        fields = ("name", "title", "email", "phone", "is_main", "is_billing")
        labels = {"is_main": "Main contact", "is_billing": "Billing contact"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = PlainHelper()

    def values(self) -> dict[str, Any]:
        return dict(self.cleaned_data)


class RerouteForm(forms.Form):
    """ROUTE-6: choose the new CSM."""

    csm = forms.ModelChoiceField(User.objects.none(), label="New CSM", empty_label=None)

    def __init__(self, *args: Any, reroute: Reroute, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["csm"].queryset = User.objects.csms(reroute.to_pool).order_by("name")
        self.helper = PlainHelper()


class PoolForm(forms.Form):
    """ROUTE-4: set the pool by hand, with a reason."""

    pool = forms.ChoiceField(choices=[(pool, pool.capitalize()) for pool in POOLS])
    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = PlainHelper()
