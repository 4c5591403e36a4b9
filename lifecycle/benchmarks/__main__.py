"""What `make bench` runs: each thing beside its limit, rounds interleaved, medians.

The machine is shared and noisy, so only the ratio of one run counts: of CPU, that of the application and of the
PostgreSQL process that serves it together (from /proc, in steps of ten milliseconds). Runs in a test database of its
own, on `DATABASE_URL` where it is set, else on a private PostgreSQL. Arguments name groups of cases:
`python -m lifecycle.benchmarks mail planner` measures those alone.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import django

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Measured:
    """What one side of a case took, round by round, in milliseconds: CPU of the database's server, of it and the
    application, and time."""

    server: list[float] = field(default_factory=list)
    both: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def take(self, act: Callable[[], object], *, count: bool) -> None:
        cpu, server, wall = time.process_time(), server_ticks(), time.perf_counter()
        act()
        if count:
            self.wall.append(1000 * (time.perf_counter() - wall))
            self.server.append(1000 * (server_ticks() - server) / TICKS)
            self.both.append(1000 * (time.process_time() - cpu) + self.server[-1])


def server_ticks() -> int:
    """The CPU of the database's process that serves this connection, where it is of this machine."""
    from django.db import connection

    if connection.vendor != "postgresql" or connection.connection is None:
        return 0
    stat = Path("/proc", str(connection.connection.info.backend_pid), "stat")
    words = stat.read_text().rpartition(")")[2].split() if stat.exists() else ["0"] * 13
    return int(words[11]) + int(words[12])


def measure(case: object) -> tuple[Measured, Measured]:
    """The limit and ours, measured in turns after one warm-up each."""
    limit, ours = Measured(), Measured()
    for turn in range(case.rounds + 1):
        limit.take(case.limit, count=turn > 0)
        case.before()
        ours.take(case.ours, count=turn > 0)
    return limit, ours


def main(wanted: list[str]) -> None:
    with nullcontext() if os.environ.get("DATABASE_URL") else private_postgres():
        run(wanted)


@contextmanager
def private_postgres() -> Iterator[None]:
    from lifecycle.tests.suite import need, postgres, postgres_binaries

    need("Measuring on PostgreSQL", bool(postgres_binaries()), "postgresql")
    with postgres() as url:
        os.environ["DATABASE_URL"] = url
        yield


def run(wanted: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lifecycle.settings")
    os.environ.setdefault("SECRET_KEY", "only-for-benchmarks-" + "x" * 40)
    django.setup()
    from django.conf import settings
    from django.db import connection

    from lifecycle.benchmarks import cases

    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    settings.ALLOWED_HOSTS.append("testserver")
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        print(f"{'medians, CPU ms, on ' + connection.vendor:<58}{'limit':>9}{'ours':>9}{'ratio':>7}", end="")
        print(f"{'of it server':>14}{'wall ms':>9}{'limit':>8}")
        for case in cases.prepared(wanted):
            limit, ours = measure(case)
            report(case, limit, ours)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def report(case: object, limit: Measured, ours: Measured) -> None:
    middle = statistics.median
    bare, full = middle(limit.both), middle(ours.both)
    ratio = f"{full / bare:.1f}" if bare else "-"
    print(f"{case.title:<58}{bare:>9.2f}{full:>9.2f}{ratio:>7}{middle(ours.server):>14.0f}", end="")
    print(f"{middle(ours.wall):>9.1f}{middle(limit.wall):>8.1f}", flush=True)
    if case.things:
        rates = [1000 * case.things / middle(side.wall) for side in (ours, limit)]
        print(f"    {rates[0]:,.0f} a second, {case.beside}: {rates[1]:,.0f} a second", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
