"""The contact log: the timeline of an account, and one entry of it to read, correct, pin, settle or take out."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import ActivityForm
from accounts.models import Account, Activity
from accounts.views.accounts import noted_account, seen_account, worked_account
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards import account_page, timeline
from lifecycle.dashboards.access import back, number, signed_in
from lifecycle.dashboards.forms import save
from lifecycle.rules.refused import Refused


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest, pk: int) -> HttpResponse:
    """ACT-1: the timeline, and the form that logs what was said and done."""
    now = clock.now()
    if request.method != "POST":
        account = seen_account(request, pk)
        return _page(request, account, _blank(request, account, now=now), now=now)
    account = noted_account(request, pk)
    form = ActivityForm(request.POST, account=account, notes_only=not _works(request, account))
    status = save(form, lambda: _log(request, form, account, now=now))
    if status:
        return _page(request, account, form, now=now, status=status)
    messages.info(request, "Logged")
    return redirect(back(request, otherwise=reverse("accounts:activity", args=[pk])))


def _works(request: HttpRequest, account: Account) -> bool:
    today = request.user.today(clock.now())
    return Account.objects.worked_by(request.user, today=today).filter(pk=account.pk).exists()


def _blank(request: HttpRequest, account: Account, *, now: datetime) -> ActivityForm:
    return ActivityForm(
        account=account, notes_only=not _works(request, account), initial={"happened_at": now}
    )


def _log(request: HttpRequest, form: ActivityForm, account: Account, *, now: datetime) -> None:
    with change(account.pk, by=request.user, via="page", now=now) as work:
        about = number(request.POST.get("about", ""))
        entry = Activity(account=work.account)
        if about is not None:
            entry.about = get_object_or_404(Activity.objects.filter(account=work.account), pk=about)
        entry.record(form.entered, by=request.user, now=now)


def _page(
    request: HttpRequest, account: Account, form: ActivityForm, *, now: datetime, status: int = 200
) -> HttpResponse:
    kind = request.GET.get("kind", "")
    context = timeline.page(
        account,
        viewer=request.user,
        now=now,
        kind=kind if kind in dict(timeline.FILTERS) else "",
        people_only=request.GET.get("who") == "people",
        before=number(request.GET.get("before", "")),
    )
    head = account_page.head(account, viewer=request.user, now=now, tab="activity")
    return render(request, "accounts/activity.html", {**head, **context, "form": form}, status=status)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def entry(request: HttpRequest, pk: int, entry: int) -> HttpResponse:
    """One entry in full, with what was said about it since, and the form that corrects it."""
    now = clock.now()
    if request.method != "POST":
        account = seen_account(request, pk)
        row = _entry(account, entry)
        return _entry_page(request, row, ActivityForm(instance=copy(row), account=account), now=now)
    account = worked_account(request, pk)
    row = _entry(account, entry)
    form = ActivityForm(request.POST, instance=copy(row), account=account)
    status = save(form, lambda: _correct(request, form, row, now=now))
    if status:
        return _entry_page(request, row, form, now=now, status=status)
    messages.info(request, "Saved")
    return redirect("accounts:entry", pk, entry)


def _entry(account: Account, pk: int) -> Activity:
    rows = Activity.objects.filter(account=account).select_related("account", "contact", "about", "edited_by")
    return get_object_or_404(rows, pk=pk)


def _entry_page(
    request: HttpRequest, row: Activity, form: ActivityForm, *, now: datetime, status: int = 200
) -> HttpResponse:
    shown = timeline.entry_of(row, viewer=request.user, now=now)
    if shown is None:
        raise Http404
    account = row.account
    context = {
        **account_page.head(account, viewer=request.user, now=now, tab="activity"),
        "entry": shown,
        "day": timeline.day_called(shown.day, request.user.today(now)),
        "notes": timeline.notes_of(row, viewer=request.user, now=now),
        "form": form,
    }
    return render(request, "accounts/entry.html", context, status=status)


def _correct(request: HttpRequest, form: ActivityForm, row: Activity, *, now: datetime) -> None:
    with change(row.account_id, by=request.user, via="page", now=now) as work:
        fresh = _entry(work.account, row.pk)
        fresh.record(form.merge(fresh), by=request.user, now=now)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, pk: int, entry: int) -> HttpResponse:
    """Take the words of an entry out, once asked; a stub stays."""
    account = worked_account(request, pk)
    row = _entry(account, entry)
    if request.method != "POST":
        return render(request, "accounts/entry_remove.html", {"account": account, "entry": row})
    status = _act(request, row, lambda fresh, now: fresh.remove(by=request.user, now=now))
    if not status:
        messages.info(request, f"{row.get_kind_display()} removed")
    return redirect("accounts:activity", pk)


@signed_in
@require_POST
def pin(request: HttpRequest, pk: int, entry: int) -> HttpResponse:
    """Keep an entry on top of the timeline, or let it go back to its place."""
    row = _entry(worked_account(request, pk), entry)
    on = request.POST.get("pinned") == "true"
    _act(request, row, lambda fresh, now: fresh.pin(on, now=now))
    return redirect(back(request, otherwise=reverse("accounts:activity", args=[pk])))


@signed_in
@require_POST
def resolve(request: HttpRequest, pk: int, entry: int) -> HttpResponse:
    """ACT-2: the bug is fixed, or not after all."""
    row = _entry(worked_account(request, pk), entry)
    fixed = request.POST.get("fixed") == "true"
    _act(request, row, lambda fresh, now: fresh.resolve(now=now) if fixed else fresh.reopen(now=now))
    return redirect(back(request, otherwise=reverse("accounts:entry", args=[pk, entry])))


def _act(request: HttpRequest, row: Activity, verb: Callable[[Activity, datetime], Any]) -> int:
    """Run a verb on the fresh entry; 0 when it went through, else 409 and the reason is told."""
    now = clock.now()
    try:
        with change(row.account_id, by=request.user, via="page", now=now) as work:
            verb(_entry(work.account, row.pk), now)
    except Refused as no:
        messages.error(request, no.text)
        return 409
    return 0
