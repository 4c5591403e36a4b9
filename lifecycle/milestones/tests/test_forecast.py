"""The forecast of day 0 is what the planner sends as the days pass and nobody does anything."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db.models import Min

from accounts.models import Account, Cover, User
from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_csm,
    make_lead,
    make_team,
    make_user,
)
from adoption.models import Stage
from lifecycle import clock
from lifecycle.change import change, change_many
from lifecycle.mail import dispatch
from lifecycle.mail.models import Message
from lifecycle.milestones.models import Milestone, Notice, Reminder
from lifecycle.milestones.planner import plan
from lifecycle.milestones.planner.forecast import forecast
from lifecycle.milestones.planner.postroom import Postroom

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]

ZONES = ("America/Chicago", "America/Los_Angeles", "Europe/Berlin", "Asia/Tokyo", "Pacific/Auckland", "UTC")
HALF_HOUR = timedelta(minutes=30)
DAYS = 30


class Scene:
    """A team on two teams' worth of accounts in all states, made from a seed: people in different zones with hours
    of their own, leave, snoozes, booked meetings, mail that waits, and a moment from which to look ahead."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - dice of a test
        self.began = datetime(2026, self.dice.choice((2, 3, 9, 10)), self.dice.randint(1, 28), 15, tzinfo=UTC)
        with clock.at(self.began):
            self.people()
            self.accounts()
        self.now = self.began + timedelta(
            days=self.dice.randint(0, 20), minutes=30 * self.dice.randint(0, 47)
        )
        self.live(until=self.now)
        with clock.at(self.now):
            self.disturb()

    def people(self) -> None:
        self.team = make_team(lead=self.person(make_lead), country="US")
        self.csms = [self.person(make_csm, team=self.team, pool="core") for _ in range(3)]
        make_user(role="manager")

    def person(self, make, **more) -> User:
        hour = self.dice.choice((None, None, 0, 6, 23))
        return make(time_zone=self.dice.choice(ZONES), digest_hour=hour, **more)

    def accounts(self) -> None:
        for n in range(6):
            level = self.dice.choice(("basic", "standard", "premium"))
            account = make_account(
                f"Account {n}", csm=self.dice.choice(self.csms), service_level=level, mrr=Decimal("900.00")
            )
            if n < 5:
                day_zero = self.began.date() - timedelta(days=self.dice.randint(0, 80))
                complete_onboarding(account, on=day_zero)

    def disturb(self) -> None:
        """What people have done by the moment of the look ahead, some of it not planned for yet."""
        for _ in range(2):
            csm, other = self.dice.sample(self.csms, 2)
            first = self.now.date() + timedelta(days=self.dice.randint(-3, 20))
            with change(None, by=None, via="page", now=self.now):
                Cover.objects.create(
                    user=csm,
                    substitute=other,
                    from_on=first,
                    to_on=first + timedelta(days=self.dice.randint(0, 8)),
                )
        for stage in Stage.objects.filter(closed_at=None):
            if self.dice.random() < 0.4:
                when = self.now + timedelta(
                    days=self.dice.randint(1, 20), minutes=30 * self.dice.randint(0, 47)
                )
                with change(stage.account_id, by=None, via="page", now=self.now) as work:
                    today = work.today(work.account)
                    fresh = Stage.objects.get(pk=stage.pk)
                    fresh.record({"meeting_scheduled_at": when}, by=None, now=self.now, today=today)
        rows = [row for row in Milestone.objects.open() if self.dice.random() < 0.15]
        with change_many({row.account_id for row in rows}, by=None, via="page", now=self.now):
            for row in Milestone.objects.filter(pk__in=[row.pk for row in rows]):
                row.snoozed_until = self.now.date() + timedelta(days=self.dice.randint(1, 9))
                row.save()
        Notice.objects.create(recipient=self.dice.choice(self.csms), text="A nudge.", created_at=self.now)

    def live(self, *, until: datetime) -> None:
        """Run the planner and the dispatcher whenever they have something to do, as `remind` each minute would."""
        now = self.began if not Message.objects.exists() else self.now
        while now <= until:
            self.look(now)
            if Reminder.objects.filter(state="planned", message=None).exists():
                self.look(now + timedelta(minutes=1))  # passed on to somebody else at the last moment
            now = self.next_look(now)

    @staticmethod
    def look(now: datetime) -> None:
        plan(now)
        dispatch.drain(now=now)

    @staticmethod
    def next_look(now: datetime) -> datetime:
        """The first half hour at which anything happens: what the planner and dispatcher wait for, read from rows."""
        waits = [
            Account.objects.aggregate(at=Min("recheck_at"))["at"],
            Milestone.objects.open().aggregate(at=Min("remind_at"))["at"],
            Message.objects.filter(state__in=("due", "retry")).aggregate(at=Min("not_before"))["at"],
        ]
        if Reminder.objects.filter(state="planned", message=None).exists():
            waits.append(now + HALF_HOUR)
        coming = min(at for at in waits if at)
        steps = max(1, -((now - coming) // HALF_HOUR))
        return now + steps * HALF_HOUR


def named(milestone: Milestone) -> tuple:
    return (milestone.account_id, *milestone.key)


def said(now: datetime, accounts: list[int]) -> Counter:
    """The forecast as (duty, occasion, ordinal, recipient, mail, when)."""
    lines = forecast(accounts, room=Postroom.load(now), days=DAYS)
    return Counter(
        (
            named(line.milestone),
            line.reminder.occasion,
            line.reminder.ordinal,
            line.recipient.pk,
            line.mail.dedup,
            line.leaves,
        )
        for line in lines
    )


def happened(since: datetime, until: datetime) -> Counter:
    """The same of what was sent in between."""
    sent = Reminder.objects.filter(state="sent", message__sent_at__gt=since, message__sent_at__lte=until)
    return Counter(
        (
            named(row.milestone),
            row.occasion,
            row.ordinal,
            row.recipient_id,
            row.message.dedup,
            row.message.sent_at,
        )
        for row in sent.select_related("milestone", "message")
    )


def test_mil_5_the_forecast_knows_that_what_came_too_late_joins_the_next_digest(settings, tmp_path):
    settings.EMAIL_FILE_PATH = str(tmp_path)
    with clock.at(datetime(2026, 1, 30, 15, tzinfo=UTC)):
        csm = make_csm(team=make_team(lead=make_lead()))
        account = complete_onboarding(make_account(csm=csm, service_level="premium"), on=date(2026, 1, 30))
    plan(datetime(2026, 2, 15, 8, tzinfo=UTC))  # and nobody sends
    now = datetime(2026, 2, 16, 8, tzinfo=UTC)
    foreseen = {line[-2:] for line in said(now, [account.pk]) if line[-1] <= now}
    assert foreseen == {(f"digest:{pk}:2026-02-16", now) for pk in (csm.pk, csm.team.lead_id)}
    assert Message.objects.filter(state="due").count() == 2  # as they were


# --- what comes up after the hour: it leaves at once where no digest has left that day, else the next morning


@pytest.fixture
def met(settings, tmp_path) -> Account:
    """Northwind's meeting is on Thursday, February 26, from ten to half past in UTC; then its outcome is owed."""
    settings.EMAIL_FILE_PATH = str(tmp_path)
    began = datetime(2026, 1, 30, 15, tzinfo=UTC)
    with clock.at(began):
        csm = make_csm("imani@example.com", team=make_team(lead=make_lead()))
        account = complete_onboarding(
            make_account("Northwind", csm=csm, service_level="premium"), on=began.date()
        )
        with change(account, by=csm, via="page", now=began) as work:
            stage = Stage.objects.get(account=work.account, day=30)
            booked = {"meeting_scheduled_at": datetime(2026, 2, 26, 10, tzinfo=UTC)}
            stage.record(booked, by=None, now=began, today=began.date())
    for day in range(1, 26):
        Scene.look(datetime(2026, 2, day, 8, tzinfo=UTC))
    return account


def on(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 2, day, hour, minute, tzinfo=UTC)


def outcome(account: Account) -> set[tuple]:
    """The first mails that ask for the outcome, as foreseen on the 26th at six: recipient, mail, when."""
    found = {
        line[3:]
        for line in said(on(26, 6), [account.pk])
        if line[0][1] == "record_meeting" and line[1] == "day"
    }
    looks = [on(26, 6), on(26, 8), on(26, 10, 30), on(27, 8), on(27, 8, 1), on(28, 8)]
    for instant in looks:
        Scene.look(instant)
    sent = Reminder.objects.filter(state="sent", milestone__kind="record_meeting", occasion="day")
    real = set(sent.values_list("recipient", "message__dedup", "message__sent_at"))
    assert found == real
    return real


def test_mil_4_the_forecast_sends_at_once_what_comes_up_on_a_day_without_a_digest(met):
    imani = met.csm_id
    assert outcome(met) == {(imani, f"digest:{imani}:2026-02-26", on(26, 10, 30))}


def test_mil_4_the_forecast_of_one_account_knows_that_another_sends_a_digest_that_morning(met):
    imani = met.csm
    with clock.at(on(1, 9)):  # asks to be prepared on the 26th: fourteen days before day 30
        complete_onboarding(
            make_account(csm=imani, service_level="premium"), on=date(2026, 2, 10), now=on(11, 9)
        )
    assert outcome(met) == {(imani.pk, f"digest:{imani.pk}:2026-02-27", on(27, 8))}


def test_mil_4_the_forecast_knows_that_a_notice_sends_a_digest_that_morning(met):
    imani = met.csm
    Notice.objects.create(recipient=imani, text="A nudge.", created_at=on(26, 5))
    assert outcome(met) == {(imani.pk, f"digest:{imani.pk}:2026-02-27", on(27, 8))}


def test_mil_6_the_forecast_knows_who_covers_by_the_time_a_mail_leaves(met):
    imani, kofi = met.csm, make_csm("kofi@example.com", team=met.csm.team)
    with change(None, by=None, via="page", now=on(25, 9)):
        Cover.objects.create(user=imani, substitute=kofi, from_on=date(2026, 2, 27), to_on=date(2026, 3, 9))
    Notice.objects.create(recipient=imani, text="A nudge.", created_at=on(26, 5))
    # It was in Imani's digest of the 27th, passes on as that leaves, and Kofi's own of that day has left by then.
    assert outcome(met) == {(kofi.pk, f"digest:{kofi.pk}:2026-02-28", on(28, 8))}


@pytest.mark.parametrize("seed", range(4))
def test_mil_5_the_forecast_of_a_day_is_what_the_planner_sends_in_the_next_thirty(seed, settings, tmp_path):
    settings.EMAIL_FILE_PATH = str(tmp_path)
    scene = Scene(seed)
    everything = list(Account.objects.values_list("pk", flat=True))
    one = scene.dice.choice(everything)
    before = Reminder.objects.count(), Message.objects.count(), Milestone.objects.count()
    foreseen = said(scene.now, everything)
    of_one = said(scene.now, [one])
    assert (Reminder.objects.count(), Message.objects.count(), Milestone.objects.count()) == before
    assert of_one == Counter({line: n for line, n in foreseen.items() if line[0][0] == one})
    until = scene.now + timedelta(days=DAYS)
    scene.live(until=until)
    sent = happened(scene.now - timedelta(seconds=1), until)
    assert len(foreseen) > 20
    assert foreseen == sent
