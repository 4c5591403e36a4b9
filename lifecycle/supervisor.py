"""One parent for the processes of `manage.py up`: it starts them, starts them again when they die, and ends them all.

Every child leads its own process group, so that Ctrl-C reaches only the parent and the end reaches grandchildren.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lifecycle.machine import tie_to_parent

LOG_KEPT = 5_000_000  # bytes; a longer log moves aside when its process starts
LONGEST_PAUSE = 30.0  # seconds between tries of a child that keeps dying
TOLD = 6  # deaths in a row that are worth a line each; from then on it is tried silently
HEALTHY_AFTER = 30.0  # a child that lived this long starts again at once
PATIENCE = 12.0  # seconds an ending child gets: Celery's soft shutdown takes up to 10


@dataclass
class Child:
    """A process to keep running. `last` ones end after all others (the broker)."""

    name: str
    command: Sequence[str]
    last: bool = False
    pass_fds: tuple[int, ...] = ()
    on_parent_death: int = signal.SIGTERM
    process: subprocess.Popen | None = None
    started: float = 0.0
    deaths: int = 0
    start_at: float = 0.0

    def kill(self, signum: int) -> None:
        if self.process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signum)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Supervisor:
    log_dir: Path
    say: Callable[[str], None]
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    children: list[Child] = field(default_factory=list)

    def add(self, child: Child) -> None:
        self.children.append(child)
        self._start(child)

    def watch(self) -> None:
        """Until a signal raises KeyboardInterrupt."""
        while True:
            self.tend()
            time.sleep(0.2)

    def tend(self) -> None:
        """Start again whoever died, each time after a longer pause."""
        now = time.monotonic()
        for child in self.children:
            if child.alive:
                continue
            if child.process is not None:
                self._bury(child, now)
            if now >= child.start_at:
                self._start(child)

    def stop(self) -> None:
        """End every process group. A second signal ends them without patience."""
        deadline = time.monotonic() + PATIENCE

        def hurry(*_: object) -> None:
            nonlocal deadline
            deadline = 0.0

        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, hurry)
        for last in (False, True):
            ending = [child for child in self.children if child.last is last]
            for child in ending:
                child.kill(signal.SIGTERM)
            while any(child.alive for child in ending) and time.monotonic() < deadline:
                time.sleep(0.05)
            for child in ending:
                child.kill(signal.SIGKILL)  # the group: also what a dead leader left behind
                if child.process:
                    child.process.wait()

    def _start(self, child: Child) -> None:
        child.started = time.monotonic()
        self.log_dir.mkdir(parents=True, exist_ok=True)
        path = self.log_dir / f"{child.name}.log"
        if path.exists() and path.stat().st_size > LOG_KEPT:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            child.process = subprocess.Popen(
                child.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=child.pass_fds,
                start_new_session=True,
                preexec_fn=tie_to_parent(child.on_parent_death),
            )

    def _bury(self, child: Child, now: float) -> None:
        code = child.process.returncode
        child.kill(signal.SIGKILL)
        child.process = None
        child.deaths = 1 if now - child.started > HEALTHY_AFTER else child.deaths + 1
        pause = min(LONGEST_PAUSE, 2.0 ** (child.deaths - 1))
        child.start_at = now + pause
        log = self.log_dir / f"{child.name}.log"
        if child.deaths <= TOLD:
            self.say(
                f"{child.name} stopped (code {code}); starting it again in {pause:.0f} s. Its log: {log}"
            )
