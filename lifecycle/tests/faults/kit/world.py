"""One test's world: its database, mail sink and processes, and the questions asked of them afterwards."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Count
from django.test import Client

from accounts.tests.factories import make_user
from lifecycle import clock
from lifecycle.api.models import ApiToken
from lifecycle.mail.emails import PLAIN
from lifecycle.mail.models import Message
from lifecycle.tests.faults.kit import mails
from lifecycle.tests.faults.kit.nursery import DISPATCH, Nursery
from lifecycle.tests.faults.kit.sink import Sink
from lifecycle.tests.servers import Process

LEASE_SECONDS = 6
UNDER_WAY = ("due", "retry", "claimed", "sending")
EXPLAINED = ("held", "dead", "cancelled", "expired", "suppressed", "marked")


class Victim(Process):
    """A process to be hurt."""

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.popen.wait()

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    @property
    def is_alive(self) -> bool:
        return self.popen.poll() is None

    def ports(self) -> set[int]:
        """The local ports of its TCP connections: how the sink knows it. Linux only."""
        folder = Path("/proc", str(self.popen.pid), "fd")
        try:
            open_files = {str(path.readlink()) for path in folder.iterdir()}
        except FileNotFoundError:  # it is gone, or closed one meanwhile
            return set()
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return {int(row[1].partition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in open_files}


@dataclass
class QuickVictim(Victim):
    """One that was forked: `command` is the code it runs, `environment` what differs from its nursery's."""

    nursery: Nursery

    def __post_init__(self) -> None:
        self.popen = self.nursery.fork(self.command[0], self.log, self.environment)


