"""Two promises that hold for every page: sessions end, and nothing a person saw signed in stays in a cache."""

import time

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.utils.cache import add_never_cache_headers

MINUTE = 60


class SessionLifetime:
    """Idle sessions end by their cookie's age; used ones are renewed (at most once a minute), up to a longest age."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        session, now = request.session, int(time.time())
        if SESSION_KEY in session:
            since, seen = session.get("since", now), session.get("seen", 0)
            if now - since > settings.SESSION_LONGEST:
                session.flush()
            elif now - seen >= MINUTE:
                session["since"], session["seen"] = since, now
        return self.get_response(request)


class NoStore:
    """`Cache-Control: no-store` on everything answered to somebody signed in."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        known = SESSION_KEY in request.session or "Authorization" in request.headers
        if known and not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response
