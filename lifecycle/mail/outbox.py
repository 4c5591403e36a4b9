"""What a person may do to a mail: retry, send again, mark as sent, cancel, correct its address.

Each locks the row, so that neither a dispatcher nor another person is in between, settles what the mail carries
and writes an event, in one transaction. Asked for twice, each happens once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.models import Contact, User
from lifecycle.change import Work, change, log
from lifecycle.mail.dispatch.kinds import KINDS
from lifecycle.mail.models import Bounce, Draft, Message
from lifecycle.rules.refused import Refused

UNDO = timedelta(seconds=20)  # a customer's mail that a person sends waits this long for a second thought
TRIED_FOR = {"staff": timedelta(days=1), "customer": timedelta(days=3)}  # anew, where its time may run out
RESOURCE = "message"

# What each verb does to a mail in each state: it acts, it was done already, or there is nothing to do (refused).
ACTS, DONE, REFUSED = "acts", "done", "refused"
UNSENT = ("due", "retry", "claimed", "held", "dead")
ENDED = ("sent", "held", "dead", "cancelled", "expired", "suppressed", "marked")
ACTING: dict[str, tuple[str, ...]] = {
    "retry": ("retry", "held", "dead"),
    "again": ENDED,
    "mark": UNSENT,
    "cancel": UNSENT,
    "undo": ("due", "claimed"),
    "readdress": (*UNSENT, "suppressed"),
}
ALREADY: dict[str, tuple[str, ...]] = {
    "retry": ("due", "claimed", "sending"),
    "mark": ("marked",),
    "cancel": ("cancelled",),
    "undo": ("cancelled",),
}
IS = {
    "due": "is waiting to be sent",
    "retry": "is waiting to be tried again",
    "claimed": "is being sent right now",
    "sending": "is being sent right now",
    "sent": "was sent",
    "held": "waits for a decision",
    "dead": "was not sent",
    "cancelled": "was cancelled",
    "expired": "came too late",
    "suppressed": "was kept back",
    "marked": "was marked as sent",
}
NOTHING = {
    "retry": "nothing to retry",
    "again": "nothing to send again",
    "mark": "nothing to mark as sent",
    "cancel": "nothing to cancel",
    "undo": "nothing to undo",
    "readdress": "its address stays",
}
STAFF_ADDRESS = "This goes to a colleague; their address is corrected where people are kept."
NOT_KEPT = "What it said was not kept. Its reader asks for a new one."
LEFT = "The recipient no longer works here."
NOTHING_LEFT = "Nothing is left to send: what is still open comes with the next mail."
DRAFT_AGAIN = "It is a draft again. Send it from there."
MAY_REPEAT = " It may be a repeat."


def effect(verb: str, state: str) -> str:
    """What a verb does to a mail in a state: ACTS, DONE or REFUSED."""
    if state in ACTING[verb]:
        return ACTS
    return DONE if state in ALREADY.get(verb, ()) else REFUSED


def successor(dedup: str) -> str:
    """The key of the mail that a person sends after another: each is sent again once."""
    base, _, n = re.fullmatch(r"(.*?)(:again:(\d+))?", dedup).groups()
    return f"{base}:again:{int(n or 0) + 1}"


def retry(pk: int, *, by: User, now: datetime) -> Message:
    """Send it now: the same mail under the same Message-ID, with all its tries anew where it had ended.
    Raises Refused where there is nothing to retry."""
    with _acting("retry", pk, by=by, now=now) as act:
        if act.is_due and not (act.message.state == "retry" and act.message.not_before <= now):
            _refuse_unsendable(act.message)
            Bounce.forgive(act.message.address)  # a person says that it is right
            anew = {} if act.message.state == "retry" else {"state": "due", **_anew(act.message, now=now)}
            act.move("message.retried", not_before=now, **anew)
    return act.message


def send_again(pk: int, *, by: User, now: datetime) -> Message:
    """Send it once more, as a new row `...:again:<n>` under a new Message-ID; answers the new row. One that was
    held or had failed is thereby settled. Raises Refused where that is pointless."""
    with _acting("again", pk, by=by, now=now) as act:
        message = act.message
        found = Message.objects.filter(dedup=successor(message.dedup)).first()
        if found is not None:
            return found
        _refuse_unsendable(message)
        fresh = _copy(message, by=by, now=now)
        kind = KINDS[message.kind]
        kind.again(message, fresh, now)
        if kind.wanted(fresh, now):
            raise Refused("", "pointless", NOTHING_LEFT, conflict=True)
        Bounce.forgive(fresh.address)
        replaced = {"state": "cancelled", "reason": f"Sent again by {by.name}."}
        act.move("message.sent_again", **(replaced if message.state in ("held", "dead") else {}))
    return fresh


def mark_sent(pk: int, *, by: User, now: datetime) -> Message:
    """It reached its reader another way: what it carries counts as sent. Raises Refused for one that ended."""
    with _acting("mark", pk, by=by, now=now) as act:
        if act.is_due:
            reason = f"Marked as sent by {by.name}."
            act.move("message.marked_sent", state="marked", reason=reason, sent_at=now)
            KINDS[act.message.kind].settled(act.message, now)
    return act.message


def cancel(pk: int, *, by: User, now: datetime) -> Message:
    """It is not wanted any more. Raises Refused once it was handed over."""
    return _cancel("cancel", pk, f"Cancelled by {by.name}.", by=by, now=now)


def undo(pk: int, *, by: User, now: datetime) -> Message:
    """Take back what was just sent, as long as no dispatcher handed it over. Raises Refused after that."""
    return _cancel("undo", pk, f"Taken back by {by.name} before it left.", by=by, now=now)


def readdress(pk: int, address: str, *, by: User, now: datetime) -> Message:
    """Correct a customer's address, in the mail and in the contacts that have it, and send the mail there now.
    Raises Refused for a colleague's mail, and once it was handed over."""
    with _acting("readdress", pk, by=by, now=now) as act:
        message = act.message
        if not message.is_by_hand:
            raise Refused("address", "staff", STAFF_ADDRESS, conflict=True)
        if address == message.address:
            raise Refused("address", "same", "This is the address it has already. Enter the right one.")
        for contact in Contact.objects.filter(account=message.account_id, email__iexact=message.address):
            contact.record({"email": address})
        if message.draft:
            _correct_draft(message.draft, message.address, address)
        Bounce.forgive(address)
        waiting = message.state in ("due", "claimed")  # then it leaves when it was to leave
        anew = {**_anew(message, now=now), "raw": None, "raw_sha256": ""}
        when = message.not_before if waiting else now
        act.move("message.readdressed", state="due", address=address, not_before=when, **anew)
    return message


