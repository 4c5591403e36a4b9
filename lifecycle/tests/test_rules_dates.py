"""The date rules against a second, naive implementation, over many dates, zones and calendars."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.rules.cadence import (
    ExistingRow,
    Span,
    WorkCalendar,
    add_months,
    due_on,
    local_instant,
    plan,
    replan,
    start_of_day,
)
from lifecycle.rules.duties import KIND
from lifecycle.rules.policy import LEVELS, Policy, RoutingRules
from lifecycle.rules.reminders import occasions, send_at
from lifecycle.rules.routing import route
from lifecycle.tests import naive
from lifecycle.tests.test_rules_facts import account

pytestmark = pytest.mark.sqlite_only

ASKED = os.environ.get("HYPOTHESIS_EXAMPLES", "")
settings.register_profile(
    "rules", max_examples=int(ASKED or 60), derandomize=not ASKED, deadline=None, database=None
)
many = settings(settings.get_profile("rules"))

POLICY = Policy()
NAMES = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Havana",
    "America/Los_Angeles",
    "America/Mexico_City",
    "America/New_York",
    "America/Phoenix",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Asia/Tokyo",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Europe/Dublin",
    "Europe/Madrid",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "UTC",
]
FIRST, LAST = date(2020, 1, 1), date(2029, 12, 31)
DAYS = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]

zones = st.sampled_from(NAMES).map(ZoneInfo)
days = st.dates(date(2000, 1, 1), date(2060, 12, 31))
half_hours = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))


@st.composite
def calendars(draw: st.DrawFn, near: date) -> WorkCalendar:
    offsets = draw(st.sets(st.integers(-20, 30), max_size=12))
    return WorkCalendar(frozenset(near + timedelta(days=offset) for offset in offsets))


@many
@given(days, st.integers(0, 3650))
def test_cad_5_due_on_is_the_naive_count(day_zero: date, count: int) -> None:
    assert due_on(day_zero, count) == naive.days_after(day_zero, count)


@many
@given(days, st.sampled_from(LEVELS))
def test_cad_2_and_3_a_plan_is_the_naive_plan_in_order(day_zero: date, level: str) -> None:
    rows = plan(level, day_zero, POLICY)
    wanted = naive.PLANS[level]
    assert [row.day for row in rows if row.type == "stage"] == wanted["stages"]
    assert [row.day for row in rows if row.type == "check_in"] == wanted["check_ins"]
    assert [row.day for row in rows if row.final] == wanted["stages"][-1:]
    assert all(row.due_on == naive.days_after(day_zero, row.day) for row in rows)
    assert list(rows) == sorted(rows, key=lambda row: row.due_on)


@many
@given(st.data(), days)
def test_cad_5_act_by_is_the_naive_last_working_day(data: st.DataObject, day: date) -> None:
    calendar = data.draw(calendars(day))
    assert calendar.last_on_or_before(day) == naive.last_working_until(day, set(calendar.holidays))
    before = naive.last_working_until(day - timedelta(days=1), set(calendar.holidays))
    assert calendar.working_day_before(day) == before


@many
@given(st.data(), days, st.integers(0, 20), st.integers(0, 10))
def test_mil_2_working_days_and_spans_are_the_naive_count(
    data: st.DataObject, day: date, count: int, ahead: int
) -> None:
    calendar = data.draw(calendars(day))
    assert calendar.add_working(day, count) == naive.nth_working_after(day, count, set(calendar.holidays))
    later = naive.nth_working_after(naive.days_after(day, ahead), count, set(calendar.holidays))
    assert Span(days=ahead, working_days=count).from_day(day, calendar) == later


@many
@given(days, st.integers(0, 60))
def test_cad_8_months_are_the_naive_months_and_never_drift(day: date, months: int) -> None:
    assert add_months(day, months) == naive.months_after(day, months)
    assert add_months(day, months) < add_months(day, months + 1)


@pytest.mark.parametrize("name", NAMES)
def test_mil_4_each_local_morning_of_ten_years_comes_exactly_once(name: str) -> None:
    zone = ZoneInfo(name)
    sent = [send_at(day, hour=8, zone=zone).astimezone(UTC) for day in DAYS]
    assert [instant.astimezone(zone).replace(tzinfo=None).isoformat() for instant in sent] == [
        f"{day}T08:00:00" for day in DAYS
    ]
    hours = {(later - earlier) / timedelta(hours=1) for earlier, later in pairwise(sent)}
    assert hours <= {23, 23.5, 24, 24.5, 25}


def clock_changes(zone: ZoneInfo) -> list[date]:
    """Each day between whose noon and the noon before clocks changed, and the day before it."""
    noons = [datetime.combine(day, time(12), zone).utcoffset() for day in DAYS]
    changed = [day for day, (before, after) in zip(DAYS[1:], pairwise(noons), strict=True) if before != after]
    return [day - timedelta(days=n) for day in changed for n in (0, 1)]


@pytest.mark.parametrize("name", NAMES)
def test_mil_4_every_hour_of_every_clock_change_of_ten_years_is_the_naive_instant(name: str) -> None:
    zone = ZoneInfo(name)
    for day in clock_changes(zone):
        for half_hour in range(48):
            at = time(half_hour // 2, half_hour % 2 * 30)
            assert local_instant(day, at, zone).astimezone(UTC) == naive.first_instant_showing(day, at, zone)


@many
@given(zones, st.dates(FIRST, LAST), half_hours)
def test_mil_4_a_local_time_is_the_naive_instant(zone: ZoneInfo, day: date, at: time) -> None:
    assert local_instant(day, at, zone).astimezone(UTC) == naive.first_instant_showing(day, at, zone)


@many
@given(zones, st.dates(FIRST, LAST))
def test_mil_2_a_local_day_starts_where_the_day_before_ends(zone: ZoneInfo, day: date) -> None:
    start = start_of_day(day, zone).astimezone(UTC)
    assert start.astimezone(zone).date() == day
    assert (start - timedelta(seconds=1)).astimezone(zone).date() == day - timedelta(days=1)


ROWS = [("stage", 30), ("stage", 60), ("stage", 90), ("check_in", 75), ("check_in", 150)]


@st.composite
def existing_rows(draw: st.DrawFn) -> list[tuple[str, int, bool, bool, bool]]:
    """(type, day, kept, live, final), as an adoption may stand after any history of levels."""
    chosen = draw(st.lists(st.sampled_from(ROWS), unique=True))
    return [
        (type_, day, draw(st.booleans()), draw(st.booleans()), type_ == "stage" and day >= 60)
        for type_, day in chosen
    ]


@many
@given(st.sampled_from(LEVELS), days, existing_rows(), st.integers(-5, 200))
def test_cad_7_a_change_of_level_is_the_naive_one(level: str, day_zero: date, rows: list, age: int) -> None:
    today = day_zero + timedelta(days=age)
    change = replan(level, day_zero, [ExistingRow(*row) for row in rows], POLICY, today=today)
    cancelled, added = naive.replan(level, day_zero, rows, today)
    assert set(change.cancel) == cancelled
    assert {(row.type, row.day): row.due_on for row in change.add} == added
    assert len(change.cancel) == len(cancelled) and len(change.add) == len(added)


@many
@given(st.sampled_from(LEVELS), days, existing_rows(), st.integers(-5, 200))
def test_cad_7_a_final_stage_always_exists_and_a_second_run_changes_nothing(
    level: str, day_zero: date, rows: list, age: int
) -> None:
    today = day_zero + timedelta(days=age)
    change = replan(level, day_zero, [ExistingRow(*row) for row in rows], POLICY, today=today)
    standing = [ExistingRow(*r) for r in rows if (r[0], r[1]) not in change.cancel and (r[2] or r[3])]
    standing += [ExistingRow(row.type, row.day, False, True, row.final) for row in change.add]
    assert any(row.final for row in standing)
    assert all(row.due_on >= today for row in change.add)
    again = replan(level, day_zero, standing, POLICY, today=today)
    assert (again.cancel, again.add) == ((), ())


@many
@given(st.data(), st.sampled_from(sorted(KIND)), days)
def test_mil_3_occasions_are_what_each_single_day_would_say(
    data: st.DataObject, kind: str, due: date
) -> None:
    calendar = data.draw(calendars(due))
    act_by = naive.last_working_until(due, set(calendar.holidays))
    end = due + timedelta(days=60)
    spoken: dict[date, set] = {}
    for occasion in occasions(kind, due_on=due, act_by=act_by, policy=POLICY, calendar=calendar):
        if occasion.on > end and occasion.name.startswith("late"):
            break
        spoken.setdefault(occasion.on, set()).add((occasion.name, occasion.to))
    schedule = kind if kind in ("stage", "check_in") else "other"
    for day in (end - timedelta(days=n) for n in range(100)):
        wanted = naive.spoken_on(schedule, day, due, act_by, set(calendar.holidays))
        assert spoken.pop(day, set()) == wanted
    assert not spoken


@many
@given(
    st.integers(0, 120),
    st.decimals(0, 1200, places=2) | st.sampled_from([Decimal("500.00"), Decimal("500.01")]),
    st.sampled_from(LEVELS),
    st.booleans(),
    st.booleans(),
)
def test_route_2_and_3_any_account_goes_where_the_naive_rule_sends_it(
    users: int, mrr: Decimal, level: str, smb: bool, switch: bool
) -> None:
    facts = account(contracted_users=users, mrr=mrr, service_level=level, starter_package=smb)
    routed = route(facts, Policy(routing=RoutingRules(regular_to_core=switch)))
    assert (routed.pool, [reason.fact for reason in routed.reasons]) == naive.pool(
        users, mrr, level, smb, switch
    )
