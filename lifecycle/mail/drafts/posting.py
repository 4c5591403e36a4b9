"""A letter on its way: into the outbox under the customers' policy, or copied by hand; either records its fact."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.template.loader import render_to_string

from accounts.models import Activity, Contact, User
from lifecycle.change import change
from lifecycle.mail.dispatch import Mail, register_kind
from lifecycle.mail.drafts.letters import Letter, letter_of
from lifecycle.mail.drafts.writing import gaps_of
from lifecycle.mail.models import Draft, Message
from lifecycle.mail.outbox import UNDO
from lifecycle.rules.refused import Refused

LETTER = "letter"
ABOUT = "about"  # what the words of a mail hold for
TRIED_FOR = timedelta(days=3)
GONE = "The account was archived before it left."


def register() -> None:
    """Tell the outbox about letters; called by `LifecycleConfig.ready()`."""
    register_kind(LETTER, wanted=_wanted, render=_render, settled=_settled, again=_again)


def send(draft: Draft, *, by: User, now: datetime) -> list[Message]:
    """Put the letter into the outbox, one row an address; it leaves after the time for an undo. Safe to repeat.

    Raises Refused while a field is open or nobody is addressed, on an archived account, or once it was copied.
    """
    with transaction.atomic():
        draft = Draft.objects.select_for_update(of=("self",)).select_related("account").get(pk=draft.pk)
        if draft.sent_at is not None:
            return list(draft.messages.order_by("pk"))
        _refuse_unready(draft)
        draft.sent_at, draft.author = now, by
        draft.save(update_fields=["sent_at", "author"])
        rounds = draft.messages.count()
        letter = letter_of(draft)
        about, contacts = letter.about(_source(letter, draft)), _contacts(draft)
        return Message.objects.bulk_create(
            [
                Message(
                    dedup=f"{LETTER}:{draft.pk}:{rounds + place}",
                    kind=LETTER,
                    audience=_audience(letter, address, contacts),
                    account=draft.account,
                    draft=draft,
                    address=address,
                    subject=draft.subject,
                    payload={ABOUT: about} if about else {},
                    not_before=now + UNDO,
                    expires_at=now + TRIED_FOR,
                    created_at=now,
                )
                for place, address in enumerate(dict.fromkeys([*draft.to, *draft.cc]))
            ]
        )


def copy_out(draft: Draft, *, by: User, now: datetime) -> None:
    """It was sent outside the app: record that, and keep the words. Raises Refused once it left through the outbox."""
    with transaction.atomic():
        draft = Draft.objects.select_for_update(of=("self",)).get(pk=draft.pk)
        if draft.sent_at is not None:
            raise Refused("", "sent", "This letter is on its way already.", conflict=True)
        if draft.copied_at is None:
            draft.copied_at, draft.author = now, by
            draft.save(update_fields=["copied_at", "author"])
            _record(draft, via="page", now=now, holds=True)


def _refuse_unready(draft: Draft) -> None:
    if draft.copied_at is not None:
        raise Refused("", "copied", "This letter was marked as sent by hand.", conflict=True)
    if draft.account is not None:
        draft.account.refuse_if_archived()
    open_fields = gaps_of(draft)
    if open_fields:
        known = letter_of(draft).known
        names = ", ".join(known[name][0].lower() + known[name][1:] for name in open_fields)
        raise Refused("body", "gap", f"Fill in or take out what is missing: {names}.")
    if not draft.to:
        raise Refused("to", "required", "Say who gets it: pick a contact or type an address.")


def _wanted(message: Message, now: datetime) -> str:
    account = message.account
    return GONE if account is not None and account.archived else _overtaken(message)


def _overtaken(message: Message) -> str:
    """Why its words hold no more; "" while they do."""
    if ABOUT not in message.payload:
        return ""
    letter = letter_of(message.draft)
    same = letter.about(_source(letter, message.draft)) == message.payload[ABOUT]
    return "" if same else letter.overtaken


def _render(message: Message, now: datetime) -> Mail:
    draft = message.draft
    writer, letter = draft.author, letter_of(draft)
    source = _source(letter, draft)
    body = letter.finish(draft.body, source)
    return Mail(
        subject=draft.subject,
        text=body,
        html=render_to_string("mail/letter.html", {"body": body, "subject": draft.subject}),
        from_name=writer.name,
        reply_to=writer.email,
        to=tuple(draft.to),
        cc=tuple(draft.cc),
        attachments=tuple(letter.attachments(source)),
    )


def _settled(message: Message, now: datetime) -> None:
    draft = message.draft
    if message.state in ("sent", "marked"):
        _record(draft, via="task", now=now, holds=not _overtaken(message))
    elif message.state == "cancelled" and not draft.messages.exclude(state="cancelled").exists():
        if not _overtaken(message):
            _reopen(draft)
        letter = letter_of(draft)
        letter.undone(_source(letter, draft), now)


def _reopen(draft: Draft) -> None:
    """Taken back before it left: the letter is a draft again, unless another was begun meanwhile."""
    others = Draft.objects.open().filter(kind=draft.kind, source_id=draft.source_id)
    if not others.exists():
        Draft.objects.filter(pk=draft.pk).update(sent_at=None)


def _record(draft: Draft, *, via: str, now: datetime, holds: bool) -> None:
    """ONB-2, ONB-3, STAGE-7, ACT-1: the fact and the contact log, through the door, once a letter. One whose words
    do not hold any more was contact all the same, but no fact."""
    if not Draft.objects.filter(pk=draft.pk, recorded_at=None).update(recorded_at=now):
        return
    letter = letter_of(draft)
    with change(draft.account_id, by=draft.author, via=via, now=now) as work:
        if holds:
            letter.record(_source(letter, draft), draft.body, by=draft.author, now=now)
        if draft.account_id:
            kind = "email" if _is_contact(letter, draft) else "note"
            text = f"“{draft.subject}” to {_names(letter, draft)}"
            entry = Activity(account=work.account, kind=kind, happened_at=now, text=text)
            entry.record({}, by=draft.author, now=now)


def _names(letter: Letter, draft: Draft) -> str:
    """Its readers as the contact log names them. No address: not everybody who reads the log may see those."""
    known, other = _contacts(draft), "the customer"
    if letter.to_colleague:
        known = {draft.account.rsm_email.lower(): draft.account.rsm_name or "the RSM"} | known
        other = "a colleague"
    names = [known.get(address.lower(), other) for address in draft.to or [""]]
    return ", ".join(dict.fromkeys(names))


def _contacts(draft: Draft) -> dict[str, str]:
    """Who at the customer has which address."""
    contacts = Contact.objects.filter(account=draft.account_id).exclude(email="").order_by("is_main", "-pk")
    return {contact.email.lower(): contact.name for contact in contacts}


def _is_contact(letter: Letter, draft: Draft) -> bool:
    """Whether the customer gets it."""
    contacts = _contacts(draft)
    readers = [*draft.to, *draft.cc] or [""]
    return any(_audience(letter, address, contacts) == "customer" for address in readers)


def _audience(letter: Letter, address: str, contacts: dict[str, str]) -> str:
    return "staff" if letter.to_colleague and address.lower() not in contacts else "customer"


def _source(letter: Letter, draft: Draft) -> Any:
    return letter.source.objects.get(pk=draft.source_id)


def _again(old: Message, new: Message, now: datetime) -> None:
    """Sent again by hand: the same letter; its fact stays as recorded."""
