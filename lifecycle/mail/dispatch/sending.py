"""Sending the outbox: claim, still wanted?, render, hand over, note what happened (reliability.md).

A row is claimed by one dispatcher at a time. Right before the mail server is given the content, the row is
marked `sending` and the bytes are frozen: whoever dies before that mark has sent nothing, whoever dies after it
may have sent, and the row says so.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime

from django.conf import settings
from django.utils.module_loading import import_string

from lifecycle import clock
from lifecycle.mail.dispatch import outcomes, writing
from lifecycle.mail.dispatch.handover import (
    FencedError,
    LaterError,
    NoAnswerError,
    RejectedError,
    ServerFailingError,
    Transport,
)
from lifecycle.mail.dispatch.kinds import KINDS, sharing
from lifecycle.mail.dispatch.queue import SMTP, claim, mark_sending
from lifecycle.mail.models import Bounce, Circuit, Message

log = logging.getLogger(__name__)

UNWRITTEN = "unwritten"
UNTRIED = ("expired", "suppressed", "cancelled", UNWRITTEN)
INTERRUPTED = "The sender stopped before it sent anything."
UNANSWERED = "The sender stopped before the mail server's answer was noted."
TOO_LATE = "It was too late to make sense."
LEFT = "The recipient no longer works here."
BOUNCED = "{address} was refused {times} times, so nothing more is sent there until it is corrected."


def drain(
    *,
    now: datetime | None = None,
    limit: int | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Counter[str]:
    """Send what is due, oldest first, until nothing is left, `limit` is reached or `stopping()` says so.

    Any number of processes may drain at once. `now` replaces the clock (`remind --now`); normally each step
    asks the database's. Answers how many messages ended how: `sent`, `retry`, `dead`, `cancelled`, ...,
    `unwritten`, `waiting` when the mail server does not work, and `fenced`. Where this process saw a clock jump
    it leaves customers' mail where it is.
    """
    with nullcontext() if now is None else clock.at(now), sharing():
        transport: Transport = import_string(settings.MAIL_TRANSPORT)()
        try:
            return _drain(transport, limit, stopping)
        finally:
            transport.close()


def _drain(transport: Transport, limit: int | None, stopping: Callable[[], bool]) -> Counter[str]:
    ended: Counter[str] = Counter()
    staff_only = _mistrusts(clock.now())
    probe = False
    while not stopping() and (limit is None or ended.total() < limit):
        message = claim(probe=probe, staff_only=staff_only)
        if message is None and not probe:
            how = Circuit.admits(SMTP, now=clock.now())
            if not how:
                ended["waiting"] += 1
            if how != Circuit.PROBE:
                break
            probe = True
            continue
        if message is None:
            break
        if not staff_only and _mistrusts(message.claimed_at):
            outcomes.put_back(message)
            staff_only = True
            continue
        outcome = _send(message, transport)
        ended[outcome] += 1
        if outcome == "waiting":
            break
        if (
            probe and outcome not in UNTRIED
        ):  # else the server was not asked anything: the probe is still to be made
            Circuit.close(SMTP)
            probe = False
    return ended


def _mistrusts(instant: datetime) -> bool:
    """Whether a clock was set since this process started: due times may be wrong then (reliability.md, row 14). Where
    it was this host's alone, others send on: they go by the database's, which is right."""
    return not clock.is_replaced() and abs(clock.drift(instant)) > clock.MOST_DRIFT


def reap(*, now: datetime) -> Counter[str]:
    """Take back what dead senders left behind: unsent it is simply due again; handed over without a noted
    answer it is sent again, marked (staff), or held for a person (customer).

    For a lease after the database's clock was set nobody counts as dead: to a clock set forward all look so."""
    taken: Counter[str] = Counter()
    if clock.jumped_within(settings.MAIL_LEASE_SECONDS):
        return taken
    for message in Message.objects.filter(state__in=("claimed", "sending"), lease_until__lte=now):
        if message.state == "claimed":
            error = LaterError("claimed", INTERRUPTED)
            outcome = outcomes.again(message, error, now=now, at_once=True, interrupted=True)
        else:
            outcome = outcomes.unknown(message, NoAnswerError("data", UNANSWERED), now=now, at_once=True)
        taken[outcome] += 1
    return taken


# --- one message


def _send(message: Message, transport: Transport) -> str:
    started = message.claimed_at
    moved = message.person_address and message.person_address != message.address
    if moved and message.raw is None:
        message.address = message.person_address  # where the colleague reads mail today
        message.bounces = Bounce.of([message.address]).get(message.address, 0)
    if message.expires_at and message.expires_at <= started:
        return outcomes.end(message, "expired", TOO_LATE, now=started)
    if message.person_address == "":
        return outcomes.end(message, "suppressed", LEFT, now=started)
    if (message.bounces or 0) >= Bounce.MOST:
        reason = BOUNCED.format(address=message.address, times=message.bounces)
        return outcomes.end(message, "suppressed", reason, now=started)
    try:
        raw, unwanted = _content(message, now=started)
    except Exception as problem:
        error = LaterError("render", _why_unwritten(message, problem))
        outcomes.again(message, error, now=clock.now())
        return UNWRITTEN
    if unwanted:
        return outcomes.end(message, "cancelled", unwanted, now=started)

    def freeze() -> bytes:
        mark_sending(message, raw)
        return raw

    try:
        reply = transport.deliver(writing.sender(), message.address, freeze)
    except FencedError:
        return "fenced"
    except ServerFailingError as error:
        return outcomes.wait(message, error, now=clock.now())
    except LaterError as error:
        return outcomes.again(message, error, now=clock.now())
    except RejectedError as error:
        return outcomes.refused(message, error, now=clock.now())
    except NoAnswerError as error:
        return outcomes.unknown(message, error, now=clock.now())
    return outcomes.sent(message, reply)


def _content(message: Message, *, now: datetime) -> tuple[bytes, str]:
    """The bytes to send, or why none are wanted: those of an earlier try that may have arrived, else anew.
    A customer's mail that a person had tried again may be unwanted by now; a colleague's is repeated as it was."""
    if message.raw is not None and message.audience == "staff":
        return bytes(message.raw), ""
    kind = KINDS[message.kind]
    unwanted = kind.wanted(message, now)
    if unwanted:
        return b"", unwanted
    raw = message.raw
    return (bytes(raw) if raw is not None else writing.write(message, kind.render(message, now), at=now)), ""


def _why_unwritten(message: Message, problem: Exception) -> str:
    if isinstance(problem, writing.UnfitError):
        return f"It cannot be written. {problem}"
    log.error("message %s cannot be written", message.pk, exc_info=problem)
    return f"It could not be written: {type(problem).__name__}"
