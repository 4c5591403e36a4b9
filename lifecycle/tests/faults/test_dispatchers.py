"""Rows 1, 2, 3 and 13 of reliability.md: dispatchers that are killed, stopped, frozen or left without an answer."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection

from lifecycle.mail.models import Attempt, Message
from lifecycle.tests.faults.kit import FULL, LEASE_SECONDS, WORK, Redis, Victim, World, facts, scaled
from lifecycle.tests.servers import CELERY, eventually

pytestmark = [pytest.mark.fault, pytest.mark.sqlite_only]
SMALL = pytest.mark.fault_small

PLAIN = pytest.mark.parametrize("kind", ["staff", "customer"], ids=["resend", "hold"])
RESENT = ("staff", "digests")
KINDS = pytest.mark.parametrize("kind", ["staff", "letters", *(["digests"] if FULL else [])])
DELAY = 0.015  # of the sink before its final 250
STOP_SECONDS = 10
REAP_SECONDS = 30  # how often, at the latest, what dead senders left is looked for


def hurt(
    world: World,
    mails: int,
    times: int,
    blow: Callable[[Victim], object],
    counts: Callable[[str], bool],
    start: Callable[[], Victim] | None = None,
) -> int:
    """Two dispatchers, or what `start` starts; strike one that hands a mail over at that instant, at random points, and replace it, until
    `times` blows count, told for whom the mail in hand was. Answers how many blows that took."""
    start = start or world.fork
    pair = [start(), start()]
    points = sorted(world.random.sample(range(1, int(mails * 0.9)), times))
    struck = 0
    while points:
        eventually(lambda: world.sink.arrived() >= points[0], 60, "mail arrives")
        time.sleep(world.random.uniform(0, 0.03))
        victim, recipient = in_the_act(world, pair)
        blow(victim)
        struck += 1
        if counts(recipient):
            points.pop(0)
        pair[pair.index(victim)] = start()
    return struck


def in_the_act(world: World, dispatchers: list[Victim]) -> tuple[Victim, str]:
    """A dispatcher that is handing a mail over at this instant, at random when several are, and for whom."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for victim in world.random.sample(dispatchers, len(dispatchers)):
            recipient = world.sending(victim)[1]
            if recipient:
                return victim, recipient
        time.sleep(0.001)
    raise AssertionError(f"nobody sends: {dict(world.states())}\n{world.last_words()}")


def is_left(recipient: str) -> bool:
    """Whether the mail was in the hands of whoever was struck, its end not noted."""
    time.sleep(0.05)  # what the dead had asked of the database is done by now
    return state_of(recipient) in ("claimed", "sending")


def state_of(recipient: str) -> str:
    return Message.objects.get(address=recipient).state


@SMALL
@pytest.mark.timeout(300)
@PLAIN
@pytest.mark.parametrize("seed", range(scaled(5, 1)), indirect=True)
def test_row_1_dispatchers_killed_in_the_act_lose_nothing_and_repeat_only_what_is_marked(
    world: World, kind: str, figures
):
    kill_in_the_act(world, kind, figures, scaled(1000, 100), scaled(20, 4))


@SMALL
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["letters", "digests"])
def test_row_1_a_fact_is_recorded_and_a_reminder_ended_with_its_mail_whoever_is_killed(
    world: World, kind: str, figures
):
    kill_in_the_act(world, kind, figures, scaled(200, 40), scaled(10, 3))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["staff", "letters"])
def test_row_1_the_same_on_sqlite(embedded: World, kind: str, figures):
    kill_in_the_act(embedded, kind, figures, 400 if kind == "staff" else 200, 8)


@pytest.mark.timeout(120)
def test_row_1_what_the_dead_left_is_taken_back_while_the_living_are_busy(world: World):
    """A backlog may last for hours: its end is not waited for, nor is planning put off until then."""
    world.sink.set(delay=0.5)
    world.make_due(200)
    victim = world.dispatcher()
    _, recipient = in_the_act(world, [victim])
    world.dispatcher()
    victim.kill()
    assert is_left(recipient)
    eventually(lambda: state_of(recipient) not in ("claimed", "sending"), LEASE_SECONDS + REAP_SECONDS)
    assert world.under_way() > 50, "the backlog was done before"


