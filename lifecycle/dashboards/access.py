"""What every page that changes an account shares: who may see it, who may work it, and in whose time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User
from accounts.models.account import VisibleQuerySet

View = Callable[..., HttpResponse]
LONGEST_ID = 18  # digits that every column of ids takes


class IdConverter:
    """The id of a row in an address. What no database could hold names nothing: 404."""

    regex = f"[0-9]{{1,{LONGEST_ID}}}"

    def to_python(self, text: str) -> int:
        return int(text)

    def to_url(self, number: int) -> str:
        return str(number)


def number(text: str) -> int | None:
    """The id that a parameter holds; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_ID else None


def signed_in(view: View) -> View:
    """For people who are signed in; times are read and written in their zone."""

    @wraps(view)
    def in_own_zone(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return _sign_in_first(request)
        with timezone.override(request.user.zone):
            return view(request, *args, **kwargs)

    return in_own_zone


def _sign_in_first(request: HttpRequest) -> HttpResponse:
    """To sign-in and back. What was typed into a part of a page stays there (401, nothing is swapped).
    A form leads back to the page it stood on, for its own address takes only posts."""
    if request.htmx:
        return HttpResponse(status=401)
    if request.method in ("GET", "HEAD"):
        return redirect_to_login(request.get_full_path())
    page = urlsplit(request.headers.get("Referer", ""))
    return redirect_to_login(page.path if page.netloc == request.get_host() else reverse("dashboards:home"))


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


def back(request: HttpRequest, *, otherwise: str = "/") -> str:
    """The page that a form was posted from, if it is one of ours."""
    to = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        to, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return to if ours else otherwise
