"""The outbox: how many mails a second one dispatcher hands over, each claimed, marked and noted on its own, beside
bare `smtplib` that sends the same bytes on one connection."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import connection

from lifecycle import clock
from lifecycle.benchmarks.book import Book, run
from lifecycle.benchmarks.cases import Case
from lifecycle.benchmarks.sink import running
from lifecycle.mail.dispatch import Mail, drain
from lifecycle.mail.dispatch.writing import write
from lifecycle.mail.emails import KEPT_FOR, PLAIN
from lifecycle.mail.models import Message
from lifecycle.milestones.models import Milestone
from lifecycle.milestones.planner import plan

MAILS = 200
DUTIES = 5  # of a digest
SUBJECT, TEXT, HTML = (
    "A mail",
    "A line of some thirty letters.\n" * 20,
    "<p>A line of some thirty letters.\n" * 20,
)
OUTBOX = ("mail_attempt", "milestones_reminder", "milestones_notice", "mail_message")


def cases() -> Iterator[Case]:
    with running() as port:
        settings.MAIL_TRANSPORT = "lifecycle.mail.backends.SmtpBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        wire = smtplib.SMTP("127.0.0.1", port)
        wire.ehlo()
        raw = write(
            Message(dedup="bench", address="a@example.com"), Mail(SUBJECT, TEXT, HTML), at=clock.now()
        )

        def bare() -> None:
            for _ in range(MAILS):
                wire.mail("waymark@localhost")
                wire.rcpt("a@example.com")
                wire.data(raw)

        beside = "bare smtplib on one connection"
        yield Case("mail, single-message path", bare, send, plain_mails, MAILS, beside)
        if waits_for_disk(True):
            yield Case("  the same, waiting for the disk", bare, send, plain_mails, MAILS, beside)
            waits_for_disk(False)
        book = Book.make(MAILS, each=DUTIES)
        book.milestones(MAILS * DUTIES, due_on=clock.now().date(), remind_at=clock.now())
        digest = f"mail, single-message path, digests of {DUTIES} duties"
        yield Case(digest, bare, send, digests, MAILS, beside)
        empty_outbox()
        run("DELETE FROM milestones_milestone WHERE kind = 'book_meeting'")


def waits_for_disk(wanted: bool) -> bool:
    """Let a private PostgreSQL wait for its disk, or not; whether it can be told so."""
    if connection.vendor != "postgresql" or not connection.settings_dict["HOST"].startswith("/"):
        return False
    run(f"ALTER SYSTEM SET fsync = {'on' if wanted else 'off'}")
    run("SELECT pg_reload_conf()")
    return True


def send() -> None:
    ended = drain()
    assert ended == {"sent": MAILS}, ended


def plain_mails() -> None:
    empty_outbox()
    now = clock.now()
    payload = {"subject": SUBJECT, "text": TEXT, "html": HTML}
    common = {"kind": PLAIN, "payload": payload, "not_before": now, "expires_at": now + KEPT_FOR}
    Message.objects.bulk_create(
        Message(dedup=f"{PLAIN}:{n}", address=f"a{n}@example.com", created_at=now, **common)
        for n in range(MAILS)
    )


def digests() -> None:
    empty_outbox()
    due_again()
    now = clock.now()
    assert plan(now) == MAILS * DUTIES
    Message.objects.update(not_before=now - timedelta(seconds=1))


def empty_outbox() -> None:
    for table in OUTBOX:
        run(f"DELETE FROM {table}")


def due_again() -> None:
    """The planner has looked at them: let their instant come once more."""
    values = [clock.now() - timedelta(seconds=1), clock.now().date() + timedelta(days=1)]
    run(
        f"UPDATE {Milestone._meta.db_table} SET remind_at = %s WHERE kind = 'book_meeting' AND due_on < %s",
        values,
    )
