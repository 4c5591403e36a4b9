"""How a message leaves: by SMTP, or as a file. Both are Django mail backends, and transports of the outbox,
which need to act in the instant before the content goes out. Never `fail_silently`."""

from __future__ import annotations

import os
import smtplib
import socket
import uuid
from collections.abc import Callable, Sequence
from email import message_from_bytes, policy
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend

from lifecycle.mail.dispatch.handover import (
    FencedError,
    LaterError,
    NoAnswerError,
    RejectedError,
    Reply,
    ServerFailingError,
)
from lifecycle.mail.dispatch.writing import UnfitError, on_the_wire

CONNECT_SECONDS = 10
REPLY_SECONDS = 300
FAREWELL_SECONDS = 1
TRY_ON, TRY_LATER, FAILED = 300, 400, 500
CLOSING, TOO_BIG = 421, 552
BROKEN = (smtplib.SMTPException, OSError)


def patience(seconds: float) -> float:
    """A time limit, shortened where the lease is short, so that a slow server cannot outlive it."""
    return min(seconds, settings.MAIL_LEASE_SECONDS / 3)


class _Impatient:
    """Connecting may take less time than a command."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = super()._get_socket(host, port, patience(CONNECT_SECONDS))
        sock.settimeout(timeout)
        return sock


class _Smtp(_Impatient, smtplib.SMTP):
    pass


class _SmtpOverTls(_Impatient, smtplib.SMTP_SSL):
    pass


class SmtpBackend(EmailBackend):
    """Django's SMTP, one message at a time, telling apart what a failure means for the message.

    A failing server: no connection, no TLS, no sign-in, 421, or nobody may send (5xx to MAIL). Later: 4xx.
    Rejected: 5xx for this recipient or content. No answer: the line broke after the content was begun.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.timeout = patience(self.timeout)

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _SmtpOverTls if self.use_ssl else _Smtp

    def deliver(self, sender: str, recipient: str, freeze: Callable[[], bytes]) -> Reply:
        try:
            to = on_the_wire(recipient)
        except UnfitError as problem:
            raise RejectedError("address", str(problem)) from problem
        self._begin(sender)
        self._command("rcpt", to)
        try:
            raw = freeze()
        except FencedError:
            self._reset()
            raise
        return self._content(raw)

    def _begin(self, sender: str) -> None:
        for attempt in (1, 2):
            fresh = self.connection is None
            self._connect()
            try:
                return self._command("mail", sender)
            except ServerFailingError as error:
                if fresh or error.code is not None or attempt == 2:
                    raise  # else the server had only grown tired of an idle connection

    def _connect(self) -> None:
        try:
            self.open()
            self.connection.ehlo_or_helo_if_needed()
        except BROKEN as problem:
            self._drop()
            code = getattr(problem, "smtp_code", None)
            raise ServerFailingError("connect", _words(problem), code=code, host=self.host) from problem

    def _command(self, name: str, *arguments: str) -> None:
        try:
            code, words = getattr(self.connection, name)(*arguments)
        except BROKEN as problem:
            self._drop()
            kind = LaterError if name == "rcpt" else ServerFailingError
            raise kind(name, _words(problem), host=self.host) from problem
        self._judge(name, code, words)

    def _content(self, raw: bytes) -> Reply:
        try:
            self.connection.sock.settimeout(patience(REPLY_SECONDS))
            code, words = self.connection.data(raw)
            if self.connection.sock is not None:
                self.connection.sock.settimeout(self.timeout)
        except smtplib.SMTPDataError as problem:  # it would not even hear it
            self._judge("data", problem.smtp_code, problem.smtp_error)
            raise LaterError("data", _words(problem), code=problem.smtp_code, host=self.host) from problem
        except BROKEN as problem:
            self._drop()
            raise NoAnswerError("data", _words(problem), host=self.host) from problem
        if code <= 0 or TRY_ON <= code < TRY_LATER:  # no answer that tells whether it took the mail
            self._drop()
            raise NoAnswerError("data", f"{code} {_text(words)}", host=self.host)
        self._judge("data", code, words)
        return Reply(code, _text(words), self.host)

    def _judge(self, phase: str, code: int, words: bytes) -> None:
        if code < TRY_LATER and code > 0:
            return
        text = f"{code} {_text(words)}"
        if code == CLOSING or code <= 0:
            self._drop()
            raise ServerFailingError(phase, text, code=code, host=self.host)
        self._reset()
        if code < FAILED:
            raise LaterError(phase, text, code=code, host=self.host)
        kind = ServerFailingError if phase == "mail" and code != TOO_BIG else RejectedError
        raise kind(phase, text, code=code, host=self.host)

    def _reset(self) -> None:
        try:
            self.connection.rset()
        except BROKEN:
            self._drop()

    def _drop(self) -> None:
        """Forget a broken connection without a farewell that would wait for it."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def close(self) -> None:
        try:
            if self.connection is not None and self.connection.sock is not None:
                self.connection.sock.settimeout(patience(FAREWELL_SECONDS))
            super().close()
        except BROKEN:
            self._drop()


class FileBackend(BaseEmailBackend):
    """One .eml a message in `MAIL_DIR`, whole or not at all; sent again, it replaces itself."""

    host = "files"

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.pop("file_path", None)
        super().__init__(*args, **kwargs)

    def deliver(self, sender: str, recipient: str, freeze: Callable[[], bytes]) -> Reply:
        raw = freeze()
        try:
            path = self._keep(raw)
        except OSError as problem:
            raise ServerFailingError("connect", _words(problem), host=self.host) from problem
        return Reply(250, f"Kept as {path.name}", self.host)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            self._keep(message.message().as_bytes(linesep="\r\n"))
        return len(email_messages)

    def _keep(self, raw: bytes) -> Path:
        folder = Path(settings.MAIL_DIR)
        folder.mkdir(parents=True, exist_ok=True)
        header = message_from_bytes(raw, policy=policy.default)
        day = header["Date"].datetime.strftime("%Y-%m-%d-%H%M")
        path = folder / f"{day}-{header['Message-ID'].strip('<>').partition('@')[0]}.eml"
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            with part.open("xb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path


def _text(words: bytes | str) -> str:
    return words.decode("ascii", "replace") if isinstance(words, bytes) else words


def _words(problem: Exception) -> str:
    """What went wrong, for a person."""
    if isinstance(problem, smtplib.SMTPResponseException):
        return f"{problem.smtp_code} {_text(problem.smtp_error)}"
    return (isinstance(problem, OSError) and problem.strerror) or str(problem) or type(problem).__name__
