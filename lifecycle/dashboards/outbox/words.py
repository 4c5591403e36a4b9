"""What mail servers answer and what became of a mail, in plain words. The raw reply stands beside them."""

from __future__ import annotations

import re
from datetime import datetime
from math import ceil
from typing import NamedTuple
from zoneinfo import ZoneInfo

from lifecycle.dashboards.templatetags.waymark import words
from lifecycle.mail.dispatch import MOST_TRIES
from lifecycle.mail.drafts import LETTERS
from lifecycle.mail.models import Attempt, Draft, Message
from lifecycle.mail.outbox import UNDO
from lifecycle.words import day_words, time_words

MASK, HIDDEN_LINK = "address hidden", "link hidden"
LINK = re.compile(r"https?://\S+")
ADDRESS = re.compile(r"[^\s<>()\[\],;:\"']+@[^\s<>()\[\],;:\"']*[^\s<>()\[\],;:\"'.]")
KINDS = {"digest": "Morning digest", "now": "Reminder at once", "plain": "Sign-in mail"}
STATES = {  # a shape and a word each
    "due": ("todo", "Queued"),
    "retry": ("wait", "Waiting to retry"),
    "claimed": ("progress", "Sending"),
    "sending": ("progress", "Sending"),
    "held": ("today", "Held"),
    "sent": ("done", "Sent"),
    "dead": ("overdue", "Failed"),
    "cancelled": ("skip", "Cancelled"),
    "expired": ("skip", "Expired"),
    "suppressed": ("skip", "Suppressed"),
    "marked": ("done", "Marked as sent"),
}
MAYBE_TWICE = "It may have been sent twice: the first time, no answer came."
HELD = "The content went out, but the mail server never said whether it took it. It may have arrived."


class Meaning(NamedTuple):
    """What a reply means: by its enhanced code (RFC 3463, without the class) or by words that servers use."""

    text: str  # {address} and {domain} are the recipient's
    code: str
    said: str
    least: int = 400  # the lowest basic code it holds for; 0: where no server answered at all


REPLIES = (  # the first that fits
    Meaning(
        "Our mail server did not accept our sign-in",
        r"7\.8",
        r"^53[0458]\b|authentication|credentials",
    ),
    Meaning(
        "The connection to our mail server is not safe, so nothing was sent",
        "",
        r"certificate|starttls|\btls\b|\bssl\b",
        0,
    ),
    Meaning(
        "Mailbox is full: {address}",
        r"2\.2",
        r"quota|mailbox (is )?full|insufficient (system )?storage",
    ),
    Meaning(
        "The mail is too large for their mail server",
        r"2\.3|3\.4",
        r"^552\b|too (large|big)|message size",
    ),
    Meaning(
        "Their mail server could not tell that the mail is ours",
        r"7\.2[3-9]",
        r"\b(spf|dkim|dmarc)\b|unauthenticated",
    ),
    Meaning("Their mail server lets new senders wait", "", r"grey-?list"),
    Meaning(
        "Their mail server refused mail from us",
        r"7\.\d+",
        r"spam|block|black ?list|reputation|polic(y|ies)|not allowed|denied|prohibited",
    ),
    Meaning(
        "Nobody receives mail at {domain}",
        r"1\.2|1\.10|4\.4",
        r"domain (name )?(not found|does not exist)|host (unknown|not found)|(no|null) mx",
    ),
    Meaning("Mailbox is switched off: {address}", r"2\.1", r"disabled|inactive|deactivated|suspended"),
    Meaning(
        "Mailbox does not exist: {address}",
        r"1\.[0136]",
        r"(user|recipient|mailbox|account|address)\b.*(unknown|unavailable|not found|does ?n.t exist"
        r"|does not exist|rejected|invalid)|unknown (user|recipient)|no such|no mailbox"
        r"|invalid (recipient|address)",
        500,
    ),
    Meaning("The mail server took too long to answer", "", r"timed? ?out", 0),
    Meaning(
        "Our mail server could not be reached",
        "",
        r"refused|unreachable|reset|broken pipe|closed|name or service|no route",
        0,
    ),
    Meaning("The mail server is too busy to take it", "", r"^421\b|too (busy|many)|rate limit"),
)
AT = {
    "connect": "while connecting",
    "mail": "when the mail was announced",
    "rcpt": "when the address was given",
    "data": "when the content was handed over",
    "render": "while it was written",
    "claimed": "before it was begun",
    "address": "before it was begun",
}
OTHERWISE = {
    "connect": "Our mail server could not be used",
    "mail": "Our mail server did not let us send",
    "claimed": "The sender stopped before anything was sent",
    "address": "This is no address: {address}",
}


