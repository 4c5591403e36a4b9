"""The kit of the fault suite: real servers of one test's own, processes that are hurt on purpose, and counts.

A test of a fault reads: arrange with `world`, break something, wait until nothing is under way, then
`world.check()`, `facts()` and `figures(...)`. Fixtures are in `lifecycle/tests/faults/conftest.py`:

    world      a database on a private PostgreSQL (fsync on), a mail sink, processes; see `World`
    embedded   the same on SQLite
    cluster    that PostgreSQL: `stop("immediate")`, `start()`, `restart()`
    redis      a private Redis: `kill()`, `freeze()`, `thaw()`, `flush()`, `start()`
    figures    `figures(row=1, case="resend", seconds=.., **tally)`: a line of the table at the end of the run
    seed       of this test; `world.random` is made of it. FAULT_SEED=n repeats a run's choices

Every test is marked `fault`. Those also marked `fault_small` are part of `make test`, smaller there: what
`scaled(full, small)` answers depends on FAULTS=all, which `make test-faults` sets. Without it, tests that are
not `fault_small` are left out.
"""

from lifecycle.tests.faults.kit.cluster import Cluster, Redis, looking_at, migrate
from lifecycle.tests.faults.kit.mails import facts
from lifecycle.tests.faults.kit.nursery import WORK
from lifecycle.tests.faults.kit.sink import Sink
from lifecycle.tests.faults.kit.world import LEASE_SECONDS, Victim, World
from lifecycle.tests.figures import FULL, scaled

__all__ = [
    "FULL",
    "LEASE_SECONDS",
    "WORK",
    "Cluster",
    "Redis",
    "Sink",
    "Victim",
    "World",
    "facts",
    "looking_at",
    "migrate",
    "scaled",
]
