"""CAD-6, CAD-7: correcting day 0 and the service level, with a look at what moves before it is saved."""

from __future__ import annotations

from copy import copy
from datetime import datetime

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import User
from adoption.forms import PlanForm
from adoption.models import Adoption
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import may_work, signed_in, visible
from lifecycle.dashboards.forms import save
from lifecycle.dashboards.stage import Planned, plan_context, planned_rows


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def plan(request: HttpRequest, account: int) -> HttpResponse:
    """The running plan; `preview` shows what another day 0 or level moves, and keeps nothing."""
    now = clock.now()
    rows = Adoption.objects.filter(account=account, withdrawn_at=None).select_related("account__csm")
    row = visible(rows.order_by("-pk"), request.user, now=now)
    works = may_work(row, request.user, now=now) and not row.account.archived
    form, status, after = PlanForm(request.POST or None, instance=copy(row)), 200, []
    if request.method == "POST":
        if not works:
            raise PermissionDenied
        dry_run = "save" not in request.POST
        status = save(
            form, lambda: after.extend(_apply(form, row, by=request.user, now=now, dry_run=dry_run))
        )
        if not status and not dry_run:
            messages.success(request, "Plan saved")
            return redirect("adoption:plan", account)
    context = plan_context(row, request.user, after, now=now) | {"form": form, "works": works}
    return render(request, "adoption/plan.html", context, status=status or 200)


def _apply(form: PlanForm, row: Adoption, *, by: User, now: datetime, dry_run: bool) -> list[Planned]:
    """The rows as the door leaves them; a dry run takes all of it back."""
    with transaction.atomic():
        with change(row.account_id, by=by, via="page", now=now) as work:
            form.apply(work.account, today=work.today(work.account))
        after = planned_rows(row)
        transaction.set_rollback(dry_run)
    return after
