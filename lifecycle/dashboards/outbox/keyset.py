"""One page of a list by keyset, so that going on meets every lasting row exactly once. A list may be made of two
tables, ordered by a time each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q, QuerySet

from lifecycle.dashboards.access import number
from lifecycle.mail.models import Draft, Message

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of one table in a list that may be made of two; `rank` decides between equal times."""

    rows: QuerySet
    column: str
    rank: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows in order, and the cursors of what comes before and after."""

    rows: list[Message | Draft]
    newer: str
    older: str


Position = tuple[datetime, int, int]


def page_of(found: list[Source], *, oldest_first: bool, cursor: str, size: int = PER_PAGE) -> Page:
    """The rows after (or, going back, before) a cursor; each lasting row is met exactly once."""
    back, position = _read(cursor)
    rising = oldest_first != back
    rows = [
        ((getattr(row, source.column), source.rank, row.pk), row)
        for source in found
        for row in _beyond(source, position, rising=rising)[: size + 1]
    ]
    rows.sort(key=lambda pair: pair[0], reverse=not rising)
    more, rows = len(rows) > size, rows[:size]
    if back:
        rows.reverse()
    before = more if back else position is not None
    after = bool(rows) if back else more
    return Page(
        [row for _, row in rows],
        newer=_cursor("b", rows[0][0]) if rows and before else "",
        older=_cursor("a", rows[-1][0]) if rows and after else "",
    )


def _beyond(source: Source, position: Position | None, *, rising: bool) -> QuerySet:
    sign, beyond = ("", "gt") if rising else ("-", "lt")
    rows = source.rows.order_by(f"{sign}{source.column}", f"{sign}pk")
    if position is None:
        return rows
    at, rank, pk = position
    further = Q(**{f"{source.column}__{beyond}": at})
    if source.rank == rank:
        further |= Q(**{source.column: at, f"pk__{beyond}": pk})
    elif (source.rank > rank) == rising:
        further |= Q(**{source.column: at})
    return rows.filter(further)


MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, tzinfo=UTC)


def _cursor(direction: str, position: Position) -> str:
    at, rank, pk = position
    return f"{direction}{(at - EPOCH) // MICROSECOND}-{rank}-{pk}"


def _read(cursor: str) -> tuple[bool, Position | None]:
    """A cursor that means nothing is the first page."""
    parts = [number(part) for part in cursor[1:].split("-")]
    if cursor[:1] not in ("a", "b") or len(parts) != 3 or None in parts:
        return False, None
    at, rank, pk = parts
    if at > (LAST - EPOCH) // MICROSECOND:
        return False, None
    return cursor[0] == "b", (EPOCH + at * MICROSECOND, rank, pk)
