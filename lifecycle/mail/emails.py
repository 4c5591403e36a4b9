"""Plain mails whose words are known when they are asked for: no request ever talks to a mail server."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from lifecycle.mail.dispatch import Mail, register_kind
from lifecycle.mail.models import Message

PLAIN = "plain"
KEPT_FOR = timedelta(days=1)


def register() -> None:
    """Tell the outbox about plain mails; called by `LifecycleConfig.ready()`."""
    register_kind(
        PLAIN,
        wanted=lambda message, now: "",
        render=lambda message, now: Mail(
            message.payload["subject"], message.payload["text"], message.payload.get("html", "")
        ),
        settled=_forget,
        private=True,
    )


def post(address: str, subject: str, text: str, html: str = "", *, now: datetime) -> Message:
    """Put one mail into the outbox; a dispatcher sends it within seconds, or a day long tries to."""
    return Message.objects.create(
        dedup=f"{PLAIN}:{secrets.token_hex(16)}",
        kind=PLAIN,
        address=address,
        subject=subject,
        payload={"subject": subject, "text": text, "html": html},
        not_before=now,
        expires_at=now + KEPT_FOR,
        created_at=now,
    )


def _forget(message: Message, now: datetime) -> None:
    """What such a mail says (a sign-in link, say) is nobody's business once it left."""
    Message.objects.filter(pk=message.pk).update(payload={}, raw=None)
