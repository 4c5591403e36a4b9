"""Open Forums: the first Thursday of each month, and what their hosts owe (ONB-6)."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from accounts.tests.factories import make_csm, make_lead, make_team
from lifecycle.change import change
from lifecycle.milestones.models import Milestone
from lifecycle.milestones.planner.forums import look_at_forums
from lifecycle.rules.cadence import first_thursdays
from lifecycle.rules.refused import Refused
from onboarding.models import Forum

pytestmark = pytest.mark.django_db
HELD = date(2026, 9, 3)


def at(day, hour=12):
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


@pytest.fixture
def alice():
    return make_csm("alice@example.com", team=make_team("East", lead=make_lead("joss@example.com")))


@pytest.fixture
def forum(alice):
    with change(None, by=alice, via="page", now=at(date(2026, 8, 1))):
        return Forum.objects.create(held_on=HELD, host=alice)


def invitation():
    return Milestone.objects.filter(kind="forum_invite").order_by("-pk").first()


@pytest.mark.parametrize(
    ("start", "first"),
    [
        (date(2026, 1, 1), date(2026, 1, 1)),  # a Thursday itself
        (date(2026, 1, 2), date(2026, 2, 5)),
        (date(2026, 9, 3), date(2026, 9, 3)),
        (date(2026, 12, 31), date(2027, 1, 7)),
    ],
)
def test_onb_6_forums_fall_on_first_thursdays(start, first):
    days = first_thursdays(start, 12)
    assert days[0] == first
    assert len(days) == 12
    assert all(day.weekday() == 3 and day.day <= 7 for day in days)


def test_onb_6_a_series_is_planned_once_and_leaves_moved_ones_alone(alice):
    today = date(2026, 8, 20)
    with change(None, by=alice, via="page", now=at(today)):
        assert len(Forum.plan_series(alice, time(11), today=today)) == 12
        Forum.objects.get(held_on=HELD).move(date(2026, 9, 10), note="Holiday week", today=today)
    with change(None, by=alice, via="page", now=at(today)):
        assert Forum.plan_series(alice, time(11), today=today) == []


def test_onb_6_the_invitations_are_owed_from_ten_days_before_until_the_day_is_over(forum, alice):
    opens = at(HELD - timedelta(days=10), 0)
    look_at_forums(opens - timedelta(seconds=1))
    assert invitation() is None
    look_at_forums(opens)
    row = invitation()
    assert (row.account, row.owner, row.due_on, row.status) == (None, alice, HELD - timedelta(days=7), "open")
    assert row.remind_at == at(HELD - timedelta(days=7), 8)
    look_at_forums(at(HELD, 23))
    assert invitation().status == "open"
    look_at_forums(at(HELD + timedelta(days=1), 0))
    assert (invitation().status, invitation().reason) == (
        "cancelled",
        "The forum was skipped, moved or is over.",
    )


def test_onb_6_sending_clears_the_row_and_a_skipped_forum_owes_nothing(forum, alice):
    now = at(HELD - timedelta(days=8))
    look_at_forums(now)
    with change(None, by=alice, via="page", now=now):
        invitation().complete(by=alice, now=now)
    assert Forum.objects.get().invited_at == now
    assert invitation().status == "done"
    look_at_forums(now + timedelta(days=1))
    assert Milestone.objects.count() == 1
    with change(None, by=alice, via="page", now=now):
        Forum.objects.get().record({"invited_at": None})
        Forum.objects.get().skip(note="Everybody is away", today=now.date(), now=now)
    look_at_forums(now)
    assert not Milestone.objects.open().exists()


@pytest.mark.parametrize("verb", ["move", "skip"])
def test_onb_6_a_forum_that_was_held_stays(forum, verb):
    day = HELD + timedelta(days=1)
    with pytest.raises(Refused, match="is over"), change(None, by=None, via="page", now=at(day)):
        held = Forum.objects.get()
        if verb == "move":
            held.move(HELD + timedelta(days=9), note="x", today=day)
        else:
            held.skip(note="x", today=day, now=at(day))


def test_only_the_host_and_those_who_see_all_see_a_duty_of_no_account(forum, alice):
    look_at_forums(at(HELD - timedelta(days=8)))
    others = [make_csm("bob@example.com", team=alice.team), alice.team.lead]
    assert [Milestone.objects.visible_to(user).count() for user in (alice, *others)] == [1, 0, 0]
