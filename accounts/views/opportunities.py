"""ACT-3: what more a customer might want, and whether the RSM knows."""

from __future__ import annotations

from copy import copy

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import OpportunityForm
from accounts.models import Account, Opportunity
from accounts.views.accounts import worked_account
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import signed_in
from lifecycle.dashboards.forms import save
from lifecycle.rules.refused import Refused


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that something came up."""
    return _form(request, worked_account(request, pk), None)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int, opportunity: int) -> HttpResponse:
    """Bring it up to date."""
    account = worked_account(request, pk)
    return _form(request, account, _opportunity(account, opportunity))


def _opportunity(account: Account, pk: int) -> Opportunity:
    return get_object_or_404(Opportunity.objects.filter(account=account), pk=pk)


def _form(request: HttpRequest, account: Account, row: Opportunity | None) -> HttpResponse:
    form = OpportunityForm(request.POST or None, instance=copy(row) if row else None)
    status = save(form, lambda: _record(request, form, account, row)) if request.method == "POST" else 200
    if not status:
        return redirect(_back(account))
    context = {"form": form, "account": account, "opportunity": row}
    return render(request, "accounts/opportunity_form.html", context, status=status)


def _record(request: HttpRequest, form: OpportunityForm, account: Account, row: Opportunity | None) -> None:
    now = clock.now()
    with change(account.pk, by=request.user, via="page", now=now) as work:
        fresh = _opportunity(work.account, row.pk) if row else Opportunity(account=work.account)
        values = form.merge(fresh) if row else form.cleaned_data
        fresh.record(values, by=request.user, now=now, today=request.user.today(now))


@signed_in
@require_POST
def told(request: HttpRequest, pk: int, opportunity: int) -> HttpResponse:
    """The RSM was told, outside the app."""
    account, now = worked_account(request, pk), clock.now()
    try:
        with change(account.pk, by=request.user, via="page", now=now) as work:
            _opportunity(work.account, opportunity).tell_rsm(now=now)
    except Refused as no:
        messages.error(request, no.text)
    else:
        messages.info(request, "Noted: the RSM knows")
    return redirect(_back(account))


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, pk: int, opportunity: int) -> HttpResponse:
    """Take it out, once asked."""
    account, now = worked_account(request, pk), clock.now()
    row = _opportunity(account, opportunity)
    if request.method != "POST":
        return render(request, "accounts/opportunity_remove.html", {"account": account, "opportunity": row})
    try:
        with change(account.pk, by=request.user, via="page", now=now) as work:
            work.account.refuse_if_archived()
            _opportunity(work.account, opportunity).delete()
    except Refused as no:
        messages.error(request, no.text)
    return redirect(_back(account))


def _back(account: Account) -> str:
    return f"{reverse('accounts:detail', args=[account.pk])}#opportunities"
