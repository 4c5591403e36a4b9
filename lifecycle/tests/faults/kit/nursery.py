"""Processes that start in milliseconds: forked from one that has read all of Waymark and opened nothing yet.

For tests that kill dozens: where Python's imports are most of the work, victims are rarely at theirs when struck.
What runs in them is what `manage.py` runs.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifecycle.machine import tie_to_parent

DISPATCH = """
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "dispatch", "--skip-checks"])
"""
WORK = """
import sys
from celery.__main__ import main
sys.argv = ["celery", "-A", "lifecycle", "worker", "--without-mingle", "--without-gossip", "--without-heartbeat"]
main()
"""
READ_BEFORE = ("lifecycle.urls", "lifecycle.mail.backends", "lifecycle.management.commands.dispatch")


class Nursery:
    """The test's end of it. All its children have the variables it was started with."""

    def __init__(self, log: Path, variables: dict[str, str]) -> None:
        environment = variables | {"PYTHONPATH": str(Path(__file__).parents[4])}
        with log.open("wb") as errors:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
            command = [sys.executable, __file__]
            self.process = subprocess.Popen(command, env=environment, text=True, bufsize=1, **pipes)
        assert self.process.stdout.readline() == "null\n", log.read_text()

    def ask(self, order: dict[str, Any]) -> Any:
        self.process.stdin.write(json.dumps(order) + "\n")
        return json.loads(self.process.stdout.readline())

    def fork(self, code: str, log: Path, variables: dict[str, str]) -> Child:
        """A process of its own group that runs the code; these variables only count where they are read late."""
        return Child(self, self.ask({"code": code, "log": str(log), "variables": variables}))

    def close(self) -> None:
        """Its children end with it."""
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@dataclass
class Child:
    """As much of `subprocess.Popen` as is used of it."""

    nursery: Nursery
    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.nursery.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float = 60) -> int:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a forked process", timeout)
            time.sleep(0.005)
        return self.returncode

    def send_signal(self, signum: int) -> None:
        os.kill(self.pid, signum)


# - the other end


def serve() -> None:
    from importlib import import_module

    import django
    from django.db import connections

    django.setup()
    for name in READ_BEFORE:
        import_module(name)
    connections.close_all()
    tell(None)
    for line in sys.stdin:
        order = json.loads(line)
        if "poll" in order:
            pid, status = os.waitpid(order["poll"], os.WNOHANG)
            tell(os.waitstatus_to_exitcode(status) if pid else None)
        else:
            tie = tie_to_parent(signal.SIGKILL)
            pid = os.fork()
            if not pid:
                tie()
                become(order)
            os.setpgid(pid, pid)
            tell(pid)


def tell(answer: object) -> None:
    print(json.dumps(answer), flush=True)


def become(order: dict[str, Any]) -> None:
    code = 1
    try:
        os.setpgid(0, 0)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
            os.dup2(file, number)
        os.environ.update(order["variables"])
        random.seed()
        exec(order["code"], {"__name__": "__main__"})  # noqa: S102 - a test's own
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
