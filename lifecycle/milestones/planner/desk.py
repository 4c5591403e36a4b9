"""What the planner and a digest read and write by the thousand, in hand-written SQL: an ORM row costs several times
what it costs the database. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import islice
from typing import Any, NamedTuple

from django.db import connection

from accounts.models import Account
from lifecycle.mail.dispatch.shape import Shape
from lifecycle.mail.models import Message
from lifecycle.milestones.models import Milestone, Notice, Reminder

BATCH = 2000

REMINDER = Shape(Reminder)
MILESTONE = Shape(
    Milestone,
    *("id", "account", "kind", "source_type", "source_id", "day", "title", "owner"),
    *("due_on", "act_by", "status", "ordinal", "snoozed_until", "remind_at"),
)
ACCOUNT = Shape(Account, "id", "name", "starter_package", "traits", "mrr_cents", "csm", "archived_at")
NOTICE = Shape(Notice)

# A row somebody is changing just now is left for the next run: its dates may be about to move.
DUE = """
SELECT {milestone}, {account} FROM {milestones} m LEFT JOIN {accounts} a ON a.id = m.account_id
WHERE m.status = 'open' AND m.remind_at <= %s ORDER BY m.remind_at, m.id {lock}
"""
KNOWN = """
SELECT {reminder} FROM {reminders} r JOIN {milestones} m ON m.id = r.milestone_id
WHERE m.status = 'open' AND m.remind_at <= %s ORDER BY r.id
"""
INSERT = """
INSERT INTO {reminders} (milestone_id, occasion, ordinal, recipient_id, send_on, state, reason, created_at)
VALUES {rows} ON CONFLICT DO NOTHING
"""
UNBUNDLED = """
SELECT {reminder} FROM {reminders} r WHERE r.state = 'planned' AND r.message_id IS NULL AND r.send_on <= %s
ORDER BY r.ordinal, r.send_on, r.id
"""
ABOUT = """
SELECT {milestone}, {account} FROM {milestones} m LEFT JOIN {accounts} a ON a.id = m.account_id
WHERE m.id IN ({ids})
"""
JOIN = """
UPDATE {table} SET message_id = joined.column2 FROM (VALUES {pairs}) AS joined WHERE {table}.id = joined.column1
"""

WAITING = """
SELECT {reminder}, {milestone}, {account} FROM {reminders} r
JOIN {milestones} m ON m.id = r.milestone_id LEFT JOIN {accounts} a ON a.id = m.account_id
WHERE r.message_id = %s AND r.state = 'planned' ORDER BY r.id
"""
NOTICES = "SELECT {notice} FROM {notices} n WHERE n.message_id = %s ORDER BY n.id"

# Also those that failed with the mail before somebody said that it was sent; what a person decided stays.
SENT = """
UPDATE {reminders} SET state = 'sent', reason = ''
WHERE message_id = %s AND (state = 'planned' OR (state IN ('failed', 'held') AND decided_by_id IS NULL))
"""
TOLD = "UPDATE {notices} SET told_at = %s WHERE message_id = %s"


# - for the planner


def due_milestones(now: datetime) -> list[Milestone]:
    """Open milestones whose instant to remind has come, locked, oldest first, with their accounts."""
    accounts: dict[int, Account] = {}
    return [_milestone(row, accounts) for row in _ask(DUE, [_adapted(now)])]


def known_reminders(now: datetime) -> Iterator[Reminder]:
    """What was planned of those milestones before."""
    return (REMINDER.row(row) for row in _ask(KNOWN, [_adapted(now)]))


def insert(reminders: Iterable[Reminder]) -> None:
    """Write new rows; one that somebody else wrote meanwhile stands (MIL-5)."""
    for batch in _batches(reminders):
        values: list[Any] = []
        for r in batch:
            values += (r.milestone_id, r.occasion, r.ordinal, r.recipient_id)
            values += (_day(r.send_on), r.state, r.reason, _adapted(r.created_at))
        rows = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s)"] * len(batch))
        with connection.cursor() as cursor:
            cursor.execute(_words(INSERT, rows=rows), values)


def unbundled(until: date, known: Iterable[Milestone]) -> list[Reminder]:
    """Planned reminders of days up to `until` without a mail, in order, with their milestones."""
    reminders = [REMINDER.row(row) for row in _ask(UNBUNDLED, [_day(until)])]
    milestones = {row.pk: row for row in known}
    missing = {row.milestone_id for row in reminders} - milestones.keys()
    accounts: dict[int, Account] = {}
    for batch in _batches(sorted(missing)):
        found = _ask(ABOUT, [], ids=", ".join(map(str, batch)))
        milestones |= {row[0]: _milestone(row, accounts) for row in found}
    for reminder in reminders:
        reminder.milestone = milestones[reminder.milestone_id]
    return reminders


def join(rows: Iterable[Reminder | Notice]) -> None:
    """Write into which mail each of the rows, all of one model, goes."""
    for batch in _batches(rows):
        pairs = ", ".join(f"({row.pk}, {row.message.pk})" for row in batch)
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(batch[0]._meta.db_table)
            cursor.execute(_words(JOIN, table=table, pairs=pairs))


# - for a digest that is about to leave, or has left


class Contents(NamedTuple):
    """What a digest is about: reminders that are planned, with their milestones and accounts, and notices."""

    reminders: list[Reminder]
    notices: list[Notice]


def contents(message: Message) -> Contents:
    """As the rows stand now."""
    reminders = []
    for row in _ask(WAITING, [message.pk]):
        reminder = REMINDER.row(row[: len(REMINDER)])
        reminder.milestone = _milestone(row[len(REMINDER) :], {})
        reminders.append(reminder)
    return Contents(reminders, [NOTICE.row(row) for row in _ask(NOTICES, [message.pk])])


def mark_sent(message: Message, *, now: datetime) -> None:
    """MIL-5: what the mail was about was told."""
    with connection.cursor() as cursor:
        cursor.execute(_words(SENT), [message.pk])
        cursor.execute(_words(TOLD), [_adapted(now), message.pk])


# - the same words on both databases


def _milestone(row: tuple[Any, ...], accounts: dict[int, Account]) -> Milestone:
    milestone, about = MILESTONE.row(row[: len(MILESTONE)]), row[len(MILESTONE) :]
    if milestone.account_id is None:
        milestone.account = None
    else:
        if milestone.account_id not in accounts:
            accounts[milestone.account_id] = ACCOUNT.row(about)
        milestone.account = accounts[milestone.account_id]
    return milestone


def _ask(statement: str, values: list[Any], **parts: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_words(statement, **parts), values)
        return cursor.fetchall()


def _words(statement: str, **parts: str) -> str:
    skips = connection.features.has_select_for_update_skip_locked
    return statement.format(
        **parts,
        reminder=REMINDER.columns("r"),
        milestone=MILESTONE.columns("m"),
        account=ACCOUNT.columns("a"),
        notice=NOTICE.columns("n"),
        reminders=REMINDER.table,
        milestones=MILESTONE.table,
        accounts=ACCOUNT.table,
        notices=NOTICE.table,
        lock="FOR NO KEY UPDATE OF m SKIP LOCKED" if skips else "",
    )


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Lists short enough for one statement."""
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _adapted(instant: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(instant)


def _day(day: date) -> Any:
    return connection.ops.adapt_datefield_value(day)
