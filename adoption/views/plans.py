"""CAD-6, CAD-7: correcting day 0 and the service level, with a look at what moves before it is saved."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from adoption.forms import PlanForm
from adoption.models import Adoption
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import may_work, signed_in, visible
from lifecycle.dashboards.forms import save
from lifecycle.dashboards.stage import plan_context
from lifecycle.rules.diff import RowChange


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def plan(request: HttpRequest, account: int) -> HttpResponse:
    """The running plan; `preview` shows what another day 0 or level moves, and keeps nothing."""
    now = clock.now()
    rows = Adoption.objects.filter(account=account, withdrawn_at=None).select_related("account__csm")
    row = visible(rows.order_by("-pk"), request.user, now=now)
    works = may_work(row, request.user, now=now) and not row.account.archived
    form, status, changes = PlanForm(request.POST or None, instance=copy(row)), 200, ()
    if request.method == "POST":
        if not works:
            raise PermissionDenied
        seen: list[RowChange] = []
        preview = "save" not in request.POST
        status = save(form, lambda: seen.extend(_apply(form, row, by=request.user, now=now, dry_run=preview)))
        if not status and not preview:
            messages.success(request, "Plan saved")
            return redirect("adoption:plan", account)
        status, changes = status or 200, tuple(seen)
    context = plan_context(row, request.user, changes, now=now) | {"form": form, "works": works}
    return render(request, "adoption/plan.html", context, status=status)


def _apply(form: PlanForm, row: Adoption, *, by: Any, now: datetime, dry_run: bool) -> tuple[RowChange, ...]:
    """What it moves; kept unless it is a dry run."""
    with change(row.account_id, by=by, via="page", now=now, dry_run=dry_run) as work:
        today = work.today(work.account)
        given = {name: form.cleaned_data[name] for name in ("day_zero", "service_level")}
        changes = Adoption.objects.get(pk=row.pk).foresee(**given, today=today)
        form.apply(work.account, today=today)
    return changes
