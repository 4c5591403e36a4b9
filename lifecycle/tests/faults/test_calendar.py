"""Rows 15 and 16 of reliability.md: what calendars and clocks do to send times and due dates, by property test.

The same properties are part of `make test`, over fewer days, in `lifecycle/tests/test_rules_dates.py`."""

from __future__ import annotations

import os
import time as clocks
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from accounts.models import Account, User
from accounts.tests.factories import complete_onboarding, make_account, make_csm
from lifecycle import clock
from lifecycle.change import change
from lifecycle.milestones.models import Milestone
from lifecycle.rules.cadence import WorkCalendar, add_months, due_on, local_instant, start_of_day
from lifecycle.rules.policy import Policy
from lifecycle.rules.reminders import send_at
from lifecycle.tests import naive
from lifecycle.tests.faults.kit import World
from lifecycle.tests.test_rules_dates import DAYS, NAMES

pytestmark = [pytest.mark.fault, pytest.mark.sqlite_only, pytest.mark.timeout(300)]

RULES = Policy().cadence
CASES = 100_000
RUN = 50  # consecutive days in one example
SEED = seed(int(os.environ["FAULT_SEED"]))
EXAMPLES = settings(max_examples=CASES // RUN, deadline=None, database=None)

zones = st.sampled_from(NAMES).map(ZoneInfo)
starts = st.sampled_from(DAYS[:-RUN])
leap_ends = st.sampled_from([date(2020, 2, 29), date(2024, 2, 29), date(2023, 8, 31), date(2024, 8, 31)])


def test_row_15_each_local_time_of_ten_years_in_24_zones_comes_once(figures):
    cases, begun = 0, clocks.monotonic()

    @SEED
    @EXAMPLES
    @given(zones, starts, st.integers(0, 47))
    def check(zone: ZoneInfo, start: date, half_hour: int) -> None:
        nonlocal cases
        days = [start + timedelta(days=n) for n in range(RUN)]
        at = time(half_hour // 2, half_hour % 2 * 30)
        sent = [local_instant(day, at, zone).astimezone(UTC) for day in days]
        assert sent == [naive.first_instant_showing(day, at, zone) for day in days]
        assert all(earlier < later for earlier, later in pairwise(sent)), "two local days in one instant"
        if not at.minute:
            assert sent == [send_at(day, hour=at.hour, zone=zone).astimezone(UTC) for day in days]
        cases += RUN

    check()
    figures(
        row=15,
        case="24 zones, 10 years",
        seconds=clocks.monotonic() - begun,
        cases=cases,
        misses=0,
        doubles=0,
    )
    assert len(NAMES) == 24
    assert cases >= CASES


def test_row_16_due_dates_are_those_of_a_second_reading_of_the_rules(figures):
    cases, begun = 0, clocks.monotonic()
    months = (RULES.reference_months_high, RULES.reference_months_low)

    @SEED
    @EXAMPLES
    @given(
        st.one_of(starts, leap_ends),
        st.sets(st.integers(-20, 260), max_size=12),
        st.integers(0, 240),
        zones,
    )
    def check(start: date, off: set[int], count: int, zone: ZoneInfo) -> None:
        nonlocal cases
        holidays = {start + timedelta(days=n) for n in off}
        calendar, acts = WorkCalendar(frozenset(holidays)), []
        for day in (start + timedelta(days=n) for n in range(RUN)):
            due = due_on(day, count)
            assert due == naive.days_after(day, count)
            acts.append(calendar.last_on_or_before(due))
            assert acts[-1] == naive.last_working_until(due, holidays)
            for every in months:
                assert add_months(day, every) == naive.months_after(day, every)
            assert start_of_day(due, zone).astimezone(zone).date() == due
        assert all(earlier <= later for earlier, later in pairwise(acts)), (
            "a later day 0 made an earlier due date"
        )
        for every in months:  # CAD-8: counted from the day it began, so that 31 Aug comes back after 28 Feb
            chain = [add_months(start, every * n) for n in range(9)]
            assert all(earlier < later for earlier, later in pairwise(chain))
            assert {on.day for on in chain if on.month == start.month and start.day < 29} <= {start.day}
        cases += RUN

    check()
    figures(row=16, case="dates, twice over", seconds=clocks.monotonic() - begun, cases=cases, differing=0)
    assert cases >= CASES


NOON = datetime(2026, 8, 31, 11, tzinfo=UTC)  # tomorrow has begun in some of the zones


def test_row_16_an_account_that_moves_through_24_zones_keeps_its_dates(world: World, figures):
    """One that has its own zone, and one that has its CSM's."""
    with clock.at(NOON):
        big = {"service_level": "premium", "mrr": Decimal("900.00"), "contracted_users": 60}
        alone, looked_after = make_account("alone", **big), make_account("looked after", csm=make_csm())
        for account in (alone, looked_after):
            complete_onboarding(account, on=date(2026, 8, 10), call_on=date(2026, 8, 7))
        dates, today = dates_of(), set()
        assert len(dates) >= 6
        for name in NAMES:
            with change(alone, by=None, via="task", now=NOON) as work:
                work.account.record({"time_zone": name})
            with change(None, by=None, via="task", now=NOON) as other:
                csm = User.objects.get(pk=looked_after.csm_id)
                csm.time_zone = name
                csm.save()
            for account in Account.objects.select_related("csm"):
                assert work.today(account) == NOON.astimezone(ZoneInfo(name)).date()
                today.add(work.today(account))
            assert (work.moves, other.moves) == ([], []), name
            assert dates_of() == dates, name
    assert len(today) == 2, "all zones had the same day"
    assert Account.objects.get(pk=alone.pk).csm_id is None, "it has no zone of its own any more"
    figures(row=16, case="accounts that move", zones=len(NAMES), dates=len(dates), moved=0)
    world.check()


def dates_of() -> list[tuple[object, ...]]:
    return list(Milestone.objects.order_by("pk").values_list("pk", "due_on", "act_by", "status"))
