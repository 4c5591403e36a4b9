"""The list of accounts, the account page, and the facts of an account."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts.api.accounts import unique_external_id
from accounts.forms import AccountForm, OpportunityForm, PoolForm
from accounts.models import Account, User
from accounts.models.account import PHASES
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards import account_list, account_page
from lifecycle.dashboards.access import signed_in
from lifecycle.dashboards.forms import save
from lifecycle.rules.policy import LEVELS
from lifecycle.rules.routing import POOLS

CHOICES = (("phase", PHASES), ("pool", POOLS), ("service_level", LEVELS), ("segment", ("smb", "regular")))


def seen_account(request: HttpRequest, pk: int) -> Account:
    """The account, if this person may see it; 404 otherwise."""
    today = request.user.today(clock.now())
    found = Account.objects.visible_to(request.user, today=today).select_related(
        "csm", "onboarded_by", "override_by"
    )
    return get_object_or_404(found, pk=pk)


def noted_account(request: HttpRequest, pk: int) -> Account:
    """SEG-5: the account, if this person may write a note on it: who works it, or onboarded it."""
    account = seen_account(request, pk)
    today = request.user.today(clock.now())
    if not Account.objects.noted_by(request.user, today=today).filter(pk=pk).exists():
        raise PermissionDenied
    return account


def worked_account(request: HttpRequest, pk: int) -> Account:
    """The account, if this person may change it; 404 when they may not even see it, 403 when they may only read."""
    account = seen_account(request, pk)
    today = request.user.today(clock.now())
    if not Account.objects.worked_by(request.user, today=today).filter(pk=pk).exists():
        raise PermissionDenied
    return account


@signed_in
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Accounts this person sees, filtered by the address alone."""
    now, user = clock.now(), request.user
    found = (
        Account.objects.visible_to(user, today=user.today(now)).filter(archived_at=None).select_related("csm")
    )
    chosen = {name: request.GET[name] for name, values in CHOICES if request.GET.get(name) in values}
    search = request.GET.get("search", "").replace("\0", "").strip()
    found = found.filter(**chosen)
    found = found.filter(name__icontains=search) if search else found
    order = account_list.Order.read(request.GET.get("sort", ""))
    pages = Paginator(order.apply(account_list.with_usage(found)), account_list.PER_PAGE)
    current = pages.get_page(request.GET.get("page"))
    context = {
        "lines": account_list.lines(list(current.object_list), now=now, viewer=user),
        "current": current,
        "filters": [(name, values, chosen.get(name, "")) for name, values in CHOICES],
        "search": search,
        "order": order,
        "query": _query_without(request, "page"),
        "query_to_sort": _query_without(request, "page", "sort"),
        "today": user.today(now),
        "may_create": user.decides,
    }
    return render(request, "accounts/account_list.html", context)


def _query_without(request: HttpRequest, *names: str) -> str:
    query = request.GET.copy()
    for name in names:
        query.pop(name, None)
    return query.urlencode()


@signed_in
@require_GET
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The account page."""
    account = seen_account(request, pk)
    context = account_page.overview(account, viewer=request.user, now=clock.now())
    forms = {"pool_form": PoolForm(), "opportunity_form": OpportunityForm(auto_id="opportunity_%s")}
    return render(
        request, "accounts/account_detail.html", {**context, **forms, "decides": request.user.decides}
    )


@signed_in
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """A new account: leads, managers and CS Ops."""
    if not request.user.decides:
        raise PermissionDenied
    return _account_form(request, Account())


@signed_in
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Correct the facts of an account; what follows from them follows at once."""
    return _account_form(request, worked_account(request, pk))


def _account_form(request: HttpRequest, account: Account) -> HttpResponse:
    form = AccountForm(request.POST or None, instance=account, by=request.user)
    status = save(form, lambda: _record(form, account, by=request.user)) if request.method == "POST" else 200
    if not status:
        messages.info(request, f"{form.cleaned_data['name']} saved")
        return redirect("accounts:detail", account.pk)
    return render(request, "accounts/account_form.html", {"form": form, "account": account}, status=status)


def _record(form: AccountForm, account: Account, *, by: User) -> None:
    with unique_external_id(), change(account.pk, by=by, via="page", now=clock.now()) as work:
        row = work.account if account.pk else account
        row.record(form.merge(row))
