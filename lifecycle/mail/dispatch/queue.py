"""The steps of a message that every mail takes, each one statement: claim it, mark it `sending`, note `sent`.

Written as SQL because they are the whole cost of a mail in the database; everything rarer is in `outcomes`. Of the
three only the marker waits for the disk. A claim that a crash of the database forgets leaves the row due, and its
marker finds nothing. That staff mail was sent is on the disk with the next mail's marker at the latest: so a crash
makes one mail of each sender uncertain, as it would if each was waited for.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection

from accounts.models import User
from lifecycle import clock
from lifecycle.mail.dispatch.handover import FencedError, HandoverError, Reply
from lifecycle.mail.dispatch.shape import Shape
from lifecycle.mail.models import Attempt, Bounce, Circuit, Message

SMTP = "smtp"  # the circuit's name
WHOLE = Shape(Message)
SEEN = ("claimed_at", "person_address", "bounces")  # with the claim

CLAIM = """
UPDATE {message} SET state = 'claimed', claim = %s, attempts = attempts + 1, lease_until = {lease}
WHERE id = (
    SELECT id FROM {message} WHERE state IN ('due', 'retry') AND not_before <= {now} AND channel = 'mail'
    {more} ORDER BY not_before, id LIMIT 1 {lock}
) AND state IN ('due', 'retry') {unwaited}
RETURNING {columns}, {now} AS claimed_at,
    (SELECT CASE WHEN is_active THEN email ELSE '' END FROM {user} u WHERE u.id = recipient_id),
    (SELECT times FROM {bounce} b WHERE b.address = lower({message}.address))
"""
SERVER_WORKS = "AND (SELECT opened_at FROM {circuit} WHERE name = 'smtp') IS NULL "
FOR_STAFF = "AND audience = 'staff'"

MARK = """
UPDATE {message} SET state = 'sending', lease_until = {lease}, raw = %s, raw_sha256 = %s, message_id = %s,
    sent_date = %s, subject = %s, address = %s
WHERE id = %s AND claim = %s AND state = 'claimed' AND lease_until > {real}
"""

# Reaped meanwhile and not claimed anew, it carries our token still: the answer counts.
SENT = """
UPDATE {message} SET state = 'sent', sent_at = {now}, lease_until = NULL, last_error = '', reason = '',
    payload = {payload}, raw = {kept}
WHERE id = %s AND claim = %s AND state IN ('sending', 'retry', 'held') {waited}
RETURNING id, sent_at
"""
NOTE = "INSERT INTO {attempt} (message_id, n, started_at, phase, outcome, smtp_code, reply, host)"
UNWAITED = (
    "AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL"  # until this transaction ends
)
VALUES = "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
BOTH = (
    "WITH moved AS ({sent}), noted AS ({note} SELECT id, %s, %s, %s, %s, %s, %s, %s FROM moved) TABLE moved"
)


def lease() -> timedelta:
    return timedelta(seconds=settings.MAIL_LEASE_SECONDS)


def claim(*, now: datetime | None = None, probe: bool = False, staff_only: bool = False) -> Message | None:
    """Take the oldest due message for this process alone, in one statement; None when there is none.

    Nothing is taken while the mail server's circuit is open, except as its `probe`; `staff_only` leaves
    customers' mail where it is. The row comes with what the claim saw: `claimed_at`, the `person_address` of a
    colleague ("" when they left, None for others), and `bounces`, how often its address was refused in a row.
    """
    more = ("" if probe else SERVER_WORKS) + (FOR_STAFF if staff_only else "")
    token, at = secrets.token_hex(16), _now(now)
    with connection.cursor() as cursor:
        cursor.execute(_words(CLAIM.replace("{more}", more)), [token, *_lease(), at, at])
        row = cursor.fetchone()
    return None if row is None else _message(row)


def _message(row: tuple[Any, ...]) -> Message:
    message = WHOLE.row(row[: len(WHOLE)])
    for name, value in zip(SEEN, row[len(WHOLE) :], strict=True):
        setattr(message, name, value)
    message.claimed_at = _aware(message.claimed_at)
    return message


def mark_sending(message: Message, raw: bytes) -> None:
    """The marker: from here on nobody can say that nothing was sent. FencedError when the lease was lost."""
    digest = hashlib.sha256(raw).hexdigest()
    frozen = (raw, digest, message.message_id, message.sent_date, message.subject, message.address)
    with connection.cursor() as cursor:
        cursor.execute(_words(MARK), [*_lease(), *frozen, message.pk, message.claim, *_real()])
        if not cursor.rowcount:
            raise FencedError


def mark_sent(message: Message, reply: Reply, *, forget: bool) -> datetime | None:
    """Note that it left, and when; None when the row is no longer ours, so that the answer does not count. With
    `forget` what it said is not kept. One statement on PostgreSQL; on SQLite two, in the caller's transaction."""
    at_once = connection.vendor == "postgresql"
    moved = SENT.replace("{payload}", "'{{}}'").replace("{kept}", "NULL") if forget else SENT
    if message.audience == "staff":
        moved = moved.replace("{waited}", "{unwaited}")
    words = BOTH.replace("{sent}", moved).replace("{note}", NOTE) if at_once else moved
    values = [_now(None), message.pk, message.claim]
    noted = _noted(message, "data", "sent", reply, message.claimed_at) if at_once else []
    with connection.cursor() as cursor:
        cursor.execute(_words(words), values + noted)
        row = cursor.fetchone()
    if row and not at_once:
        note(message, "data", "sent", reply, started=message.claimed_at)
    return _aware(row[1]) if row else None


