"""Sending the outbox: claim, still wanted?, render, hand over, note what happened (reliability.md).

A row is claimed by one dispatcher at a time. Right before the mail server is given the content, the row is
marked `sending` and the bytes are frozen: whoever dies before that mark has sent nothing, whoever dies after it
may have sent, and the row says so.
"""

from __future__ import annotations

import hashlib
import logging
import random
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from email.utils import format_datetime, parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import connection, transaction
from django.utils.module_loading import import_string

from lifecycle import clock
from lifecycle.mail.dispatch.handover import (
    FencedError,
    HandoverError,
    LaterError,
    NoAnswerError,
    RejectedError,
    Reply,
    ServerFailingError,
    Transport,
)
from lifecycle.mail.dispatch.kinds import KINDS, Mail
from lifecycle.mail.models import Attempt, Circuit, Message

log = logging.getLogger(__name__)

SMTP = "smtp"  # the circuit's name
BACKOFF = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 180, 360, 720))
MOST_TRIES = len(BACKOFF) + 1
JITTER = 0.2
UNWRITTEN = "unwritten"
UNTRIED = ("expired", "suppressed", "cancelled", UNWRITTEN)
UNANSWERED = "The sender stopped before the mail server's answer was noted."
MAY_REPEAT = "It may have arrived already; it is sent again under the same Message-ID."
ASK_A_PERSON = "It may have arrived already: somebody decides whether to send it again."


