"""Plain mails whose words are known when they are asked for: no request ever talks to a mail server."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from lifecycle.mail.dispatch import Mail, register_kind
from lifecycle.mail.dispatch.kinds import forget
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
        settled=forget,
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
