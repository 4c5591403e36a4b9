"""MIL-3..6: which reminders are planned, for whom, when, and in which mail they leave."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, Cover, User
from accounts.tests.factories import complete_onboarding, make_account, make_csm, make_lead, make_team
from adoption.models import Stage
from lifecycle import clock
from lifecycle.change import change
from lifecycle.mail import dispatch
from lifecycle.mail.models import Message, ServiceBeat
from lifecycle.mail.tests.sending import chicago, duties
from lifecycle.milestones.models import Milestone, Notice, Reminder
from lifecycle.milestones.planner import plan, sweep
from onboarding.models import Onboarding

pytestmark = [pytest.mark.django_db, pytest.mark.servers]


@pytest.fixture
def joss() -> User:
    with clock.at(chicago("01-30 15:00")):
        return make_lead("joss@example.com", team=make_team(), time_zone="America/Chicago")


@pytest.fixture
def imani(joss: User) -> User:
    with clock.at(chicago("01-30 15:00")):
        return make_csm("imani@example.com", pool="core", team=joss.team, time_zone="America/Chicago")


@pytest.fixture
def northwind(imani: User) -> Account:
    """Premium, day 0 on January 30: day 30 is Sunday, March 1; act by Friday, February 27."""
    return adopted("Northwind")


def adopted(name: str, on: date = date(2026, 1, 30), **facts: object) -> Account:
    facts = {"service_level": "premium", "mrr": Decimal("900.00"), **facts}
    with clock.at(chicago("01-30 15:00")):
        return complete_onboarding(make_account(name, **facts), on=on)


def look(instant: datetime, sink) -> list[tuple[str, list[str]]]:
    """Plan and send as of an instant; answers who got what."""
    already = len(sink.messages)
    plan(instant)
    dispatch.drain(now=instant)
    mails = [(mail.recipients[0].partition("@")[0], duties(mail)) for mail in sink.messages[already:]]
    return sorted(mails)


def record(account: Account, day: int, when: str, *, by: User | None = None, **values: object) -> None:
    now = chicago(when)
    with change(account, by=by, via="page", now=now) as work:
        Stage.objects.get(account=work.account, day=day).record(
            values, by=by, now=now, today=work.today(work.account)
        )


def change_user(user: User, **values: object) -> None:
    with change(None, by=None, via="admin", now=chicago("02-01 09:00")):
        fresh = User.objects.get(pk=user.pk)
        for name, value in values.items():
            setattr(fresh, name, value)
        fresh.save()


DAY_30 = ["30-day adoption, Northwind"]
BOTH = [("imani", DAY_30), ("joss", DAY_30)]


# --- when


def test_mil_4_a_digest_leaves_at_eight_and_not_a_minute_before(northwind, sink):
    assert look(chicago("02-15 07:59"), sink) == []
    assert look(chicago("02-15 08:00"), sink) == BOTH
    assert look(chicago("02-15 08:01"), sink) == []
    assert look(chicago("02-15 23:59"), sink) == []


def test_mil_4_each_gets_it_at_eight_where_they_are_or_at_their_own_hour(northwind, imani, joss, sink):
    change_user(joss, time_zone="Asia/Tokyo", digest_hour=6)
    assert look(chicago("02-14 14:59"), sink) == []
    assert look(chicago("02-14 15:00"), sink) == [("joss", DAY_30)]  # 06:00 on the 15th in Tokyo
    assert look(chicago("02-15 07:59"), sink) == []
    assert look(chicago("02-15 08:00"), sink) == [("imani", DAY_30)]


@pytest.mark.parametrize(
    ("zone", "on", "hour", "leaves"),
    [
        ("America/Chicago", date(2026, 3, 8), 8, "2026-03-08T13:00+00:00"),  # clocks went forward at two
        ("America/Chicago", date(2026, 3, 8), 2, "2026-03-08T08:00+00:00"),  # there is no 02:00: 03:00
        ("America/Chicago", date(2026, 11, 1), 8, "2026-11-01T14:00+00:00"),  # clocks went back at two
        ("America/Chicago", date(2026, 11, 1), 1, "2026-11-01T06:00+00:00"),  # 01:00 happens twice: the first
    ],
)
def test_mil_4_the_hour_is_right_on_both_dst_days(joss, imani, sink, zone, on, hour, leaves):
    change_user(imani, time_zone=zone, digest_hour=hour)
    change_user(joss, time_zone=zone, digest_hour=hour)
    day_zero = on - timedelta(days=16)  # so that this is fourteen days before day 30
    with clock.at(datetime(day_zero.year, day_zero.month, day_zero.day, 20, tzinfo=UTC)):
        account = make_account("Northwind", service_level="premium", mrr=Decimal("900.00"))
        complete_onboarding(account, on=day_zero)
    instant = datetime.fromisoformat(leaves)
    assert look(instant - timedelta(minutes=1), sink) == []
    assert look(instant, sink) == BOTH
    for later in (30, 60, 90, 600):
        assert look(instant + timedelta(minutes=later), sink) == []


def test_mil_3_what_was_missed_while_all_was_down_leaves_once_the_newest_only(northwind, imani, sink):
    assert look(chicago("03-12 15:00"), sink)[0] == (
        "imani",
        [
            "Book the 30-day meeting, Northwind",
            "30-day adoption, Northwind",
            "Prepare the 30-day checklist, Northwind",
        ],
    )
    stage = Reminder.objects.filter(milestone__kind="stage", recipient=imani).order_by("send_on")
    assert [(r.occasion, r.state) for r in stage] == [
        ("prepare", "superseded"),
        ("day", "superseded"),
        ("late1", "superseded"),
        ("late2", "sent"),
    ]
    assert stage[0].reason == "A newer reminder took its place."
    explain = ["Say why the 30-day meeting was missed, Northwind"]  # its row appeared when all was up again
    assert look(chicago("03-13 08:00"), sink) == [("imani", explain)]


def test_mil_3_nothing_older_than_thirty_days_is_caught_up_with(northwind, imani, sink):
    plan(chicago("03-17 09:00"))  # prepare was on February 15 at eight: 30 days and an hour ago
    names = Reminder.objects.filter(milestone__kind="stage", recipient=imani).values_list(
        "occasion", flat=True
    )
    assert "prepare" not in names and "day" in names


def test_mil_4_where_none_has_left_today_and_the_hour_has_passed_todays_leaves_at_once(northwind, sink):
    assert look(chicago("02-15 17:30"), sink) == BOTH


def test_mil_4_what_comes_up_after_todays_digest_waits_for_tomorrows(northwind, joss, sink):
    look(chicago("02-15 08:00"), sink)
    with change(None, by=None, via="task", now=chicago("02-15 10:00")):
        Notice.objects.create(
            recipient=joss, account=northwind, text="A nudge.", created_at=chicago("02-15 10:00")
        )
    assert look(chicago("02-15 12:00"), sink) == []
    assert look(chicago("02-16 07:59"), sink) == []
    assert look(chicago("02-16 08:00"), sink) == [("joss", ["A nudge."])]
    assert Notice.objects.get().told_at == chicago("02-16 08:00")


def test_mil_4_a_notice_joins_a_digest_that_has_not_left(northwind, joss, sink):
    Notice.objects.create(
        recipient=joss, account=northwind, text="A nudge.", created_at=chicago("02-15 07:00")
    )
    plan(chicago("02-15 07:30"))
    assert look(chicago("02-15 08:00"), sink)[1] == ("joss", [*DAY_30, "A nudge."])


def test_mil_4_one_mail_a_person_and_day_however_much_is_due(imani, joss, sink):
    for n in range(5):
        adopted(f"Account {n}")
    mails = look(chicago("02-15 08:00"), sink)
    assert [(who, len(lines)) for who, lines in mails] == [("imani", 5), ("joss", 5)]


# --- looked at again before it leaves


def planned_but_unsent(northwind) -> None:
    plan(chicago("02-15 08:00"))
    assert Counter(Reminder.objects.values_list("state", flat=True)) == {"planned": 2}


def test_mil_5_what_closed_before_it_left_is_not_mailed(northwind, sink):
    planned_but_unsent(northwind)
    with change(northwind, by=None, via="page", now=chicago("02-15 08:00")) as work:
        work.account.archive(now=work.now)
    assert look(chicago("02-15 08:01"), sink) == []
    assert set(Reminder.objects.values_list("state", "reason")) == {
        ("superseded", "Done or cancelled before it left.")
    }
    assert set(Message.objects.values_list("state", flat=True)) == {"cancelled"}


def move(account: Account, to: date, when: str) -> None:
    with change(account, by=None, via="page", now=chicago(when)) as work:
        row = Onboarding.objects.get(account=work.account)
        row.record({"training_completed_on": to}, today=work.today(work.account))


def test_mil_5_what_moved_before_it_left_leaves_on_its_new_day(northwind, joss, sink):
    planned_but_unsent(northwind)
    move(northwind, date(2026, 2, 2), "02-15 08:00")  # three days later
    mails = look(chicago("02-15 08:01"), sink)
    assert all(lines[0].startswith("Day 0 of Northwind moved") for _, lines in mails)  # told, not reminded
    assert look(chicago("02-17 08:00"), sink) == []
    assert look(chicago("02-18 08:00"), sink) == BOTH
    assert Reminder.objects.filter(occasion="prepare").count() == 2  # the same two rows


def test_mil_5_a_move_of_a_week_does_not_repeat_what_was_sent(northwind, sink):
    assert look(chicago("02-15 08:00"), sink) == BOTH
    move(northwind, date(2026, 2, 6), "02-15 09:00")  # seven days
    look(chicago("02-16 08:00"), sink)  # tells the move
    assert look(chicago("02-22 08:00"), sink) == []


def test_mil_5_a_move_of_more_than_a_week_reminds_again(northwind, sink):
    assert look(chicago("02-15 08:00"), sink) == BOTH
    move(northwind, date(2026, 2, 7), "02-15 09:00")  # eight days
    look(chicago("02-16 08:00"), sink)
    look(chicago("02-17 08:00"), sink)  # tells the move
    assert look(chicago("02-23 08:00"), sink) == BOTH
    assert set(Reminder.objects.values_list("occasion", "ordinal")) == {("prepare", 0), ("prepare", 1)}


def test_mil_5_when_the_owner_changes_before_it_left_the_new_owner_gets_it(northwind, imani, joss, sink):
    planned_but_unsent(northwind)
    kofi = make_csm("kofi@example.com", pool="core", team=joss.team, time_zone="America/Chicago")
    with change(northwind, by=None, via="page", now=chicago("02-15 08:00")) as work:
        work.account.csm = kofi
        work.account.save()
    assert ("kofi", DAY_30) in look(chicago("02-15 08:01"), sink)
    assert sink.to("imani@example.com") == []
    gone = Reminder.objects.get(recipient=imani)
    assert (gone.state, gone.reason) == ("superseded", "Somebody else looks after it now.")


def test_mil_6_leave_cover_gets_the_mail_and_gives_the_work_back(northwind, imani, joss, sink):
    kofi = make_csm("kofi@example.com", pool="core", team=joss.team, time_zone="America/Chicago")
    with change(None, by=None, via="page", now=chicago("02-01 09:00")):
        Cover.objects.create(user=imani, substitute=kofi, from_on=date(2026, 2, 15), to_on=date(2026, 2, 20))
    assert look(chicago("02-15 08:00"), sink) == [("joss", DAY_30), ("kofi", DAY_30)]
    assert look(chicago("02-20 08:00"), sink) == [("kofi", ["Book the 30-day meeting, Northwind"])]
    who = [name for name, _ in look(chicago("02-24 08:00"), sink)]
    assert who == ["imani", "joss"]


def test_mil_6_cover_that_begins_after_the_plan_still_gets_it(northwind, imani, joss, sink):
    planned_but_unsent(northwind)
    kofi = make_csm("kofi@example.com", pool="core", team=joss.team, time_zone="America/Chicago")
    with change(None, by=None, via="page", now=chicago("02-15 08:00")):
        Cover.objects.create(user=imani, substitute=kofi, from_on=date(2026, 2, 15), to_on=date(2026, 2, 20))
    assert look(chicago("02-15 08:01"), sink) == [("joss", DAY_30), ("kofi", DAY_30)]
    assert sink.to("imani@example.com") == []


def test_a_snoozed_duty_waits_and_then_sends_the_newest_only(northwind, imani, sink):
    with change(northwind, by=None, via="page", now=chicago("02-10 09:00")):
        row = Milestone.objects.get(kind="stage", day=30)
        row.snoozed_until, row.snooze_reason = date(2026, 2, 28), "On holiday."
        row.save()
    seen = [look(chicago(f"02-{day} 08:00"), sink) for day in range(11, 28)]
    assert not any("30-day adoption, Northwind" in lines for mails in seen for _, lines in mails)
    assert look(chicago("02-28 08:00"), sink) == BOTH
    sent = Reminder.objects.filter(milestone__kind="stage", recipient=imani)
    assert set(sent.values_list("occasion", "state")) == {("prepare", "superseded"), ("day", "sent")}


def test_nobody_who_left_gets_mail(northwind, imani, joss, sink):
    planned_but_unsent(northwind)
    change_user(joss, is_active=False)
    assert look(chicago("02-15 08:01"), sink) == [("imani", DAY_30)]
    assert Message.objects.get(recipient=joss).state == "suppressed"


def test_mail_that_is_a_day_late_gives_its_reminders_to_the_next_digest(northwind, imani, sink):
    planned_but_unsent(northwind)
    plan(chicago("02-16 07:00"))
    assert look(chicago("02-16 08:00"), sink) == BOTH
    assert look(chicago("02-16 08:01"), sink) == []
    assert set(Message.objects.values_list("state", flat=True)) == {"expired", "sent"}


def test_mil_4_todays_digest_holds_what_yesterdays_that_never_left_held(northwind, imani, sink):
    adopted("Southgate", on=date(2026, 1, 29))  # asks to be prepared one day earlier
    plan(chicago("02-14 08:00"))  # and nobody sends
    both = ["30-day adoption, Southgate", "30-day adoption, Northwind"]
    mails = look(chicago("02-15 08:00"), sink)
    assert [(who, sorted(lines, reverse=True)) for who, lines in mails] == [("imani", both), ("joss", both)]
    assert sorted(Message.objects.values_list("state", "reason")) == [
        *[("expired", "It was too late to make sense.")] * 2,
        *[("sent", "")] * 2,
    ]


# --- MIL-4: same-day recaps


def meet(accounts: list[Account], imani: User, sink) -> None:
    """All met on February 26 at ten; that day's digest has left, and the outcome is not recorded."""
    for account in accounts:
        record(account, 30, "02-16 09:00", by=imani, meeting_scheduled_at=chicago("02-26 10:00"))
    look(chicago("02-25 08:00"), sink)
    Notice.objects.create(recipient=imani, text="Good morning.", created_at=chicago("02-26 07:00"))
    look(chicago("02-26 07:30"), sink)
    assert look(chicago("02-26 08:00"), sink) == [("imani", ["Good morning."])]


