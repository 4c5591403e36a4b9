"""The people at a customer: who they are, whether they are still the right ones, and how to reach them."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.forms import ContactForm
from accounts.models import Account, Contact
from accounts.views.accounts import seen_account, worked_account
from lifecycle import clock
from lifecycle.change import Work, change
from lifecycle.dashboards import account_page
from lifecycle.dashboards.access import signed_in
from lifecycle.dashboards.forms import save
from lifecycle.rules.refused import Refused


@signed_in
@require_GET
def index(request: HttpRequest, pk: int) -> HttpResponse:
    """The contacts tab; addresses are masked for those who only look."""
    account = seen_account(request, pk)
    head = account_page.head(account, viewer=request.user, now=clock.now(), tab="contacts")
    rows = Contact.objects.filter(account=account)
    return render(request, "accounts/contacts.html", {**head, "contacts": rows})


@signed_in
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a person at the customer."""
    return _form(request, worked_account(request, pk), None)


@signed_in
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int, contact: int) -> HttpResponse:
    """Correct a contact."""
    account = worked_account(request, pk)
    return _form(request, account, _contact(account, contact))


def _contact(account: Account, pk: int) -> Contact:
    return get_object_or_404(Contact.objects.filter(account=account), pk=pk)


def _form(request: HttpRequest, account: Account, contact: Contact | None) -> HttpResponse:
    form = ContactForm(request.POST or None, instance=copy(contact) if contact else None)

    def act(work: Work) -> None:
        if contact is None:
            return Contact(account=work.account).record(form.cleaned_data)
        fresh = _contact(work.account, contact.pk)
        return fresh.record(form.merge(fresh))

    status = save(form, lambda: _change(request, account, act)) if request.method == "POST" else 200
    if not status:
        return redirect("accounts:contacts", account.pk)
    context = {"form": form, "account": account, "contact": contact}
    return render(request, "accounts/contact_form.html", context, status=status)


@signed_in
@require_POST
def confirm(request: HttpRequest, pk: int, contact: int) -> HttpResponse:
    """STAGE-5: this is still the right person, as of today."""
    account = worked_account(request, pk)
    row = _contact(account, contact)

    def act(work: Work) -> None:
        today = work.today(work.account)
        _contact(work.account, contact).record({"confirmed_on": today}, today=today)

    return _done(request, account, act, f"{row.name} is still the right person")


@signed_in
@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, pk: int, contact: int) -> HttpResponse:
    """Forget a contact, once asked."""
    account = worked_account(request, pk)
    row = _contact(account, contact)
    if request.method == "GET":
        return render(request, "accounts/contact_remove.html", {"account": account, "contact": row})
    return _done(request, account, lambda work: _forget(work.account, contact), f"{row.name} removed")


def _forget(account: Account, pk: int) -> None:
    account.refuse_if_archived()
    _contact(account, pk).delete()


def _done(request: HttpRequest, account: Account, act: Callable[[Work], object], said: str) -> HttpResponse:
    try:
        _change(request, account, act)
    except Refused as no:
        messages.error(request, no.text)
    else:
        messages.info(request, said)
    return redirect("accounts:contacts", account.pk)


def _change(request: HttpRequest, account: Account, act: Callable[[Work], object]) -> None:
    with change(account.pk, by=request.user, via="page", now=clock.now()) as work:
        act(work)
