"""Rows 4 and 14: nobody planned for three days; clocks that are wrong, that jump, or that disagree."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from django.db import connection

from accounts.models import Account
from accounts.tests.factories import make_csm, make_team
from lifecycle import clock
from lifecycle.change import change, change_many
from lifecycle.mail.models import Attempt, Message
from lifecycle.milestones.models import Milestone, Reminder
from lifecycle.milestones.planner import plan
from lifecycle.rules.cadence import WorkCalendar
from lifecycle.tests.faults import kit
from lifecycle.tests.faults.kit import Redis, Victim, World
from lifecycle.tests.servers import CELERY, eventually
from onboarding.models import Onboarding

pytestmark = [pytest.mark.fault, pytest.mark.sqlite_only, pytest.mark.timeout(300)]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


# --- row 4

AWAY = 3 * DAY
PEOPLE, EACH = 6, 10
PREPARING = 46  # days after day 0 a 60-day stage asks to be prepared


def loop_alone(world: World, redis: Redis) -> None:
    world.dispatcher()


def beat_and_worker(world: World, redis: Redis) -> None:
    quiet = ("--without-mingle", "--without-gossip", "--without-heartbeat")
    world.spawn(*CELERY, "worker", *quiet, BROKER_URL=redis.url)
    schedule = str(world.folder / "beat-schedule")
    world.spawn(*CELERY, "beat", "--schedule", schedule, "--pidfile", "", BROKER_URL=redis.url)


def book(gone: datetime) -> None:
    """Accounts whose 60-day stage asks for something on one of the days from `gone` to today, or was due then."""
    team = make_team(now=gone - DAY)
    people = [make_csm(team=team, digest_hour=0, now=gone - DAY) for _ in range(PEOPLE)]
    facts = {"contracted_users": 10, "mrr": Decimal("250.00")}
    with change(None, by=None, via="task", now=gone - DAY):
        for n in range(PEOPLE * EACH):
            Account(name=f"Account {n}").record(facts | {"external_id": f"G-{n}", "csm": people[n % PEOPLE]})
    accounts = dict(Account.objects.values_list("pk", "external_id"))
    with change_many(accounts, by=None, via="task", now=gone - DAY) as work:
        for onboarding in Onboarding.objects.filter(account__in=accounts):
            number = int(accounts[onboarding.account_id].removeprefix("G-"))
            days = number // PEOPLE % 4  # after `gone` it asks
            start = PREPARING if number % 2 else 60  # it asks to be prepared, or is due that day
            on = gone.date() + timedelta(days=days - start)
            onboarding.record(
                {"training_completed_on": on}, today=work.today(work.accounts[onboarding.account_id])
            )


@pytest.mark.parametrize("start", [loop_alone, beat_and_worker])
def test_row_4_three_days_without_a_planner_are_caught_up_with_and_late_mail_says_how_late(
    world: World, redis: Redis, figures, start: Callable[[World, Redis], None]
):
    now = clock.now()
    gone = now - AWAY
    book(gone)
    with clock.at(gone):
        assert plan(gone)  # the last thing anybody did: planned, and never sent
    left = set(Message.objects.values_list("pk", flat=True))
    assert "No planner has run for 4320 minutes" in world.told()
    assert world.healthz().status_code == 503

    begun = time.monotonic()
    start(world, redis)
    due = Milestone.objects.filter(status="open", remind_at__lte=now)
    eventually(lambda: not due.exists(), 60, "all is planned")
    planned = time.monotonic() - begun
    world.settle(60)

    reminded = Reminder.objects.filter(state="sent").values_list("milestone__account_id", flat=True)
    assert set(reminded) == set(Account.objects.values_list("pk", flat=True))
    assert not Reminder.objects.exclude(state="sent").filter(reason="").exists()
    expired = Message.objects.filter(pk__in=left)
    assert set(expired.values_list("state", "reason")) == {("expired", "It was too late to make sense.")}
    today = [text(message) for message in Message.objects.filter(state="sent")]
    assert len(today) == PEOPLE  # each one digest, of today
    names = [name for mail in today for name in re.findall(r"^- .+?, (Account \d+):", mail, re.M)]
    assert set(names) == set(Account.objects.values_list("name", flat=True))
    lateness = [
        int(days) for mail in today for days in re.findall(r"was due \w+, \w+ \d+, (\d) days? ago", mail)
    ]
    was_due = [WorkCalendar().last_on_or_before(now.date() - n * DAY) for n in (1, 2, 3)]  # CAD-5: to act by
    assert set(lateness) >= {(now.date() - day).days for day in was_due}
    eventually(lambda: world.healthz().status_code == 200, 10, "health is well again")
    figures(
        row=4,
        case=start.__name__.replace("_", " "),
        planned_within_s=round(planned, 1),
        **world.tally(PEOPLE) | {"mails": 2 * PEOPLE, "repeated_rows": 0, "expired": len(left)},
    )
    world.check()


def text(message: Message) -> str:
    return message_from_bytes(bytes(message.raw), policy=policy.default).get_body(("plain",)).get_content()


# --- row 14


def host(world: World, skew: timedelta = timedelta(0), jump: timedelta = timedelta(0)) -> Victim:
    """A dispatcher whose host's clock is wrong, or will jump."""
    words = (
        str(Path(kit.__file__).with_name("skewed.py")),
        str(skew.total_seconds()),
        "manage.py",
        "dispatch",
    )
    process = world.spawn(*words, JUMP_SECONDS=str(jump.total_seconds()))
    process.says("Sending what is due", 60)
    return process


