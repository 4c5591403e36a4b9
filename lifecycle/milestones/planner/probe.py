"""Whether a planner has anything to do: one statement that asks indexes, however many milestones there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connection

from accounts.models import Account, User
from lifecycle.mail.models import Message, ServiceBeat
from lifecycle.milestones.models import Milestone, Notice, Reminder
from lifecycle.milestones.planner.bundling import FAR

LOCK = 0x57415901
PLANNER = "planner"  # its ServiceBeat
ONE_DAY = timedelta(days=1)
QUARTER = 15 * 60  # seconds: in every zone a day begins at such a place of the clock
LONG = "15 minutes"  # no change takes so long from its instant to its commit

# Mails that wait are looked at again when they are of a far day, when they are too late, and when the hours of
# their readers may have changed.
LOOK = """
SELECT {lock},
    (SELECT at FROM {servicebeat} WHERE name = '{planner}'),
    EXISTS(SELECT 1 FROM {account} WHERE recheck_at <= %s),
    EXISTS(SELECT 1 FROM {milestone} WHERE status = 'open' AND remind_at <= %s)
        OR EXISTS(SELECT 1 FROM {reminder} WHERE state = 'planned' AND message_id IS NULL AND send_on <= %s)
        OR EXISTS(SELECT 1 FROM {notice} n JOIN {user} u ON u.id = n.recipient_id
            WHERE n.message_id IS NULL AND u.is_active)
        OR EXISTS(SELECT 1 FROM {message} WHERE {waits} AND not_before > %s)
        OR EXISTS(SELECT 1 FROM {message} WHERE {waits} AND not_before <= %s AND expires_at <= %s)
        OR EXISTS(SELECT 1 FROM {message} m JOIN {user} u ON u.id = m.recipient_id
            WHERE {waits} AND not_before > %s AND u.updated_at >=
                (SELECT {since} FROM {servicebeat} WHERE name = '{planner}'))
"""
WAITS = "state IN ('due', 'retry') AND kind IN ('digest', 'now') AND raw IS NULL"
MARK = """
UPDATE {servicebeat} SET at = %s, wall_minus_mono = 0 WHERE name = '{planner}' {unwaited}
"""


class Found(NamedTuple):
    """What there is to do. `alone`: no other planner is at work; `again`: accounts or forums are to be looked at
    anew; `mail`: reminders or mails have come."""

    alone: bool
    again: bool
    mail: bool


def look(now: datetime) -> Found:
    """What there is to do at `now`; keeps other planners out until this transaction ends."""
    tomorrow = connection.ops.adapt_datefield_value(now.astimezone(UTC).date() + ONE_DAY)
    at, far = _instant(now), _instant(now + FAR)
    with connection.cursor() as cursor:
        cursor.execute(_words(LOOK), [at, at, tomorrow, far, at, at, at])
        alone, last, accounts, mail = cursor.fetchone()
    return Found(bool(alone), bool(accounts) or _in_another_quarter(last, now), bool(mail))


def _in_another_quarter(last: datetime | str | None, now: datetime) -> bool:
    """Whether a day may have begun somewhere since a planner last looked: then forums are looked at."""
    if isinstance(last, str):  # as SQLite keeps it
        last = datetime.fromisoformat(last).replace(tzinfo=UTC)
    return last is None or last.timestamp() // QUARTER != now.timestamp() // QUARTER


def mark_idle(now: datetime) -> None:
    """MIL-7: a planner ran and found nothing. A crash may forget it: the next look says it again."""
    with connection.cursor() as cursor:
        cursor.execute(_words(MARK), [_instant(now)])
        marked = cursor.rowcount
    if not marked:
        ServiceBeat.mark(PLANNER, now=now)


def _words(statement: str) -> str:
    models = (Account, Message, Milestone, Notice, Reminder, ServiceBeat, User)
    tables = {model.__name__.lower(): connection.ops.quote_name(model._meta.db_table) for model in models}
    if connection.vendor == "postgresql":
        lock = f"pg_try_advisory_xact_lock({LOCK})"
        since = f"at - interval '{LONG}'"
        unwaited = "AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL"
    else:  # one writer anyway
        lock, unwaited = "1", ""
        since = f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', at, '-{LONG}')"
    parts = {"lock": lock, "since": since, "unwaited": unwaited, "planner": PLANNER, "waits": WAITS}
    return statement.format(**tables, **parts)


def _instant(instant: datetime) -> object:
    return connection.ops.adapt_datetimefield_value(instant)
