"""The pages of an adoption: the stage with its steps, its checklist and PDF, the team lead's check-in."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from io import BytesIO
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from adoption import pdfs
from adoption.forms import AnswerForm, BookForm, CheckInForm, GapForm, HoldForm, MissedForm, RecapForm
from adoption.models import CheckIn, Checklist, Stage
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import may_work, signed_in, visible, workable
from lifecycle.dashboards.forms import save
from lifecycle.dashboards.stage import check_in_context, checklist_context, conflict_of, stage_context
from lifecycle.rules.refused import GateClosed, Refused

STEPS = {"book": BookForm, "hold": HoldForm, "missed": MissedForm, "recap": RecapForm}
SAVED = {
    "book": "Meeting saved",
    "hold": "Outcome saved",
    "missed": "Reason saved; your team lead reviews it with you",
    "recap": "Recap marked as sent",
}


@signed_in
@require_safe
def stage(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """The stage: its steps, what the gate still misses, and the close."""
    now = clock.now()
    return _stage_page(request, visible(_stages(account, day), request.user, now=now), now=now)


@signed_in
@require_POST
def step(request: HttpRequest, account: int, day: int, step: str) -> HttpResponse:
    """Save one step of the stage (STAGE-2, STAGE-3, STAGE-7)."""
    now = clock.now()
    row = workable(_stages(account, day), request.user, now=now)
    return _save_step(request, row, step, STEPS[step](request.POST, instance=copy(row)), now=now)


@signed_in
@require_POST
def gap(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """STAGE-3: how the gap is closed; only leads and CS Ops decide."""
    now = clock.now()
    row = workable(_stages(account, day), request.user, now=now)
    if not request.user.decides:
        raise PermissionDenied
    return _save_step(request, row, "gap", GapForm(request.POST, instance=copy(row)), now=now)


@signed_in
@require_POST
def close(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """STAGE-10: close the stage, or say what is missing."""
    now = clock.now()
    row = workable(_stages(account, day), request.user, now=now)
    try:
        with change(row.account_id, by=request.user, via="page", now=now):
            fresh = Stage.objects.get(pk=row.pk)
            fresh.close(Checklist.objects.filter(stage=fresh).first(), now=now)
    except Refused as no:
        text = "" if isinstance(no, GateClosed) else no.text
        return _stage_page(request, row, now=now, status=409, refused=True, refused_text=text)
    messages.success(request, f"{row.day}-day stage closed")
    return redirect("adoption:stage", account, day)


@signed_in
@require_POST
def export(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """STAGE-8: keep the checklist as a PDF; it attaches itself to the stage."""
    now = clock.now()
    row = workable(_stages(account, day), request.user, now=now)
    try:
        kept = pdfs.export(row, by=request.user, via="page", now=now)
    except Refused as no:
        return _stage_page(request, row, now=now, status=409, export_error=no.text)
    except pdfs.PdfUnavailableError as problem:
        return _stage_page(request, row, now=now, status=503, export_error=str(problem))
    messages.success(request, f"Attached: {kept.file_name}")
    return redirect(f"{reverse('adoption:stage', args=[account, day])}#close")


@signed_in
@require_safe
def checklist(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """The checklist of the stage; answers save as they are made."""
    now = clock.now()
    return _checklist_page(request, visible(_stages(account, day), request.user, now=now), now=now)


@signed_in
@require_POST
def ready(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """The checklist is ready for the meeting."""
    now = clock.now()
    row = workable(_stages(account, day), request.user, now=now)
    try:
        with change(row.account_id, by=request.user, via="page", now=now):
            Checklist.begin(Stage.objects.get(pk=row.pk)).mark_ready(now=now)
    except Refused as no:
        return _checklist_page(request, row, now=now, status=409, refused_text=no.text)
    messages.success(request, "Checklist is ready for the meeting")
    return redirect("adoption:stage", account, day)


@signed_in
@require_http_methods(["POST", "PUT"])
def answer(request: HttpRequest, account: int, day: int, item: str) -> HttpResponse:
    """CHK-3: keep one answer as it is made. With htmx only what changed on the page comes back."""
    now = clock.now()
    row = workable(_stages(account, day), request.user, now=now)
    form = AnswerForm(QueryDict(request.body) if request.method == "PUT" else request.POST)
    status, trouble = 0, {}
    if not form.is_valid():
        status, trouble = 422, {"text": " ".join(e for errors in form.errors.values() for e in errors)}
    else:
        try:
            _answer(row, item, form.cleaned_data, by=request.user, now=now)
        except Refused as no:
            status, trouble = (409 if no.conflict else 422), conflict_of(row, item, no, form.cleaned_data)
    if request.htmx:
        context = checklist_context(row, request.user, now=now, only=item, trouble=trouble)
        return render(request, "adoption/_answered.html", context, status=status or 200)
    if status:
        return _checklist_page(request, row, now=now, status=status, only=item, trouble=trouble)
    return redirect(f"{reverse('adoption:checklist', args=[account, day])}#item-{item}")


@signed_in
@require_safe
def checklist_pdf(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """CHK-4: the checklist as it stands, as a download; `?form=1` gives the fillable one. Nothing is attached."""
    now = clock.now()
    row = visible(_stages(account, day), request.user, now=now)
    sheet = pdfs.sheet(row, fillable="form" in request.GET)
    kept = pdfs.stored(sheet["hash"])
    try:
        content = kept.open("rb") if kept.exists() else BytesIO(pdfs.render(sheet, now=now))
    except pdfs.PdfUnavailableError as problem:
        return HttpResponse(str(problem), status=503, content_type="text/plain; charset=utf-8")
    name = pdfs.file_name(row, today=request.user.today(now))
    headers = {"Cache-Control": "no-store, private", "X-Content-Type-Options": "nosniff"}
    return FileResponse(
        content, as_attachment=True, filename=name, content_type="application/pdf", headers=headers
    )


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def check_in(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """TLC-1: the team lead's check-in; its CSM reads it."""
    now = clock.now()
    rows = CheckIn.objects.filter(account=account, day=day, adoption__withdrawn_at=None)
    row = visible(rows.select_related("account__csm", "adoption").order_by("-pk"), request.user, now=now)
    works = request.user.decides and may_work(row, request.user, now=now)
    if request.method != "POST":
        form, status = CheckInForm(instance=copy(row)), 200
    elif not works:
        raise PermissionDenied
    else:
        form = CheckInForm(request.POST, instance=copy(row))
        status = save(form, lambda: _record_check_in(form, row, by=request.user, now=now))
        if not status:
            messages.success(request, f"{row.day}-day check-in saved")
            return redirect("adoption:check-in", account, day)
    context = check_in_context(row, request.user, now=now) | {"form": form, "works": works}
    return render(request, "adoption/check_in.html", context, status=status)


