"""What a digest reads and writes while it is sent, in hand-written SQL: it is done once for every mail."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from accounts.models import Account
from lifecycle.mail.dispatch.shape import Shape
from lifecycle.mail.models import Message
from lifecycle.milestones.models import Milestone, Notice, Reminder

REMINDER = Shape(Reminder)
MILESTONE = Shape(
    Milestone,
    *("id", "account", "kind", "source_type", "source_id", "day", "title", "owner"),
    *("due_on", "act_by", "status", "ordinal", "snoozed_until"),
)
ACCOUNT = Shape(Account, "id", "name", "mrr_cents", "csm", "archived_at")
NOTICE = Shape(Notice)

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


class Contents(NamedTuple):
    """What a digest is about: reminders that are planned, with their milestones and accounts, and notices."""

    reminders: list[Reminder]
    notices: list[Notice]


def contents(message: Message) -> Contents:
    """As the rows stand now."""
    reminders = [_reminder(row) for row in _ask(WAITING, [message.pk])]
    return Contents(reminders, [NOTICE.row(row) for row in _ask(NOTICES, [message.pk])])


def mark_sent(message: Message, *, now: datetime) -> None:
    """MIL-5: what the mail was about was told."""
    with connection.cursor() as cursor:
        cursor.execute(_words(SENT), [message.pk])
        cursor.execute(_words(TOLD), [connection.ops.adapt_datetimefield_value(now), message.pk])


def _reminder(row: tuple[Any, ...]) -> Reminder:
    first, second = len(REMINDER), len(REMINDER) + len(MILESTONE)
    reminder, milestone = REMINDER.row(row[:first]), MILESTONE.row(row[first:second])
    milestone.account = ACCOUNT.row(row[second:]) if milestone.account_id else None
    reminder.milestone = milestone
    return reminder


def _ask(statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_words(statement), values)
        return cursor.fetchall()


def _words(statement: str) -> str:
    return statement.format(
        reminder=REMINDER.columns("r"),
        milestone=MILESTONE.columns("m"),
        account=ACCOUNT.columns("a"),
        notice=NOTICE.columns("n"),
        reminders=REMINDER.table,
        milestones=MILESTONE.table,
        accounts=ACCOUNT.table,
        notices=NOTICE.table,
    )
