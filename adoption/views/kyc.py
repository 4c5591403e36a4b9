"""The KYC checklist of an onboarding (ONB-1, CHK-1): what to know of a new customer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from adoption.forms import AnswerForm
from adoption.models import Answer, Checklist
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import signed_in, visible, workable
from lifecycle.dashboards.kyc import kyc_context
from lifecycle.dashboards.stage import conflict_of
from lifecycle.rules.refused import Refused
from onboarding.models import Onboarding


@signed_in
@require_safe
def page(request: HttpRequest, account: int) -> HttpResponse:
    """The questions and what is known; answers save as they are made."""
    now = clock.now()
    row = visible(_onboardings(account), request.user, now=now)
    return render(request, "adoption/kyc.html", kyc_context(row, request.user, now=now))


@signed_in
@require_http_methods(["POST", "PUT"])
def answer(request: HttpRequest, account: int, item: str) -> HttpResponse:
    """CHK-3: keep one answer as it is made. With htmx only what changed on the page comes back."""
    now = clock.now()
    row = workable(_onboardings(account), request.user, now=now)
    form = AnswerForm(QueryDict(request.body) if request.method == "PUT" else request.POST)
    status, trouble = 0, {}
    if not form.is_valid():
        status, trouble = 422, {"text": " ".join(e for errors in form.errors.values() for e in errors)}
    else:
        try:
            _keep(row, item, form.given(), by=request.user, now=now)
        except Refused as no:
            status, trouble = (
                (409 if no.conflict else 422),
                conflict_of(
                    Answer.objects.filter(checklist__onboarding=row, item=item), no, form.cleaned_data
                ),
            )
    context = kyc_context(row, request.user, now=now, only=item, trouble=trouble)
    if request.htmx:
        return render(request, "adoption/_kyc_answered.html", context, status=status or 200)
    if status:
        return render(request, "adoption/kyc.html", context, status=status)
    return redirect(f"{reverse('adoption:kyc', args=[account])}#item-{item}")


def _onboardings(account: int) -> Any:
    rows = Onboarding.objects.filter(account=account).order_by("-pk")
    return rows.select_related("account__csm__team__lead")


def _keep(row: Onboarding, item: str, given: dict[str, Any], *, by: Any, now: datetime) -> None:
    with change(row.account_id, by=by, via="page", now=now):
        Checklist.begin_kyc(Onboarding.objects.get(pk=row.pk)).answer(item, **given, by=by, now=now)