def early(world: World, now: datetime, then: float) -> list[str]:
    """What arrived before it was due; `now` on the database's clock was `then` on the machine's."""
    due = dict(Message.objects.values_list("message_id", "not_before"))
    return [
        line["to"]
        for line in world.sink.contents()
        if now + timedelta(seconds=line["at"] - then) < due[line["id"]]
    ]


def planner_lag(world: World) -> float:
    lag = world.health()["planner_lag_seconds"]
    return float("inf") if lag is None else abs(lag)


def test_row_14_hosts_whose_clocks_disagree_send_each_mail_once_and_none_early(world: World, figures):
    """Five minutes, two hours, and a day apart: only the database's clock counts."""
    for skew in (timedelta(0), timedelta(minutes=5), -2 * HOUR, DAY, -DAY):
        host(world, skew)
    world.sink.set(delay=1.0)  # mail is under way while others look for what dead senders left
    now, then = clock.now(), time.monotonic()
    soon = now + timedelta(seconds=6)
    world.make_due(25)
    world.make_due(25, audience="customer")
    world.make_due(10, not_before=soon)
    world.make_due(10, not_before=now + HOUR)
    world.make_due(10, not_before=now + 12 * HOUR)
    eventually(lambda: world.states()["sent"] == 60, 90, "what is due leaves")
    time.sleep(3)
    assert world.states() == {"sent": 60, "due": 20}
    assert early(world, now, then) == []
    assert not Attempt.objects.exclude(outcome="sent").exists()
    assert planner_lag(world) <= 60
    world.call_off()
    figures(row=14, case="hosts disagree", early=0, planner_lag_s=planner_lag(world), **world.tally(80))
    world.check()


def test_row_14_a_clock_that_jumps_holds_customers_mail_until_it_is_right(world: World, figures):
    now, then = clock.now(), time.monotonic()
    shown = None
    for jump in (2 * HOUR, -2 * HOUR, DAY, -DAY):
        process = host(world, jump=jump)
        world.make_due(3, audience="customer")
        soon = clock.now() + timedelta(minutes=10)
        staff = Message.objects.filter(audience="staff", state="due", not_before__lte=soon)
        waiting = Message.objects.filter(audience="customer", state="due", attempts=0)
        eventually(lambda waiting=waiting: not waiting.exists(), what="it leaves while the clock is right")
        process.send(signal.SIGUSR1)
        world.make_due(3)
        world.make_due(3, audience="customer")
        world.make_due(3, not_before=clock.now() + HOUR)
        eventually(lambda staff=staff: not staff.exists(), what="colleagues get theirs")
        time.sleep(2.5)  # a turn of the loop more
        assert waiting.count() == 3, jump
        if shown is None:
            asked = time.monotonic()
            eventually(lambda: "A clock jumped by 7200 seconds" in world.told(), 60, "health tells")
            shown = time.monotonic() - asked
        process.send(signal.SIGUSR2)
        eventually(lambda waiting=waiting: not waiting.exists(), what="the clock is right, the mail leaves")
        process.end()
    assert early(world, now, then) == []
    assert world.states() == {"sent": 36, "due": 12}
    assert not Message.objects.filter(attempts__gt=1).exists()
    world.call_off()
    figures(
        row=14,
        case="a host's clock jumps",
        early=0,
        shown_after_s=round(shown),
        **world.tally(48),
    )
    world.check()


