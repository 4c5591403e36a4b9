"""What tests of the Outbox share: letters that a person sends, and a mail server that answers as it is told."""

from __future__ import annotations

from datetime import datetime, timedelta

from accounts.models import Account, User
from lifecycle.mail import drafts
from lifecycle.mail.dispatch import drain
from lifecycle.mail.models import Draft, Message
from lifecycle.mail.outbox import UNDO
from lifecycle.mail.tests.rude import RudeServer
from onboarding.models import Onboarding

UNKNOWN_USER = "550 5.1.1 <dwhitlow@haldenvale.example>: Recipient address rejected: User unknown"
GREYLISTED = "451 4.7.1 Greylisting in action, please come back later"


def write(account: Account, by: User, *, now: datetime, to: str = "dwhitlow@haldenvale.example") -> Draft:
    """A letter that is being written."""
    draft = Draft(
        account=account,
        kind="onboarding_recap",
        source_id=Onboarding.objects.get(account=account).pk,
        to=[to],
        subject=f"Your onboarding call, {account.name}",
        body=f"Hello {_first_name(to)},\n\nthank you for your time today. Two things stay with me from our call.\n\nImani",
        author=by,
        created_at=now,
        updated_at=now,
    )
    draft.save()
    return draft


def _first_name(address: str) -> str:
    return "Dana" if address.startswith("dwhitlow") else address.partition("@")[0].title()


def post(account: Account, by: User, *, now: datetime, to: str = "dwhitlow@haldenvale.example") -> Message:
    """The same, sent: it leaves once its time for an undo is over."""
    (message,) = drafts.send(write(account, by, now=now, to=to), by=by, now=now)
    return message


def point_at(settings, server: RudeServer) -> None:
    """Let this process send to that mail server."""
    settings.MAIL_TRANSPORT = "lifecycle.mail.backends.SmtpBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False


def send_all(server: RudeServer, *, now: datetime, **answers: str) -> dict[str, int]:
    """Let the real sender work off what is due after the undo, the server answering like this."""
    server.answers = answers
    ended = dict(drain(now=now + UNDO + timedelta(seconds=1)))
    server.answers = {}
    return ended
