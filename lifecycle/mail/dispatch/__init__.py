"""Sending the outbox (reliability.md): `drain` what is due, `reap` what dead senders left, `register_kind`."""

from lifecycle.mail.dispatch.kinds import Attachment, Mail, register_kind, shared
from lifecycle.mail.dispatch.outcomes import MOST_TRIES
from lifecycle.mail.dispatch.queue import SMTP, claim
from lifecycle.mail.dispatch.sending import drain, reap

__all__ = [
    "MOST_TRIES",
    "SMTP",
    "Attachment",
    "Mail",
    "claim",
    "drain",
    "reap",
    "register_kind",
    "shared",
]