def kill_in_the_act(world: World, kind: str, figures, mails: int, kills: int) -> None:
    world.sink.set(delay=DELAY)
    world.make(kind, mails)
    struck = hurt(world, mails, kills, Victim.kill, is_left)
    world.settle()
    world.check()
    tally = world.tally(mails)
    ends = Counter(Attempt.objects.values_list("outcome", flat=True))
    case = f"kill -9, {kind}, {connection.vendor}, seed {world.seed}"
    in_hand = ends["interrupted"] + ends["unknown"]
    tally |= {"in_hand": in_hand, "before_the_marker": ends["interrupted"], **facts()}
    figures(row=1, case=case, kills=struck, **tally)
    assert (tally["lost"], tally["repeated_rows"]) == (0, 0)
    assert kills <= in_hand <= struck, "kills did not hit mails in hand"
    assert tally["uncertain"] <= ends["unknown"]
    shown = world.health()
    assert shown["reaped_last_hour"] == in_hand
    assert (shown["uncertain"], shown["held"]) == (tally["uncertain"], tally["held"])
    if kind in RESENT:
        assert (tally["sent"], tally["held"]) == (mails, 0)
        assert tally["wire_repeats"] <= struck
    else:
        assert (tally["sent"] + tally["held"], tally["wire_repeats"]) == (mails, 0)
        assert 0 < tally["held"] <= struck
        assert any("wait" in words and "decision" in words for words in shown["warnings"])


@pytest.mark.timeout(180)
def test_row_2_dispatchers_asked_to_stop_finish_the_mail_in_hand(world: World, figures):
    mails, stops = 600, 20
    world.sink.set(delay=DELAY)
    for kind, number in (("letters", 300), ("digests", 60), ("staff", 240)):
        world.make(kind, number)
    took: list[float] = []

    def stop(victim: Victim) -> None:
        took.append(seconds_to_stop(victim, victim.popen.send_signal))

    hurt(world, mails, stops, stop, is_sent)
    all_was_finished(world, "SIGTERM", mails, took, figures)


@pytest.mark.timeout(180)
def test_row_2_workers_asked_to_stop_finish_the_mail_in_hand(world: World, redis: Redis, figures):
    """Alone, as an operator asks, and with all their group, as `manage.py up` does."""
    mails, stops = 240, 8
    world.variables["BROKER_URL"] = redis.url
    world.sink.set(delay=0.1)
    for kind, number in (("letters", 120), ("digests", 40), ("staff", 80)):
        world.make(kind, number)
    world.spawn(*CELERY, "beat", "--schedule", str(world.folder / "beat"), "--pidfile", "")
    took: list[float] = []

    def stop(victim: Victim) -> None:
        took.append(seconds_to_stop(victim, victim.send if len(took) % 2 else victim.popen.send_signal))

    hurt(world, mails, stops, stop, is_sent, lambda: world.fork(WORK))
    all_was_finished(world, "SIGTERM, workers", mails, took, figures)


def seconds_to_stop(victim: Victim, send: Callable[[int], None]) -> float:
    asked = time.monotonic()
    send(signal.SIGTERM)
    assert victim.popen.wait(STOP_SECONDS) == 0
    return time.monotonic() - asked


def is_sent(recipient: str) -> bool:
    return state_of(recipient) == "sent"


def all_was_finished(world: World, case: str, mails: int, took: list[float], figures) -> None:
    world.settle()
    world.check()
    tally = world.tally(mails)
    tally |= {"stopped": len(took), "slowest_stop_s": round(max(took), 2), **facts()}
    figures(row=2, case=case, **tally)
    assert (tally["sent"], tally["lost"], tally["repeated_rows"]) == (mails, 0, 0)
    assert (tally["wire_repeats"], tally["uncertain"], tally["held"]) == (0, 0, 0)
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"sent"}
    assert world.health()["reaped_last_hour"] == 0


LEASE = 3  # seconds, where a test waits for it to end
HERD = 5


