"""The survey as our people see it: its link, its answers, and what they do about it (SUR)."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from adoption.forms.survey import AnswersForm, LinksForm, WaiveForm
from adoption.models import Survey
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import back, signed_in, visible, workable
from lifecycle.dashboards.survey import survey_panel
from lifecycle.rules.refused import Refused

Verb = Callable[[Survey, User, datetime], None]
# What a button does, and what the page then says.
VERBS: dict[str, tuple[Verb, str]] = {
    "sent": (lambda survey, by, now: survey.mark_sent(now=now), "Survey link marked as sent"),
    "reminded": (
        lambda survey, by, now: survey.record({"reminded_at": now}, now=now),
        "Survey reminder marked as sent",
    ),
    "answered": (lambda survey, by, now: survey.tick_answered(now=now), "Survey answered"),
    "reopen": (lambda survey, by, now: survey.reopen(), "Survey is open again"),
    "renew": (lambda survey, by, now: survey.renew(now=now), "New link made. Send it; the old one is shut."),
}


@signed_in
@require_safe
def page(request: HttpRequest, account: int) -> HttpResponse:
    """The survey of the account's final stage; there is none below the MRR from which it is asked for (SUR-1)."""
    now = clock.now()
    return _page(request, visible(_surveys(account), request.user, now=now), now=now)


@signed_in
@require_POST
def act(request: HttpRequest, account: int, survey: int, verb: str) -> HttpResponse:
    """SUR-2..4: one of the buttons."""
    now = clock.now()
    row = workable(_surveys(account).filter(pk=survey), request.user, now=now)
    if verb not in VERBS:
        raise Http404
    do, said = VERBS[verb]
    return _kept(request, row, lambda fresh: do(fresh, request.user, now), said, now=now)


@signed_in
@require_POST
def links(request: HttpRequest, account: int, survey: int) -> HttpResponse:
    """SUR-2: a form elsewhere instead of our page, and a second survey's link."""
    now = clock.now()
    row = workable(_surveys(account).filter(pk=survey), request.user, now=now)
    form = LinksForm(request.POST, instance=copy(row))
    if not form.is_valid():
        return _page(request, row, now=now, status=422, links_form=form)
    return _kept(
        request,
        row,
        lambda fresh: fresh.record(form.merge(fresh), now=now),
        "Survey links saved",
        now=now,
        links_form=form,
    )


@signed_in
@require_POST
def waive(request: HttpRequest, account: int, survey: int) -> HttpResponse:
    """SUR-4: do without an answer, with a reason."""
    now = clock.now()
    row = workable(_surveys(account).filter(pk=survey), request.user, now=now)
    form = WaiveForm(request.POST, auto_id="id_survey_%s")
    if not form.is_valid():
        return _page(request, row, now=now, status=422, waive_form=form)
    reason = form.cleaned_data["reason"]
    return _kept(
        request,
        row,
        lambda fresh: fresh.waive(reason, by=request.user, now=now),
        "Survey waived",
        now=now,
        waive_form=form,
    )


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def fill(request: HttpRequest, account: int, survey: int) -> HttpResponse:
    """SUR-2: fill it in together with the customer; who typed is kept."""
    now = clock.now()
    row = workable(_surveys(account).filter(pk=survey), request.user, now=now)
    if request.method != "POST" and not row.is_open:
        return redirect("adoption:survey", account)
    form = AnswersForm(request.POST if request.method == "POST" else None)
    status = 422 if form.is_bound else 200
    if request.method == "POST" and form.is_valid():
        try:
            answer(row, form, by=request.user, now=now)
        except Refused as no:
            form.add_error(None, no.text)
            status = 409 if no.conflict else 422
        else:
            messages.success(request, "Survey answered")
            return redirect("adoption:survey", account)
    context = {"survey": row, "account": row.account, "form": form}
    return render(request, "adoption/survey/fill.html", context, status=status)


def answer(row: Survey, form: AnswersForm, *, by: User | None, now: datetime) -> None:
    """SUR-3: keep the answers of a valid form, through the door. Raises Refused as `Survey.answer` does."""
    with change(row.account_id, by=by, via="page", now=now):
        fresh = Survey.objects.select_related("account", "stage__adoption").get(pk=row.pk)
        fresh.answer(form.answers, respondent=form.cleaned_data["respondent"], by=by, now=now)


def _surveys(account: int) -> Any:
    asked = Survey.objects.filter(account=account, withdrawn_at=None, stage__cancelled_at=None)
    asked = asked.filter(stage__adoption__withdrawn_at=None)
    return asked.select_related("account__csm__team", "stage__adoption").order_by("-pk")


def _kept(
    request: HttpRequest,
    row: Survey,
    act: Callable[[Survey], None],
    said: str,
    *,
    now: datetime,
    **shown: Any,
) -> HttpResponse:
    """Through the door and back to the page it came from; what a rule refuses is said on the survey's own page."""
    try:
        with change(row.account_id, by=request.user, via="page", now=now):
            act(Survey.objects.select_related("account", "stage__adoption").get(pk=row.pk))
    except Refused as no:
        return _page(request, row, now=now, status=409 if no.conflict else 422, refused=no.text, **shown)
    messages.success(request, said)
    return redirect(back(request, otherwise=reverse("adoption:survey", args=[row.account_id])))


def _page(
    request: HttpRequest, row: Survey, *, now: datetime, status: int = 200, **more: Any
) -> HttpResponse:
    stage = row.stage
    stage.account = row.account
    panel = survey_panel(stage, request.user, now=now, **more)
    context = {"panel": panel, "stage": stage, "account": row.account}
    return render(request, "adoption/survey/page.html", context, status=status)
