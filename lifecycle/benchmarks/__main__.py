"""What `make bench` runs: each thing beside its limit, rounds interleaved, medians of CPU milliseconds.

The machine is shared and noisy, so only the ratio of one run counts. The application's CPU alone is counted:
on PostgreSQL the server's own work is not in it. Runs on `DATABASE_URL`, in a test database of its own.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

import django

ROUNDS = 5


def measure(
    limit: Callable[[], object], ours: Callable[[], object], *, rounds: int = ROUNDS
) -> tuple[float, float]:
    """Medians of CPU milliseconds of the limit and of ours, measured in turns after one warm-up each."""
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for act, times in zip((limit, ours), taken, strict=True):
            start = time.process_time()
            act()
            if turn:
                times.append(1000 * (time.process_time() - start))
    return statistics.median(taken[0]), statistics.median(taken[1])


def main() -> None:
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
        print(f"{'CPU ms, medians, on ' + connection.vendor:<52}{'limit':>10}{'ours':>10}{'ratio':>8}")
        for title, limit, ours in cases.prepared():
            bare, full = measure(limit, ours)
            print(f"{title:<52}{bare:>10.2f}{full:>10.2f}{full / bare:>8.1f}", flush=True)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    sys.exit(main())