def test_mil_4_a_recap_due_today_leaves_at_once(northwind, imani, joss, sink):
    meet([northwind], imani, sink)
    record(northwind, 30, "02-26 11:00", by=joss, meeting_held=True)
    assert look(chicago("02-26 11:01"), sink) == [("imani", ["Send the 30-day recap, Northwind"])]
    assert Message.objects.get(kind="now").dedup == f"now:{imani.pk}:2026-02-26:1"
    assert look(chicago("02-26 11:02"), sink) == []


def test_mil_4_who_caused_a_recap_is_told_tomorrow(northwind, imani, sink):
    meet([northwind], imani, sink)
    record(northwind, 30, "02-26 11:00", by=imani, meeting_held=True)
    assert look(chicago("02-26 11:01"), sink) == []
    assert "Send the 30-day recap, Northwind" in dict(look(chicago("02-27 08:00"), sink))["imani"]


def test_mil_4_recaps_due_at_the_same_time_share_one_mail(imani, joss, sink):
    accounts = [adopted(f"Account {n}") for n in range(2)]
    meet(accounts, imani, sink)
    for account in accounts:
        record(account, 30, "02-26 11:00", by=joss, meeting_held=True)
    ((who, lines),) = look(chicago("02-26 11:01"), sink)
    assert (who, len(lines)) == ("imani", 2)


