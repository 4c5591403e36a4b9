"""Sending the outbox (reliability.md): `drain` what is due, `reap` what dead senders left, `register_kind`."""

from lifecycle.mail.dispatch.kinds import Mail, register_kind
from lifecycle.mail.dispatch.sending import MOST_TRIES, SMTP, claim, drain, reap

__all__ = ["MOST_TRIES", "SMTP", "Mail", "claim", "drain", "reap", "register_kind"]
