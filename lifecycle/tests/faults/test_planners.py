"""Row 5 of reliability.md: many planners and two beats at once, killed in the middle, plan each mail once."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from accounts.models import Account
from accounts.tests.factories import make_accounts, make_csm, make_lead, make_team
from lifecycle import clock
from lifecycle.change import change_many
from lifecycle.mail.models import Message
from lifecycle.milestones.models import Reminder
from lifecycle.milestones.planner import LOCK, plan
from lifecycle.tests.faults.kit import Redis, Victim, World, scaled
from lifecycle.tests.servers import CELERY, eventually
from onboarding.models import Onboarding

pytestmark = [pytest.mark.fault, pytest.mark.fault_small, pytest.mark.sqlite_only]

PLANNERS = 8  # one of them is Celery's worker
WORKER = (*CELERY, "worker", "--without-mingle", "--without-gossip", "--without-heartbeat")
PLAN_FOR_EVER = """
import time
from lifecycle import clock
from lifecycle.milestones.planner import plan
while True:
    plan(clock.now())
    time.sleep(0.05)
"""
AT_WORK = """
SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND objid = %s AND granted AND datname = current_database()
"""


def make_book(accounts: int) -> int:
    """So many Premium accounts, each preparing its 30-day stage today, for their CSM and the team's lead: two
    reminders an account. Answers how many people get a mail."""
    now = clock.now()
    for number in range(5):
        team = make_team()
        make_lead(f"lead-{number}@example.com", team=team, digest_hour=0)
        for n in range(5):
            make_csm(f"csm-{number}-{n}@example.com", pool="core", team=team, digest_hour=0)
    rows = make_accounts(accounts, service_level="premium", mrr=Decimal("900.00"), contracted_users=60)
    with change_many([row.pk for row in rows], by=None, via="task", now=now) as work:
        for onboarding in Onboarding.objects.select_related("account"):
            today = work.today(work.accounts[onboarding.account_id])
            onboarding.record({"training_completed_on": today - timedelta(days=16)}, today=today)
    csms = set(Account.objects.values_list("csm_id", "csm__team_id"))
    return len(csms) + len({team for _, team in csms})


def at_work() -> str:
    """Which planner holds the lock just now, by the name it gave its connection."""
    with connection.cursor() as cursor:
        cursor.execute(AT_WORK, [LOCK])
        return next((name for (name,) in cursor), "")


def undisturbed() -> float:
    """How long one run takes; it leaves nothing behind."""
    started = time.monotonic()
    with transaction.atomic():
        plan(clock.now())
        transaction.set_rollback(True)
    return time.monotonic() - started


@pytest.mark.timeout(300)
def test_row_5_many_planners_and_two_beats_killed_midway_plan_each_mail_once(
    world: World, redis: Redis, figures
):
    accounts, kills = scaled(500, 300), scaled(20, 4)
    people = make_book(accounts)
    run = undisturbed()
    planners: dict[str, Victim] = {}

    def start(name: str) -> None:
        if name == "worker":
            planners[name] = world.spawn(*WORKER, PGAPPNAME=name, BROKER_URL=redis.url)
        else:
            planners[name] = world.fork(PLAN_FOR_EVER, PGAPPNAME=name)

    for n in range(2):
        schedule = ("--schedule", str(world.folder / f"beat-{n}"), "--pidfile", "")
        world.spawn(*CELERY, "beat", *schedule, BROKER_URL=redis.url)
    for name in ("worker", *(f"planner-{n}" for n in range(1, PLANNERS))):
        start(name)
    for _ in range(kills):
        name = eventually(at_work, 60, "somebody plans")
        time.sleep(world.random.uniform(0, run / 4))
        planners[name].freeze()
        while at_work() != name:  # it was only looking what there is to do
            planners[name].thaw()
            name = eventually(at_work, 60, "somebody plans")
            planners[name].freeze()
        planners[name].kill()
        start(name)
        assert not Reminder.objects.exists(), "planned before it could be killed midway"
    freed = time.monotonic()
    eventually(lambda: Reminder.objects.count() >= 2 * accounts, 60, "all is planned")
    planned = time.monotonic() - freed
    eventually(lambda: world.states() == {"sent": people}, 60, "the worker sends")
    time.sleep(3)  # for beats that tick each second, and planners that never rest
    world.check()
    tally = world.tally(people)
    figures(
        row=5,
        case="planners killed",
        **tally,
        kills=kills,
        reminders=Reminder.objects.count(),
        planned_s=planned,
    )
    assert Counter(Reminder.objects.values_list("state", flat=True)) == {"sent": 2 * accounts}
    assert len(set(Message.objects.values_list("recipient", flat=True))) == people
    assert (tally["sent"], tally["lost"], tally["repeated_rows"], tally["wire_repeats"]) == (people, 0, 0, 0)
    assert planned <= 5
    shown = world.health()
    assert shown["problems"] == []
    assert shown["planner_lag_seconds"] <= 5
