"""What the outbox must be told of each kind of message: still wanted? what does it say? what follows?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from lifecycle.mail.models import Message


class Attachment(NamedTuple):
    """A file that goes with a mail."""

    name: str
    content: bytes
    mimetype: str


class Mail(NamedTuple):
    """What a kind of message says now.

    It goes to the row's address alone: `to` (else that address) and `cc` are what readers see in the header,
    as addresses or "Name <address>". `from_name` is who writes, under the installation's own address;
    `reply_to` where answers go. What a header may not hold keeps the mail from being written.
    """

    subject: str
    text: str
    html: str = ""
    from_name: str = ""
    reply_to: str = ""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageKind:
    """What the outbox must know of a kind of message without knowing its app.

    `wanted` answers why it is no longer wanted ("" while it is), `render` what it says; both see the row as
    claimed. `settled` is told, in the same transaction, that the row reached an end state. `again` is told that
    a person has a row sent again, and takes what it carries over to the new row (or the same, tried anew).
    `private`: what it says is for its reader alone, shown to nobody, and not kept once it left.
    """

    wanted: Callable[[Message, datetime], str]
    render: Callable[[Message, datetime], Mail]
    settled: Callable[[Message, datetime], None]
    again: Callable[[Message, Message, datetime], None]
    private: bool


KINDS: dict[str, MessageKind] = {}
_shared: ContextVar[dict[str, Any] | None] = ContextVar("shared", default=None)


def nothing_follows(message: Message, now: datetime) -> None:
    """What most kinds have to do when one of their messages reached its end."""


def forget(message: Message, now: datetime) -> None:
    """For a mail whose words (a sign-in link, say) are nobody's business any more. `mark_sent` does the same in
    its own statement."""
    Message.objects.filter(pk=message.pk).update(payload={}, raw=None)


def register_kind(
    kind: str,
    *,
    wanted: Callable[[Message, datetime], str],
    render: Callable[[Message, datetime], Mail],
    settled: Callable[[Message, datetime], None] = nothing_follows,
    again: Callable[[Message, Message, datetime], None] = lambda old, new, now: None,
    private: bool = False,
) -> None:
    """Say how messages of a kind are checked, written and settled. Called by `LifecycleConfig.ready()`."""
    KINDS[kind] = MessageKind(wanted, render, settled, again, private)


@contextmanager
def sharing() -> Iterator[None]:
    """Let the messages handled inside share what their kinds keep in `shared()`."""
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def shared() -> dict[str, Any]:
    """Where a kind keeps what is dear to read and the next message needs too; it sees to its being true still.
    Empty, and forgotten at once, for a message that is looked at alone."""
    found = _shared.get()
    return {} if found is None else found