def in_words(attempt: Attempt, address: str) -> str:
    """Why a try did not succeed, without a full stop."""
    reply, code = attempt.reply, attempt.smtp_code or 0
    return _meaning(attempt.phase, code, reply).format(address=address, domain=address.rpartition("@")[2])


def _meaning(phase: str, code: int, reply: str) -> str:
    if phase == "render":
        return reply.rstrip(".")
    if phase in ("claimed", "address"):
        return OTHERWISE[phase]
    enhanced = re.search(r"\b[45]\.(\d{1,3}\.\d{1,3})\b", reply)
    for meaning in REPLIES:
        by_code = bool(enhanced and meaning.code and re.fullmatch(meaning.code, enhanced[1]))
        if code >= meaning.least and (by_code or re.search(meaning.said, reply, re.IGNORECASE)):
            return meaning.text
    if phase in OTHERWISE:
        return OTHERWISE[phase]
    return "The mail server will not take it" if code >= 500 else "The mail server asked to try later"


def outcome(attempt: Attempt, address: str) -> str:
    """What happened in a try: a sentence."""
    if attempt.outcome in ("sent", "sent after all"):
        late = ", though its answer came late" if attempt.outcome != "sent" else ""
        return f"Handed over to {attempt.host}{late}."
    if attempt.outcome == "unknown":
        return "The content went out, and no answer came."
    failed = in_words(attempt, address)
    if attempt.outcome == "server failing":
        return f"{failed}. This counts nothing against the mail."
    return f"{failed}."


def raw_reply(attempt: Attempt) -> str:
    """What the server said itself."""
    code = str(attempt.smtp_code or "")
    return attempt.reply if attempt.reply.startswith(code) else f"{code} {attempt.reply}"


def templates() -> dict[str, str]:
    """What each kind of mail is called, by its name in an address."""
    return KINDS | {key: letter.title for key, letter in LETTERS.items()}


def template(row: Message | Draft) -> str:
    """What a mail or a draft is made from."""
    kind = row.draft.kind if isinstance(row, Message) and row.draft else row.kind
    return templates().get(kind) or words(kind)


def is_going(message: Message, *, now: datetime) -> bool:
    """Whether a person just sent it, and may still take it back."""
    return message.is_by_hand and message.state == "due" and now < message.not_before <= now + UNDO


def state(message: Message, *, now: datetime) -> tuple[str, str]:
    """The shape and the word of where it stands."""
    if is_going(message, now=now):
        return "progress", f"Sending in {ceil((message.not_before - now).total_seconds())} s"
    shape, word = STATES[message.state]
    return shape, f"{word}, maybe twice" if message.uncertain and message.state == "sent" else word


def reason(message: Message, last: Attempt | None, *, now: datetime, zone: ZoneInfo) -> str:
    """Why it stands there, in a sentence or two; "" where there is nothing to say."""
    failed = (
        in_words(last, message.address)
        if last
        else "The mail service did not work" * bool(message.last_error)
    )
    if message.state == "dead" and failed:
        tries = f" It was tried {MOST_TRIES} times." if message.attempts >= MOST_TRIES else ""
        return f"{failed}.{tries}"
    if message.state == "retry":
        unknown = last is not None and last.outcome == "unknown"
        why = MAYBE_TWICE if unknown or message.uncertain else f"{failed}." if failed else ""
        return f"{why} Next try {at(message.not_before, now=now, zone=zone)}.".strip()
    if message.state == "held":
        return HELD
    if message.state == "sent":
        return message.reason or (MAYBE_TWICE if message.uncertain else "")
    return message.reason


def at(instant: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """An instant inside a sentence, in the viewer's zone: "at 9:12 AM", or with its day."""
    local, today = instant.astimezone(zone), now.astimezone(zone).date()
    if local.date() == today:
        return f"at {time_words(local)}"
    return f"on {day_words(local.date(), today)} at {time_words(local)}"


def since(instant: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """The same after "since": "9:12 AM", or with its day."""
    local, today = instant.astimezone(zone), now.astimezone(zone).date()
    return time_words(local) if local.date() == today else dated(instant, now=now, zone=zone)


def dated(instant: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """An instant with its day, in the viewer's zone: "Sun, Nov 22, 9:12 AM"."""
    local, today = instant.astimezone(zone), now.astimezone(zone).date()
    return f"{day_words(local.date(), today)}, {time_words(local)}"


def masked(text: str) -> str:
    """The text without any address or link in it (security.md: who runs the system sees no personal data, and opens
    no customer's page)."""
    return ADDRESS.sub(MASK, LINK.sub(HIDDEN_LINK, text))
