"""The team lead's check-in."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from adoption.forms import CheckInForm
from adoption.models import CheckIn
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import may_work, signed_in, visible
from lifecycle.dashboards.forms import save
from lifecycle.dashboards.stage import check_in_context


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


def _record_check_in(form: CheckInForm, row: CheckIn, *, by: Any, now: datetime) -> None:
    with change(row.account_id, by=by, via="page", now=now) as work:
        form.apply(CheckIn.objects.get(pk=row.pk), now=now, today=work.today(work.account))