def test_mil_4_nobody_gets_more_than_five_mails_a_day(imani, joss, sink):
    accounts = [adopted(f"Account {n}") for n in range(6)]
    meet(accounts, imani, sink)
    today = []
    for n, account in enumerate(accounts):
        record(account, 30, f"02-26 11:{n:02}", by=joss, meeting_held=True)
        today += look(chicago(f"02-26 11:{n:02}"), sink)
    assert today == [("imani", [f"Send the 30-day recap, Account {n}"]) for n in range(4)]
    tomorrow = dict(look(chicago("02-27 08:00"), sink))["imani"]
    assert tomorrow[:2] == ["Send the 30-day recap, Account 4", "Send the 30-day recap, Account 5"]


# --- the planner itself


def test_planning_twice_plans_nothing_new(northwind):
    first = sweep(chicago("02-15 08:00"))
    assert (first.planned, first.superseded) == (2, 0)
    assert plan(chicago("02-15 08:00")) == 0
    assert plan(chicago("02-15 07:00")) == 0  # the clock was set back


def test_mil_2_the_planner_passes_accounts_whose_time_has_come_through_the_door(northwind):
    assert not Milestone.objects.filter(kind="book_meeting").exists()
    plan(chicago("02-08 00:00"))
    assert Milestone.objects.filter(kind="book_meeting", status="open").exists()


