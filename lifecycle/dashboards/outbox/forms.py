"""The one form of the Outbox: a customer's right address."""

from __future__ import annotations

from django import forms


class AddressForm(forms.Form):
    """Where the mail should have gone."""

    address = forms.EmailField(
        label="Right address",
        max_length=254,
        error_messages={
            "required": "Enter the right address.",
            "invalid": "This is no address. Write it like name@company.com.",
        },
    )
