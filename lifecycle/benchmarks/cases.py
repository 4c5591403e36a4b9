"""The things measured, each beside its limit: the same work in raw SQL or in a plain library call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from django.db import connection
from django.test import Client

from accounts.models import User
from accounts.tests.factories import make_accounts, make_csm, make_lead, make_team
from lifecycle import clock
from lifecycle.imports.upsert import upsert_accounts

ROWS = 500
_numbers = count()


@dataclass(frozen=True)
class Case:
    """One thing and its limit. `before` makes ready what `ours` uses up, unmeasured; with `things`, how many one
    round handles, rates are printed too, beside those of the limit, which is `beside`."""

    title: str
    limit: Callable[[], object]
    ours: Callable[[], object]
    before: Callable[[], object] = lambda: None
    things: int = 0
    beside: str = ""
    rounds: int = 5


def prepared(wanted: list[str]) -> Iterator[Case]:
    """The cases of the groups wanted, or of all, on a book of accounts made once."""
    from lifecycle.benchmarks import mail, pdf, planner

    lead = make_lead()
    team = make_team(lead=lead)
    csm = make_csm(pool="core", team=team)
    accounts = make_accounts(100, csm=csm, service_level="premium", products=["learning", "compliance"])
    groups = {
        "bulk": lambda: _bulk(csm),
        "pages": lambda: _pages(csm),
        "pdf": lambda: pdf.cases(csm, accounts[0]),
        "mail": lambda: mail.cases(),
        "planner": lambda: planner.cases(),
    }
    for name, group in groups.items():
        if not wanted or name in wanted:
            yield from group()


def _bulk(csm: User) -> Iterator[Case]:
    columns = "name, external_id, contracted_users, mrr_cents, csm_id, service_level, pool, segment, phase"
    fixed = "starter_package, traits, products, reasons, policy, time_zone, rsm_name, rsm_email"
    rest = "override_pool, override_reason, churn_cause, version"
    insert = f"INSERT INTO accounts_account ({columns}, {fixed}, {rest}) VALUES ({', '.join(['%s'] * 21)})"

    def raw() -> None:
        tail = (
            "basic",
            "digital",
            "regular",
            "new",
            False,
            "[]",
            "[]",
            "[]",
            1,
            "UTC",
            "",
            "",
            "",
            "",
            "",
            1,
        )
        values = [(f"R{n}", f"R-{n}", 10, 25_000, csm.pk, *tail) for n in _next(ROWS)]
        with connection.cursor() as cursor:
            cursor.executemany(insert, values)

    def door(rows: list[dict[str, object]]) -> None:
        outcome = upsert_accounts(enumerate(rows), by=None, via="import", now=clock.now())
        assert not outcome.failed, outcome.errors[:1]

    def row(n: int) -> dict[str, object]:
        return {"external_id": f"B-{n}", "name": f"B{n}", "contracted_users": 10, "mrr": "250.00"}

    same = [row(n) for n in _next(ROWS)]
    door(same)
    yield Case(
        f"bulk upsert, {ROWS} new accounts, whole door", raw, lambda: door([row(n) for n in _next(ROWS)])
    )
    yield Case(f"bulk upsert, {ROWS} unchanged accounts", raw, lambda: door(same))


def _next(number: int) -> list[int]:
    return [next(_numbers) for _ in range(number)]


def _pages(csm: User) -> Iterator[Case]:
    client = Client()
    client.force_login(csm)

    def fifty() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT a.id, a.name, a.mrr_cents, u.name, t.name FROM accounts_account a"
                " JOIN accounts_user u ON u.id = a.csm_id JOIN accounts_team t ON t.id = u.team_id"
                " ORDER BY a.name, a.id LIMIT 50"
            )
            cursor.fetchall()

    def get(path: str) -> Callable[[], None]:
        def visit() -> None:
            answer = client.get(path)
            assert answer.status_code == 200, answer.status_code

        return visit

    yield Case("accounts page, 50 rows, beside its SQL", fifty, get("/accounts/"))
    yield Case("My day, beside the same SQL", fifty, get("/day/"))
    yield Case(
        "REST list of 100 accounts, beside the same SQL", fifty, get("/api/v1/accounts/?page_size=100")
    )
