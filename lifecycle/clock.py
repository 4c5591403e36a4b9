"""The one clock of the code: the database's now. Edges read it and pass it on; `at` replaces it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from django.db import connection
from django.db.models import DateTimeField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

_override: ContextVar[datetime | None] = ContextVar("clock", default=None)


def now() -> datetime:
    """This instant, aware, in UTC: the database server's, so that all hosts agree on leases and due times."""
    replaced = _override.get()
    if replaced is not None:
        return replaced
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0].astimezone(UTC)


def in_sql() -> Combinable:
    """The same instant as an expression, for conditions that a process paused in between must not pass."""
    replaced = _override.get()
    return Now() if replaced is None else Value(replaced, output_field=DateTimeField())


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Let `now` answer `instant` inside the block: `remind --now` and tests, nothing else."""
    token = _override.set(instant.astimezone(UTC))
    try:
        yield
    finally:
        _override.reset(token)
