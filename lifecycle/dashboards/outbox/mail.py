"""One mail: what it says exactly, what happened to it so far, what it carries, and what may be done about it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from typing import Any

from accounts.models import Account, User
from lifecycle.dashboards.outbox import words
from lifecycle.dashboards.outbox.asked import sees_masked
from lifecycle.dashboards.outbox.lists import undoable
from lifecycle.dashboards.shown import path_of
from lifecycle.events.models import Event
from lifecycle.mail.dispatch.kinds import KINDS
from lifecycle.mail.models import Attempt, Message
from lifecycle.mail.outbox import ACTS, RESOURCE, effect, successor
from lifecycle.milestones.models import Reminder

log = logging.getLogger(__name__)

WRITABLE = (
    "due",
    "retry",
    "claimed",
    "sending",
    "held",
    "dead",
)  # not yet ended, or ended while it had words
PRIVATE = "What it says is for its reader alone and is shown to nobody."
FOREIGN = "It also speaks of accounts you do not see, so its text is not shown."
UNWRITTEN = "It ended before it was written."
UNWRITABLE = "It cannot be written: what it speaks of is missing something."
ACTED = {
    "message.retried": "Retried",
    "message.sent_again": "Sent again",
    "message.marked_sent": "Marked as sent",
    "message.cancelled": "Cancelled",
    "message.readdressed": "Address corrected",
}
REMINDERS = {
    "planned": ("todo", "Planned"),
    "sent": ("done", "Sent"),
    "superseded": ("skip", "Left out"),
    "held": ("today", "Held"),
    "failed": ("overdue", "Not sent"),
}


@dataclass(frozen=True, slots=True)
class Written:
    """What a mail says. `frozen`: these are the very bytes that were handed over; else it is written now."""

    subject: str = ""
    text: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()
    frozen: bool = False
    also_html: bool = False
    note: str = ""  # why there is nothing to read


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to it: a try, or what a person did."""

    at: datetime
    icon: str
    text: str
    by: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Carried:
    """A reminder that went along, with the page its duty is done on."""

    shape: str
    word: str
    title: str
    account: str
    url: str
    reason: str


@dataclass(frozen=True, slots=True)
class Action:
    """What may be done about it, and what that does."""

    verb: str
    label: str
    says: str
    main: bool = False


def page(message: Message, viewer: User, *, now: datetime) -> dict[str, Any]:
    """Everything the page of one mail shows: a fixed number of queries."""
    attempts = list(message.history.all())
    reminders = list(message.reminders.select_related("milestone__account"))
    notices = list(message.notices.select_related("account"))
    spoken_of = {row.account_id for row in (*reminders, *notices)} - {None}
    seen = _seen(spoken_of, viewer, now=now)
    own = message.recipient_id == viewer.pk
    hidden = sees_masked(viewer) and message.audience == "customer"
    written = written_of(message, viewer, now=now, whole=own or spoken_of <= seen)
    why = words.reason(message, attempts[-1] if attempts else None, now=now, zone=viewer.zone)
    shape, word = words.state(message, now=now)
    others = Message.objects.filter(dedup=successor(message.dedup)).first()
    return {
        "message": message,
        "shape": shape,
        "word": word,
        "template": words.template(message),
        "to": words.MASK if hidden else message.address,
        "why": words.masked(why) if hidden else why,
        "may_repeat": message.uncertain and message.state in ("due", "claimed", "sending", "dead"),
        "written": _masked(written) if hidden else written,
        "may_copy": not hidden and not written.note,
        "steps": list(_steps(message, attempts, hidden=hidden)),
        "carried": [_carried(row) for row in reminders if row.account_id in {*seen, None}],
        "told": [row for row in notices if row.account_id in {*seen, None}],
        "unseen": sum(row.account_id not in {*seen, None} for row in (*reminders, *notices)),
        "actions": _actions(message, viewer, unsent=bool(reminders or notices)),
        "may_readdress": viewer.decides and message.is_by_hand and effect("readdress", message.state) == ACTS,
        "wrong_address": message.state == "dead" and message.address in why,
        "may_mark": effect("mark", message.state) == ACTS,
        "may_undo": message.pk in undoable([message], viewer, now=now),
        "sent_again": others,
        "asks_allow_list": message.state == "dead"
        and message.account is not None
        and not message.account.domain_allowlisted,
        "now": now,
        "zone": viewer.zone,
        "today": viewer.today(now),
    }


def _seen(ids: set[int], viewer: User, *, now: datetime) -> set[int]:
    seen = Account.objects.visible_to(viewer, today=viewer.today(now)).filter(pk__in=ids)
    return set(seen.values_list("pk", flat=True))


# --- what it says