@SMALL
@pytest.mark.timeout(240)
@KINDS
def test_row_3_a_dispatcher_frozen_past_its_lease_sends_nothing_when_it_thaws(
    world: World, kind: str, figures
):
    rounds = scaled(2 if kind == "digests" else 5, 1)
    world.variables["MAIL_LEASE_SECONDS"] = str(LEASE)
    healthy, herd = world.fork(), [world.fork() for _ in range(HERD)]
    for process in (healthy, *herd):
        process.says("Sending what is due")
    frozen: dict[str, str] = {}  # by address, the state of the mail its sender was frozen with
    for number in range(rounds):
        world.sink.set(line_delay=0.03)
        world.make(kind, 20 * HERD)
        caught = freeze_all(world, herd)
        world.sink.set(line_delay=0)
        time.sleep(0.3)  # what the frozen had asked of the database is done by now
        frozen |= dict(Message.objects.filter(address__in=caught).values_list("address", "state"))
        if number % 2:  # the lease ends, but nobody has taken the mail back
            healthy.freeze()
            time.sleep(LEASE + 0.5)
            healthy.thaw()
        else:
            world.settle()
        for victim in herd:
            victim.thaw()
        world.settle()
        time.sleep(1)  # for a zombie that would send
    world.check()
    tally = world.tally(rounds * 20 * HERD)
    early = {address for address, state in frozen.items() if state == "claimed"}
    arrived = Counter(line["to"] for line in world.sink.contents())
    tally |= {"frozen": len(frozen), "of_these_before_the_marker": len(early), **facts()}
    figures(row=3, case=f"frozen, {kind}", **tally)
    assert len(frozen) == rounds * HERD
    assert len(early) >= len(frozen) // 4, "too few were frozen before the marker to say anything"
    assert {address: arrived[address] for address in early if arrived[address] != 1} == {}
    assert (tally["lost"], tally["repeated_rows"]) == (0, 0)
    assert tally["wire_repeats"] <= len(frozen) - len(early)
    assert world.health()["reaped_last_hour"] >= len(early)


def freeze_all(world: World, herd: list[Victim]) -> list[str]:
    """Freeze each in the act, most of them before the content goes out; answers for whom the mails were."""
    caught, awake = [], list(herd)
    deadline = time.monotonic() + 30
    while awake:
        assert time.monotonic() < deadline, f"not all were caught: {dict(world.states())}"
        victim = world.random.choice(awake)
        phase, recipient = world.sending(victim)
        if recipient and (phase == "mail" or world.random.random() < 0.1):
            victim.freeze()
            if recipient := world.sending(victim)[1]:
                caught.append(recipient)
                awake.remove(victim)
            else:  # it was done with the mail just then
                victim.thaw()
        time.sleep(0.001)
    return caught


@SMALL
@pytest.mark.timeout(240)
@KINDS
def test_row_13_a_line_that_breaks_after_the_final_dot_is_resent_alike_or_held(
    world: World, kind: str, figures
):
    mails, percent = scaled(200 if kind == "digests" else 1000, 100), scaled(5, 20)
    world.sink.set(drop=percent / 100)
    world.make(kind, mails)
    for _ in range(2):
        world.dispatcher()

    def done() -> bool:
        world.hurry()
        return not world.under_way()

    eventually(done, 150, "everything left")
    world.check()
    tally = world.tally(mails)
    drops = sum(line["answer"] == "dropped" for line in world.sink.contents())
    figures(row=13, case=f"dropped after the dot, {kind}", **tally, drops=drops, **facts())
    assert 0.4 <= drops / (mails * percent / 100) <= 1.8, f"not about {percent} % were dropped"
    assert (tally["lost"], tally["repeated_rows"]) == (0, 0)
    shown = world.health()
    assert (shown["uncertain"], shown["held"]) == (tally["uncertain"], tally["held"])
    if kind in RESENT:
        assert (tally["sent"], tally["wire_repeats"]) == (mails, drops)
        assert tally["uncertain"] == len(world.sink.repeats())
    else:
        assert (tally["held"], tally["sent"], tally["wire_repeats"]) == (drops, mails - drops, 0)
