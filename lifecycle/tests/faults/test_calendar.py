"""Rows 15 and 16 of reliability.md: what calendars and clocks do to send times and due dates, by property test.

The same properties are part of `make test`, over fewer days, in `lifecycle/tests/test_rules_dates.py`."""

from __future__ import annotations

import os
import time as clocks
from datetime import UTC, date, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from lifecycle.rules.cadence import WorkCalendar, add_months, due_on, local_instant, start_of_day
from lifecycle.rules.policy import Policy
from lifecycle.rules.reminders import send_at
from lifecycle.tests import naive
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
        zones,
    )
    def check(start: date, off: set[int], count: int, zone: ZoneInfo, moved_to: ZoneInfo) -> None:
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
            # An account that moves to another zone keeps its dates; its local day is still one day.
            for place in (zone, moved_to):
                assert start_of_day(due, place).astimezone(place).date() == due
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
