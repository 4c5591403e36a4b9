"""Which pool serves an account, and who: decided by leads (ROUTE-4, ROUTE-6)."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import PoolForm, RerouteForm
from accounts.models import Account, Reroute, User
from accounts.views.accounts import worked_account
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import signed_in
from lifecycle.rules.refused import Refused


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
