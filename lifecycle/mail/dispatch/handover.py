"""What a transport answers: the words in which a hand-over to a mail server succeeds or fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol


class Reply(NamedTuple):
    """The server took the message."""

    code: int
    text: str
    host: str


class HandoverError(Exception):
    """A message was not handed over: at which step, and with what reply."""

    def __init__(self, phase: str, text: str, *, code: int | None = None, host: str = "") -> None:
        super().__init__(text)
        self.phase, self.text, self.code, self.host = phase, text, code, host


class ServerFailingError(HandoverError):
    """The server itself does not work (refused, 421, sign-in, TLS): no message is to blame."""


class LaterError(HandoverError):
    """The server does not want this message now."""


class RejectedError(HandoverError):
    """The server will never take this message."""


class NoAnswerError(HandoverError):
    """The content went out, the answer never came: nobody knows."""


class FencedError(Exception):
    """Somebody else owns the message by now: nothing may be sent."""


class Transport(Protocol):
    host: str

    def deliver(self, sender: str, recipient: str, freeze: Callable[[], bytes]) -> Reply:
        """Hand one message over. `freeze` is called once, right before the content goes out, and gives it."""

    def close(self) -> None: ...
