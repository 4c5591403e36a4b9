"""The steps of a message that every mail takes, each one statement: claim it, mark it `sending`, note `sent`.

Written as SQL because they are the whole cost of a mail in the database; everything rarer is in `outcomes`.
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
SEEN = ("claimed_at", "person_address", "person_is_active", "bounces")  # with the claim

CLAIM = """
UPDATE {message} SET state = 'claimed', claim = %s, attempts = attempts + 1, lease_until = {lease}
WHERE id = (
    SELECT id FROM {message} WHERE state IN ('due', 'retry') AND not_before <= {now} AND channel = 'mail'
    {more} ORDER BY not_before, id LIMIT 1 {lock}
) AND state IN ('due', 'retry')
RETURNING {columns}, {now} AS claimed_at,
    (SELECT email FROM {user} u WHERE u.id = recipient_id) AS person_address,
    (SELECT is_active FROM {user} u WHERE u.id = recipient_id) AS person_is_active,
    (SELECT times FROM {bounce} b WHERE b.address =
        lower(COALESCE((SELECT email FROM {user} u WHERE u.id = recipient_id), {message}.address))) AS bounces
"""
SERVER_WORKS = "AND NOT EXISTS (SELECT 1 FROM {circuit} WHERE name = 'smtp' AND opened_at IS NOT NULL)"
FOR_STAFF = "AND audience = 'staff'"

MARK = """
UPDATE {message} SET state = 'sending', lease_until = {lease}, raw = %s, raw_sha256 = %s, message_id = %s,
    sent_date = %s, subject = %s, address = %s
WHERE id = %s AND claim = %s AND state = 'claimed' AND lease_until > {real}
"""

# Reaped meanwhile and not claimed anew, it carries our token still: the answer counts.
SENT = """
UPDATE {message} SET state = 'sent', sent_at = {now}, lease_until = NULL, last_error = '', reason = ''
WHERE id = %s AND claim = %s AND state IN ('sending', 'retry', 'held')
RETURNING sent_at
"""
ATTEMPT = """
INSERT INTO {attempt} (message_id, n, started_at, phase, outcome, smtp_code, reply, host)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""


def lease() -> timedelta:
    return timedelta(seconds=settings.MAIL_LEASE_SECONDS)


def claim(*, now: datetime | None = None, probe: bool = False, staff_only: bool = False) -> Message | None:
    """Take the oldest due message for this process alone, in one statement; None when there is none.

    Nothing is taken while the mail server's circuit is open, except as its `probe`; `staff_only` leaves
    customers' mail where it is. The row comes with what the claim saw: `claimed_at`, `person_address` and
    `person_is_active` of a colleague, and `bounces`, how often its address was refused in a row.
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


def mark_sent(message: Message) -> datetime | None:
    """When it was sent; None when the row is no longer ours, so that the answer does not count."""
    with connection.cursor() as cursor:
        cursor.execute(_words(SENT), [_now(None), message.pk, message.claim])
        row = cursor.fetchone()
    return _aware(row[0]) if row else None


def note(
    message: Message, phase: str, outcome: str, said: Reply | HandoverError, *, started: datetime
) -> None:
    """Add to the history that people read."""
    values = [message.pk, message.attempts, _adapted(started), phase, outcome, said.code]
    with connection.cursor() as cursor:
        cursor.execute(_words(ATTEMPT), [*values, said.text[:500], said.host[:255]])


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
    parts["columns"] = WHOLE.columns()
    parts["lock"] = "FOR UPDATE SKIP LOCKED" if vendor == "postgresql" else ""
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