def _stages(account: int, day: int) -> Any:
    rows = Stage.objects.filter(account=account, day=day, adoption__withdrawn_at=None)
    return rows.select_related("account__csm__team", "adoption__onboarding").order_by("-adoption_id")


def _stage_page(
    request: HttpRequest, row: Stage, *, now: datetime, status: int = 200, **more: Any
) -> HttpResponse:
    context = stage_context(row, request.user, now=now) | more
    context["decides"] = context["works"] and request.user.decides
    return render(request, "adoption/stage.html", context, status=status)


def _checklist_page(
    request: HttpRequest, row: Stage, *, now: datetime, status: int = 200, **more: Any
) -> HttpResponse:
    shown = {name: more.pop(name) for name in ("only", "trouble") if name in more}
    context = checklist_context(row, request.user, now=now, **shown) | more
    return render(request, "adoption/checklist.html", context, status=status)


def _save_step(request: HttpRequest, row: Stage, name: str, form: Any, *, now: datetime) -> HttpResponse:
    status = save(form, lambda: _record(form, row, by=request.user, now=now))
    if status:
        return _stage_page(request, row, now=now, status=status, **{f"{name}_form": form})
    messages.success(request, SAVED.get(name, "Saved"))
    return redirect(f"{reverse('adoption:stage', args=[row.account_id, row.day])}#{name}")


def _record(form: Any, row: Stage, *, by: Any, now: datetime) -> None:
    with change(row.account_id, by=by, via="page", now=now) as work:
        fresh = Stage.objects.get(pk=row.pk)
        form.apply(fresh, by=by, now=now, today=work.today(work.account))


def _record_check_in(form: CheckInForm, row: CheckIn, *, by: Any, now: datetime) -> None:
    with change(row.account_id, by=by, via="page", now=now) as work:
        form.apply(CheckIn.objects.get(pk=row.pk), now=now, today=work.today(work.account))


def _answer(row: Stage, item: str, given: dict[str, Any], *, by: Any, now: datetime) -> None:
    with change(row.account_id, by=by, via="page", now=now):
        Checklist.begin(Stage.objects.get(pk=row.pk)).answer(
            item,
            value=given["value"],
            comment=given["comment"].replace("\r\n", "\n"),
            by=by,
            now=now,
            seen_version=given["seen"],
        )
