"""Forms of the account pages. They name fields and words; the verbs are on the models."""

from __future__ import annotations

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Div, Layout
from django import forms

from accounts.models import Account, Activity, Contact, Opportunity, Reroute, User
from accounts.models.contact_log import LONGEST_NOTE
from lifecycle.dashboards.forms import MergingForm, date_input, time_input
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


def merge_or_make(form: MergingForm) -> None:
    """A new row has nothing to merge with; either way the page writes the form element and the buttons."""
    for field in form.fields.values():
        field.show_hidden_initial = form.instance.pk is not None
    form.helper = PlainHelper()


class Prose(forms.CharField):
    """Many lines; a line break counts as one letter, however the browser sends it."""

    def __init__(self, *, rows: int = 4, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"rows": rows, "dir": "auto"})
        super().__init__(**{"max_length": LONGEST_NOTE, "widget": widget, **kwargs})

    def to_python(self, value: Any) -> Any:
        return super().to_python(value.replace("\r\n", "\n") if isinstance(value, str) else value)


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
        merge_or_make(self)
        one_line(self)


class ActivityForm(MergingForm):
    """ACT-1, ACT-2: one entry of the contact log. Who only onboarded the account writes notes (SEG-5)."""

    text = Prose(label="What happened")

    class Meta:
        model = Activity
        fields = ("kind", "happened_at", "contact", "text", "follow_up_on", "ticket_url")
        labels = {
            "happened_at": "When",
            "contact": "With whom (optional)",
            "follow_up_on": "Follow up on (optional)",
            "ticket_url": "Ticket link (bugs only, optional)",
        }
        widgets = {"happened_at": time_input(), "follow_up_on": date_input()}

    def __init__(self, *args: Any, account: Account, notes_only: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["contact"].queryset = Contact.objects.filter(account=account)
        self.fields["contact"].empty_label = "Nobody in particular"
        self.fields["happened_at"].required = False
        if notes_only:
            for name in ("kind", "follow_up_on", "ticket_url"):
                del self.fields[name]
        elif self.instance.pk is None:
            self.fields["kind"].choices = Activity._meta.get_field("kind").choices
        if self.initial.get("happened_at"):  # as the input shows it, so that saving it again changes nothing
            self.initial["happened_at"] = self.initial["happened_at"].replace(second=0, microsecond=0)
        merge_or_make(self)
        rows = (("kind", "happened_at"), ("contact", "follow_up_on"), ("text",), ("ticket_url",))
        known = [[name for name in row if name in self.fields] for row in rows]
        self.helper.layout = Layout(*(Div(*row, css_class="form-row") for row in known if row))

    @property
    def entered(self) -> dict[str, Any]:
        """The values of a new entry; no time means now."""
        given = {name: value for name, value in self.cleaned_data.items() if name in self.fields}
        if given.get("happened_at") is None:
            given.pop("happened_at", None)
        return {"kind": "note", **given}


class OpportunityForm(MergingForm):
    """ACT-3: something more the customer might want."""

    text = Prose(label="What was said (optional)", required=False, rows=3)

    class Meta:
        model = Opportunity
        fields = ("kind", "state", "demo_on", "text")
        labels = {"kind": "What about", "state": "Where it stands", "demo_on": "Demo on (optional)"}
        widgets = {"demo_on": date_input()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        merge_or_make(self)
        if self.instance.pk is None:
            self.fields["kind"].choices = Opportunity._meta.get_field("kind").choices


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
