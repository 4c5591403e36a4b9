"""Row 7 of reliability.md: the database crashes while mail is sent and pages are read."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest
from django.db import connection

from accounts.tests.factories import make_csm, make_team
from lifecycle.tests.faults.kit import Cluster, World, facts, scaled
from lifecycle.tests.faults.kit.site import Site
from lifecycle.tests.servers import eventually

pytestmark = [pytest.mark.fault, pytest.mark.fault_small, pytest.mark.sqlite_only]

PAGE = "/day/"
DISPATCHERS = 2
AWAY_SECONDS = 0.7
RECOVERY_SECONDS = 5


@dataclass
class Visitor:
    """Asks for a page again and again, and notes what it is answered and when."""

    site: Site
    answers: list[tuple[float, int, float]] = field(default_factory=list)  # when asked, status, seconds
    done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Visitor:
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()

    def run(self) -> None:
        while not self.done.wait(0.1):
            asked = time.monotonic()
            answer = self.site.get(PAGE)
            self.answers.append((asked, answer.status, answer.seconds))

    def pages_since(self, instant: float) -> list[float]:
        """When each page came that was asked for since then."""
        return [asked + took for asked, status, took in self.answers if asked >= instant and status == 200]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ["staff", "letters"])
def test_row_7_a_database_that_crashes_while_mail_is_sent_and_pages_are_read_costs_nothing(
    world: World, cluster: Cluster, kind: str, figures
):
    mails, restarts = scaled(1000 if kind == "staff" else 400, 150), scaled(5, 2)
    world.sink.set(delay=0.015)
    world.make(kind, mails)
    site = Site(world, make_csm(team=make_team()))
    senders = [world.dispatcher() for _ in range(DISPATCHERS)]
    recoveries = []
    with Visitor(site) as visitor:
        eventually(lambda: visitor.pages_since(0), 30, "the page is shown")
        for n in range(restarts):
            eventually(
                lambda n=n: world.sink.arrived() > mails * (n + 0.5) / (restarts + 1), 60, "mail arrives"
            )
            cluster.stop("immediate")
            assert site.get("/healthz").status == 503
            time.sleep(AWAY_SECONDS)
            cluster.start()
            back = time.monotonic()
            connection.close()
            pages = eventually(lambda back=back: visitor.pages_since(back), 20, "the page is back")
            recoveries.append(pages[0] - back)
        world.settle()
    world.check()
    tally = world.tally(mails)
    seen = Counter(status for _, status, _ in visitor.answers)
    slowest = max(took for *_, took in visitor.answers)
    figures(
        row=7,
        case=f"database crashes, {kind}",
        **tally,
        kills=restarts,
        page_back_s=round(max(recoveries), 2),
        answered_503=seen[503],
        slowest_answer_s=round(slowest, 2),
        **facts(),
    )
    assert all(process.is_alive for process in (site.process, *senders)), world.last_words()
    assert (tally["lost"], tally["repeated_rows"]) == (0, 0)
    assert tally["wire_repeats"] <= (restarts * DISPATCHERS if kind == "staff" else 0)
    assert tally["held"] <= (0 if kind == "staff" else restarts * DISPATCHERS)
    assert seen.keys() == {200, 503}, "answered otherwise than with the page or 503"
    assert max(recoveries) <= RECOVERY_SECONDS
    shown = world.health()
    assert (shown["problems"], shown["held"], shown["uncertain"]) == ([], tally["held"], tally["uncertain"])