def written_of(message: Message, viewer: User, *, now: datetime, whole: bool) -> Written:
    """The mail as it was handed over; before that as it would be written now. `whole`: all of it may be read."""
    kind = KINDS[message.kind]
    if kind.private:
        return Written(message.subject, note=PRIVATE)
    if not whole:
        return Written(message.subject, note=FOREIGN)
    if message.raw is not None:
        return _frozen(bytes(message.raw), viewer, now=now)
    if message.state not in WRITABLE and message.audience == "staff":
        return Written(message.subject, note=UNWRITTEN)
    try:
        mail = kind.render(message, now)
    except Exception:
        log.exception("message %s cannot be shown", message.pk)
        return Written(message.subject, note=UNWRITABLE)
    return Written(mail.subject, mail.text, also_html=bool(mail.html))


def _frozen(raw: bytes, viewer: User, *, now: datetime) -> Written:
    mail = message_from_bytes(raw, policy=policy.default)
    body = mail.get_body(("plain", "html"))
    names = ("From", "To", "Cc", "Reply-To")
    written_at = words.dated(mail["Date"].datetime, now=now, zone=viewer.zone)
    return Written(
        subject=str(mail["Subject"]),
        text=body.get_content() if body else "",
        headers=(*((name, str(mail[name])) for name in names if mail[name]), ("Date", written_at)),
        files=tuple(part.get_filename() or "without a name" for part in mail.iter_attachments()),
        frozen=True,
        also_html=mail.get_body(("html",)) is not None,
    )


def _masked(written: Written) -> Written:
    headers = tuple((name, words.masked(value)) for name, value in written.headers)
    return Written(
        words.masked(written.subject),
        words.masked(written.text),
        headers,
        written.files,
        written.frozen,
        written.also_html,
        written.note,
    )


# --- what happened


def _steps(message: Message, attempts: list[Attempt], *, hidden: bool) -> Iterator[Step]:
    events = Event.objects.filter(object_type=RESOURCE, object_id=message.pk, type__in=ACTED)
    acts = [
        Step(event.at, "user", ACTED[event.type], event.actor.name if event.actor else "")
        for event in events.select_related("actor").order_by("pk")
    ]
    tries = [_try(attempt, message.address, hidden=hidden) for attempt in attempts]
    yield from sorted([*acts, *tries], key=lambda step: step.at)


def _try(attempt: Attempt, address: str, *, hidden: bool) -> Step:
    text, raw = words.outcome(attempt, address), words.raw_reply(attempt)
    went = attempt.outcome.startswith("sent")
    if hidden:
        text, raw = words.masked(text), words.masked(raw)
    which = [f"Try {attempt.n}"] if went else [f"Try {attempt.n} {words.AT[attempt.phase]}", attempt.host]
    return Step(attempt.started_at, "check" if went else "x", text, ", ".join(filter(None, which)), raw)


def _carried(reminder: Reminder) -> Carried:
    shape, word = REMINDERS[reminder.state]
    milestone = reminder.milestone
    account = milestone.account.name if milestone.account else ""
    return Carried(shape, word, milestone.title, account, path_of(milestone), reminder.reason)


# --- what may be done


def _actions(message: Message, viewer: User, *, unsent: bool) -> list[Action]:
    if not viewer.decides:
        return []
    held, repeats = message.state == "held", message.uncertain or message.state in ("sent", "marked")
    a_repeat = " It may be a repeat." if repeats else ""
    retrying = "Sends it at once, and tries for another day when that fails."
    if message.uncertain:
        retrying = "Sends the same mail under the same id, which many mail programs then show once."
    elif message.state == "retry":
        retrying = "Sends it at once instead of waiting."
    offered = [
        Action("retry", "Retry now", retrying, main=not held),
        Action("again", "Send again", f"Sends it as a new mail.{a_repeat}", main=held),
        Action("mark", "Mark as sent", "It reached them another way. What it carries counts as sent."),
        Action("cancel", "Cancel", "It is not sent, and says so here with your name."),
    ]
    sensible = [action for action in offered if _makes_sense(action.verb, message, unsent=unsent)]
    return sorted(sensible, key=lambda action: not action.main)


def _makes_sense(verb: str, message: Message, *, unsent: bool) -> bool:
    """Whether to offer what the verb would do: one that never left is retried, not sent twice."""
    if effect(verb, message.state) != ACTS:
        return False
    if verb != "again":
        return verb != "retry" or not KINDS[message.kind].private or message.state == "retry"
    if KINDS[message.kind].private or (message.state == "dead" and not message.uncertain):
        return False
    if message.is_by_hand:
        return message.draft is None or not message.draft.is_open
    return unsent and message.state not in ("sent", "marked", "expired")
