"""A mail as bytes. Written here and not by `email.generator`, which takes a third of a mail's whole time; tests read
it back with the standard parser. What is to stand in a header is one plain line, or nothing is written."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from email.header import Header
from email.utils import encode_rfc2231, format_datetime, formataddr, getaddresses, parseaddr
from functools import cache
from pathlib import PurePath
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail.message import sanitize_address

from lifecycle.imports.rows import Wrong, plain_text
from lifecycle.mail.dispatch.kinds import Attachment, Mail
from lifecycle.mail.models import Message

LONGEST = 900  # letters in a header: SMTP allows 998 in a line
LINE = 76
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
MIMETYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")


class UnfitError(ValueError):
    """A header would not be one plain line: which, and what is wrong, for a person."""


def sender() -> str:
    """The address that answers for the installation: in From, and where failures are reported."""
    return _site(settings.DEFAULT_FROM_EMAIL)[1]


@cache
def _site(words: str) -> tuple[str, str]:
    return parseaddr(words)


def on_the_wire(address: str) -> str:
    """An address as a mail server reads it: in ASCII. UnfitError where it is none."""
    if ADDRESS.fullmatch(address):
        return address
    try:
        written = sanitize_address(_plain("An address", address), "utf-8")
        written.encode("ascii")
    except ValueError as problem:
        raise UnfitError(f"{address!r} is not an address.") from problem
    return written


def write(message: Message, mail: Mail, *, at: datetime) -> bytes:
    """The bytes to hand over; notes on the message what they say of it. UnfitError for what no header may hold."""
    key = hashlib.sha256(message.dedup.encode()).hexdigest()[:32]
    subject = _plain("The subject", mail.subject)
    message.subject = subject[:300]
    message.message_id = f"<{key}@{urlsplit(settings.BASE_URL).hostname}>"
    message.sent_date = format_datetime(at)
    site, _ = _site(settings.DEFAULT_FROM_EMAIL)
    headers = {
        "From": _mailbox(mail.from_name or site, sender()),
        "To": _mailboxes(mail.to or (message.address,)),
        "Cc": _mailboxes(mail.cc),
        "Reply-To": _mailboxes((mail.reply_to,) if mail.reply_to else ()),
        "Subject": _encoded("Subject", subject),
        "Date": message.sent_date,
        "Message-ID": message.message_id,
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
    }
    body = _text("plain", mail.text)
    if mail.html:
        body = _parts("alternative", [body, _text("html", mail.html)])
    if mail.attachments:
        body = _parts("mixed", [body, *map(_file, mail.attachments)])
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
    return head.encode("ascii") + body


# --- headers


def _plain(what: str, words: str) -> str:
    try:
        return plain_text(words, longest=LONGEST, what="one plain line", blank=True)
    except Wrong as wrong:
        raise UnfitError(f"{what}: {wrong.detail}.") from None


def _encoded(name: str, words: str) -> str:
    """As the mail's own letters allow, in lines that are not too long."""
    simple = words.isascii() and "=?" not in words  # else a reader would take it for encoded words
    if simple and len(name) + 2 + len(words) <= LINE:
        return words
    return Header(words, None if simple else "utf-8", LINE, name).encode(linesep="\r\n")


def _mailboxes(values: Iterable[str]) -> str:
    return ",\r\n ".join(_written(value) for value in values)


def _written(value: str) -> str:
    """One "Name <address>", or an address alone."""
    if ADDRESS.fullmatch(value):
        return value
    found = getaddresses([_plain("An address", value)])
    if len(found) != 1 or "@" not in found[0][1]:
        raise UnfitError(f"An address: expected one, such as dana@example.com, found {value!r}.")
    return _mailbox(*found[0])


def _mailbox(name: str, address: str) -> str:
    name, address = _plain("A name", name), on_the_wire(address)
    if name.isascii() and "=?" not in name:
        return formataddr((name, address))
    return f"{_encoded('From', name)}\r\n <{address}>"


# --- bodies: nothing in them can be taken for a boundary, because neither encoding knows "=_"


def _text(kind: str, words: str) -> bytes:
    lines = "\r\n".join(words.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    head = (
        f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    )
    return head.encode("ascii") + binascii.b2a_qp(lines.encode(), istext=True)


def _file(attachment: Attachment) -> bytes:
    if not MIMETYPE.fullmatch(attachment.mimetype):
        raise UnfitError(f"A file: {attachment.mimetype!r} is no type of content.")
    head = (
        f"Content-Type: {attachment.mimetype}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment;\r\n {_file_name(attachment.name)}\r\n\r\n"
    )
    return head.encode("ascii") + base64.encodebytes(attachment.content).replace(b"\n", b"\r\n")


def _file_name(name: str) -> str:
    name = PurePath(_plain("A file's name", name)).name
    if name.isascii() and not set('"\\%') & set(name):
        return f'filename="{name}"'
    stem, ending = PurePath(name).stem, PurePath(name).suffix
    while len(words := encode_rfc2231(stem + ending, "utf-8")) > LONGEST:
        stem = stem[:-1]
    return f"filename*={words}"


def _parts(kind: str, bodies: list[bytes]) -> bytes:
    boundary = f"=_{kind}"
    start = f"--{boundary}\r\n".encode()
    head = f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"\r\n\r\n'.encode()
    return head + b"".join(start + body + b"\r\n" for body in bodies) + f"--{boundary}--\r\n".encode()