# --- what they share


@dataclass(frozen=True, slots=True)
class _Act:
    """A locked row, and the open change in which it is moved on; none where that was done already."""

    message: Message
    work: Work | None

    @property
    def is_due(self) -> bool:
        return self.work is not None

    def move(self, event: str, **values: Any) -> None:
        """Save the values and say so in the log, without a word of what the mail says."""
        message, before = self.message, self.message.state
        saved = {"lease_until": None, **values}
        for name, value in saved.items():
            setattr(message, name, value)
        message.save(update_fields=saved)
        changed: dict[str, list[Any]] = {} if message.state == before else {"state": [before, message.state]}
        if "address" in values:
            changed["address"] = []  # that it changed; to what is told by the contact's own, erasable event
        log.tell(self.work, event, message, resource=RESOURCE, changed=changed)


@contextmanager
def _acting(verb: str, pk: int, *, by: User, now: datetime) -> Iterator[_Act]:
    """Lock the mail, its letter, its account: the order in which a dispatcher takes them to record a fact."""
    with transaction.atomic():
        message = Message.objects.select_for_update(of=("self",)).select_related("recipient").get(pk=pk)
        if message.draft_id:
            message.draft = Draft.objects.select_for_update().get(pk=message.draft_id)
        outcome = effect(verb, message.state)
        if outcome == REFUSED:
            text = f"This mail {IS[message.state]}, so {NOTHING[verb]}."
            raise Refused("", "pointless", text, conflict=True)
        if outcome == DONE:
            yield _Act(message, None)
            return
        with change(message.account_id, by=by, via="page", now=now) as work:
            yield _Act(message, work)


def _anew(message: Message, *, now: datetime) -> dict[str, Any]:
    """All its tries and its time before it again. What may have arrived stays as it was, byte for byte; what
    certainly did not is written anew."""
    KINDS[message.kind].again(message, message, now)
    values: dict[str, Any] = {"attempts": 0, "reason": "", "expires_at": _expiry(message, now=now)}
    return values if message.uncertain else {**values, "raw": None, "raw_sha256": ""}


def _expiry(message: Message, *, now: datetime) -> datetime | None:
    return message.expires_at and now + TRIED_FOR[message.audience]


def _copy(message: Message, *, by: User, now: datetime) -> Message:
    wait = UNDO if message.is_by_hand else timedelta()
    repeats = message.uncertain or message.state in ("sent", "marked")
    return Message.objects.create(
        dedup=successor(message.dedup),
        kind=message.kind,
        channel=message.channel,
        audience=message.audience,
        recipient=message.recipient,
        account_id=message.account_id,
        draft=message.draft,
        address=message.recipient.email if message.recipient else message.address,
        subject=message.subject,
        payload=message.payload,
        reason=f"Sent again by {by.name}.{MAY_REPEAT if repeats else ''}",
        not_before=now + wait,
        expires_at=_expiry(message, now=now),
        created_at=now,
    )


def _correct_draft(draft: Draft, old: str, new: str) -> None:
    """What the letter says of its readers."""
    for name in ("to", "cc"):
        setattr(draft, name, [new if one == old else one for one in getattr(draft, name)])
    draft.save(update_fields=("to", "cc"))


def _cancel(verb: str, pk: int, reason: str, *, by: User, now: datetime) -> Message:
    with _acting(verb, pk, by=by, now=now) as act:
        if act.is_due:
            act.move("message.cancelled", state="cancelled", reason=reason)
            KINDS[act.message.kind].settled(act.message, now)
    return act.message


def _refuse_unsendable(message: Message) -> None:
    if KINDS[message.kind].private and message.state in ENDED:
        raise Refused("", "not_kept", NOT_KEPT, conflict=True)
    if message.recipient and not message.recipient.is_active:
        raise Refused("", "inactive", LEFT, conflict=True)
    if message.draft and message.draft.is_open:
        raise Refused("", "draft", DRAFT_AGAIN, conflict=True)
