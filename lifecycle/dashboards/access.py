"""What every page that changes an account shares: who may see it, who may work it, and in whose time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from accounts.models import User
from accounts.models.account import VisibleQuerySet

View = Callable[..., HttpResponse]


def signed_in(view: View) -> View:
    """For people who are signed in; times are read and written in their zone."""

    @login_required
    @wraps(view)
    def in_own_zone(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with timezone.override(request.user.zone):
            return view(request, *args, **kwargs)

    return in_own_zone


def visible(rows: VisibleQuerySet, user: User, *, now: datetime) -> Any:
    """The first of `rows` that this person may see; what they may not see does not exist (404)."""
    found = rows.visible_to(user, today=user.today(now)).first()
    if found is None:
        raise Http404
    return found


def workable(rows: VisibleQuerySet, user: User, *, now: datetime) -> Any:
    """The same row for somebody about to change it: 404 when unseen, 403 when seen but not theirs to work."""
    found = visible(rows, user, now=now)
    if not may_work(found, user, now=now):
        raise PermissionDenied
    return found


def may_work(row: Any, user: User, *, now: datetime) -> bool:
    """Whether this person may change a row they see."""
    return type(row).objects.worked_by(user, today=user.today(now)).filter(pk=row.pk).exists()
