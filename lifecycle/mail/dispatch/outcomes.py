"""What becomes of a message that was tried, whatever the mail server answered and wherever a sender died.

Each outcome is one transaction: the row moves on if this process still owns it, its history says why, and its kind
is told when it reached an end.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction

from lifecycle.mail.dispatch import queue
from lifecycle.mail.dispatch.handover import HandoverError, RejectedError, Reply
from lifecycle.mail.dispatch.kinds import KINDS, forget
from lifecycle.mail.models import Bounce, Circuit, Message
from lifecycle.rules.refused import Refused

log = logging.getLogger(__name__)

BACKOFF = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 180, 360, 720))
MOST_TRIES = len(BACKOFF) + 1
JITTER = 0.2
RETURNS = (0.2, 0.5, 1, 2, 4, 8)  # seconds to wait for a database that went away after a mail was taken
THE_RECIPIENT = ("address", "rcpt")  # phases in which a refusal is the recipient's, not the content's
AWAY = (OperationalError, InterfaceError)
MAY_REPEAT = "It may have arrived already; it is sent again under the same Message-ID."
ASK_A_PERSON = "It may have arrived already: somebody decides whether to send it again."


def sent(message: Message, reply: Reply) -> str:
    """The server has it, and nothing that fails from now on may have it sent again: a database that went away is
    waited for, and a fact that cannot be recorded is told on the row."""
    for pause in RETURNS:
        try:
            return _sent(message, reply)
        except AWAY as problem:
            if connection.in_atomic_block:
                raise
            log.warning("message %s was sent, but the database does not answer: %s", message.pk, problem)
            connection.close()
            time.sleep(pause)
    return _sent(message, reply)


def _sent(message: Message, reply: Reply) -> str:
    forgets = message.kind in KINDS and KINDS[message.kind].settled is forget

    def move() -> datetime | None:
        at = queue.mark_sent(message, reply, forget=forgets)
        if at:
            message.state, message.sent_at, message.reason = "sent", at, ""
        elif not _is_noted(message):
            queue.note(message, "data", "sent after all", reply, started=message.claimed_at)
        if message.bounces:
            Bounce.forgive(message.address)
        return at

    alone = forgets and connection.vendor == "postgresql" and not message.bounces
    return "sent" if _finish(message, move, follows=not forgets, alone=alone) else "fenced"


def _is_noted(message: Message) -> bool:
    """Whether an earlier try to note it had gone through, though the database died before it said so."""
    return Message.objects.filter(pk=message.pk, claim=message.claim, state="sent").exists()


def refused(message: Message, error: RejectedError, *, now: datetime) -> str:
    """The server will never take it: a person looks at it. Where it was the address, that is counted."""
    if error.phase in THE_RECIPIENT:
        Bounce.note(message.address, error.text, now=now)
    return end(message, "dead", f"The mail server refused it: {error.text}", now=now, error=error)


def end(
    message: Message, state: str, reason: str, *, now: datetime, error: HandoverError | None = None
) -> str:
    """It reached an end without being sent."""
    return _move(message, ("claimed", "sending"), state, error, state, now=now, reason=reason[:500])


def again(
    message: Message,
    error: HandoverError,
    *,
    now: datetime,
    at_once: bool = False,
    interrupted: bool = False,
) -> str:
    """Known to be unsent: try again later, with what is true then; after the last try it is dead."""
    if message.attempts >= MOST_TRIES:
        return end(message, "dead", f"Tried {message.attempts} times: {error.text}", now=now, error=error)
    values: dict[str, Any] = {"last_error": error.text[:500]}
    if not at_once:
        values["not_before"] = now + _pause(message.attempts)
    if not message.uncertain:
        values |= {"raw": None, "raw_sha256": ""}
    states, outcome = (("claimed",), "interrupted") if interrupted else (("claimed", "sending"), "retry")
    return _move(message, states, "retry", error, outcome, now=now, **values)


def unknown(message: Message, error: HandoverError, *, now: datetime, at_once: bool = False) -> str:
    """The content went out and no answer came. Staff get it again, marked; a customer's mail is held."""
    if message.audience == "customer":
        state, reason = "held", ASK_A_PERSON
    elif message.attempts >= MOST_TRIES:
        state, reason = "dead", f"Tried {message.attempts} times: {error.text}"
    else:
        state, reason = "retry", MAY_REPEAT
    values: dict[str, Any] = {"uncertain": True, "reason": reason[:500], "last_error": error.text[:500]}
    if state == "retry" and not at_once:
        values["not_before"] = now + _pause(message.attempts)
    return _move(message, ("sending",), state, error, "unknown", now=now, **values)


def wait(message: Message, error: HandoverError, *, now: datetime) -> str:
    """The server fails: nothing is counted against the message, and the circuit opens."""
    opened = Circuit.trip(queue.SMTP, error.text, now=now)
    values: dict[str, Any] = {"attempts": message.attempts - 1, "last_error": error.text[:500]}
    if not message.uncertain:
        values |= {"raw": None, "raw_sha256": ""}
    if error.phase != "connect":  # should this very message upset the server, another one is the next probe
        values["not_before"] = now + timedelta(seconds=Circuit.PROBE_SECONDS)
    told = error if opened else None
    _move(message, ("claimed", "sending"), "retry", told, "server failing", now=now, **values)
    return "waiting"


def put_back(message: Message) -> None:
    """It was not tried at all."""
    Message.objects.filter(pk=message.pk, claim=message.claim, state="claimed").update(
        state="retry", lease_until=None, attempts=message.attempts - 1
    )


def _pause(tries: int) -> timedelta:
    spread = 1 + random.uniform(-JITTER, JITTER)  # noqa: S311 - no secret
    return BACKOFF[min(tries, len(BACKOFF)) - 1] * spread


def _move(
    message: Message,
    states: tuple[str, ...],
    state: str,
    error: HandoverError | None,
    outcome: str,
    *,
    now: datetime,
    **values: Any,
) -> str:
    """Move the row on from one of these states, if this process still owns it; answers the state, or `fenced`."""

    def move() -> datetime | None:
        mine = Message.objects.filter(pk=message.pk, claim=message.claim, state__in=states)
        if not mine.update(state=state, lease_until=None, **values):
            return None
        for name, value in {"state": state, **values}.items():
            setattr(message, name, value)
        if error is not None:
            queue.note(message, error.phase, outcome, error, started=now)
        return now

    return state if _finish(message, move) else "fenced"


def _finish(
    message: Message, move: Callable[[], datetime | None], *, follows: bool = True, alone: bool = False
) -> bool:
    """Make the move, and tell the kind where it is an end and something `follows`, in one transaction; a move that is
    one statement `alone` needs none. A kind that refuses or breaks undoes nothing: the move is made without it, and
    the row says so."""
    kind = KINDS.get(message.kind)
    try:
        with nullcontext() if alone else transaction.atomic():
            at = move()
            if at is not None and follows and kind is not None and message.state != "retry":
                kind.settled(message, at)
            return at is not None
    except AWAY:
        raise
    except Refused as refusal:
        said = refusal.text
    except Exception as problem:
        log.exception("message %s is %s, but what follows from it failed", message.pk, message.state)
        said = f"{type(problem).__name__}."
    with transaction.atomic():
        if move() is None:
            return False
        message.reason = f"{message.reason or message.state.capitalize()}, but not recorded: {said}"[:500]
        Message.objects.filter(pk=message.pk).update(reason=message.reason)
    log.warning("message %s: %s", message.pk, message.reason)
    return True
