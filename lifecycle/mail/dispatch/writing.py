"""A mail as bytes. What is to stand in a header is one plain line, or the mail is not written."""

from __future__ import annotations

import hashlib
from datetime import datetime
from email.utils import format_datetime, formataddr, parseaddr
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from lifecycle.imports.rows import Wrong, plain_text
from lifecycle.mail.dispatch.kinds import Mail
from lifecycle.mail.models import Message

LONGEST_LINE = 900  # of the 998 that SMTP allows


class UnfitError(ValueError):
    """A header would not be one plain line: which, and what is wrong, for a person."""


def sender() -> str:
    """The address that answers to failures, and stands in From."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1]


def write(message: Message, mail: Mail, *, at: datetime) -> bytes:
    """The bytes to hand over; notes on the message what they say of it. UnfitError for what no header may hold."""
    site = urlsplit(settings.BASE_URL).hostname
    message.subject = _line("The subject", mail.subject)[:300]
    message.message_id = f"<{hashlib.sha256(message.dedup.encode()).hexdigest()[:32]}@{site}>"
    message.sent_date = format_datetime(at)
    made = EmailMultiAlternatives(
        _line("The subject", mail.subject),
        mail.text,
        _from(mail.from_name),
        [_line("An address", address) for address in mail.to or (message.address,)],
        cc=[_line("An address", address) for address in mail.cc],
        reply_to=[_line("The address for answers", mail.reply_to)] if mail.reply_to else None,
        headers={
            "Message-ID": message.message_id,
            "Date": message.sent_date,
            "Auto-Submitted": "auto-generated",
        },
    )
    if mail.html:
        made.attach_alternative(mail.html, "text/html")
    for attachment in mail.attachments:
        made.attach(_line("A file's name", attachment.name), attachment.content, attachment.mimetype)
    return made.message().as_bytes(linesep="\r\n")


def _from(name: str) -> str:
    """The installation's address; under the name of the person who writes, where there is one."""
    return formataddr((_line("The sender's name", name), sender())) if name else settings.DEFAULT_FROM_EMAIL


def _line(what: str, words: str) -> str:
    try:
        return plain_text(words, longest=LONGEST_LINE, what="one plain line", blank=True)
    except Wrong as wrong:
        raise UnfitError(f"{what}: {wrong.detail}.") from None
