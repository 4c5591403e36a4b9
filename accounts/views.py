"""The account pages: list, detail, facts, contacts, and who serves."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.api.accounts import unique_external_id
from accounts.forms import AccountForm, ContactForm, PoolForm, RerouteForm
from accounts.models import Account, Contact, Reroute, User
from accounts.models.account import PHASES
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards import account_page
from lifecycle.dashboards.access import signed_in
from lifecycle.dashboards.forms import save
from lifecycle.rules.policy import LEVELS
from lifecycle.rules.refused import Refused
from lifecycle.rules.routing import POOLS

CHOICES = (("phase", PHASES), ("pool", POOLS), ("service_level", LEVELS), ("segment", ("smb", "regular")))


def seen_account(request: HttpRequest, pk: int) -> Account:
    """The account, if this person may see it; 404 otherwise."""
    today = request.user.today(clock.now())
    found = Account.objects.visible_to(request.user, today=today).select_related(
        "csm", "onboarded_by", "override_by"
    )
    return get_object_or_404(found, pk=pk)


def worked_account(request: HttpRequest, pk: int) -> Account:
    """The account, if this person may change it; 404 when they may not even see it, 403 when they may only read."""
    account = seen_account(request, pk)
    today = request.user.today(clock.now())
    if not Account.objects.worked_by(request.user, today=today).filter(pk=pk).exists():
        raise PermissionDenied
    return account


@signed_in
@require_GET
def account_list(request: HttpRequest) -> HttpResponse:
    """Accounts this person sees, filtered by the address alone."""
    now, user = clock.now(), request.user
    found = (
        Account.objects.visible_to(user, today=user.today(now)).filter(archived_at=None).select_related("csm")
    )
    chosen = {name: request.GET[name] for name, values in CHOICES if request.GET.get(name) in values}
    search = request.GET.get("search", "").replace("\0", "").strip()
    found = found.filter(**chosen)
    found = found.filter(name__icontains=search) if search else found
    pages = Paginator(account_page.with_usage(found.order_by("name", "pk")), account_page.PER_PAGE)
    current = pages.get_page(request.GET.get("page"))
    context = {
        "lines": account_page.lines(list(current.object_list), now=now, viewer=user),
        "current": current,
        "filters": [(name, values, chosen.get(name, "")) for name, values in CHOICES],
        "search": search,
        "query": _query_without_page(request),
        "today": user.today(now),
        "may_create": user.decides,
    }
    return render(request, "accounts/account_list.html", context)


def _query_without_page(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    return query.urlencode()


@signed_in
@require_GET
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The account page."""
    account = seen_account(request, pk)
    context = account_page.page(account, viewer=request.user, now=clock.now())
    decides = request.user.decides
    return render(
        request, "accounts/account_detail.html", {**context, "decides": decides, "pool_form": PoolForm()}
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


@signed_in
@require_http_methods(["GET", "POST"])
def add_contact(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a person at the customer."""
    account = worked_account(request, pk)
    form = ContactForm(request.POST or None)
    status = save(form, lambda: _add(form, account, by=request.user)) if request.method == "POST" else 200
    if not status:
        return redirect("accounts:detail", pk)
    return render(request, "accounts/contact_form.html", {"form": form, "account": account}, status=status)


def _add(form: ContactForm, account: Account, *, by: User) -> None:
    with change(account, by=by, via="page", now=clock.now()) as work:
        Contact(account=work.account).record(form.cleaned_data)


def _decider(request: HttpRequest, pk: int) -> Account:
    account = worked_account(request, pk)
    if not request.user.decides:
        raise PermissionDenied
    return account


@signed_in
@require_http_methods(["GET", "POST"])
def reroute(request: HttpRequest, pk: int) -> HttpResponse:
    """ROUTE-6: accept another pool and choose the CSM, or keep the account where it is."""
    account = _decider(request, pk)
    question = Reroute.objects.filter(account=account).order_by("-pk").first()
    if question is None or not question.is_open:
        messages.info(request, "Nothing to decide: this was decided meanwhile.")
        return redirect("accounts:detail", pk)
    form = RerouteForm(request.POST if request.POST.get("decision") == "accept" else None, reroute=question)
    if request.method == "POST" and (request.POST.get("decision") == "keep" or form.is_valid()):
        _decide(request, question, form.cleaned_data["csm"] if form.is_bound else None)
        return redirect("accounts:detail", pk)
    context = {"account": account, "question": question, "form": form}
    return render(request, "accounts/reroute.html", context, status=422 if form.errors else 200)


def _decide(request: HttpRequest, question: Reroute, csm: User | None) -> None:
    now = clock.now()
    try:
        with change(question.account_id, by=request.user, via="page", now=now) as work:
            fresh = Reroute.objects.select_related("account").get(pk=question.pk)
            if csm is None:
                fresh.keep(work.policy, by=request.user, now=now)
            else:
                fresh.accept(csm, by=request.user, now=now)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.info(request, f"Moved to {csm.name}" if csm else "Kept where it is")


@signed_in
@require_POST
def pool(request: HttpRequest, pk: int) -> HttpResponse:
    """ROUTE-4: set the pool by hand with a reason, or release it."""
    account = _decider(request, pk)
    form = PoolForm(request.POST)
    release = "release" in request.POST
    if not release and not form.is_valid():
        messages.error(request, "Choose a pool and say why it is set by hand.")
        return redirect("accounts:detail", pk)
    try:
        _set_pool(account, None if release else form, by=request.user)
    except Refused as refused:
        messages.error(request, refused.text)
    return redirect("accounts:detail", pk)


def _set_pool(account: Account, form: PoolForm | None, *, by: User) -> None:
    now = clock.now()
    with change(account, by=by, via="page", now=now) as work:
        if form is None:
            work.account.release_pool()
        else:
            work.account.set_pool(
                form.cleaned_data["pool"], reason=form.cleaned_data["reason"], by=by, now=now
            )