def note(
    message: Message, phase: str, outcome: str, said: Reply | HandoverError, *, started: datetime
) -> None:
    """Add to the history that people read."""
    values = [message.pk, *_noted(message, phase, outcome, said, started)]
    with connection.cursor() as cursor:
        cursor.execute(_words(f"{NOTE} {VALUES}"), values)


def _noted(
    message: Message, phase: str, outcome: str, said: Reply | HandoverError, started: datetime
) -> list[Any]:
    told = [phase, outcome, said.code, said.text[:500], said.host[:255]]
    return [message.attempts, _adapted(started), *told]


# --- the same words on both databases


def _words(statement: str) -> str:
    return _spelled(statement, connection.vendor)


@cache
def _spelled(statement: str, vendor: str) -> str:
    quote = connection.ops.quote_name
    parts = {
        model.__name__.lower(): quote(model._meta.db_table)
        for model in (Attempt, Bounce, Circuit, Message, User)
    }
    parts |= {"columns": WHOLE.columns(), "payload": "payload", "kept": "raw", "waited": ""}
    parts |= {"lock": "", "unwaited": ""}
    if vendor == "postgresql":
        parts |= {"lock": "FOR UPDATE SKIP LOCKED", "unwaited": UNWAITED}
    # The server's own clock, read while the statement runs: no process can be paused in between.
    if vendor == "postgresql":
        real = "(SELECT clock_timestamp())"
        clocks = {
            "now": f"COALESCE(%s, {real})",
            "real": real,
            "lease": f"{real} + make_interval(secs => %s)",
        }
    else:
        clocks = dict.fromkeys(("now", "real", "lease"), "%s")
    return statement.format(**parts, **clocks)


def _now(instant: datetime | None) -> Any:
    """What stands for `now`: nothing where the server's own clock is meant."""
    if instant is None and (clock.is_replaced() or connection.vendor != "postgresql"):
        instant = clock.now()
    return _adapted(instant)


def _real() -> list[Any]:
    return [] if connection.vendor == "postgresql" else [_adapted(clock.real())]


def _lease() -> list[Any]:
    seconds = settings.MAIL_LEASE_SECONDS
    return [seconds] if connection.vendor == "postgresql" else [_adapted(clock.real() + lease())]


def _adapted(instant: datetime | None) -> Any:
    return None if instant is None else connection.ops.adapt_datetimefield_value(instant)


def _aware(instant: datetime | str) -> datetime:
    """A time as the database answers it: SQLite writes them as text."""
    if isinstance(instant, str):
        instant = datetime.fromisoformat(instant)
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
