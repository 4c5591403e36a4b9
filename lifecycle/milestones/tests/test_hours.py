"""MIL-4: each local morning's digest leaves at the hour its reader has on that morning, once."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from accounts.models import User
from accounts.tests.factories import complete_onboarding, make_account, make_csm, make_lead, make_team
from lifecycle import clock
from lifecycle.change import change
from lifecycle.mail import dispatch
from lifecycle.mail.models import Message
from lifecycle.mail.tests.sending import chicago
from lifecycle.milestones.models import Notice
from lifecycle.milestones.planner import plan
from lifecycle.milestones.planner.forecast import forecast
from lifecycle.milestones.planner.postroom import Postroom
from lifecycle.rules.reminders import send_at

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mail_as_files(settings, tmp_path):
    settings.EMAIL_FILE_PATH = str(tmp_path)


@pytest.fixture
def imani() -> User:
    with clock.at(chicago("01-30 15:00")):
        return make_csm(team=make_team(lead=make_lead()), time_zone="America/Chicago")


def settle(user: User, when: datetime, **values: object) -> None:
    """As the profile page does."""
    with change(None, by=user, via="page", now=when):
        User.objects.get(pk=user.pk).record(values)


def tell(user: User, when: datetime) -> None:
    Notice.objects.create(recipient=user, text="A nudge.", created_at=when)


def look(when: datetime) -> list[str]:
    """Plan and send; the keys of the mails that left just then."""
    plan(when)
    dispatch.drain(now=when)
    return list(Message.objects.filter(sent_at=when).values_list("dedup", flat=True))


@pytest.mark.parametrize(
    ("values", "silent", "leaves"),
    [
        ({"digest_hour": 10}, ("06:31", "08:00", "09:59"), "10:00"),
        ({"digest_hour": 7}, ("06:31", "06:59"), "07:00"),
        ({"digest_hour": 5}, (), "06:31"),  # that hour has passed: at once
        ({"time_zone": "America/Los_Angeles"}, ("06:31", "08:00", "09:59"), "10:00"),
        ({"time_zone": "America/New_York"}, ("06:31", "06:59"), "07:00"),
        ({"time_zone": "America/New_York", "digest_hour": 9}, ("06:31", "07:59"), "08:00"),
        ({"name": "Imani C."}, ("06:31", "07:59"), "08:00"),
    ],
)
def test_mil_4_another_hour_moves_the_digest_that_waits(imani, values, silent, leaves):
    tell(imani, chicago("02-15 06:00"))
    assert look(chicago("02-15 06:15")) == []
    assert Message.objects.get().not_before == chicago("02-15 08:00")
    settle(imani, chicago("02-15 06:30"), **values)
    for moment in silent:
        assert look(chicago(f"02-15 {moment}")) == []
    assert look(chicago(f"02-15 {leaves}")) == [f"digest:{imani.pk}:2026-02-15"]
    for later in ("10:01", "12:00", "23:59"):
        assert look(chicago(f"02-15 {later}")) == []


def test_mil_4_an_hour_chosen_after_the_digest_left_counts_from_tomorrow(imani):
    tell(imani, chicago("02-15 06:00"))
    look(chicago("02-15 07:00"))
    assert look(chicago("02-15 08:00")) == [f"digest:{imani.pk}:2026-02-15"]
    settle(imani, chicago("02-15 09:00"), digest_hour=11)
    tell(imani, chicago("02-15 09:00"))
    assert look(chicago("02-15 11:00")) == []
    assert look(chicago("02-16 08:00")) == []
    assert look(chicago("02-16 11:00")) == [f"digest:{imani.pk}:2026-02-16"]


def test_mil_4_a_mail_that_is_tried_again_keeps_its_own_time(imani):
    tell(imani, chicago("02-15 06:00"))
    plan(chicago("02-15 06:15"))
    later = chicago("02-15 08:30")
    Message.objects.update(state="retry", attempts=1, not_before=later)
    settle(imani, chicago("02-15 08:10"), digest_hour=12)
    plan(chicago("02-15 08:11"))
    assert Message.objects.get().not_before == later


def test_mil_4_the_forecast_knows_the_new_hour(imani):
    with clock.at(chicago("01-30 15:00")):
        account = make_account(csm=imani, service_level="premium")
        complete_onboarding(account, on=date(2026, 1, 30))
    tell(imani, chicago("02-15 06:00"))
    plan(chicago("02-15 06:15"))
    settle(imani, chicago("02-15 06:30"), digest_hour=11)
    lines = forecast([account.pk], room=Postroom.load(chicago("02-15 07:00")), days=1)
    leaves = {line.leaves for line in lines if line.recipient == imani}
    assert leaves == {chicago("02-15 11:00")}


ZONES = ("America/Chicago", "Europe/Berlin", "Asia/Tokyo", "Pacific/Auckland", "America/Los_Angeles")


@pytest.mark.parametrize("seed", range(3))
def test_mil_4_every_local_morning_has_its_digest_once_whatever_hours_are_chosen(imani, seed):
    """Ten days across the one on which clocks change in America: something to tell, and another hour, every night.
    (The zone stays: who flies west has one morning more.)"""
    dice = random.Random(seed)  # noqa: S311 - dice of a test
    zone = dice.choice(ZONES)
    began = datetime(2026, 3, 4, 12, tzinfo=UTC)
    settle(imani, began, time_zone=zone)
    person = User.objects.get(pk=imani.pk)
    expected, first = {}, began.astimezone(person.zone).date() + timedelta(days=1)
    for n in range(10):
        on, hour = first + timedelta(days=n), dice.randint(4, 23)
        settle(person, send_at(on, hour=dice.randint(1, 3), zone=person.zone), digest_hour=hour)
        tell(person, send_at(on, hour=0, zone=person.zone))
        expected[f"digest:{person.pk}:{on}"] = leaves = send_at(on, hour=hour, zone=person.zone)
        looks = [send_at(on, hour=at, zone=person.zone) + timedelta(minutes=30) for at in (3, 8, 15, 23)]
        for moment in sorted([*looks, leaves - timedelta(minutes=1), leaves]):
            assert (look(moment) != []) is (moment == leaves)
    sent = dict(Message.objects.filter(state="sent").values_list("dedup", "sent_at"))
    assert sent == expected


def test_mil_4_another_hour_moves_what_is_not_planned_yet(imani):
    with clock.at(chicago("01-30 15:00")):
        complete_onboarding(make_account(csm=imani, service_level="premium"), on=date(2026, 1, 30))
    settle(imani, chicago("02-10 09:00"), digest_hour=20)
    assert look(chicago("02-15 19:59")) == []
    assert look(chicago("02-15 20:00")) == [f"digest:{imani.pk}:2026-02-15"]
