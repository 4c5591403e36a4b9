"""CAD: day 0, what is due on which date, local mornings, and what a change of level re-plans."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

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
from lifecycle.rules.policy import CadenceRules, LevelPlan, Policy
from lifecycle.tests.test_rules_facts import DAY_ZERO, NEW_YORK

pytestmark = pytest.mark.sqlite_only

POLICY = Policy()
GOOD_FRIDAY, EASTER_MONDAY = date(2026, 4, 3), date(2026, 4, 6)
HOLIDAYS = WorkCalendar(frozenset({GOOD_FRIDAY, EASTER_MONDAY}))


@pytest.mark.parametrize("level", ["standard", "premium"])
def test_cad_2_standard_and_premium_have_two_stages_and_two_check_ins(level: str) -> None:
    assert [(r.type, r.day, r.final, r.due_on.isoformat()) for r in plan(level, DAY_ZERO, POLICY)] == [
        ("stage", 30, False, "2026-03-01"),
        ("check_in", 75, False, "2026-04-15"),
        ("stage", 90, True, "2026-04-30"),
        ("check_in", 150, False, "2026-06-29"),
    ]


def test_cad_3_basic_has_one_stage_which_is_final_and_no_check_in() -> None:
    (only,) = plan("basic", DAY_ZERO, POLICY)
    assert (only.type, only.day, only.final, only.due_on) == ("stage", 60, True, date(2026, 3, 31))


def test_cad_3_the_policy_can_turn_check_ins_on_for_basic() -> None:
    policy = Policy(cadence=CadenceRules(basic=LevelPlan((60,), (75,))))
    assert [(r.type, r.day) for r in plan("basic", DAY_ZERO, policy)] == [("stage", 60), ("check_in", 75)]


def test_pol_nothing_assumes_30_60_or_90_by_name() -> None:
    policy = Policy(cadence=CadenceRules(standard=LevelPlan((20, 50, 75), (75,))))
    rows = plan("standard", DAY_ZERO, policy)
    assert [(r.type, r.day, r.final) for r in rows] == [
        ("stage", 20, False),
        ("stage", 50, False),
        ("check_in", 75, False),
        ("stage", 75, True),
    ]


@pytest.mark.parametrize(
    ("day_zero", "days", "due"),
    [
        (date(2026, 1, 30), 0, date(2026, 1, 30)),
        (date(2026, 1, 30), 30, date(2026, 3, 1)),
        (date(2028, 1, 30), 30, date(2028, 2, 29)),
        (date(2028, 2, 29), 366, date(2029, 3, 1)),
        (date(2026, 6, 18), 150, date(2026, 11, 15)),
    ],
)
def test_cad_5_due_on_counts_calendar_days(day_zero: date, days: int, due: date) -> None:
    assert due_on(day_zero, days) == due


@pytest.mark.parametrize(
    ("due", "act_by"),
    [
        (date(2026, 11, 13), date(2026, 11, 13)),
        (date(2026, 11, 14), date(2026, 11, 13)),
        (date(2026, 11, 15), date(2026, 11, 13)),
        (date(2026, 11, 16), date(2026, 11, 16)),
        (date(2026, 4, 2), date(2026, 4, 2)),
        (GOOD_FRIDAY, date(2026, 4, 2)),
        (EASTER_MONDAY, date(2026, 4, 2)),
        (date(2026, 4, 7), date(2026, 4, 7)),
    ],
)
def test_cad_5_act_by_is_the_last_working_day_on_or_before(due: date, act_by: date) -> None:
    assert HOLIDAYS.last_on_or_before(due) == act_by


@pytest.mark.parametrize(
    ("day", "before"),
    [
        (date(2026, 4, 30), date(2026, 4, 29)),
        (date(2026, 5, 3), date(2026, 5, 1)),
        (date(2026, 5, 4), date(2026, 5, 1)),
        (date(2026, 4, 7), date(2026, 4, 2)),
    ],
)
def test_cad_5_the_working_day_before_is_never_the_day_itself(day: date, before: date) -> None:
    assert HOLIDAYS.working_day_before(day) == before


@pytest.mark.parametrize(
    ("day", "count", "reached"),
    [
        (date(2026, 5, 2), 0, date(2026, 5, 2)),
        (date(2026, 5, 2), 1, date(2026, 5, 4)),
        (date(2026, 5, 1), 1, date(2026, 5, 4)),
        (date(2026, 5, 1), 5, date(2026, 5, 8)),
        (date(2026, 5, 1), 6, date(2026, 5, 11)),
        (date(2026, 4, 2), 1, date(2026, 4, 7)),
        (GOOD_FRIDAY, 2, date(2026, 4, 8)),
    ],
)
def test_mil_2_working_days_are_counted_over_weekends_and_holidays(
    day: date, count: int, reached: date
) -> None:
    assert HOLIDAYS.add_working(day, count) == reached
    assert Span(working_days=count).from_day(day, HOLIDAYS) == reached


@pytest.mark.parametrize(
    ("span", "reached"),
    [
        (Span(), date(2026, 4, 1)),
        (Span(days=7), date(2026, 4, 8)),
        (Span(days=2), GOOD_FRIDAY),
        (Span(days=1, working_days=1), date(2026, 4, 7)),
    ],
)
def test_mil_2_a_span_counts_from_the_day_the_row_appears(span: Span, reached: date) -> None:
    assert span.from_day(date(2026, 4, 1), HOLIDAYS) == reached


@pytest.mark.parametrize(
    ("day", "months", "clamped"),
    [
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
        (date(2027, 8, 31), 6, date(2028, 2, 29)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2028, 2, 29), 6, date(2028, 8, 29)),
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2026, 5, 31), 6, date(2026, 11, 30)),
        (date(2026, 6, 30), 6, date(2026, 12, 30)),
        (date(2026, 12, 31), 12, date(2027, 12, 31)),
        (date(2026, 7, 1), 6, date(2027, 1, 1)),
        (date(2026, 3, 15), 0, date(2026, 3, 15)),
    ],
)
def test_cad_8_months_clamp_to_their_end(day: date, months: int, clamped: date) -> None:
    assert add_months(day, months) == clamped


@pytest.mark.parametrize(
    ("zone", "day", "at", "instant"),
    [
        ("America/New_York", date(2026, 3, 7), time(8), datetime(2026, 3, 7, 13, tzinfo=UTC)),
        ("America/New_York", date(2026, 3, 8), time(8), datetime(2026, 3, 8, 12, tzinfo=UTC)),
        ("America/New_York", date(2026, 3, 8), time(1, 59), datetime(2026, 3, 8, 6, 59, tzinfo=UTC)),
        ("America/New_York", date(2026, 3, 8), time(2), datetime(2026, 3, 8, 7, tzinfo=UTC)),
        ("America/New_York", date(2026, 3, 8), time(2, 30), datetime(2026, 3, 8, 7, tzinfo=UTC)),
        ("America/New_York", date(2026, 3, 8), time(3), datetime(2026, 3, 8, 7, tzinfo=UTC)),
        ("America/New_York", date(2026, 11, 1), time(1), datetime(2026, 11, 1, 5, tzinfo=UTC)),
        ("America/New_York", date(2026, 11, 1), time(1, 30), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        ("America/New_York", date(2026, 11, 1), time(2), datetime(2026, 11, 1, 7, tzinfo=UTC)),
        ("Europe/Madrid", date(2026, 3, 29), time(2, 30), datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        ("Pacific/Apia", date(2011, 12, 30), time(8), datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ],
)
def test_mil_4_a_missing_local_time_is_the_next_valid_one_and_a_doubled_one_the_first(
    zone: str, day: date, at: time, instant: datetime
) -> None:
    assert local_instant(day, at, ZoneInfo(zone)).astimezone(UTC) == instant


@pytest.mark.parametrize(
    ("zone", "day", "instant"),
    [
        ("America/Santiago", date(2026, 9, 6), datetime(2026, 9, 6, 4, tzinfo=UTC)),
        ("America/Havana", date(2026, 11, 1), datetime(2026, 11, 1, 4, tzinfo=UTC)),
        ("America/New_York", date(2026, 5, 1), datetime(2026, 5, 1, 4, tzinfo=UTC)),
    ],
)
def test_mil_2_a_local_day_starts_at_its_first_instant_even_where_midnight_is_skipped_or_doubled(
    zone: str, day: date, instant: datetime
) -> None:
    start = start_of_day(day, ZoneInfo(zone)).astimezone(UTC)
    assert start == instant
    assert (start - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() < day


def row(type_: str, day: int, *, kept: bool = False, live: bool = True, final: bool = False) -> ExistingRow:
    return ExistingRow(type_, day, kept, live, final)


BASIC = (row("stage", 60, final=True),)
STANDARD = (row("stage", 30), row("check_in", 75), row("stage", 90, final=True), row("check_in", 150))


def after_days(days: int) -> date:
    return DAY_ZERO + timedelta(days=days)


def replanned(level: str, existing: tuple[ExistingRow, ...], days: int) -> tuple[list, list]:
    change = replan(level, DAY_ZERO, existing, POLICY, today=after_days(days))
    added = [(r.type, r.day, r.final, (r.due_on - DAY_ZERO).days) for r in change.add]
    return sorted(change.cancel), sorted(added)


@pytest.mark.parametrize("days", [0, 59, 60])
def test_cad_7_standard_to_basic_swaps_all_for_the_60_day_stage(days: int) -> None:
    cancelled, added = replanned("basic", STANDARD, days)
    assert cancelled == [("check_in", 75), ("check_in", 150), ("stage", 30), ("stage", 90)]
    assert added == [("stage", 60, True, 60)]


@pytest.mark.parametrize("days", [61, 89, 200])
def test_cad_7_where_the_final_day_has_passed_it_is_due_on_the_day_of_the_change(days: int) -> None:
    assert replanned("basic", STANDARD, days)[1] == [("stage", 60, True, days)]


@pytest.mark.parametrize(
    ("days", "added"),
    [
        (29, [("check_in", 75), ("check_in", 150), ("stage", 30), ("stage", 90)]),
        (30, [("check_in", 75), ("check_in", 150), ("stage", 30), ("stage", 90)]),
        (31, [("check_in", 75), ("check_in", 150), ("stage", 90)]),
        (76, [("check_in", 150), ("stage", 90)]),
        (91, [("check_in", 150), ("stage", 90)]),
        (151, [("stage", 90)]),
    ],
)
def test_cad_7_basic_to_standard_adds_what_is_still_ahead_and_always_a_final_stage(
    days: int, added: list
) -> None:
    cancelled, new = replanned("standard", BASIC, days)
    assert cancelled == [("stage", 60)]
    assert [(type_, day) for type_, day, _, _ in new] == added
    assert ("stage", 90, True, max(days, 90)) in new


def test_cad_7_started_rows_stay_though_they_no_longer_belong() -> None:
    rows = (
        row("stage", 30, kept=True),
        row("check_in", 75, kept=True),
        row("stage", 90),
        row("check_in", 150),
    )
    assert replanned("basic", rows, 40) == ([("check_in", 150), ("stage", 90)], [("stage", 60, True, 60)])


@pytest.mark.parametrize("live", [True, False])
def test_cad_7_a_started_final_stage_that_stays_is_not_doubled_by_one_due_today(live: bool) -> None:
    rows = (row("stage", 30, kept=True, live=False), row("stage", 90, kept=True, live=live, final=True))
    assert replanned("basic", rows, 80) == ([], [])


def test_cad_7_closed_rows_are_neither_cancelled_nor_made_again() -> None:
    closed = (row("stage", 30, kept=True, live=False), row("stage", 90, final=True))
    assert replanned("premium", closed, 40) == (
        [],
        [("check_in", 75, False, 75), ("check_in", 150, False, 150)],
    )


def test_cad_7_a_cancelled_row_comes_back_when_it_belongs_again() -> None:
    rows = (row("stage", 60, live=False, final=True), *STANDARD)
    assert replanned("basic", rows, 10)[1] == [("stage", 60, True, 60)]


@pytest.mark.parametrize(("level", "rows"), [("basic", BASIC), ("standard", STANDARD), ("premium", STANDARD)])
@pytest.mark.parametrize("days", [0, 45, 400])
def test_cad_7_the_same_level_again_changes_nothing(level: str, rows: tuple, days: int) -> None:
    assert replanned(level, rows, days) == ([], [])


def test_cad_7_the_same_change_a_day_later_changes_nothing_more() -> None:
    after_the_first = (row("stage", 60, final=True), *(row(r.type, r.day, live=False) for r in STANDARD))
    assert replanned("basic", after_the_first, 101) == ([], [])


def test_mil_4_new_york_mornings_are_25_and_23_hours_apart_when_clocks_change() -> None:
    def hours(day: date) -> float:
        next_day = day + timedelta(days=1)
        gap = local_instant(next_day, time(8), NEW_YORK).astimezone(UTC) - local_instant(
            day, time(8), NEW_YORK
        ).astimezone(UTC)
        return gap.total_seconds() / 3600

    assert [hours(date(2026, 3, 7)), hours(date(2026, 10, 31)), hours(date(2026, 6, 1))] == [23, 25, 24]


OVERLAPPING = Policy(
    cadence=CadenceRules(
        basic=LevelPlan(stage_days=(30,)), standard=LevelPlan(stage_days=(30, 90), check_in_days=(75,))
    )
)


@pytest.mark.parametrize(
    ("rows", "retype"),
    [
        ([ExistingRow("stage", 30, kept=True, live=True)], ((30, True),)),
        (
            [
                ExistingRow("stage", 30, kept=True, live=True),
                ExistingRow("stage", 90, kept=True, live=True, final=True),
            ],
            (),
        ),
    ],
)
def test_cad_7_what_was_started_keeps_its_part_unless_no_final_stage_were_left(
    rows: list, retype: tuple
) -> None:
    assert replan("basic", DAY_ZERO, rows, OVERLAPPING, today=DAY_ZERO).retype == retype
