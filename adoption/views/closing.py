"""The end of a stage: the PDF that attaches itself, and the gate."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from adoption import pdfs
from adoption.models import Checklist, Stage
from adoption.views.stages import stage_page, stages_of
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import back, signed_in, workable
from lifecycle.rules.refused import GateClosed, Refused


@signed_in
@require_POST
def close(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """STAGE-10: close the stage, or say what is missing."""
    now = clock.now()
    row = workable(stages_of(account, day), request.user, now=now)
    try:
        with change(row.account_id, by=request.user, via="page", now=now):
            fresh = Stage.objects.get(pk=row.pk)
            fresh.close(Checklist.objects.filter(stage=fresh).first(), now=now)
    except Refused as no:
        text = "" if isinstance(no, GateClosed) else no.text
        return stage_page(request, row, now=now, status=409, refused=True, refused_text=text)
    messages.success(request, f"{row.day}-day stage closed")
    return redirect("adoption:stage", account, day)


@signed_in
@require_POST
def export(request: HttpRequest, account: int, day: int) -> HttpResponse:
    """STAGE-8: keep the checklist as a PDF; it attaches itself to the stage."""
    now = clock.now()
    row = workable(stages_of(account, day), request.user, now=now)
    try:
        how = {"fillable": "form" in request.POST, "mrr": "without_mrr" not in request.POST}
        kept = pdfs.export(row, by=request.user, via="page", now=now, **how)
    except Refused as no:
        return stage_page(request, row, now=now, status=409, export_error=no.text)
    except pdfs.PdfUnavailableError as problem:
        return stage_page(request, row, now=now, status=503, export_error=str(problem))
    messages.success(request, f"Attached: {kept.file_name}")
    return redirect(back(request, otherwise=f"{reverse('adoption:stage', args=[account, day])}#close"))
