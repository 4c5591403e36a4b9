"""The onboarding page: the call, the goals, the trainings, and the completion with its preview."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import signed_in, visible, workable
from lifecycle.dashboards.forms import save
from lifecycle.dashboards.onboarding import onboarding_context, plan_in_words
from onboarding.forms import CompleteForm, OnboardingForm, SentForm, SessionForm
from onboarding.models import Onboarding, TrainingSession


@signed_in
@require_safe
def page(request: HttpRequest, account: int) -> HttpResponse:
    """Everything up to day 0, as a task list."""
    now = clock.now()
    return _page(request, visible(_onboardings(account), request.user, now=now), now=now)


def from_the_page(view: Any) -> Any:
    """For what a part of the page posts; coming back to its address by hand, one is on the page again."""

    @wraps(view)
    def posted(request: HttpRequest, account: int, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method in ("GET", "HEAD"):
            return redirect("onboarding:page", account)
        return view(request, account, *args, **kwargs)

    return require_http_methods(["GET", "HEAD", "POST"])(posted)


@signed_in
@from_the_page
def part(request: HttpRequest, account: int, name: str, form_class: type[OnboardingForm]) -> HttpResponse:
    """Save one part of the onboarding (ONB-1, ONB-2, ONB-5)."""
    now = clock.now()
    row = workable(_onboardings(account), request.user, now=now)
    form = form_class(request.POST, instance=copy(row))
    status = save(form, lambda: _record(form, row, by=request.user, now=now))
    if status:
        return _page(request, row, now=now, status=status, forms={name: form})
    messages.success(request, "Saved")
    return redirect(f"{reverse('onboarding:page', args=[account])}#{name}")


@signed_in
@from_the_page
def complete(request: HttpRequest, account: int) -> HttpResponse:
    """CAD-1, CAD-6: enter or correct day 0; `preview` shows what that creates and moves, and keeps nothing."""
    now = clock.now()
    row = workable(_onboardings(account), request.user, now=now)
    form = CompleteForm(request.POST, instance=copy(row))
    moves: list[Any] = []
    preview = "preview" in request.POST
    status = save(form, lambda: moves.extend(_record(form, row, by=request.user, now=now, dry_run=preview)))
    words = plan_in_words(moves, row.account, request.user, now=now)
    if status or preview:
        return _page(request, row, now=now, status=status or 200, forms={"complete": form}, plan=words)
    messages.success(request, f"Saved. {words['sentence']}")
    return redirect(f"{reverse('onboarding:page', args=[account])}#complete")


@signed_in
@from_the_page
def training(request: HttpRequest, account: int, session: int) -> HttpResponse:
    """ONB-3: save one training."""
    return _training(request, account, session, SessionForm)


@signed_in
@from_the_page
def training_recap(request: HttpRequest, account: int, session: int) -> HttpResponse:
    """ONB-3: the training's recap was sent."""
    return _training(request, account, session, SentForm)


def _training(request: HttpRequest, account: int, session: int, form_class: Any) -> HttpResponse:
    now = clock.now()
    row = workable(_onboardings(account), request.user, now=now)
    training = row.sessions.filter(pk=session).first()
    if training is None:
        raise Http404
    form = form_class(request.POST, instance=copy(training), auto_id=f"training-{session}_%s")
    status = save(form, lambda: _record(form, training, by=request.user, now=now))
    if status:
        return _page(request, row, now=now, status=status, forms={f"training-{session}": form})
    messages.success(request, "Saved")
    return redirect(f"{reverse('onboarding:page', args=[account])}#training-{session}")


def _onboardings(account: int) -> Any:
    rows = Onboarding.objects.filter(account=account).order_by("-pk")
    return rows.select_related("account__csm__team__lead").prefetch_related("sessions")


def _page(
    request: HttpRequest,
    row: Onboarding,
    *,
    now: datetime,
    status: int = 200,
    forms: dict[str, Any] | None = None,
    **more: Any,
) -> HttpResponse:
    context = onboarding_context(row, request.user, now=now, forms=forms or {}) | more
    return render(request, "onboarding/onboarding.html", context, status=status)


def _record(
    form: OnboardingForm,
    row: Onboarding | TrainingSession,
    *,
    by: Any,
    now: datetime,
    dry_run: bool = False,
) -> list[Any]:
    with change(row.account_id, by=by, via="page", now=now, dry_run=dry_run) as work:
        fresh = type(row).objects.get(pk=row.pk)
        form.apply(fresh, now=now, today=work.today(work.account))
    return work.moves
