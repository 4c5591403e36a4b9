"""What the outbox must be told of each kind of message: still wanted? what does it say? what follows?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from lifecycle.mail.models import Message


class Mail(NamedTuple):
    """What a kind of message says now."""

    subject: str
    text: str
    html: str = ""


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


def register_kind(
    kind: str,
    *,
    wanted: Callable[[Message, datetime], str],
    render: Callable[[Message, datetime], Mail],
    settled: Callable[[Message, datetime], None] = lambda message, now: None,
    again: Callable[[Message, Message, datetime], None] = lambda old, new, now: None,
    private: bool = False,
) -> None:
    """Say how messages of a kind are checked, written and settled. Called by `LifecycleConfig.ready()`."""
    KINDS[kind] = MessageKind(wanted, render, settled, again, private)
