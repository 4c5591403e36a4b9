"""Row 36: the database has no connection left, or makes a page wait. Whoever asks is told fast; mail goes on."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest

from accounts.models import Account
from accounts.tests.factories import make_account, make_csm, make_lead, make_team
from lifecycle.mail.models import Attempt
from lifecycle.tests.faults.kit import Cluster, World
from lifecycle.tests.faults.kit.site import Answer, Site
from lifecycle.tests.servers import eventually

pytestmark = [pytest.mark.fault, pytest.mark.sqlite_only, pytest.mark.timeout(300)]

LONGEST = 15
THREADS = 8  # of the web server: all of them wait for the same row
BUSY = "SELECT count(*) FROM accounts_account a, accounts_account b;\n"


def line_to(world: World, cluster: Cluster) -> psycopg.Connection:
    name = urlsplit(world.url).path.rpartition("/")[2]
    return psycopg.connect(host=str(cluster.folder), user="waymark", dbname=name)


@contextmanager
def no_connection_left(world: World, cluster: Cluster) -> Iterator[int]:
    """Take every connection the database still gives."""
    lines: list[psycopg.Connection] = []
    try:
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            while True:
                lines.append(line_to(world, cluster))
        yield len(lines)
    finally:
        for line in lines:
            line.close()


@pytest.fixture
def pgbench(world: World, cluster: Cluster) -> Iterator[None]:
    """Others use the database too: fifty small questions a second."""
    script = world.folder / "busy.sql"
    script.write_text(BUSY)
    name = urlsplit(world.url).path.rpartition("/")[2]
    words = [
        "-n",
        "-c",
        "2",
        "-R",
        "50",
        "-T",
        "200",
        "-f",
        script,
        "-h",
        cluster.folder,
        "-U",
        "waymark",
        name,
    ]
    others = subprocess.Popen(
        [cluster.binaries / "pgbench", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    yield
    assert others.poll() is None, "pgbench was cut off"
    others.terminate()
    others.wait()


def rate(world: World, seconds: float) -> float:
    """Mails a second that arrive."""
    before = world.sink.arrived()
    time.sleep(seconds)
    return (world.sink.arrived() - before) / seconds


def test_row_36_no_request_waits_long_and_no_mail_waits_at_all(
    world: World, cluster: Cluster, pgbench, figures
):
    team = make_team()
    lead = make_lead(team=team)
    make_csm(team=team)
    account = make_account("held")
    world.sink.set(delay=0.04)
    world.make_due(5000)
    world.dispatcher()
    eventually(lambda: world.sink.arrived() > 20, 60, "mail flows")
    site = Site(world, lead)  # asked for nothing yet, it has no connection either
    usual = rate(world, 3)

    with no_connection_left(world, cluster) as taken:
        refused = [
            site.get("/accounts/"),
            site.call("GET", "accounts/"),
            site.put_account("new"),
            site.get("/healthz"),
        ]
        assert site.ask("GET", "/livez").status == 200
        rates = [rate(world, 2)]
    assert [answer.status for answer in refused] == [503] * 4
    assert refused[1].is_problem and refused[2].is_problem and b"cannot reach its data" in refused[0].body
    assert max(answer.seconds for answer in refused) < 5
    released = time.monotonic()
    eventually(lambda: site.get("/accounts/").status == 200, 5, "pages are back")
    back = time.monotonic() - released
    assert not Account.objects.filter(external_id="new").exists()

    with closing(line_to(world, cluster)) as sleeper:
        sleeper.execute("SELECT id FROM accounts_account WHERE id = %s FOR UPDATE", [account.pk])
        answers: list[Answer] = []
        path = f"accounts/{account.pk}/"
        callers = [
            threading.Thread(
                target=lambda: answers.append(site.call("PATCH", path, {"contracted_users": 12}))
            )
            for _ in range(THREADS)
        ]
        for caller in callers:
            caller.start()
        time.sleep(1)
        behind = site.get("/accounts/")  # waits for a thread, then is served
        rates.append(rate(world, 2))
        for caller in callers:
            caller.join()
    assert [(answer.status, answer.is_problem) for answer in answers] == [(503, True)] * THREADS
    slowest = max(answer.seconds for answer in [*answers, behind, *refused])
    assert 8 < slowest <= LONGEST
    assert behind.status == 200
    assert site.call("PATCH", path, {"contracted_users": 12}).status == 200

    assert min(rates) >= usual / 2
    assert not Attempt.objects.exclude(outcome="sent").exists()
    assert all(process.is_alive for process in world.processes)
    figures(
        row=36,
        connections_taken=taken,
        slowest_request_s=round(slowest, 1),
        refused_within_s=round(max(answer.seconds for answer in refused), 2),
        back_s=round(back, 1),
        mail_rate=f"{min(rates) / usual:.0%} of usual",
    )
    world.call_off()
    world.settle()
    world.check()
