"""The survey as the customer sees it: one page behind a link that nobody can guess, without sign-in (SUR-2, SUR-3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.core.internal.ratelimit import consume
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_http_methods

from adoption.forms.survey import AnswersForm
from adoption.models import Survey
from adoption.views.surveys import answer
from lifecycle import clock
from lifecycle.rules.refused import Refused

# Guesses are counted by where they come from, true links each for itself: whoever guesses shuts nobody else out.
LIMITS = {"survey_guess": "20/10m/ip", "survey": "60/m/key"}
WAIT = 60  # seconds


def apart(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For pages of customers: kept by no cache, listed by no search engine."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        add_never_cache_headers(response)
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return wrapped


@apart
@require_http_methods(["GET", "HEAD", "POST"])
def survey(request: HttpRequest, token: str) -> HttpResponse:
    """The questions; once answered, the thanks; after that, and for a guessed link, words that say so."""
    now, found = clock.now(), Survey.opened_by(token)
    if not _may_ask(request, found):
        answered = render(request, "adoption/survey/too_many.html", status=429)
        answered["Retry-After"] = str(WAIT)
        return answered
    if found is None:
        return render(request, "adoption/survey/unknown.html", status=404)
    if not found.is_open:
        return _closed(request, found)
    form = AnswersForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            answer(found, form, by=None, now=now)
        except Refused as no:
            if no.conflict:
                return _closed(request, found)
            form.add_error(None, no.text)
        else:
            first_name = form.cleaned_data["respondent"].partition(" ")[0]
            return render(request, "adoption/survey/thanks.html", {"first_name": first_name})
    context = {"account": found.account, "form": form}
    return render(request, "adoption/survey/public.html", context, status=422 if form.is_bound else 200)


def _may_ask(request: HttpRequest, found: Survey | None) -> bool:
    action, key = ("survey", str(found.pk)) if found else ("survey_guess", None)
    return bool(consume(request, app="waymark", action=action, key=key, config=LIMITS, limit_get=True))


def _closed(request: HttpRequest, found: Survey) -> HttpResponse:
    context = {"contact": found.account.csm}
    return render(request, "adoption/survey/closed.html", context, status=410)
