"""The planner: what a morning with much due costs, and what a sweep costs that finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db import connection

from lifecycle import clock
from lifecycle.benchmarks.book import Book, run
from lifecycle.benchmarks.cases import Case
from lifecycle.benchmarks.mail import due_again, empty_outbox
from lifecycle.mail.models import Message
from lifecycle.milestones.models import Reminder
from lifecycle.milestones.planner import sweep

DUE, PEOPLE = 10_000, 500
MANY = 1_000_000

INSERT = """
INSERT INTO milestones_reminder (milestone_id, occasion, ordinal, recipient_id, send_on, state, reason, created_at)
SELECT id, 'day', 0, owner_id, act_by, 'planned', '', %s FROM milestones_milestone
WHERE status = 'open' AND remind_at <= %s
"""
PROBE = """
SELECT EXISTS(SELECT 1 FROM milestones_milestone WHERE status = 'open' AND remind_at <= %s),
    EXISTS(SELECT 1 FROM accounts_account WHERE recheck_at <= %s)
"""


def cases() -> Iterator[Case]:
    book = Book.make(PEOPLE, each=4)
    book.milestones(DUE, due_on=clock.now().date(), remind_at=clock.now())

    def insert() -> None:
        due()
        now = clock.now()
        run(INSERT, [now, now])

    title = f"plan {DUE:,} due reminders, rows and digests"
    yield Case(title, insert, planned, due, DUE, "one INSERT of such rows", rounds=3)
    empty_outbox()
    run("DELETE FROM milestones_milestone WHERE kind = 'book_meeting'")
    far = clock.now() + timedelta(days=200)
    book.milestones(MANY, due_on=far.date(), remind_at=far)
    sweep(clock.now())

    def probe() -> None:
        now = clock.now()
        with connection.cursor() as cursor:
            cursor.execute(PROBE, [now, now])
            assert not any(cursor.fetchone())

    idle = f"idle sweep at {MANY:,} milestones, beside two index probes"
    yield Case(idle, probe, lambda: sweep(clock.now()), rounds=50)


def due() -> None:
    empty_outbox()
    due_again()


def planned() -> None:
    assert sweep(clock.now()).planned == DUE
    assert Message.objects.count() == PEOPLE
    assert not Reminder.objects.filter(message=None).exists()