def test_the_planner_says_when_it_ran(northwind):
    plan(chicago("02-15 08:00"))
    assert ServiceBeat.age("planner", now=chicago("02-15 08:10")) == timedelta(minutes=10)


def test_a_milestone_sleeps_until_somebodys_next_instant(northwind, joss):
    change_user(joss, time_zone="Asia/Tokyo")
    stage = Milestone.objects.get(kind="stage", day=30)
    tokyo = ZoneInfo("Asia/Tokyo")
    plan(datetime(2026, 2, 15, 8, 0, tzinfo=tokyo))
    stage.refresh_from_db()
    assert stage.remind_at == chicago("02-15 08:00")  # Imani's prepare
    plan(chicago("02-15 08:00"))
    stage.refresh_from_db()
    assert stage.remind_at == datetime(2026, 2, 27, 8, 0, tzinfo=tokyo)  # Joss's day


def test_a_sweep_asks_the_same_number_of_queries_for_one_account_and_for_ten(
    northwind,
):
    with CaptureQueriesContext(connection) as one:
        plan(chicago("02-15 08:00"))
    for n in range(10):
        adopted(f"Account {n}", on=date(2026, 1, 29))
    plan(chicago("02-13 23:00"))  # passes the new ones through the door
    with CaptureQueriesContext(connection) as ten:
        plan(chicago("02-15 09:00"))
    assert Reminder.objects.count() == 22
    assert len(ten) <= len(one)
