"""MIL-3..6: what reminds again, in whose place, in which order; and what one broken duty may not stop."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from accounts.models import Cover
from accounts.tests.factories import make_csm, make_opportunity
from lifecycle.change import change
from lifecycle.dashboards import my_day
from lifecycle.mail.tests.sending import chicago
from lifecycle.milestones.models import Milestone, Reminder
from lifecycle.milestones.planner import plan
from lifecycle.milestones.planner.bundling import Planning
from lifecycle.milestones.tests import test_planner
from lifecycle.milestones.tests.test_planner import BOTH, adopted, change_user, look, record
from onboarding.models import Onboarding

joss, imani, northwind = test_planner.joss, test_planner.imani, test_planner.northwind
pytestmark = [pytest.mark.django_db, pytest.mark.servers]


def day_zero(account, on: date | None, when: str) -> None:
    with change(account, by=None, via="page", now=chicago(when)) as work:
        row = Onboarding.objects.get(account=work.account)
        row.record({"training_completed_on": on}, today=work.today(work.account))


def prepares() -> list[tuple[int, str]]:
    found = Reminder.objects.filter(milestone__day=30, milestone__kind="stage", occasion="prepare")
    return sorted(found.values_list("ordinal", "state"))


def test_mil_5_a_duty_that_was_cancelled_and_comes_back_far_away_reminds_again(northwind, sink):
    assert look(chicago("02-15 08:00"), sink) == BOTH
    day_zero(northwind, None, "02-16 09:00")
    assert not Milestone.objects.open().filter(kind="stage").exists()
    day_zero(northwind, date(2026, 2, 16), "02-16 10:00")  # day 30 is March 18 now
    look(chicago("02-17 08:00"), sink)
    mails = dict(look(chicago("03-04 08:00"), sink))
    assert "30-day adoption, Northwind" in mails["imani"]
    assert prepares() == [(0, "sent"), (0, "sent"), (1, "sent"), (1, "sent")]


def test_mil_5_a_duty_that_comes_back_within_a_week_does_not_repeat_what_was_sent(northwind, sink):
    assert look(chicago("02-15 08:00"), sink) == BOTH
    day_zero(northwind, None, "02-16 09:00")
    day_zero(northwind, date(2026, 2, 6), "02-16 10:00")
    for day in range(17, 24):
        look(chicago(f"02-{day} 08:00"), sink)
    assert prepares() == [(0, "sent"), (0, "sent")]


def test_mil_5_what_a_newer_one_replaced_reminds_again_after_a_far_move(northwind, imani, sink):
    look(chicago("03-04 08:00"), sink)  # after three days without a planner: only the newest was sent
    assert {state for _, state in prepares()} == {"superseded"}
    day_zero(northwind, date(2026, 3, 3), "03-04 10:00")  # day 30 is April 2 now
    mails = dict(look(chicago("03-19 08:00"), sink))
    assert "30-day adoption, Northwind" in mails["imani"]


@pytest.mark.parametrize(
    ("zone", "hour", "comes"), [("Europe/Berlin", 8, "02-20 01:00"), ("Asia/Tokyo", 6, "02-19 15:00")]
)
def test_mil_6_who_covers_gets_it_in_the_morning_of_their_own_place(
    northwind, imani, joss, sink, zone, hour, comes
):
    kofi = make_csm("kofi@example.com", team=joss.team, time_zone=zone, digest_hour=hour)
    with change(None, by=None, via="page", now=chicago("02-02 09:00")):
        Cover.objects.create(user=imani, substitute=kofi, from_on=date(2026, 2, 1), to_on=date(2026, 3, 30))
    look(chicago("02-15 16:00"), sink)
    assert look(chicago(comes) - timedelta(minutes=1), sink) == []
    assert look(chicago(comes), sink) == [("kofi", ["Book the 30-day meeting, Northwind"])]


def test_mil_6_who_covers_and_moves_gets_it_in_the_morning_of_the_new_place(northwind, imani, joss, sink):
    kofi = make_csm("kofi@example.com", team=joss.team, time_zone="Europe/Berlin")
    with change(None, by=None, via="page", now=chicago("02-02 09:00")):
        Cover.objects.create(user=imani, substitute=kofi, from_on=date(2026, 2, 1), to_on=date(2026, 3, 30))
    plan(chicago("02-14 23:00"))  # looked once: it knows the hour in Berlin
    change_user(kofi, time_zone="Asia/Tokyo")
    assert [who for who, _ in look(chicago("02-14 23:01"), sink)] == ["kofi"]  # 14:01 in Tokyo


def test_mil_4_a_digest_reads_as_my_day(imani, joss, sink):
    """Saturday: day 30 of three accounts is tomorrow, so that it was to be done by Friday."""
    small, large = adopted("Small", mrr=Decimal("600.00")), adopted("Large", mrr=Decimal("950.00"))
    adopted("Late", on=date(2026, 1, 13))
    record(small, 30, "02-20 09:00", by=imani, meeting_scheduled_at=chicago("03-01 09:00"))
    record(large, 30, "02-20 09:00", by=imani, meeting_scheduled_at=chicago("03-01 15:00"))
    make_opportunity(small, by=imani, now=chicago("02-24 09:00"))
    now = chicago("02-28 08:00")
    mails = dict(look(now, sink))
    page = my_day.page(imani, now=now)
    on_page = [
        f"{row.milestone.title}, {row.milestone.account.name}"
        for group in page["groups"]
        for row in group.rows
    ]
    both = [
        line for line in mails["imani"] if line in on_page
    ]  # queues leave out a stage that has open steps
    assert both == [line for line in on_page if line in both] and len(both) > 2
    text = sink.to(imani.email)[-1].text
    overdue = {f"{row.milestone.title}, {row.milestone.account.name}" for row in page["groups"][0].rows}
    said = text.partition("Overdue")[2].partition("Coming up")[0]
    assert page["groups"][0].key == "overdue" and overdue
    assert all(line in said for line in mails["imani"] if line in overdue)
    assert "was due Fri, Feb 27, 1 day ago; day 30 is Sun, Mar 1" in text


def test_one_duty_that_cannot_be_planned_stops_no_mail_of_others(northwind, sink, monkeypatch, caplog):
    adopted("Broken")
    come = Planning.come

    def breaks(self, milestone):
        if milestone.account.name == "Broken":
            raise ValueError("no such day")
        return come(self, milestone)

    monkeypatch.setattr(Planning, "come", breaks)
    assert look(chicago("02-15 08:00"), sink) == BOTH
    assert "cannot be planned" in caplog.text
    monkeypatch.undo()
    assert [lines for _, lines in look(chicago("02-15 09:00"), sink)] == []  # today's digest has left
    assert [lines for _, lines in look(chicago("02-16 08:00"), sink)] == [["30-day adoption, Broken"]] * 2
