"""Forms of the account pages. They name fields and words; the verbs are on the models."""

from __future__ import annotations

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Div, Layout
from django import forms

from accounts.models import Account, Contact, Reroute, User
from lifecycle.dashboards.forms import MergingForm
from lifecycle.imports.rows import Wrong, plain_text
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


def one_line(form: forms.ModelForm) -> None:
    """Refuse in every line of a form what the API and imports refuse there: control, bidi, zero-width characters."""
    for field in form.fields.values():
        if type(field.widget) in (forms.TextInput, forms.EmailInput) and isinstance(field, forms.CharField):
            field.validators = [*field.validators, _plain_line]


def _plain_line(text: str) -> None:
    try:
        plain_text(text, longest=len(text), what="one line of plain text", blank=True)
    except Wrong as wrong:
        raise forms.ValidationError(f"{wrong.detail.capitalize()}.") from None


class AccountForm(MergingForm):
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
        for field in self.fields.values():
            field.show_hidden_initial = not field.disabled and self.instance.pk is not None
        one_line(self)
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

    def merge(self, row: Account) -> dict[str, Any]:
        """Everything for a new account, else what was changed; an empty CSM leaves the choice to the rules."""
        values = super().merge(row) if row.pk else {name: self.cleaned_data[name] for name in self.fields}
        if values.get("csm", True) is None:
            del values["csm"]
        return values

    def _post_clean(self) -> None:
        """Validate as the model would, without writing into the instance: the verb does that inside the door."""
        probe = Account(**{name: value for name, value in self.cleaned_data.items() if name != "mrr"})
        probe.pk, probe._state.adding = self.instance.pk, self.instance.pk is None
        skipped = [f.name for f in Account._meta.fields if f.name not in self.cleaned_data]
        try:
            probe.full_clean(exclude=skipped, validate_unique=False, validate_constraints=False)
        except forms.ValidationError as problem:
            self._update_errors(problem)


class ContactForm(MergingForm):
    """A person at the customer."""

    class Meta:
        model = Contact
        fields = ("name", "title", "email", "phone", "is_main", "is_billing")
        labels = {"is_main": "Main contact", "is_billing": "Billing contact"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = False  # always a new one: there is nothing to merge with
        one_line(self)
        self.helper = PlainHelper()


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
