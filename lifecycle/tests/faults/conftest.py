"""Fixtures of the fault suite; see `lifecycle.tests.faults.kit`, which is imported where it is used: pytest may
read this file before the settings can be."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lifecycle.tests.faults.kit import Cluster, Redis, World


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A short path, because a socket's may not be long, and open to the user the servers run as."""
    folder = Path(tempfile.mkdtemp(prefix=f"waymark-{name}-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    from lifecycle.tests.faults.kit import Cluster

    with scratch("pg") as folder:
        cluster = Cluster(folder)
        cluster.start()
        yield cluster
        cluster.stop()


@pytest.fixture
def redis() -> Iterator[Redis]:
    from lifecycle.tests.faults.kit import Redis

    with scratch("redis") as folder:
        server = Redis(folder)
        yield server
        server.thaw()
        server.kill()


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The run's seed, moved on by `@pytest.mark.parametrize("seed", range(5), indirect=True)`."""
    return int(os.environ["FAULT_SEED"]) + getattr(request, "param", 0)


@pytest.fixture
def world(cluster: Cluster, seed: int, django_db_blocker, tmp_path: Path) -> Iterator[World]:
    """A fresh database on the cluster, an obliging sink, no process yet."""
    url = cluster.new_database()
    with django_db_blocker.unblock(), build(url, tmp_path, seed) as world:
        yield world
    cluster.drop(url)


@pytest.fixture
def embedded(seed: int, django_db_blocker, tmp_path: Path) -> Iterator[World]:
    """The same world on an SQLite file."""
    from lifecycle.tests.faults.kit import migrate

    url = f"sqlite:///{tmp_path / 'waymark.sqlite3'}"
    migrate(url)
    with django_db_blocker.unblock(), build(url, tmp_path, seed) as world:
        yield world


@contextmanager
def build(url: str, folder: Path, seed: int) -> Iterator[World]:
    from lifecycle.tests.faults.kit import LEASE_SECONDS, Sink, World, looking_at

    variables = os.environ | {
        "DJANGO_SETTINGS_MODULE": "lifecycle.settings",
        "BROKER_URL": "redis://127.0.0.1:1/0",  # nobody there, until a test names one
        "VAR_DIR": str(folder / "var"),
        "PYTHONUNBUFFERED": "1",
        "MAIL_LEASE_SECONDS": str(LEASE_SECONDS),
    }
    with looking_at(url):
        sink = Sink(folder, seed)
        world = World(url, folder, sink, seed, variables)
        try:
            yield world
        finally:
            world.end()
            sink.close()