def drain(
    *,
    now: datetime | None = None,
    limit: int | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Counter[str]:
    """Send what is due, oldest first, until nothing is left, `limit` is reached or `stopping()` says so.

    Any number of processes may drain at once. `now` replaces the clock (`remind --now`); normally each step
    asks the database's. Answers how many messages ended how: `sent`, `retry`, `dead`, `cancelled`, ...,
    `unwritten`, `waiting` when the mail server does not work, and `fenced`.
    """
    ended: Counter[str] = Counter()
    with nullcontext() if now is None else clock.at(now):
        transport: Transport = import_string(settings.MAIL_TRANSPORT)()
        try:
            admitted = ""
            while not stopping() and (limit is None or ended.total() < limit):
                at = clock.now()
                admitted = admitted or Circuit.admits(SMTP, now=at)
                if not admitted:
                    ended["waiting"] += 1
                    break
                message = claim(now=at)
                if message is None:
                    break
                outcome = _send(message, transport, started=at)
                ended[outcome] += 1
                if outcome == "waiting":
                    break
                if outcome in UNTRIED:
                    continue  # the server was not asked anything: a probe is still to be made
                if admitted == Circuit.PROBE:
                    Circuit.close(SMTP)
                admitted = ""
        finally:
            transport.close()
    return ended


CLAIM = """
UPDATE {table} SET state = 'claimed', claim = %s, attempts = attempts + 1, lease_until = %s
WHERE id = (
    SELECT id FROM {table} WHERE state IN ('due', 'retry') AND not_before <= %s AND channel = 'mail'
    ORDER BY not_before, id LIMIT 1 {lock}
) AND state IN ('due', 'retry') RETURNING *
"""


def claim(*, now: datetime) -> Message | None:
    """Take the oldest due message for this process alone, in one statement; None when there is none."""
    token = secrets.token_hex(16)
    skip = connection.features.has_select_for_update_skip_locked
    sql = CLAIM.format(
        table=connection.ops.quote_name(Message._meta.db_table), lock="FOR UPDATE SKIP LOCKED" if skip else ""
    )
    at = connection.ops.adapt_datetimefield_value
    claimed = Message.objects.raw(sql, [token, at(now + lease()), at(now)])
    return next(iter(claimed), None)


def lease() -> timedelta:
    return timedelta(seconds=settings.MAIL_LEASE_SECONDS)


def reap(*, now: datetime) -> Counter[str]:
    """Take back what dead senders left behind: unsent it is simply due again; handed over without a noted
    answer it is sent again, marked (staff), or held for a person (customer)."""
    taken: Counter[str] = Counter()
    for message in Message.objects.filter(state__in=("claimed", "sending"), lease_until__lte=now):
        if message.state == "claimed":
            error: HandoverError = LaterError("claimed", "The sender stopped before it sent anything.")
            outcome = _again(message, error, now=now, at_once=True, interrupted=True)
        else:
            outcome = _unknown(message, NoAnswerError("data", UNANSWERED), now=now, at_once=True)
        taken[outcome] += 1
    return taken


# --- one message


def _send(message: Message, transport: Transport, *, started: datetime) -> str:
    if message.expires_at and message.expires_at <= started:
        return _end(message, "expired", "It was too late to make sense.", now=started)
    if message.recipient and not message.recipient.is_active:
        return _end(message, "suppressed", "The recipient no longer works here.", now=started)
    try:
        raw, unwanted = _content(message, now=started)
    except Exception as problem:
        log.exception("message %s cannot be written", message.pk)
        error: HandoverError = LaterError("render", f"It could not be written: {type(problem).__name__}")
        _again(message, error, now=clock.now())
        return UNWRITTEN
    if unwanted:
        return _end(message, "cancelled", unwanted, now=started)

    def freeze() -> bytes:
        _mark_sending(message, raw)
        return raw

    try:
        reply = transport.deliver(parseaddr(settings.DEFAULT_FROM_EMAIL)[1], message.address, freeze)
    except FencedError:
        return "fenced"
    except ServerFailingError as error:
        return _wait(message, error, now=clock.now())
    except LaterError as error:
        return _again(message, error, now=clock.now())
    except RejectedError as error:
        return _end(
            message, "dead", f"The mail server refused it: {error.text}", now=clock.now(), error=error
        )
    except NoAnswerError as error:
        return _unknown(message, error, now=clock.now())
    return _sent(message, reply, started, now=clock.now())


def _content(message: Message, *, now: datetime) -> tuple[bytes, str]:
    """The bytes to send, or why none are wanted: those of an earlier try that may have arrived, else anew."""
    if message.raw is not None:
        return bytes(message.raw), ""
    kind = KINDS[message.kind]
    unwanted = kind.wanted(message, now)
    return (b"", unwanted) if unwanted else (_write(message, kind.render(message, now), at=now), "")


def _write(message: Message, mail: Mail, *, at: datetime) -> bytes:
    site = urlsplit(settings.BASE_URL).hostname
    message.subject = mail.subject
    message.message_id = f"<{hashlib.sha256(message.dedup.encode()).hexdigest()[:32]}@{site}>"
    message.sent_date = format_datetime(at)
    headers = {
        "Message-ID": message.message_id,
        "Date": message.sent_date,
        "Auto-Submitted": "auto-generated",
    }
    made = EmailMultiAlternatives(mail.subject, mail.text, to=[message.address], headers=headers)
    if mail.html:
        made.attach_alternative(mail.html, "text/html")
    return made.message().as_bytes(linesep="\r\n")


def _mark_sending(message: Message, raw: bytes) -> None:
    """The marker: from here on nobody can say that nothing was sent. FencedError when the lease was lost."""
    frozen = {
        "raw": raw,
        "raw_sha256": hashlib.sha256(raw).hexdigest(),
        "message_id": message.message_id,
        "sent_date": message.sent_date,
        "subject": message.subject,
    }
    mine = Message.objects.filter(
        pk=message.pk, claim=message.claim, state="claimed", lease_until__gt=clock.in_sql()
    )
    if not mine.update(state="sending", lease_until=clock.in_sql() + lease(), **frozen):
        raise FencedError


def _sent(message: Message, reply: Reply, started: datetime, *, now: datetime) -> str:
    # Reaped meanwhile and not claimed anew, it carries our token still: the answer counts.
    known = {"sent_at": now, "uncertain": message.uncertain, "last_error": "", "reason": ""}
    with transaction.atomic():
        if not _set(message, ("sending", "retry", "held"), "sent", **known):
            _note(message, "data", "sent after all", now=now, started=started, reply=reply)
            return "fenced"
        _note(message, "data", "sent", now=now, started=started, reply=reply)
        _settled(message, now)
    return "sent"


def _end(
    message: Message, state: str, reason: str, *, now: datetime, error: HandoverError | None = None
) -> str:
    with transaction.atomic():
        if not _set(message, ("claimed", "sending"), state, reason=reason[:500]):
            return "fenced"
        if error is not None:
            _note(message, error.phase, state, now=now, error=error)
        _settled(message, now)
    return state


def _again(
    message: Message,
    error: HandoverError,
    *,
    now: datetime,
    at_once: bool = False,
    interrupted: bool = False,
) -> str:
    """Known to be unsent: try again later, with what is true then; after the last try it is dead."""
    if message.attempts >= MOST_TRIES:
        return _end(message, "dead", f"Tried {message.attempts} times: {error.text}", now=now, error=error)
    values: dict[str, Any] = {"last_error": error.text[:500]}
    if not at_once:
        values["not_before"] = now + _pause(message.attempts)
    if not message.uncertain:
        values |= {"raw": None, "raw_sha256": ""}
    with transaction.atomic():
        if not _set(message, ("claimed",) if interrupted else ("claimed", "sending"), "retry", **values):
            return "fenced"
        _note(message, error.phase, "interrupted" if interrupted else "retry", now=now, error=error)
    return "retry"


def _unknown(message: Message, error: HandoverError, *, now: datetime, at_once: bool = False) -> str:
    """The content went out and no answer came. Staff get it again, marked; a customer's mail is held."""
    if message.audience == "customer":
        state, reason = "held", ASK_A_PERSON
    elif message.attempts >= MOST_TRIES:
        state, reason = "dead", f"Tried {message.attempts} times: {error.text}"
    else:
        state, reason = "retry", MAY_REPEAT
    values: dict[str, Any] = {"uncertain": True, "reason": reason, "last_error": error.text[:500]}
    if state == "retry" and not at_once:
        values["not_before"] = now + _pause(message.attempts)
    with transaction.atomic():
        if not _set(message, ("sending",), state, **values):
            return "fenced"
        _note(message, error.phase, "unknown", now=now, error=error)
        if state != "retry":
            _settled(message, now)
    return state


def _wait(message: Message, error: HandoverError, *, now: datetime) -> str:
    """The server fails: nothing is counted against the message, and the circuit opens."""
    opened = Circuit.trip(SMTP, error.text, now=now)
    values: dict[str, Any] = {"attempts": message.attempts - 1, "last_error": error.text[:500]}
    if not message.uncertain:
        values |= {"raw": None, "raw_sha256": ""}
    if error.phase != "connect":  # should this very message upset the server, another one is the next probe
        values["not_before"] = now + timedelta(seconds=Circuit.PROBE_SECONDS)
    with transaction.atomic():
        _set(message, ("claimed", "sending"), "retry", **values)
        if opened:
            _note(message, error.phase, "server failing", now=now, error=error)
    return "waiting"


def _pause(tries: int) -> timedelta:
    spread = 1 + random.uniform(-JITTER, JITTER)  # noqa: S311 - no secret
    return BACKOFF[min(tries, len(BACKOFF)) - 1] * spread


def _set(message: Message, states: tuple[str, ...], state: str, **values: Any) -> bool:
    """Move the row on, if this process still owns it."""
    mine = Message.objects.filter(pk=message.pk, claim=message.claim, state__in=states)
    if not mine.update(state=state, lease_until=None, **values):
        return False
    message.state = state
    for name, value in values.items():
        setattr(message, name, value)
    return True


def _settled(message: Message, now: datetime) -> None:
    kind = KINDS.get(message.kind)
    if kind is not None:
        kind.settled(message, now)


def _note(
    message: Message,
    phase: str,
    outcome: str,
    *,
    now: datetime,
    started: datetime | None = None,
    reply: Reply | None = None,
    error: HandoverError | None = None,
) -> None:
    said: Any = reply or error
    Attempt.objects.create(
        message=message,
        n=message.attempts,
        started_at=started or now,
        phase=phase,
        outcome=outcome,
        smtp_code=said.code,
        reply=said.text[:500],
        host=said.host[:255],
    )
