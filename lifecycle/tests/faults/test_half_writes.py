"""Row 8: the database crashes inside a write of the API or of a page. All of it happened, or nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from accounts.models import Account
from accounts.tests.factories import complete_onboarding, make_account, make_csm, make_lead, make_team
from adoption.models import Adoption, CheckIn, Stage
from lifecycle import clock
from lifecycle.api.models import ApiToken
from lifecycle.events.models import Event
from lifecycle.milestones.models import Milestone, Notice
from lifecycle.tests.faults.kit import Cluster, World
from lifecycle.tests.faults.kit.site import Site
from lifecycle.tests.servers import eventually
from onboarding.models import Onboarding, TrainingSession

pytestmark = [pytest.mark.fault, pytest.mark.sqlite_only, pytest.mark.timeout(300)]

KILLS = 42
CRASHES_UNDER_LOAD = 8  # with these, fifty
WRITERS = 4
PARTS = (Onboarding, TrainingSession, Adoption, Stage, CheckIn, Milestone, Notice, Event)


def whole(external_id: str) -> dict[str, list[dict[str, Any]]]:
    """All there is of an account."""
    rows = {Account.__name__: list(Account.objects.filter(external_id=external_id).values())}
    for model in PARTS:
        rows[model.__name__] = list(
            model.objects.filter(account__external_id=external_id).order_by("pk").values()
        )
    return rows


@contextmanager
def crash_before(statement: int) -> Iterator[list[str]]:
    """The database crashes right before so many-th statement of this process; answers the statements so far.

    A backend that is killed takes all others with it: the server starts anew from its log, by itself.
    """
    seen: list[str] = []

    def maybe(execute: Callable[..., Any], sql: str, *more: Any) -> Any:
        seen.append(sql)
        if len(seen) == statement:
            os.kill(connection.connection.info.backend_pid, signal.SIGKILL)
        return execute(sql, *more)

    with connection.execute_wrapper(maybe):
        yield seen
    connection.close()
    eventually(is_up, what="the database is up again")


def is_up() -> bool:
    try:
        connection.ensure_connection()
    except OperationalError:
        return False
    return True


class Writer:
    """Writes by the API, as a program would, and by a page, as a person would."""

    def __init__(self) -> None:
        team = make_team()
        self.lead = make_lead(team=team)
        for pool in ("digital", "core"):
            make_csm(pool=pool, team=team)
        self.token = ApiToken.issue(self.lead, scope="write", now=clock.now(), days=1)
        self.client = Client(raise_request_exception=False)
        self.client.force_login(self.lead)
        self.numbers = count(1)

    def put(self, external_id: str, **facts: Any) -> int:
        body = {"name": external_id, "contracted_users": 10, "mrr": "250.00", **facts}
        return self.client.put(
            f"/api/v1/accounts/external/{external_id}/",
            body,
            "application/json",
            headers={"Authorization": f"Bearer {self.token}"},
        ).status_code

    def creates(self) -> tuple[str, Callable[[], int]]:
        name = f"new-{next(self.numbers)}"
        return name, lambda: self.put(name, products=["learning", "compliance"])

    def updates(self) -> tuple[str, Callable[[], int]]:
        """A level that brings other stages, another pool and another CSM."""
        name = f"old-{next(self.numbers)}"
        account = make_account(name, external_id=name)
        complete_onboarding(account, on=clock.now().date())
        return name, lambda: self.put(name, service_level="premium", mrr="900.00")

    def submits(self) -> tuple[str, Callable[[], int]]:
        name = f"page-{next(self.numbers)}"
        account = make_account(name, external_id=name)
        address = f"/accounts/{account.pk}/edit/"
        form = self.client.get(address).context["form"]
        sent = {field.html_name: field.value() for field in form if field.value() not in (None, False)}
        sent |= {"contracted_users": 80, "mrr": "900.00"}
        return name, lambda: self.client.post(address, sent).status_code


def test_row_8_a_crash_between_two_statements_of_a_write_leaves_all_or_nothing(world: World, figures):
    writer = Writer()
    kinds = (writer.creates, writer.updates, writer.submits)
    length: dict[str, int] = {}
    for kind in kinds:
        _, write = kind()
        with crash_before(0) as seen:
            assert write() in (200, 201, 302)
        length[kind.__name__] = len(seen)
    outcomes: Counter[str] = Counter()
    for kill in range(KILLS):
        kind = kinds[kill % len(kinds)]
        name, write = kind()
        before = whole(name)
        place = (
            1 + kill * (length[kind.__name__] - 2) // KILLS
        )  # a minute later the session is written or not
        with crash_before(place) as seen:
            status = write()
        assert len(seen) >= place, "nothing was hurt"
        between = whole(name)
        acknowledged = status < 400
        assert status in (200, 201, 302, 503), f"{kind.__name__}, statement {place}: {seen[place - 1]}"
        again = write()
        after = whole(name)
        if kind is not writer.submits or between == before:  # what a page saved is not saved again
            assert again in (200, 201, 302)
        assert between in (before, after), f"half of it, at {seen[place - 1]}"
        assert between == after if acknowledged else True
        assert len(after["Account"]) == 1 and after != before
        outcomes["kept" if between == after else "nothing"] += 1
    figures(row=8, case="between statements", kills=KILLS, half_writes=0, doubles=0, **outcomes)
    assert outcomes["nothing"] > KILLS / 2
    world.check()


def test_row_8_clients_that_ask_again_after_crashes_have_one_object_each(
    world: World, cluster: Cluster, figures
):
    site = Site(world, Writer().lead, API_RATE="1000000/min")
    over = threading.Event()
    kept: list[str] = []
    statuses: Counter[int] = Counter()
    answered: list[float] = []

    def write(number: int) -> None:
        for n in count():
            if over.is_set():
                return
            name = f"w{number}-{n}"
            while (answer := site.put_account(name)).status not in (200, 201):
                statuses[answer.status] += 1
                assert answer.is_problem, answer
                time.sleep(0.05)
            statuses[answer.status] += 1
            kept.append(name)
            answered.append(time.monotonic())

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    recovered = []
    for _ in range(CRASHES_UNDER_LOAD):
        time.sleep(world.random.uniform(0.2, 1.0))
        cluster.stop("immediate")
        assert site.ask("GET", "/healthz").status == 503
        cluster.start()
        back, so_far = time.monotonic(), len(answered)
        while len(answered) <= so_far + WRITERS and time.monotonic() < back + 30:
            time.sleep(0.01)
        recovered.append(answered[so_far + WRITERS] - back)
    over.set()
    for thread in threads:
        thread.join()
    connection.close()

    found = Counter(Account.objects.filter(external_id__startswith="w").values_list("external_id", flat=True))
    assert found == dict.fromkeys(kept, 1)
    assert set(Onboarding.objects.values_list("account__external_id", flat=True)) == set(kept)
    assert set(statuses) <= {200, 201, 503}
    assert max(recovered) <= 5
    assert site.process.is_alive
    figures(
        row=8,
        case="under load",
        kills=CRASHES_UNDER_LOAD,
        written=len(kept),
        answered_503=statuses[503],
        back_s=round(max(recovered), 1),
    )
    world.check()
