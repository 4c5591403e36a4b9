"""The pages of the Outbox: its lists, one mail, and what may be done about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from lifecycle import clock
from lifecycle.dashboards.access import back, number, signed_in
from lifecycle.dashboards.outbox import asked, lists, mail, words
from lifecycle.dashboards.outbox.forms import AddressForm
from lifecycle.mail import outbox
from lifecycle.mail.dispatch import SMTP
from lifecycle.mail.models import Circuit, Message
from lifecycle.rules.refused import Refused

MOST_AT_ONCE = 200


class Verb(NamedTuple):
    """What a button asks for, and how its success reads: for one mail, and for many."""

    do: Callable[..., Message]
    done: str
    done_many: str


VERBS = {
    "retry": Verb(outbox.retry, "It leaves within seconds", "Retried"),
    "again": Verb(outbox.send_again, "Sent again as a new mail", "Sent again"),
    "mark": Verb(outbox.mark_sent, "Marked as sent", "Marked as sent:"),
    "cancel": Verb(outbox.cancel, "Cancelled. It is not sent", "Cancelled"),
    "undo": Verb(outbox.undo, "Taken back. It was not sent", "Taken back"),
}


@signed_in
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The lists; tab, filters and place stand in the address."""
    user, now = _reader(request), clock.now()
    context = lists.page(request.GET, user, now=now)
    return render(request, "dashboards/outbox.html", {**context, "down": _down(user, now=now)})


@signed_in
@require_safe
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """One mail."""
    now = clock.now()
    message = _seen(request, pk, now=now)
    return _page(request, message, AddressForm(initial={"address": message.address}), now=now)


@signed_in
@require_POST
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Do what a button says to one mail."""
    now = clock.now()
    message = _seen(request, pk, now=now)
    if verb not in VERBS:
        raise Http404
    _may(request.user, verb, message, now=now)
    try:
        done = VERBS[verb].do(pk, by=request.user, now=now)
    except Refused as no:
        messages.error(request, no.text)
        return redirect("dashboards:outbox-mail", pk)
    messages.success(request, VERBS[verb].done)
    return redirect(back(request, otherwise=f"/outbox/{done.pk}/"))


@signed_in
@require_POST
def readdress(request: HttpRequest, pk: int) -> HttpResponse:
    """Correct the address, in the mail and in the contacts, and send it there."""
    now = clock.now()
    message = _seen(request, pk, now=now)
    _may(request.user, "readdress", message, now=now)
    form = AddressForm(request.POST)
    if not form.is_valid():
        return _page(request, message, form, now=now, status=422)
    try:
        outbox.readdress(pk, form.cleaned_data["address"], by=request.user, now=now)
    except Refused as no:
        form.add_error("address", no.text)
        return _page(request, message, form, now=now, status=409 if no.conflict else 422)
    messages.success(request, "Address corrected, here and in the contacts. It leaves within seconds")
    return redirect("dashboards:outbox-mail", pk)


@signed_in
@require_POST
def bulk(request: HttpRequest) -> HttpResponse:
    """Do the same to several mails; says what happened and what did not."""
    user, now, verb = _reader(request), clock.now(), request.POST.get("verb", "")
    if not user.decides:
        raise PermissionDenied
    if verb not in lists.BULK:
        raise Http404
    chosen = _chosen(request, now=now)
    done, skipped = _each(verb, chosen[:MOST_AT_ONCE], by=user, now=now)
    said = [f"{n} skipped: {text}" for text, n in skipped.items()]
    if len(chosen) > MOST_AT_ONCE:
        said.append(f"{MOST_AT_ONCE} at a time, {len(chosen) - MOST_AT_ONCE} left.")
    if said:
        messages.warning(request, f"{VERBS[verb].done_many} {done}. {' '.join(said)}")
    else:
        messages.success(request, f"{VERBS[verb].done_many} {done}")
    return redirect(back(request, otherwise="/outbox/"))


def _chosen(request: HttpRequest, *, now: datetime) -> list[int]:
    """The mails that were ticked, or all of the list; only those this person may work."""
    user = request.user
    worked = Message.objects.worked_by(user, today=user.today(now)).filter(channel="mail")
    if request.POST.get("all"):
        wanted = asked.Asked.read(request.POST, user, now=now)
        states = asked.BY_KEY[wanted.tab].states if wanted.tab else ()
        worked = worked.filter(
            pk__in=asked.mails(wanted, user, now=now).filter(state__in=states).values("pk")
        )
    else:
        worked = worked.filter(pk__in=[number(pk) for pk in request.POST.getlist("mail")])
    return list(worked.order_by("pk").values_list("pk", flat=True))


def _each(verb: str, ids: Iterable[int], *, by: User, now: datetime) -> tuple[int, Counter[str]]:
    done, skipped = 0, Counter()
    for pk in ids:
        try:
            VERBS[verb].do(pk, by=by, now=now)
        except Refused as no:
            skipped[no.text] += 1
        else:
            done += 1
    return done, skipped


# --- who may


def _reader(request: HttpRequest) -> User:
    """security.md: a viewer has no outbox."""
    if request.user.role == "viewer":
        raise PermissionDenied
    return request.user


def _seen(request: HttpRequest, pk: int, *, now: datetime) -> Message:
    user = _reader(request)
    rows = Message.objects.visible_to(user, today=user.today(now)).filter(channel="mail")
    return get_object_or_404(rows.select_related("account", "recipient", "draft__author"), pk=pk)


def _may(user: User, verb: str, message: Message, *, now: datetime) -> None:
    """403 unless this person acts on mail; taking back one's own letter is part of writing it."""
    if verb == "undo" and message.pk in lists.undoable([message], user, now=now):
        return
    if not user.decides:
        raise PermissionDenied


def _page(
    request: HttpRequest, message: Message, form: AddressForm, *, now: datetime, status: int = 200
) -> HttpResponse:
    user = request.user
    context = {**mail.page(message, user, now=now), "form": form, "down": _down(user, now=now)}
    return render(request, "dashboards/outbox_mail.html", context, status=status)


def _down(user: User, *, now: datetime) -> str:
    """Since when the mail server does not work; "" while it does."""
    circuit = Circuit.objects.filter(name=SMTP, opened_at__isnull=False).first()
    return words.since(circuit.opened_at, now=now, zone=user.zone) if circuit else ""
