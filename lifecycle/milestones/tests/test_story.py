"""The story test: `remind` walked through the days of two accounts sends what MIL-3 and MIL-4 say, and nothing else.

The expected mails are written out by hand from the rules. Both accounts completed training on Friday,
2026-01-30; Imani is their CSM, Joss her team lead, both in Chicago (clocks go forward on March 8).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command

from accounts.models import Account, User
from accounts.tests.factories import complete_onboarding, make_account, make_csm, make_lead, make_team
from adoption.models import CheckIn, Checklist, Stage
from adoption.tests.factories import SAID_FINAL, SAID_FIRST
from lifecycle import clock
from lifecycle.change import change
from lifecycle.mail.models import Message
from lifecycle.mail.tests.sending import CHICAGO, chicago, duties
from lifecycle.milestones.models import Reminder

pytestmark = [pytest.mark.django_db, pytest.mark.servers, pytest.mark.timeout(300)]

DAY_ZERO = date(2026, 1, 30)
LOOKS = (time(7, 59), time(8, 0), time(12, 0))
NORTHWIND_30, NORTHWIND_90 = "30-day adoption, Northwind", "90-day adoption, Northwind"
HARBOR_60 = "60-day adoption, Harbor Care"
BOOK_30 = "Book the 30-day meeting, Northwind"
PREPARE_30 = "Prepare the 30-day checklist, Northwind"
EXPLAIN_30 = "Say why the 30-day meeting was missed, Northwind"


class Cast:
    """The people and accounts of the story, and what people do in it."""

    def __init__(self) -> None:
        with clock.at(chicago("01-30 15:00")):
            team = make_team()
            self.joss = make_lead("joss@example.com", team=team, time_zone="America/Chicago")
            self.imani = make_csm("imani@example.com", pool="core", team=team, time_zone="America/Chicago")

    def adopt(self, name: str, **facts: object) -> Account:
        with clock.at(chicago("01-30 15:00")):
            account = make_account(name, **facts)
            assert account.csm == self.imani
            return complete_onboarding(account, on=DAY_ZERO, by=self.imani)

    def record(self, account: Account, day: int, *, by: User | None = None, **values: object) -> None:
        now = clock.now()
        with change(account, by=by or self.imani, via="page", now=now) as work:
            stage = Stage.objects.get(account=work.account, day=day)
            stage.record(values, by=by or self.imani, now=now, today=work.today(work.account))

    def mark_ready(self, account: Account, day: int) -> None:
        with change(account, by=self.imani, via="page", now=clock.now()) as work:
            Checklist.begin(Stage.objects.get(account=work.account, day=day)).mark_ready(now=clock.now())

    def export_and_close(self, account: Account, day: int) -> None:
        with change(account, by=self.imani, via="page", now=clock.now()) as work:
            stage = Stage.objects.get(account=work.account, day=day)
            checklist = Checklist.begin(stage)
            checklist.attach(content_hash="0" * 64, file_name="a.pdf", by=self.imani, fillable=False)
            stage.close(checklist, now=clock.now())

    def check_in(self, account: Account, day: int) -> None:
        now = clock.now()
        with change(account, by=self.joss, via="page", now=now) as work:
            today = work.today(work.account)
            CheckIn.objects.get(account=work.account, day=day).record(
                {"done_on": today}, now=now, today=today
            )


def walk(sink, *, until: date, script: dict[str, Callable[[], None]] | None = None) -> list[tuple]:
    """Run `remind --now` at 07:59, 08:00 and 12:00 of every day, people acting in between.

    Answers each mail as (month-day and time it left, who got it, what it lists).
    """
    todo = {chicago(when): act for when, act in (script or {}).items()}
    days = (DAY_ZERO + timedelta(days=n) for n in range(1, (until - DAY_ZERO).days + 1))
    instants = [datetime.combine(day, look, tzinfo=CHICAGO) for day in days for look in LOOKS]
    seen = []
    for instant in sorted([*instants, *todo]):
        if instant in todo:
            with clock.at(instant):
                todo[instant]()
            continue
        already = len(sink.messages)
        call_command("remind", now=instant.isoformat(), stdout=StringIO())
        for mail in sink.messages[already:]:
            (address,) = mail.recipients
            seen.append((f"{instant:%m-%d %H:%M}", address.partition("@")[0], duties(mail)))
    return sorted(seen, key=lambda mail: mail[:2])


def test_mil_3_mil_4_what_a_premium_account_sends_while_nobody_lifts_a_finger(sink):
    cast = Cast()
    cast.adopt("Northwind", service_level="premium", mrr=Decimal("900.00"))

    # Day 30 is Sunday, March 1: act by Friday. Booking is due a week earlier, Sunday, February 22: act by Friday.
    assert walk(sink, until=date(2026, 3, 19)) == [
        ("02-15 08:00", "imani", [NORTHWIND_30]),
        ("02-15 08:00", "joss", [NORTHWIND_30]),
        ("02-20 08:00", "imani", [BOOK_30]),
        ("02-24 08:00", "imani", [BOOK_30]),
        ("02-24 08:00", "joss", [BOOK_30]),
        ("02-27 08:00", "imani", [NORTHWIND_30, PREPARE_30]),
        ("02-27 08:00", "joss", [NORTHWIND_30]),
        ("03-03 08:00", "imani", [BOOK_30, PREPARE_30, EXPLAIN_30]),
        ("03-03 08:00", "joss", [BOOK_30, PREPARE_30]),
        ("03-04 08:00", "imani", [NORTHWIND_30]),
        ("03-04 08:00", "joss", [NORTHWIND_30]),
        ("03-05 08:00", "imani", [EXPLAIN_30]),
        ("03-05 08:00", "joss", [EXPLAIN_30]),
        ("03-10 08:00", "imani", [BOOK_30, PREPARE_30]),
        ("03-10 08:00", "joss", [BOOK_30, PREPARE_30]),
        ("03-11 08:00", "imani", [NORTHWIND_30]),
        ("03-11 08:00", "joss", [NORTHWIND_30]),
        ("03-12 08:00", "imani", [EXPLAIN_30]),
        ("03-12 08:00", "joss", [EXPLAIN_30]),
        ("03-17 08:00", "imani", [BOOK_30, PREPARE_30]),
        ("03-17 08:00", "joss", [BOOK_30, PREPARE_30]),
        ("03-18 08:00", "imani", [NORTHWIND_30]),
        ("03-18 08:00", "joss", [NORTHWIND_30]),
        ("03-19 08:00", "imani", [EXPLAIN_30]),
        ("03-19 08:00", "joss", [EXPLAIN_30]),
    ]


def test_mil_3_mil_4_what_a_premium_and_a_basic_account_send_in_160_days_of_work(sink):
    cast = Cast()
    north = cast.adopt("Northwind", service_level="premium", mrr=Decimal("900.00"))
    harbor = cast.adopt("Harbor Care", service_level="basic", mrr=Decimal("600.00"))
    record = cast.record

    mails = walk(
        sink,
        until=date(2026, 7, 9),
        script={
            # Northwind, day 30 (Sunday, March 1): everything in time, closed on the Monday after.
            "02-10 10:00": lambda: record(north, 30, meeting_scheduled_at=chicago("02-26 15:00")),
            "02-24 10:00": lambda: cast.mark_ready(north, 30),
            "02-26 16:00": lambda: record(north, 30, meeting_held=True, **SAID_FIRST),
            "02-26 16:30": lambda: record(north, 30, recap_sent_at=clock.now()),
            "03-02 10:00": lambda: cast.export_and_close(north, 30),
            # Harbor Care, day 60 (March 31): booked at once, the admin does not come, the lead waives it.
            "03-12 10:00": lambda: record(harbor, 60, meeting_scheduled_at=chicago("03-25 09:00")),
            "03-20 10:00": lambda: cast.mark_ready(harbor, 60),
            "03-25 09:20": lambda: record(harbor, 60, meeting_held=False),
            "03-26 10:00": lambda: record(harbor, 60, no_meeting_reason="Nobody came."),
            "03-30 14:00": lambda: record(
                harbor, 60, by=cast.joss, gap_decision="waive", notes="All their figures are fine."
            ),
            "04-01 11:00": lambda: cast.export_and_close(harbor, 60),
            # Northwind, day 75 (April 15): the lead writes on the day.
            "04-15 11:00": lambda: cast.check_in(north, 75),
            # Northwind, day 90 (April 30): booked and prepared late, closed six days after.
            "04-23 17:00": lambda: record(north, 90, meeting_scheduled_at=chicago("04-30 10:00")),
            "04-29 11:00": lambda: cast.mark_ready(north, 90),
            "04-30 14:00": lambda: record(north, 90, meeting_held=True, **SAID_FINAL),
            "04-30 15:00": lambda: record(north, 90, recap_sent_at=clock.now()),
            "05-06 10:00": lambda: cast.export_and_close(north, 90),
            # Northwind, day 150 (June 29): the lead is eight days late.
            "07-07 10:00": lambda: cast.check_in(north, 150),
        },
    )

    assert mails == [
        ("02-15 08:00", "imani", [NORTHWIND_30]),  # 14 days before
        ("02-15 08:00", "joss", [NORTHWIND_30]),
        ("02-27 08:00", "imani", [NORTHWIND_30]),  # on the day: the Friday before
        ("02-27 08:00", "joss", [NORTHWIND_30]),
        ("03-03 08:00", "joss", ["The 30-day stage of Northwind was closed."]),
        ("03-17 08:00", "imani", [HARBOR_60]),
        ("03-17 08:00", "joss", [HARBOR_60]),
        ("03-26 08:00", "imani", ["Say why the 60-day meeting was missed, Harbor Care"]),
        ("03-30 08:00", "joss", ["Review a missed meeting, Harbor Care"]),
        ("03-31 08:00", "imani", [HARBOR_60]),
        ("03-31 08:00", "joss", [HARBOR_60]),
        ("04-02 08:00", "joss", ["The 60-day stage of Harbor Care was closed."]),
        ("04-12 08:00", "joss", ["Send the 75-day check-in, Northwind"]),  # three days before, the lead alone
        ("04-15 08:00", "imani", ["Send the 75-day check-in, Northwind"]),
        ("04-15 08:00", "joss", ["Send the 75-day check-in, Northwind"]),
        ("04-16 08:00", "imani", [NORTHWIND_90]),
        ("04-16 08:00", "joss", [NORTHWIND_90]),
        ("04-23 08:00", "imani", ["Book the 90-day meeting, Northwind"]),
        ("04-29 08:00", "imani", ["Prepare the 90-day checklist, Northwind"]),
        ("04-30 08:00", "imani", [NORTHWIND_90]),
        ("04-30 08:00", "joss", [NORTHWIND_90]),
        ("05-03 08:00", "imani", [NORTHWIND_90]),  # three days late, a Sunday
        ("05-03 08:00", "joss", [NORTHWIND_90]),
        ("05-05 08:00", "imani", ["Attach the checklist and close, Northwind"]),
        ("05-07 08:00", "joss", ["The 90-day stage of Northwind was closed."]),
        ("06-26 08:00", "joss", ["Send the 150-day check-in, Northwind"]),
        ("06-29 08:00", "imani", ["Send the 150-day check-in, Northwind"]),
        ("06-29 08:00", "joss", ["Send the 150-day check-in, Northwind"]),
        ("07-06 08:00", "joss", ["Send the 150-day check-in, Northwind"]),  # seven days late, the lead alone
    ]
    # "Record the outcome" of April 30 came up after that day's digest and was done before the next: it stays unsent.
    (unsent,) = Message.objects.exclude(state="sent")
    assert unsent.dedup == f"digest:{cast.imani.pk}:2026-05-01"
    assert unsent.state == "cancelled" and unsent.reason
    assert not Reminder.objects.filter(state="planned").exists()
    assert set(Reminder.objects.filter(state="superseded").values_list("milestone__kind", flat=True)) == {
        "record_meeting"
    }
