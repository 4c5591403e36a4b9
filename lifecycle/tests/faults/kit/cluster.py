"""A PostgreSQL and a Redis that a test may stop, kill, freeze and restart."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connections

from lifecycle.machine import free_port, tie_to_parent
from lifecycle.settings import database
from lifecycle.tests.servers import ROOT, Process
from lifecycle.tests.suite import postgres_binaries, unprivileged

PRISTINE = "pristine"
START_SECONDS = 30


class Cluster:
    """A private PostgreSQL that waits for its disk, on a socket file; `start` in the main thread only, because
    it ends with the thread that started it."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.folder, self.data = folder, folder / "data"
        self.binaries, self.user = postgres_binaries(), unprivileged()
        self.quiet = {"cwd": folder, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **self.user}
        self.options = {
            "listen_addresses": "",
            "unix_socket_directories": folder,
            "fsync": "on",
            "synchronous_commit": "on",
            "max_connections": 60,
            "log_min_messages": "fatal",
            **options,
        }
        self.numbers = count(1)
        self.server: subprocess.Popen[bytes] | None = None
        if self.user:
            os.chown(folder, self.user["user"], self.user["group"])
        words = ["-U", "waymark", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        words += ["--no-sync", "--no-instructions"]  # nothing is in it yet that a crash could cost
        subprocess.run([self.binaries / "initdb", "-D", self.data, *words], check=True, **self.quiet)

    def start(self) -> None:
        words = [word for name, value in self.options.items() for word in ("-c", f"{name}={value}")]
        self.server = subprocess.Popen(
            [self.binaries / "postgres", "-D", self.data, *words],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=tie_to_parent(signal.SIGQUIT),
            **self.quiet,
        )
        deadline = time.monotonic() + START_SECONDS
        ready = [self.binaries / "pg_isready", "-q", "-h", self.folder]
        while subprocess.run(ready, check=False).returncode:
            assert self.server.poll() is None, "PostgreSQL ended"
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.02)

    def stop(self, mode: str = "immediate") -> None:
        """`immediate` is a crash: clients are cut off, the next start recovers from the log."""
        words = ["stop", "-D", self.data, "-m", mode, "-w", "-s"]
        subprocess.run([self.binaries / "pg_ctl", *words], check=True, **self.quiet)
        self.server.wait(START_SECONDS)

    def restart(self, mode: str = "immediate") -> None:
        self.stop(mode)
        self.start()

    def url(self, name: str) -> str:
        return f"postgres://waymark@/{self.folder}/{name}"

    def psql(self, statement: str, name: str = "postgres") -> str:
        """Run one statement with the servers' own client, outside Django."""
        words = ["-h", self.folder, "-U", "waymark", "-d", name, "-qAtX", "-v", "ON_ERROR_STOP=1", "-c"]
        done = subprocess.run(
            [self.binaries / "psql", *words, statement], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def new_database(self) -> str:
        """The URL of a fresh database, as the migrations leave it."""
        if not self.psql(f"SELECT 1 FROM pg_database WHERE datname = '{PRISTINE}'"):
            self.psql(f"CREATE DATABASE {PRISTINE}")
            self.psql(
                f"ALTER DATABASE {PRISTINE} SET synchronous_commit = off"
            )  # its copies do not inherit it
            migrate(self.url(PRISTINE))
        name = f"fault_{next(self.numbers)}"
        self.psql(f"CREATE DATABASE {name} TEMPLATE {PRISTINE}")
        return self.url(name)

    def drop(self, url: str) -> None:
        self.psql(f'DROP DATABASE "{urlsplit(url).path.rpartition("/")[2]}" WITH (FORCE)')


def migrate(url: str) -> None:
    command = [sys.executable, ROOT / "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"DATABASE_URL": url}, check=True)


@contextmanager
def looking_at(url: str) -> Iterator[None]:
    """Let this process's `default` connection be that database, as the settings would configure it."""
    before, os.environ["DATABASE_URL"] = os.environ["DATABASE_URL"], url
    try:
        config = database()
    finally:
        os.environ["DATABASE_URL"] = before
    old, old_config = connections["default"], connections.settings["default"]
    connections.settings["default"] = connections.configure_settings({"default": config})["default"]
    connections["default"] = connections.create_connection("default")
    try:
        yield
    finally:
        connections["default"].close()
        connections.settings["default"], connections["default"] = old_config, old


class Redis:
    """A private Redis on loopback, without files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.numbers = folder, free_port(), count(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Also after `kill`: on the same port, and empty."""
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "save": "",
            "dir": self.folder,
            "maxmemory-policy": "noeviction",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [shutil.which("redis-server") or "redis-server", *words]
        self.process = Process(command, dict(os.environ), self.folder / f"redis-{next(self.numbers)}.log")
        self.process.says("Ready to accept connections")

    def kill(self) -> None:
        self.process.end(signal.SIGKILL)

    def freeze(self) -> None:
        self.process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send(signal.SIGCONT)

    def flush(self) -> None:
        import redis

        with redis.from_url(self.url) as client:
            client.flushall()