SQL_CLOCK = """
CREATE SCHEMA clock;
CREATE TABLE clock.off (by interval NOT NULL);
INSERT INTO clock.off VALUES ('0');
CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT pg_catalog.clock_timestamp() + (SELECT by FROM clock.off)';
CREATE FUNCTION clock.statement_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT pg_catalog.clock_timestamp() + (SELECT by FROM clock.off)';
CREATE FUNCTION clock.now() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT pg_catalog.clock_timestamp() + (SELECT by FROM clock.off)';
"""


@pytest.fixture
def set_sql_clock(world: World) -> Callable[[timedelta], None]:
    """The database's clock, which everybody asks, told to be that far off."""
    with connection.cursor() as cursor:
        cursor.execute(SQL_CLOCK)
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER DATABASE {name} SET search_path = clock, public, pg_catalog")
    connection.close()

    def off(by: timedelta) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE clock.off SET by = %s", [by])

    return off


def test_row_14_a_database_whose_clock_is_set_back_and_forth_repeats_nothing(
    world: World, set_sql_clock, figures
):
    before = clock.now()
    set_sql_clock(DAY)
    assert clock.now() - before > DAY  # it is the clock that the product reads
    set_sql_clock(timedelta(0))
    for loop in [world.dispatcher() for _ in range(2)]:
        loop.says("Sending what is due", 60)
    time.sleep(3)  # both have looked at the clocks while they were right
    world.sink.set(delay=0.3)
    jumps = (2 * HOUR, timedelta(0), -2 * HOUR, DAY, -DAY, timedelta(0))
    intended = 25 * len(jumps) + 5 * sum(map(bool, jumps))
    colleagues = Message.objects.filter(audience="staff", state__in=("due", "retry"), not_before__lt=before)
    customers = Message.objects.filter(audience="customer").order_by("-pk")
    world.make_due(10, not_before=before + 10 * DAY, expires_at=None)
    for off in jumps:
        world.make_due(20, not_before=before - 10 * DAY, expires_at=None)
        world.make_due(5, not_before=before - 10 * DAY, expires_at=None, audience="customer")
        arrived = world.sink.arrived()
        eventually(lambda arrived=arrived: world.sink.arrived() > arrived, what="some are under way")
        set_sql_clock(off)
        eventually(lambda: planner_lag(world) <= 60, 60, f"planning goes on, {off} off")
        if off:
            world.make_due(5, not_before=before - 10 * DAY, expires_at=None, audience="customer")
            eventually(lambda: not colleagues.exists(), 60, "colleagues get theirs")
            time.sleep(2.5)  # a turn of the loop more
            assert [message.state for message in customers[:5]] == ["due"] * 5, f"{off} off"
            assert "A clock jumped by" in world.told()
    eventually(lambda: world.states()["sent"] == intended, 90, "all leave")
    assert world.states() == {"sent": intended, "due": 10}
    world.call_off()
    tally = world.tally(intended + 10)
    assert (tally["wire_repeats"], tally["repeated_rows"], tally["lost"]) == (0, 0, 0)
    assert (tally["held"], tally["uncertain"]) == (0, 0)
    figures(row=14, case="the database's clock", planner_lag_s=planner_lag(world), **tally)
    world.check()
