"""Open Forums (ONB-6): the series, one forum with its guests, the invitations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Contact, User
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import number, signed_in
from lifecycle.dashboards.forms import save
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.refused import Refused
from onboarding import emails
from onboarding.forms.forums import ForumForm, MoveForm, SeriesForm
from onboarding.models import Forum, ForumGuest


def may_run(user: User, forum: Forum | None = None) -> bool:
    """Leads and CS Ops run every forum, a host their own."""
    return user.decides or (forum is not None and forum.host_id == user.pk)


@signed_in
@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    """The coming forums, and those of the past."""
    return _list(request, SeriesForm(initial={"host": request.user.pk}))


@signed_in
@require_POST
def series(request: HttpRequest) -> HttpResponse:
    """ONB-6: plan a forum on each first Thursday of the coming year."""
    if not may_run(request.user):
        raise PermissionDenied
    form, now = SeriesForm(request.POST), clock.now()
    if not form.is_valid():
        return _list(request, form, status=422)
    try:
        made = _plan(form.cleaned_data, by=request.user, now=now)
    except Refused as no:
        form.add_error(None, no.text)
        return _list(request, form, status=409)
    messages.success(request, f"Planned {len(made)} forums" if made else "The coming year is planned already")
    return redirect("onboarding:forums")


@signed_in
@require_safe
def one(request: HttpRequest, forum: int) -> HttpResponse:
    """One forum: what it is about, who is invited, who came."""
    return _page(request, _forum(forum))


@signed_in
@require_POST
def update(request: HttpRequest, forum: int) -> HttpResponse:
    """Topic, host, time and the questions raised."""
    row, now = _mine(request, forum), clock.now()
    form = ForumForm(request.POST, instance=_forum(forum))
    status = save(form, lambda: _record(form, row, by=request.user, now=now))
    if status:
        return _page(request, row, form=form, status=status)
    shifted = row.invited_at is not None and _forum(forum).invited_at is None
    anew = ". It begins at another time: send the invitations again" if shifted else ""
    messages.success(request, f"Saved{anew}")
    return redirect("onboarding:forum", forum)


@signed_in
@require_POST
def move(request: HttpRequest, forum: int) -> HttpResponse:
    """ONB-6: another day, none this month, or hold it after all."""
    row, now = _mine(request, forum), clock.now()
    form = MoveForm(request.POST)
    if "unskip" not in request.POST and not form.is_valid():
        return _page(request, row, move_form=form, status=422)
    try:
        said = _move(row, request.POST, form, by=request.user, now=now)
    except Refused as no:
        form.add_error(no.field if no.field in form.fields else None, no.text)
        return _page(request, row, move_form=form, status=409 if no.conflict else 422)
    messages.success(request, said)
    return redirect("onboarding:forum", forum)


@signed_in
@require_POST
def invite(request: HttpRequest, forum: int) -> HttpResponse:
    """ONB-6: send each SMB account its invitation, with the date as a calendar file."""
    row = _mine(request, forum)
    try:
        sent, left_out = emails.invite(row, by=request.user, now=clock.now())
    except Refused as no:
        messages.error(request, no.text)
    else:
        more = f"; {left_out} have no contact with an address" if left_out else ""
        messages.success(request, f"Sending {sent} invitations{more}")
    return redirect("onboarding:forum", forum)


@signed_in
@require_POST
def attendance(request: HttpRequest, forum: int) -> HttpResponse:
    """Who came: the accounts that are ticked."""
    row, now = _mine(request, forum), clock.now()
    came = {number(pk) for pk in request.POST.getlist("came")}
    guests = ForumGuest.objects.visible_to(request.user, today=request.user.today(now)).filter(forum=row)
    try:
        _note_attendance(row, guests.select_related("account"), came, by=request.user, now=now)
    except Refused as no:
        messages.error(request, no.text)
    else:
        messages.success(request, "Attendance saved")
    return redirect("onboarding:forum", forum)


def _forum(pk: int) -> Forum:
    return get_object_or_404(Forum.objects.select_related("host"), pk=pk)


def _mine(request: HttpRequest, pk: int) -> Forum:
    row = _forum(pk)
    if not may_run(request.user, row):
        raise PermissionDenied
    return row


@contextmanager
def _on_free_days() -> Iterator[None]:
    """The unique constraint decides between two people at once; its refusal is told in words."""
    try:
        yield
    except IntegrityError as problem:
        if "held_on" not in str(problem):
            raise
        text = "Somebody else put a forum on that day just now. Look again."
        raise Refused("held_on", "taken", text, rule="ONB-6", conflict=True) from None


def _plan(values: dict[str, Any], *, by: User, now: datetime) -> list[Forum]:
    with _on_free_days(), change(None, by=by, via="page", now=now):
        return Forum.plan_series(**values, today=by.today(now))


def _note_attendance(row: Forum, guests: Any, came: set[int | None], *, by: User, now: datetime) -> None:
    """Archived guests keep what was noted of them: their boxes cannot be ticked, so they are not sent."""
    row.refuse_before_its_day(now=now)
    with change(None, by=by, via="page", now=now):
        for guest in guests:
            if guest.pk in came or not guest.account.archived:
                guest.note_attendance(guest.pk in came)


def _waiting(row: Forum) -> int:
    """How many invitations `invite` would send now."""
    told = ForumGuest.objects.filter(emails._is_told(row), forum=row).values("account_id")
    reachable = Contact.objects.exclude(email="").values("account_id")
    return ForumGuest.candidates().filter(pk__in=reachable).exclude(pk__in=told).count()


def _record(form: ForumForm, row: Forum, *, by: User, now: datetime) -> None:
    with change(None, by=by, via="page", now=now):
        form.apply(Forum.objects.get(pk=row.pk), now=now, today=by.today(now))


def _move(row: Forum, posted: Any, form: MoveForm, *, by: User, now: datetime) -> str:
    today = by.today(now)
    with _on_free_days(), change(None, by=by, via="page", now=now):
        fresh = Forum.objects.get(pk=row.pk)
        if "unskip" in posted:
            fresh.unskip(today=today)
            return "It takes place"
        note, day = form.cleaned_data["note"], form.cleaned_data["held_on"]
        if "skip" in posted:
            fresh.skip(note=note, today=today, now=now)
            return "Left out this month"
        if day is None:
            raise Refused("held_on", "required", "Enter the new day.", rule="ONB-6")
        fresh.move(day, note=note, today=today)
    return "Moved"


def _list(request: HttpRequest, form: SeriesForm, *, status: int = 200) -> HttpResponse:
    today = request.user.today(clock.now())
    rows = Forum.objects.select_related("host")
    context = {
        "coming": rows.filter(held_on__gte=today),
        "past": rows.filter(held_on__lt=today).order_by("-held_on")[:12],
        "form": form,
        "may": may_run(request.user),
        "today": today,
    }
    return render(request, "onboarding/forums.html", context, status=status)


def _page(request: HttpRequest, row: Forum, *, status: int = 200, **forms: Any) -> HttpResponse:
    user = request.user
    now = clock.now()
    today, may = user.today(now), may_run(user, row)
    guests = ForumGuest.objects.visible_to(user, today=today).filter(forum=row).select_related("account")
    told = ForumGuest.objects.filter(forum=row).exclude(invited_at=None)
    context = {
        "forum": row,
        "form": forms.get("form") or ForumForm(instance=_forum(row.pk)),
        "move_form": forms.get("move_form") or MoveForm(initial={"held_on": row.held_on}),
        "guests": guests.order_by("account__name", "pk"),
        "told": told.count() if may and row.skipped_at else 0,
        "waiting": _waiting(row) if may else 0,
        "may": may,
        "ticks": may and row.has_come(now),
        "all_seen": user.sees_all,
        "over": row.held_on < today,
        "minutes": PolicyVersion.in_force(row.held_on).duties.forum_minutes,
        "today": today,
        "zone": user.zone,
    }
    return render(request, "onboarding/forum.html", context, status=status)
