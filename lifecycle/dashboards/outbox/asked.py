"""What an address asks the Outbox for: the tab, what narrows it, which rows those are, and how many."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404, QueryDict

from accounts.models import Account, User
from lifecycle.dashboards.access import number
from lifecycle.dashboards.counting import numbers_of
from lifecycle.dashboards.outbox import words
from lifecycle.dashboards.outbox.keyset import Source
from lifecycle.mail.drafts import LETTERS
from lifecycle.mail.models import Draft, Message

MOST_COUNTED = 10_000  # ux.md 4.3
PERIODS = {"7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days"}


@dataclass(frozen=True, slots=True)
class Tab:
    """One list: the states of the mails in it, the column it is ordered by, and what it says when empty."""

    key: str
    label: str
    states: tuple[str, ...]
    column: str
    order: str
    empty: str
    oldest_first: bool = False


TABS = (
    Tab(
        "drafts",
        "Drafts",
        (),
        "",
        "latest change first",
        "No drafts. An email you begin waits here until sent.",
    ),
    Tab(
        "queued",
        "Queued",
        ("due", "retry", "claimed", "sending"),
        "not_before",
        "next to leave first",
        "Nothing is waiting to be sent.",
        oldest_first=True,
    ),
    Tab("held", "Held", ("held",), "created_at", "newest first", "No mail waits for a decision."),
    Tab("sent", "Sent", ("sent",), "sent_at", "latest first", "Nothing has been sent yet."),
    Tab("failed", "Failed", ("dead",), "created_at", "newest first", "Every mail found its way."),
    Tab(
        "unsent",
        "Not sent",
        ("cancelled", "expired", "suppressed"),
        "created_at",
        "newest first",
        "No mail was cancelled, expired or suppressed.",
    ),
    Tab("copied", "Copied", ("marked",), "sent_at", "latest first", "No mail was marked as sent by hand."),
)
BY_KEY = {tab.key: tab for tab in TABS}
FIRST = ("failed", "held", "drafts", "queued", "sent")  # which of them opens by itself: the first with rows


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for."""

    tab: str
    search: str
    kind: str
    days: str
    account: Account | None
    cursor: str

    @classmethod
    def read(cls, query: QueryDict, user: User, *, now: datetime) -> Asked:
        """404 for an account this person may not see; what means nothing is left out."""
        account = None
        if query.get("account"):
            seen = Account.objects.visible_to(user, today=user.today(now))
            account = seen.filter(pk=number(query["account"])).first()
            if account is None:
                raise Http404("No such account")
        return cls(
            tab=query.get("tab", "") if query.get("tab") in BY_KEY else "",
            search=query.get("search", "").replace("\0", "").strip(),
            kind=query.get("kind", "") if query.get("kind") in words.templates() else "",
            days=query.get("days", "") if query.get("days") in PERIODS else "",
            account=account,
            cursor=query.get("at", ""),
        )

    @property
    def filters(self) -> dict[str, Any]:
        """What narrows the lists, as it stands in the address."""
        found = {"search": self.search, "kind": self.kind, "days": self.days}
        found["account"] = str(self.account.pk) if self.account else ""
        return {name: value for name, value in found.items() if value}


def mails(asked: Asked, user: User, *, now: datetime) -> QuerySet[Message]:
    """The mails this person may see and asked for, in all tabs."""
    rows = Message.objects.visible_to(user, today=user.today(now)).filter(channel="mail")
    if asked.search:
        named = Q(subject__icontains=asked.search) | Q(account__name__icontains=asked.search)
        named |= Q(recipient__name__icontains=asked.search)
        # who sees no addresses finds none by guessing
        rows = rows.filter(named if sees_masked(user) else named | Q(address__icontains=asked.search))
    if asked.kind:
        letter = Q(draft__kind=asked.kind) if asked.kind in LETTERS else Q(kind=asked.kind)
        rows = rows.filter(letter)
    return _narrowed(rows, asked, now=now)


def drafts(asked: Asked, user: User, *, now: datetime) -> QuerySet[Draft]:
    """The same of drafts, copied ones among them."""
    rows = Draft.objects.visible_to(user, today=user.today(now)).filter(sent_at=None)
    if asked.search:
        named = Q(subject__icontains=asked.search) | Q(account__name__icontains=asked.search)
        rows = rows.filter(named if sees_masked(user) else named | Q(to__icontains=asked.search))
    if asked.kind:
        rows = rows.filter(kind=asked.kind)
    return _narrowed(rows, asked, now=now)


def _narrowed(rows: QuerySet, asked: Asked, *, now: datetime) -> QuerySet:
    if asked.account:
        rows = rows.filter(account=asked.account)
    return rows.filter(created_at__gte=now - timedelta(days=int(asked.days))) if asked.days else rows


def sees_masked(user: User) -> bool:
    """security.md: who runs the system sees no address of a customer."""
    return user.role == "admin"


def counts(asked: Asked, user: User, *, now: datetime) -> dict[str, int]:
    """How long each list is, exactly up to MOST_COUNTED: one query."""
    sent, written = mails(asked, user, now=now), drafts(asked, user, now=now)
    counted = {tab.key: sent.filter(state__in=tab.states) for tab in TABS if tab.states}
    counted["drafts"] = written.filter(copied_at=None)
    counted["by hand"] = written.filter(copied_at__isnull=False)
    found = numbers_of(counted, user, most=MOST_COUNTED)
    found["copied"] += found.pop("by hand")
    return found


def opening(lengths: dict[str, int]) -> str:
    """The tab that opens by itself: what needs a person, else what is under way."""
    return next((key for key in FIRST if lengths[key]), "sent")


def sources(tab: Tab, asked: Asked, user: User, *, now: datetime) -> list[Source]:
    """What a list is made of."""
    sent = (
        mails(asked, user, now=now)
        .filter(state__in=tab.states)
        .select_related("account", "recipient", "draft")
    )
    written = drafts(asked, user, now=now).select_related("account", "author")
    if tab.key == "drafts":
        return [Source(written.filter(copied_at=None), "updated_at", 1)]
    found = [Source(sent.defer("raw", "payload"), tab.column, 0)]
    if tab.key == "copied":
        found.append(Source(written.filter(copied_at__isnull=False), "copied_at", 1))
    return found
