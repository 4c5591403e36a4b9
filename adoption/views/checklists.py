"""The checklist of a stage: answers save as they are made, and it goes out as a PDF."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import IO, Any

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from adoption import pdfs
from adoption.forms import AnswerForm
from adoption.models import Answer, Checklist, ChecklistExport, Stage
from adoption.views.stages import stages_of
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import signed_in, visible, workable
from lifecycle.dashboards.stage import checklist_context, conflict_of
from lifecycle.rules.refused import Refused


@signed_in
@require_safe
def checklist(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """The checklist of the stage; answers save as they are made."""
    now = clock.now()
    return _checklist_page(request, visible(stages_of(account, day), request.user, now=now), now=now)


@signed_in
@require_POST
def ready(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """The checklist is ready for the meeting."""
    now = clock.now()
    row = workable(stages_of(account, day), request.user, now=now)
    try:
        with change(row.account_id, by=request.user, via="page", now=now):
            Checklist.begin(Stage.objects.get(pk=row.pk)).mark_ready(now=now)
    except Refused as no:
        return _checklist_page(request, row, now=now, status=409, refused_text=no.text)
    messages.success(request, "Checklist is ready for the meeting")
    return redirect("adoption:stage", account, day)


@signed_in
@require_POST
def fill_in(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """STAGE-1: take over what the app knows where nobody answered yet."""
    now = clock.now()
    row = workable(stages_of(account, day), request.user, now=now)
    try:
        with change(row.account_id, by=request.user, via="page", now=now):
            filled = Checklist.begin(Stage.objects.get(pk=row.pk)).fill_in(by=request.user, now=now)
    except Refused as no:
        return _checklist_page(request, row, now=now, status=409, refused_text=no.text)
    messages.success(request, f"{filled} answers filled in" if filled != 1 else "1 answer filled in")
    return redirect("adoption:checklist", account, day)


@signed_in
@require_http_methods(["POST", "PUT"])
def answer(request: HttpRequest, account: int, day: int, item: str) -> HttpResponse:
    """CHK-3: keep one answer as it is made. With htmx only what changed on the page comes back."""
    now = clock.now()
    row = workable(stages_of(account, day), request.user, now=now)
    form = AnswerForm(QueryDict(request.body) if request.method == "PUT" else request.POST)
    status, trouble = 0, {}
    if not form.is_valid():
        status, trouble = 422, {"text": " ".join(e for errors in form.errors.values() for e in errors)}
    else:
        try:
            _answer(row, item, form.given(), by=request.user, now=now)
        except Refused as no:
            status, trouble = (
                (409 if no.conflict else 422),
                conflict_of(Answer.objects.filter(checklist__stage=row, item=item), no, form.cleaned_data),
            )
    if request.htmx:
        context = checklist_context(row, request.user, now=now, only=item, trouble=trouble)
        context |= _presenting(request)
        context["used"] = bool(form.data.get("use"))
        return render(request, "adoption/_answered.html", context, status=status or 200)
    if status:
        return _checklist_page(request, row, now=now, status=status, only=item, trouble=trouble)
    return redirect(f"{reverse('adoption:checklist', args=[account, day])}{_mode(request)}#item-{item}")


@signed_in
@require_safe
def checklist_pdf(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """CHK-4: the checklist as it stands, as a download; `?form=1` gives the fillable one. Nothing is attached."""
    now = clock.now()
    row = visible(stages_of(account, day), request.user, now=now)
    sheet = pdfs.sheet(row, fillable="form" in request.GET, mrr="without_mrr" not in request.GET)
    kept = pdfs.stored(sheet["hash"])
    try:
        content = kept.open("rb") if kept.exists() else BytesIO(pdfs.render(sheet, now=now))
    except pdfs.PdfUnavailableError as problem:
        return HttpResponse(str(problem), status=503, content_type="text/plain; charset=utf-8")
    return _download(content, pdfs.file_name(row, today=request.user.today(now)))


@signed_in
@require_safe
def export_file(request: HttpRequest, account: int, day: int, export: int) -> HttpResponse:
    """STAGE-8: an exported PDF once more, as it was attached."""
    row = visible(stages_of(account, day), request.user, now=clock.now())
    kept = get_object_or_404(ChecklistExport, checklist__stage=row, pk=export)
    try:
        return _download(pdfs.stored(kept.content_hash).open("rb"), kept.file_name)
    except FileNotFoundError:
        text = "The file of this export is no longer stored. Attach the checklist as a PDF again."
        return HttpResponse(text, status=410, content_type="text/plain; charset=utf-8")


def _download(content: IO[bytes], name: str) -> FileResponse:
    headers = {"Cache-Control": "no-store, private", "X-Content-Type-Options": "nosniff"}
    return FileResponse(
        content, as_attachment=True, filename=name, content_type="application/pdf", headers=headers
    )


def _checklist_page(
    request: HttpRequest, row: Stage, *, now: datetime, status: int = 200, **more: Any
) -> HttpResponse:
    shown = {name: more.pop(name) for name in ("only", "trouble") if name in more}
    context = checklist_context(row, request.user, now=now, **shown) | _presenting(request) | more
    page = "adoption/present.html" if context["presenting"] else "adoption/checklist.html"
    return render(request, page, context, status=status)


def _mode(request: HttpRequest) -> str:
    """ux.md 4.7: `?present=1` while the screen is shared, and so in every address that leads back to it."""
    return "?present=1" if "present" in request.GET else ""


def _presenting(request: HttpRequest) -> dict[str, Any]:
    return {"mode": _mode(request), "presenting": bool(_mode(request))}


def _answer(row: Stage, item: str, given: dict[str, Any], *, by: Any, now: datetime) -> None:
    with change(row.account_id, by=by, via="page", now=now):
        Checklist.begin(Stage.objects.get(pk=row.pk)).answer(item, **given, by=by, now=now)
