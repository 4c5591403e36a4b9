"""For load balancers and monitors: does the process answer, and does mail get planned? No detail, no sign-in."""

from __future__ import annotations

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from lifecycle import clock
from lifecycle.milestones import planner


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return _plain("ok", 200)


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """MIL-7: 200 while a planner ran within the last fifteen minutes and the database answers, else 503."""
    try:
        well = not planner.is_late(clock.now())
    except DatabaseError:
        well = False
    return _plain("ok", 200) if well else _plain("not well", 503)


def _plain(words: str, status: int) -> HttpResponse:
    return HttpResponse(f"{words}\n", status=status, content_type="text/plain")
