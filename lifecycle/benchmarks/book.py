"""A book of any size, made set-based by SQL that both databases understand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection
from django.db.models import Min, Model

from accounts.models import Account, Team, User
from accounts.tests.factories import make_account
from lifecycle import clock
from lifecycle.change import change
from lifecycle.milestones.models import Milestone

TEAMS = 10
COPY = """
INSERT INTO {table} ({names})
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {number})
SELECT {values} FROM numbers
"""


def run(statement: str, values: Sequence[object] = ()) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def copies(row: Model, number: int, **instead: str) -> None:
    """That many rows like this one; `n` counts from 0 in the SQL given instead of a column's value."""
    quote = connection.ops.quote_name
    fields = [field for field in row._meta.concrete_fields if not field.primary_key]
    assert set(instead) <= {field.column for field in fields}
    known = "CAST(%s AS {})" if connection.vendor == "postgresql" else "%s"
    words = [instead.get(field.column) or known.format(field.db_type(connection)) for field in fields]
    plain = [field for field in fields if field.column not in instead]
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in plain]
    names = ", ".join(quote(field.column) for field in fields)
    table = quote(row._meta.db_table)
    if connection.vendor == "postgresql":
        run("SET statement_timeout = 0")
    run(COPY.format(table=table, names=names, values=", ".join(words), number=number), values)


@dataclass(frozen=True)
class Book:
    """So many CSMs, whose digest leaves at midnight, and their accounts."""

    people: int
    accounts: int
    first_account: int
    first_person: int
    first_team: int

    @classmethod
    def make(cls, people: int, each: int) -> Book:
        now = clock.real()
        with change(None, by=None, via="task", now=now):
            teams = [Team.objects.create(name=f"Bench {people}-{n}") for n in range(TEAMS)]
            csms = [
                User(email=f"bench-{people}-{n}@example.com", name=f"Bench {n}", role="csm", pool="core")
                for n in range(people)
            ]
            for n, csm in enumerate(csms):
                csm.team, csm.digest_hour = teams[n % TEAMS], 0
                csm.set_password(None)
                csm.save()
        source = make_account(f"Bench {people}", csm=csms[0], contracted_users=60)
        first = csms[0].pk
        assert [csm.pk for csm in csms] == list(range(first, first + people))
        copies(source, people * each, external_id="NULL", csm_id=f"{first} + n %% {people}")
        last = Account.objects.latest("pk")
        return cls(people, people * each, last.pk - people * each + 1, first, teams[0].pk)

    def milestones(self, number: int, *, due_on: date, remind_at: datetime) -> None:
        """Meetings to book, dealt out to the accounts in turn; no two of the whole table about the same stage."""
        lowest = Milestone.objects.aggregate(n=Min("source_id"))["n"] or 0
        row = Milestone(
            kind="book_meeting",
            source_type="stage",
            title="Book the 30-day meeting",
            due_on=due_on,
            act_by=due_on,
            remind_at=remind_at,
        )
        place = f"n %% {self.accounts}"
        copies(
            row,
            number,
            account_id=f"{self.first_account} + {place}",
            owner_id=f"{self.first_person} + {place} %% {self.people}",
            team_id=f"{self.first_team} + {place} %% {self.people} %% {TEAMS}",
            source_id=f"{min(lowest, 0) - number} + n",
        )
        run("ANALYZE")
