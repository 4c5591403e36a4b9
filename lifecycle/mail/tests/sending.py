"""What tests of mail share: the outbox pointed at this test's mail server, and how a mail reads."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from lifecycle.mail.models import Message

if TYPE_CHECKING:
    from lifecycle.tests.servers import MailSink, Received

CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture
def sink(smtp_sink: MailSink, settings) -> MailSink:
    """A mail server on loopback that this process sends to."""
    settings.MAIL_TRANSPORT = "lifecycle.mail.backends.SmtpBackend"
    settings.EMAIL_URL = smtp_sink.url
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", smtp_sink.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    return smtp_sink


def chicago(words: str, year: int = 2026) -> datetime:
    """An instant by its wall time there: `chicago("03-01 08:00")`."""
    return datetime.strptime(f"{year}-{words}", "%Y-%m-%d %H:%M").replace(tzinfo=CHICAGO)


def duties(mail: Received) -> list[str]:
    """What a digest lists, in order, without the dates."""
    lines = mail.text.replace("\r\n", "\n").splitlines()
    return [line[2:].partition(": ")[0] for line in lines if line.startswith("- ")]


def due_message(address: str, *, now: datetime, number: int = 1, **values: object) -> Message:
    """A row of the outbox that is due."""
    return Message.objects.create(
        **{
            "dedup": f"test:{address}:{number}",
            "kind": "test",
            "address": address,
            "not_before": now,
            "created_at": now,
            **values,
        }
    )
