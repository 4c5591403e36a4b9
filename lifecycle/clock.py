"""The one clock of the code: the database's now. Edges read it and pass it on; `at` replaces it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from django.db import connection

MOST_DRIFT = 120.0  # seconds
_override: ContextVar[datetime | None] = ContextVar("clock", default=None)


def now() -> datetime:
    """This instant, aware, in UTC: the database server's, so that all hosts agree on leases and due times."""
    replaced = _override.get()
    return real() if replaced is None else replaced


def real() -> datetime:
    """The same, whatever replaces it: leases are about processes, and those live in no other time."""
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0].astimezone(UTC)


def is_replaced() -> bool:
    """Whether `now` answers another instant than the real one."""
    return _override.get() is not None


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Let `now` answer `instant` inside the block: `remind --now` and tests, nothing else."""
    token = _override.set(instant.astimezone(UTC))
    try:
        yield
    finally:
        _override.reset(token)


class Drift:
    """How far a wall clock has left the machine's own, which nobody sets. Small steps are followed: clocks are
    kept right by small steps; one of more than MOST_DRIFT seconds stays a drift until it is taken back."""

    def __init__(self) -> None:
        self.apart: float | None = None
        self.gone = 0.0
        self.jumped_at: float | None = None  # by the machine's own clock

    def seconds(self, wall: float, machine: float) -> float:
        """The drift at a look that read both clocks."""
        apart = wall - machine
        if self.apart is None:
            self.apart = apart
        gone = apart - self.apart
        if abs(gone - self.gone) > MOST_DRIFT:
            self.jumped_at = machine
        self.gone = gone
        if abs(gone) <= MOST_DRIFT:
            self.apart = apart
        return gone


_drifts = (Drift(), Drift())  # the database's clock, and this host's


def drift(instant: datetime) -> float:
    """The larger drift in seconds of the database's clock, which reads `instant` just now, and of this host's,
    since this process first looked."""
    machine = _machine()
    found = [
        watch.seconds(wall, machine)
        for watch, wall in zip(_drifts, (instant.timestamp(), time.time()), strict=True)
    ]
    return max(found, key=abs)


def jumped_within(seconds: float) -> bool:
    """Whether the database's clock was set so lately, as `drift` saw: by it, whoever is at work may look late."""
    jumped_at = _drifts[0].jumped_at
    return jumped_at is not None and _machine() - jumped_at < seconds


def _machine() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
