"""The page of a stage, and its steps, each of which saves itself."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from adoption import forms
from adoption.emails import recap_key
from adoption.models import Stage
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import signed_in, visible, workable
from lifecycle.dashboards.forms import save
from lifecycle.dashboards.stage import stage_context

STEPS = {
    "book": forms.BookForm,
    "hold": forms.HoldForm,
    "feedback": forms.FeedbackForm,
    "upsell": forms.UpsellForm,
    "task": forms.TaskForm,
    "missed": forms.MissedForm,
    "gap": forms.GapForm,
    "recap": forms.RecapForm,
    "reference": forms.ReferenceForm,
    "goals": forms.GoalsForm,
    "reopen": forms.ReopenForm,
}
SAVED = {
    "book": "Meeting saved",
    "hold": "Outcome saved",
    "feedback": "Feedback saved and in the contact log",
    "upsell": "Upsell noted",
    "task": "Task added to your day",
    "missed": "Reason saved; your team lead reviews it with you",
    "recap": "Recap marked as sent",
    "goals": "Goals judged",
    "reopen": "Stage opened again",
}
SHOWN_AT = {"task": "hold", "reopen": "close"}


@signed_in
@require_safe
def stage(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """The stage: its steps, what the gate still misses, and the close."""
    now = clock.now()
    return stage_page(request, visible(stages_of(account, day), request.user, now=now), now=now)


@signed_in
@require_POST
def step(request: HttpRequest, account: int, day: int, step: str) -> HttpResponse:
    """Save one step of the stage (STAGE-2..7, STAGE-9, STAGE-10); some are the lead's to decide."""
    now = clock.now()
    row = workable(stages_of(account, day), request.user, now=now)
    form = STEPS[step](request.POST, instance=copy(row))
    status = save(form, lambda: _record(form, row, by=request.user, now=now))
    if status:
        return stage_page(request, row, now=now, status=status, forms={step: form})
    messages.success(request, SAVED.get(step, "Saved"))
    return redirect(f"{reverse('adoption:stage', args=[account, day])}#{SHOWN_AT.get(step, step)}")


@signed_in
@require_safe
def recap_letter(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """STAGE-7: to the recap that this meeting gets."""
    row = visible(stages_of(account, day), request.user, now=clock.now())
    return redirect("mail:letter", account, recap_key(row), row.pk)


def stages_of(account: int, day: int) -> Any:
    """The stages of this day of an account's running adoptions, the newest first."""
    rows = Stage.objects.filter(account=account, day=day, adoption__withdrawn_at=None)
    return rows.select_related("account__csm__team__lead", "adoption__onboarding").order_by("-adoption_id")


def stage_page(
    request: HttpRequest,
    row: Stage,
    *,
    now: datetime,
    status: int = 200,
    forms: dict[str, Any] | None = None,
    **more: Any,
) -> HttpResponse:
    """The page of a stage; `forms` brings one that was refused."""
    context = stage_context(row, request.user, now=now, forms=forms) | more
    return render(request, "adoption/stage.html", context, status=status)


def _record(form: forms.StageForm, row: Stage, *, by: Any, now: datetime) -> None:
    with change(row.account_id, by=by, via="page", now=now) as work:
        fresh = Stage.objects.get(pk=row.pk)
        form.apply(fresh, by=by, now=now, today=work.today(work.account))