@dataclass
class World:
    """Everything of one test. The test's own process looks at the same database."""

    url: str
    folder: Path
    sink: Sink
    seed: int
    variables: dict[str, str]
    random: random.Random = field(init=False)
    processes: list[Victim] = field(default_factory=list)
    nursery: Nursery | None = None
    token: str = ""
    started: float = field(default_factory=time.monotonic)
    numbers: count = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 - repeatable on purpose

    # - processes

    def spawn(self, *words: str, **variables: str) -> Victim:
        """A Python process of this tree on this world's servers; ended with the test."""
        self.processes.append(Victim([sys.executable, *words], self.environment | variables, self._log()))
        return self.processes[-1]

    @property
    def environment(self) -> dict[str, str]:
        return self.variables | {"DATABASE_URL": self.url, "EMAIL_URL": self.sink.url}

    def _log(self) -> Path:
        return self.folder / f"process-{len(self.processes)}.log"

    def dispatcher(self, **variables: str) -> Victim:
        return self.spawn("manage.py", "dispatch", "--skip-checks", **variables)

    def fork(self, code: str = DISPATCH, **variables: str) -> Victim:
        """A dispatcher, or a process that runs the code, at once; see `nursery`."""
        if self.nursery is None:
            self.nursery = Nursery(self.folder / "nursery.log", self.environment)
        self.processes.append(QuickVictim([code], variables, self._log(), self.nursery))
        return self.processes[-1]

    def web(self, port: int, **variables: str) -> Victim:
        """The web server as `up` runs it; wait for `.says("Listening at")`."""
        words = ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--workers", "2"]
        words += ["--threads", "4", "--timeout", "60", "--graceful-timeout", "5", "--no-control-socket"]
        return self.spawn("-m", "gunicorn", "lifecycle.wsgi", *words, **variables)

    def end(self) -> None:
        for process in reversed(self.processes):
            process.thaw()
            process.end(signal.SIGKILL)
        if self.nursery:
            self.nursery.close()

    def sending(self, process: Victim) -> tuple[str, str]:
        """The phase (mail, content, answer) and recipient of the mail it hands over just now, ("", "") when none."""
        ports = process.ports()
        busy = [now for port, now in self.sink.talking().items() if port in ports and now[0] != "idle"]
        return busy[0] if busy else ("", "")

    def is_sending(self, process: Victim) -> bool:
        """Whether it is between MAIL and the answer to the final dot just now."""
        return bool(self.sending(process)[0])

    # - mail

    def make_due(self, number: int, *, audience: str = "staff", **values: Any) -> None:
        """That many mails of a kind every process knows, due since a moment, each to somebody else."""
        now = clock.now()
        rows = []
        for n in (next(self.numbers) for _ in range(number)):
            given = {
                "dedup": f"{PLAIN}:fault-{n}",
                "kind": PLAIN,
                "audience": audience,
                "address": f"{audience}-{n}@example.com",
                "payload": {"subject": f"Mail {n}", "text": f"This is mail {n}.\n.\nA dot is not its end.\n"},
                "not_before": now - timedelta(seconds=1),
                "expires_at": now + timedelta(days=1),
                "created_at": now,
                **values,
            }
            rows.append(Message(**given))
        Message.objects.bulk_create(rows, batch_size=500)

    def make(self, kind: str, number: int) -> None:
        """That many mails due since a moment: `staff` and `customer` are plain ones, `letters` and `digests` those
        of the product, see `mails`."""
        if kind in ("staff", "customer"):
            return self.make_due(number, audience=kind)
        audience = "customer" if kind == "letters" else "staff"
        addresses = [f"{audience}-{next(self.numbers)}@example.com" for _ in range(number)]
        make = mails.make_letters if kind == "letters" else mails.make_digests
        return make(addresses, now=clock.now())

    def states(self) -> Counter[str]:
        """How many messages are in which state; patient with a database that is just away."""
        for last in (False,) * 200 + (True,):
            try:
                found = Message.objects.values_list("state").annotate(Count("pk")).order_by()
                return Counter(dict(found))
            except (DatabaseError, InterfaceError):
                connection.close()
                if last:
                    raise
                time.sleep(0.05)
        raise AssertionError

    def under_way(self) -> int:
        states = self.states()
        return sum(states[state] for state in UNDER_WAY)

    def hurry(self) -> None:
        """Let the pauses before the next tries be over."""
        Message.objects.filter(state="retry").update(not_before=clock.now())

    def call_off(self) -> None:
        """Let what waits be wanted no more."""
        waiting = Message.objects.filter(state__in=("due", "retry"))
        waiting.update(state="cancelled", reason="Called off by the test.")

    def settle(self, seconds: float = 60) -> None:
        """Wait until every message reached an end."""
        deadline = time.monotonic() + seconds
        while self.under_way():
            assert time.monotonic() < deadline, f"still {dict(self.states())}\n{self.last_words()}"
            time.sleep(0.1)

    def last_words(self) -> str:
        return "\n".join(f"{process.log.name}: {process.output[-1500:]}" for process in self.processes[-4:])

    # - what became of it

    def check(self) -> None:
        """I1-I6: what `doctor` asks, and that mail repeated on the wire is marked as uncertain."""
        said = StringIO()
        try:
            call_command("doctor", stdout=said)
        except SystemExit:
            raise AssertionError(f"doctor: {said.getvalue()}") from None
        dedups = Message.objects.values("dedup").annotate(times=Count("pk"))
        assert not dedups.filter(times__gt=1).exists(), "I3: two messages share dedup"
        marked = set(Message.objects.filter(uncertain=True).values_list("message_id", flat=True))
        assert self.sink.repeats().keys() <= marked, "I4: repeated on the wire without a mark"
        assert not self.sink.differing(), "sent again with other bytes or another date"

    def tally(self, intended: int) -> dict[str, Any]:
        """The table's figures: of so many mails intended, what became of each."""
        delivered = {line["id"] for line in self.sink.taken()}
        rows = list(Message.objects.values_list("address", "state", "message_id", "reason", "uncertain"))
        kept = [
            address
            for address, state, name, reason, _ in rows
            if (state == "sent" and name in delivered) or (state in EXPLAINED and reason)
        ]
        return {
            "mails": intended,
            "sent": sum(state == "sent" for _, state, *_ in rows),
            "lost": intended - len(set(kept)),
            "repeated_rows": len(rows) - intended,
            "wire_repeats": self.sink.repeats().total(),
            "uncertain": sum(uncertain for *_, uncertain in rows),
            "held": sum(state == "held" for _, state, *_ in rows),
            "seconds": round(time.monotonic() - self.started, 1),
        }

    def healthz(self) -> Any:
        """What the status address answers, asked in this process."""
        return Client().get("/healthz")

    def health(self) -> dict[str, Any]:
        """What it tells a monitor that shows a token: counts, problems, warnings."""
        if not self.token:
            self.token = ApiToken.issue(make_user(role="viewer"), "read", now=clock.now(), days=1)
        return Client().get("/healthz", headers={"Authorization": f"Bearer {self.token}"}).json()

    def told(self) -> str:
        """What it complains of."""
        found = self.health()
        return " ".join([*found["problems"], *found["warnings"]])
