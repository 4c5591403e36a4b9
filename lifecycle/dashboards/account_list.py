"""The list of accounts: each with its next step, its people and when we last spoke. A fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, Subquery

from accounts.models import Account, UsageSnapshot, User
from adoption.models import Adoption
from lifecycle.dashboards.rows import Row, next_step, rows_of
from lifecycle.milestones.models import Milestone

PER_PAGE = 50
ORDERS = {"name": "name", "mrr": "mrr_cents", "last_contact": "last_contact_on"}
IN_WORDS = {  # rising, falling
    "name": ("A to Z", "Z to A"),
    "mrr": ("lowest MRR first", "highest MRR first"),
    "last_contact": ("longest without contact first", "latest contact first"),
}


@dataclass(frozen=True, slots=True)
class Order:
    """By which column, and which way. Nobody spoken to yet is longest ago."""

    name: str = "name"
    falling: bool = False

    @classmethod
    def read(cls, given: str) -> Order:
        """What means nothing is the order by name."""
        name = given.removeprefix("-")
        return cls(name, given.startswith("-")) if name in ORDERS else cls()

    def apply(self, accounts: Any) -> Any:
        column = F(ORDERS[self.name])
        nulls = {"nulls_last" if self.falling else "nulls_first": True} if self.name == "last_contact" else {}
        return accounts.order_by(column.desc(**nulls) if self.falling else column.asc(**nulls), "name", "pk")

    @property
    def columns(self) -> dict[str, tuple[str, str]]:
        """For each column that sorts: its `aria-sort`, and what choosing it asks for."""
        way = "descending" if self.falling else "ascending"
        turned = self.name if self.falling else f"-{self.name}"
        return {name: (way, turned) if name == self.name else ("", name) for name in ORDERS}

    @property
    def words(self) -> str:
        return IN_WORDS[self.name][self.falling]


def with_usage(accounts: Any) -> Any:
    """Accounts with their latest active users, for lists."""
    newest = UsageSnapshot.objects.filter(account=OuterRef("pk")).order_by("-taken_on")
    return accounts.annotate(active_users=Subquery(newest.values("active_users")[:1]))


@dataclass(slots=True)
class Line:
    """One line of the accounts list."""

    account: Account
    next_step: Row | None
    day: int | None


def lines(accounts: list[Account], *, now: datetime, viewer: User) -> list[Line]:
    """The accounts of one page with their next steps; the queries do not grow with the page."""
    ids = [account.pk for account in accounts]
    open_rows = Milestone.objects.queued().filter(account__in=ids).select_related("account", "owner")
    rows: dict[int, list[Row]] = defaultdict(list)
    for row in rows_of(open_rows, now=now, zone=viewer.zone):
        rows[row.milestone.account_id].append(row)
    adoptions = Adoption.objects.filter(account__in=ids, withdrawn_at=None).values_list(
        "account_id", "day_zero"
    )
    zero = dict(adoptions.order_by("pk"))
    today = viewer.today(now)
    return [
        Line(
            account,
            next_step(rows[account.pk], today=today),
            (today - zero[account.pk]).days if account.pk in zero else None,
        )
        for account in accounts
    ]
