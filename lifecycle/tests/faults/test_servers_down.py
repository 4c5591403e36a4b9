"""Row 6: Redis away, killed, flushed or frozen. Pages do not notice, and mail leaves by the loop."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models import Account, User
from accounts.tests.factories import complete_onboarding, make_accounts, make_csm, make_lead, make_team
from lifecycle import clock
from lifecycle.celery import WORKER
from lifecycle.mail.models import ServiceBeat
from lifecycle.milestones.planner import plan
from lifecycle.tests.faults.conftest import scratch
from lifecycle.tests.faults.kit import FULL, Redis, World, scaled
from lifecycle.tests.faults.kit.site import Site, every_address
from lifecycle.tests.servers import CELERY, eventually

pytestmark = [
    pytest.mark.fault,
    pytest.mark.fault_small,
    pytest.mark.sqlite_only,
    pytest.mark.timeout(300),
]

FROZEN_SECONDS = scaled(60, 3)
STANDS_STILL = "Celery has done nothing for 1 minute: look at Redis, at its beat and at its worker."
PAGES = ("/accounts/", "/day/", "/team/", "/accounts/{}/", "/accounts/{}/adoption/60/", "/api/v1/accounts/")
SLOWER = 1.10
TURNS = 8  # measuring goes on so many times over before a difference counts as one


@pytest.fixture
def joss(world: World) -> User:
    """A team lead with a CSM and ten accounts, the first of which prepares its 60-day stage."""
    team = make_team()
    joss = make_lead("joss@example.com", team=team)
    make_csm("imani@example.com", team=team)
    first, *_ = make_accounts(10, mrr=Decimal("250.00"))
    complete_onboarding(first, on=clock.now().date() - timedelta(days=46))
    return joss


class Listener:
    """What a Redis was asked, by its own MONITOR."""

    def __init__(self, redis: Redis) -> None:
        self.line = socket.create_connection(("127.0.0.1", redis.port), 5)
        self.line.sendall(b"MONITOR\r\n")
        assert self.line.recv(5) == b"+OK\r\n"

    def close(self) -> None:
        self.line.close()

    def heard(self) -> list[str]:
        """Everything so far: ends with a question of our own, so that nothing is still on its way."""
        with socket.create_connection(self.line.getpeername(), 5) as own:
            own.sendall(b"PING the-end\r\n")
            own.recv(100)
        text = b""
        while b"the-end" not in text:
            text += self.line.recv(65536)
        return [line for line in text.decode().splitlines() if "the-end" not in line]


def test_row_6_no_address_of_the_product_asks_redis_anything(world: World, redis: Redis, joss, figures):
    plan(clock.now())  # or the health address would rightly complain
    site = Site(world, joss, BROKER_URL=redis.url)
    account = Account.objects.get(adoptions__isnull=False)
    known = {"account_id": account.pk, "day": 60, "external_id": account.external_id}
    with closing(Listener(redis)) as listener:
        statuses = ask_everything(site, known)
        written = [site.put_account(f"new-{n}").status for n in range(5)]
        assert listener.heard() == []
    assert not [status for status in statuses if status >= 500 or status == 0], statuses
    assert statuses.count(200) > 40
    assert written == [201] * 5
    figures(row=6, case="addresses", requests=len(statuses + written), redis_calls=0)
    world.check()


def ask_everything(site: Site, known: dict[str, object]) -> list[int]:
    """Every address read, then every address written to; the statuses."""
    statuses = [site.get(address).status for address in every_address(known)]
    for address in every_address(known):
        if address.startswith("/api/v1/"):
            path = address.removeprefix("/api/v1/")
            statuses += [site.call(method, path, {}).status for method in ("POST", "PATCH", "PUT")]
        elif not address.startswith(("/auth/logout/", "/auth/sessions/")):  # they would end the session
            statuses.append(site.post(address, {"login": "joss@example.com", "password": "wrong"}).status)
    return statuses


@pytest.fixture
def second_redis() -> Iterator[Redis]:
    with scratch("redis") as folder:
        server = Redis(folder)
        yield server
        server.kill()


def test_row_6_pages_are_as_fast_as_beside_a_healthy_redis(
    world: World, redis: Redis, joss, figures, second_redis
):
    """Two web servers asked in turns, so that whatever else the machine does meets both alike."""
    plan(clock.now())
    hurt, well = (Site(world, joss, BROKER_URL=server.url) for server in (redis, second_redis))
    account = Account.objects.get(adoptions__isnull=False)
    pages = [page.format(account.pk) for page in PAGES]
    for page in pages * 2:
        assert (hurt.get(page).status, well.get(page).status) == (200, 200), page
    faults = {"killed": redis.kill, "flushed": redis.flush, "frozen": redis.freeze}
    for name, harm in faults.items():
        harm()
        begun, times = time.monotonic(), ([], [])
        ratio = 0.0
        while time.monotonic() < begun + (FROZEN_SECONDS if name == "frozen" else FROZEN_SECONDS / 10):
            ratio = measured(hurt, well, pages, times)
        for _ in range(TURNS):
            if ratio > SLOWER:
                ratio = measured(hurt, well, pages, times)
        assert ratio <= SLOWER, name
        figures(row=6, case=f"pages, {name}", p95_to_healthy=round(ratio, 2), requests=2 * len(times[0]))
        redis.thaw()
        if name == "killed":
            redis.start()
    world.check()


def measured(hurt: Site, well: Site, pages: list[str], times: tuple[list[float], list[float]]) -> float:
    """Each page of both a few more times; how the 95th percentiles compare over all so far."""
    for turn in range(5):
        for page in pages:
            pair = [(hurt, times[0]), (well, times[1])]
            for site, kept in pair if turn % 2 else reversed(pair):
                answer = site.get(page)
                assert answer.status == 200
                kept.append(answer.seconds)
    late = [statistics.quantiles(kept, n=20)[-1] for kept in times]
    return late[0] / late[1]


def test_row_6_mail_leaves_by_the_loop_and_celery_comes_back_by_itself(world: World, redis: Redis, figures):
    quiet = ("--without-mingle", "--without-gossip", "--without-heartbeat")
    celery = {"BROKER_URL": redis.url}
    world.spawn(*CELERY, "worker", "--loglevel", "INFO", *quiet, **celery).says(" ready.", 60)
    schedule = str(world.folder / "beat-schedule")
    world.spawn(*CELERY, "beat", "--schedule", schedule, "--pidfile", "", **celery)
    loop = world.dispatcher(**celery)
    eventually(lambda: ServiceBeat.objects.filter(name=WORKER).exists(), 60, "Celery works")
    waits, shown = {}, {}
    for name, harm in {"killed": redis.kill, "flushed": redis.flush, "frozen": redis.freeze}.items():
        harm()
        for _ in range(3):
            since, wanted = time.monotonic(), world.sink.arrived() + 5
            world.make_due(5)
            eventually(lambda wanted=wanted: world.sink.arrived() == wanted, 60, f"Redis {name}: mail leaves")
            waits[name] = max(waits.get(name, 0.0), time.monotonic() - since)
        if name != "flushed":
            shown[f"{name}_shown_s"] = seconds_until_it_shows(world)
        redis.thaw()
        if name == "killed":
            redis.start()
    assert max(waits.values()) <= 30
    loop.end()
    world.make_due(5)
    world.settle(90)  # by beat and worker alone
    assert world.states() == {"sent": 50}
    eventually(lambda: STANDS_STILL not in world.told(), what="all is well again")
    longest = {f"{name}_longest": round(wait, 1) for name, wait in waits.items()}
    figures(row=6, case="mail", **world.tally(50), **longest, **shown)
    world.check()


def seconds_until_it_shows(world: World) -> float:
    """On the status address, from now on. In `make test` the minute is not waited for: the mark is made older, and
    nobody makes it anew."""
    asked = time.monotonic()
    if not FULL:
        ServiceBeat.objects.filter(name=WORKER).update(at=clock.now() - timedelta(minutes=1))
        time.sleep(2)
    eventually(lambda: STANDS_STILL in world.told(), 60, "health tells")
    return round(time.monotonic() - asked, 1)
