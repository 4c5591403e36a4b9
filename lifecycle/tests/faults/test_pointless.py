"""Row 35: what a reminder is about is closed, handed over or archived in the instant the mail leaves."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from email import message_from_bytes, policy

import pytest

from accounts.models import Account
from accounts.tests.factories import make_csm, make_team
from adoption.models import Stage
from lifecycle import clock
from lifecycle.change import change, change_many
from lifecycle.mail.dispatch import drain
from lifecycle.mail.models import Attempt, Message
from lifecycle.mail.tests.test_together import all_at_once
from lifecycle.milestones.models import Reminder
from lifecycle.milestones.planner import plan
from lifecycle.tests.faults.kit import World
from onboarding.models import Onboarding

pytestmark = [pytest.mark.fault, pytest.mark.sqlite_only, pytest.mark.timeout(300)]

RACES = 1000
EACH = 20  # duties in one digest
TOGETHER = 4  # in one change: a door for each would take a minute
AHEAD = EACH // 2  # how far changes and claims may get ahead of each other, so that they keep meeting
SENDERS = 2


@pytest.fixture
def people(world: World) -> list[int]:
    """CSMs of twenty accounts each, whose 60-day stages all ask to be prepared today; answers their ids."""
    now = clock.now()
    team = make_team()
    people = [make_csm(team=team, digest_hour=0) for _ in range(RACES // EACH)]
    facts = {"contracted_users": 10, "mrr": Decimal("250.00")}
    with change(None, by=None, via="task", now=now):
        for n in range(RACES):
            Account(name=f"Account {n}").record(facts | {"external_id": f"R-{n}", "csm": people[n // EACH]})
    with change_many(Account.objects.values_list("pk", flat=True), by=None, via="task", now=now):
        for onboarding in Onboarding.objects.all():
            done_on = now.date() - timedelta(days=46)
            onboarding.record({"training_completed_on": done_on}, today=now.date())
    return [person.pk for person in people]


class Race:
    """Senders and a changer go through the same queue, each waiting when it gets too far ahead of the other."""

    def __init__(self) -> None:
        self.turn = threading.Condition()
        self.changed = self.claimed = 0

    def before_a_claim(self) -> bool:
        """Called by `drain` right before each claim; never stops it. Half of the digest's duties have changed."""
        with self.turn:
            self.turn.wait_for(lambda: self.changed >= min(self.claimed * EACH + AHEAD, RACES), 60)
            self.claimed += 1
            self.turn.notify_all()
        return False

    def before_a_change(self) -> None:
        with self.turn:
            self.turn.wait_for(lambda: self.changed <= self.claimed * EACH + AHEAD, 60)

    def after_a_change(self) -> None:
        with self.turn:
            self.changed += TOGETHER
            self.turn.notify_all()


def test_row_35_what_was_made_pointless_before_the_claim_is_not_sent(world: World, people, settings, figures):
    settings.MAIL_TRANSPORT = "lifecycle.mail.backends.SmtpBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", world.sink.port
    now = clock.now()
    heirs = [make_csm(digest_hour=0) for _ in range(3)]
    assert plan(now) == RACES
    accounts = dict(Account.objects.values_list("name", "pk"))
    queue = [accounts[f"Account {n}"] for n in range(RACES)]

    acts: dict[str, Callable[[Account, datetime], None]] = {
        "closed": close_the_stage,
        "handed over": lambda account, now: account.record({"csm": world.random.choice(heirs)}),
        "archived": lambda account, now: account.archive(now=now),
    }
    fate = {account: world.random.choice(list(acts)) for account in queue}
    order = sorted(range(0, RACES, TOGETHER), key=lambda n: n + world.random.uniform(-AHEAD, AHEAD))
    committed: dict[int, datetime] = {}
    race = Race()

    def make_pointless() -> None:
        for n in order:
            race.before_a_change()
            some = queue[n : n + TOGETHER]
            with change_many(some, by=None, via="task", now=clock.now()) as work:
                for account in work.accounts.values():
                    acts[fate[account.pk]](account, work.now)
            committed.update(dict.fromkeys(some, clock.now()))
            race.after_a_change()

    all_at_once(make_pointless, *[lambda: drain(stopping=race.before_a_claim)] * SENDERS)

    claims = Attempt.objects.filter(outcome="sent").values_list("message_id", "started_at")
    listed = [(accounts[name], claimed) for pk, claimed in claims for name in duties(pk)]
    pointless = [fate[account] for account, claimed in listed if committed[account] < claimed]
    assert pointless == []
    assert world.states() == {"sent": RACES // EACH}
    assert RACES / 10 < len(listed) < RACES * 9 / 10, "no race: one side always came first"
    figures(row=35, races=RACES, pointless_sent=0, left_out=RACES - len(listed), **world.tally(RACES // EACH))

    morning = datetime.combine(now.date() + timedelta(days=1), time(1), UTC)
    plan(morning)
    drain(now=morning)
    told = Reminder.objects.filter(milestone__kind="stage", recipient__in=heirs, state="sent")
    moved = [account for account in queue if fate[account] == "handed over"]
    assert sorted(told.values_list("milestone__account_id", flat=True)) == sorted(moved)
    mails = Message.objects.filter(recipient__in=heirs, state="sent")
    assert sorted(accounts[name] for mail in mails for name in duties(mail.pk)) == sorted(moved)
    world.check()


def close_the_stage(account: Account, now: datetime) -> None:
    """What the gates ask for first is tested elsewhere."""
    stage = Stage.objects.get(account=account, day=60)
    stage.closed_at = now
    stage.save()


def duties(message_id: int) -> list[str]:
    """The accounts whose 60-day stage a sent digest lists."""
    raw = bytes(Message.objects.values_list("raw", flat=True).get(pk=message_id))
    text = message_from_bytes(raw, policy=policy.default).get_body(("plain",)).get_content()
    return re.findall(r"^- 60-day adoption, (Account \d+):", text, re.M)
