"""One page of a list: to whom each mail goes, about what, where it stands and why, and one button."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from accounts.models import Account, Contact, User
from lifecycle.dashboards.outbox import words
from lifecycle.dashboards.outbox.asked import (
    BY_KEY,
    MOST_COUNTED,
    PERIODS,
    TABS,
    Asked,
    Tab,
    counts,
    opening,
    sees_masked,
    sources,
)
from lifecycle.dashboards.outbox.keyset import page_of
from lifecycle.mail.models import Attempt, Draft, Message
from lifecycle.mail.outbox import ACTS, effect

BULK = {"retry": "Retry now", "again": "Send again", "mark": "Mark as sent", "cancel": "Cancel"}


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a list."""

    pk: int | None  # of a mail that may be acted on
    url: str
    name: str
    address: str
    subject: str
    template: str
    account: Account | None
    shape: str
    word: str
    why: str
    when: datetime
    button: Button | None


def page(query: QueryDict, user: User, *, now: datetime) -> dict[str, Any]:
    """Everything that a list shows: a fixed number of queries, whatever its length."""
    asked = Asked.read(query, user, now=now)
    lengths = counts(asked, user, now=now)
    tab = BY_KEY[asked.tab or opening(lengths)]
    found = page_of(sources(tab, asked, user, now=now), oldest_first=tab.oldest_first, cursor=asked.cursor)
    shown = lines(found.rows, tab, user, now=now)
    return {
        "asked": asked,
        "tab": tab,
        "tabs": [(one, _counted(lengths[one.key])) for one in TABS],
        "length": _counted(lengths[tab.key]),
        "goes_on": lengths[tab.key] > len(shown),
        "page": found,
        "lines": shown,
        "query": urlencode(asked.filters),
        "kinds": sorted(words.templates().items(), key=lambda pair: pair[1]),
        "periods": PERIODS.items(),
        "bulk": _bulk(tab, user),
        "moving": any(line.shape == "progress" for line in shown),
        "now": now,
        "zone": user.zone,
        "today": user.today(now),
    }


def _counted(number: int) -> str:
    return f"{number:,}" if number <= MOST_COUNTED else f"{MOST_COUNTED:,}+"


def _bulk(tab: Tab, user: User) -> list[tuple[str, str]]:
    """What may be done to several mails of this list at once."""
    if not user.decides:
        return []
    return [
        (verb, label)
        for verb, label in BULK.items()
        if any(effect(verb, state) == ACTS for state in tab.states)
        and not (verb == "again" and tab.key == "failed")
    ]


def lines(rows: list[Message | Draft], tab: Tab, user: User, *, now: datetime) -> list[Line]:
    """The rows of one page; a fixed number of queries."""
    ids = [row.pk for row in rows if isinstance(row, Message)]
    last = {a.message_id: a for a in Attempt.objects.filter(message__in=ids).order_by("pk")}
    names = _names(rows)
    mine = undoable(rows, user, now=now)
    return [
        _mail(row, last.get(row.pk), tab, names, user, now=now, undo=row.pk in mine)
        if isinstance(row, Message)
        else _draft(row, names, user)
        for row in rows
    ]


def _names(rows: list[Message | Draft]) -> dict[tuple[int, str], str]:
    """Whom an address of an account belongs to."""
    people = Contact.objects.filter(account__in={row.account_id for row in rows if row.account_id})
    return {(c.account_id, c.email.lower()): c.name for c in people if c.email}


def undoable(rows: list[Message | Draft], user: User, *, now: datetime) -> set[int]:
    """Which of these mails this person may still take back: who may write to a customer may think again."""
    going = {
        row.pk: row.account_id for row in rows if isinstance(row, Message) and words.is_going(row, now=now)
    }
    if not going:
        return set()
    worked = Account.objects.worked_by(user, today=user.today(now)).filter(pk__in=set(going.values()))
    own = set(worked.values_list("pk", flat=True))
    return {pk for pk, account in going.items() if account in own}


def _mail(
    row: Message,
    last: Attempt | None,
    tab: Tab,
    names: dict[tuple[int, str], str],
    user: User,
    *,
    now: datetime,
    undo: bool,
) -> Line:
    hidden = sees_masked(user) and row.audience == "customer"
    shape, word = words.state(row, now=now)
    why = words.reason(row, last, now=now, zone=user.zone)
    stopped = last.started_at if last and tab.column == "created_at" else None
    button = None
    if undo:
        button = Button("Undo", reverse("dashboards:outbox-act", args=[row.pk, "undo"]))
    elif user.decides and row.state in ("retry", "dead"):
        button = Button("Retry now", reverse("dashboards:outbox-act", args=[row.pk, "retry"]))
    return Line(
        pk=row.pk if user.decides and any(effect(verb, row.state) == ACTS for verb in BULK) else None,
        url=reverse("dashboards:outbox-mail", args=[row.pk]),
        name=row.recipient.name if row.recipient else names.get((row.account_id, row.address.lower()), ""),
        address=words.MASK if hidden else row.address,
        subject=row.subject or words.template(row),
        template=words.template(row),
        account=row.account,
        shape=shape,
        word=word,
        why=words.masked(why) if hidden else why,
        when=stopped or getattr(row, tab.column),
        button=button,
    )


def _draft(row: Draft, names: dict[tuple[int, str], str], user: User) -> Line:
    to = row.to[0] if row.to else ""
    more = f" and {len(row.to) - 1} more" if len(row.to) > 1 else ""
    return Line(
        pk=None,
        url=draft_page(row),
        name=names.get((row.account_id, to.lower()), ""),
        address=words.MASK if to and sees_masked(user) else f"{to}{more}" or "Nobody yet",
        subject=row.subject or words.template(row),
        template=words.template(row),
        account=row.account,
        shape="done" if row.copied_at else "todo",
        word="Marked as sent" if row.copied_at else "Draft",
        why=f"Written by {row.author.name}.",
        when=row.copied_at or row.updated_at,
        button=None,
    )


def draft_page(draft: Draft) -> str:
    """Where a draft is written."""
    return reverse("mail:letter", args=[draft.account_id, draft.kind, draft.source_id])
