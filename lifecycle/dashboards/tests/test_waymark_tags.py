"""How dates, money and people read: boundary values first."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from lifecycle.dashboards.templatetags import waymark

pytestmark = pytest.mark.sqlite_only
TODAY = date(2026, 9, 15)  # a Tuesday
CHICAGO = ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0, "Today"),
        (1, "Tomorrow"),
        (2, "In 2 days"),
        (7, "In 7 days"),
        (8, "Wed, Sep 23"),
        (-1, "1 day late"),
        (-4, "4 days late"),
        (-30, "30 days late"),
        (-31, "Sat, Aug 15, late"),
    ],
)
def test_dates_are_relative_within_seven_days_ahead_and_thirty_back(days, words):
    assert waymark.relative_words(TODAY + timedelta(days), TODAY) == words


def test_the_year_is_said_when_it_is_not_this_one():
    assert waymark.day_words(date(2026, 10, 23), TODAY) == "Fri, Oct 23"
    assert waymark.day_words(date(2027, 1, 4), TODAY) == "Mon, Jan 4, 2027"


def test_a_due_date_is_text_twice_and_machine_readable_once():
    html = waymark.due(date(2026, 9, 11), TODAY)
    assert '<b class="late">4 days late</b>' in html
    assert '<time datetime="2026-09-11">Fri, Sep 11</time>' in html
    assert "late" not in waymark.due(TODAY, TODAY)


def test_a_far_due_date_is_said_once():
    assert waymark.due(date(2026, 10, 23), TODAY).count("Oct 23") == 1
    long_ago = waymark.due(date(2026, 7, 24), TODAY)
    assert '<b class="late">Late</b>' in long_ago
    assert long_ago.count("Jul 24") == 1


def test_times_are_in_the_viewers_zone():
    at = datetime(2026, 9, 16, 0, 30, tzinfo=UTC)  # still Tuesday evening in Chicago
    assert ">Today, 7:30 PM<" in waymark.at_time(at, CHICAGO, TODAY)
    assert ">Tomorrow, 12:30 AM<" in waymark.at_time(at, ZoneInfo("UTC"), TODAY)
    assert ">Wed, Sep 23, 12:30 AM<" in waymark.at_time(at + timedelta(7), ZoneInfo("UTC"), TODAY)
    assert waymark.at_time(None, CHICAGO, TODAY) == "-"


@pytest.mark.parametrize(
    ("hour", "words"),
    [(0, "12:05 AM"), (9, "9:05 AM"), (11, "11:05 AM"), (12, "12:05 PM"), (23, "11:05 PM")],
)
def test_midnight_and_noon_read_as_twelve(hour, words):
    assert waymark.time_words(datetime(2026, 9, 15, hour, 5, tzinfo=UTC)) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (Decimal("1180.00"), "$1,180"),
        (Decimal("500.01"), "$500.01"),
        (Decimal("500.10"), "$500.10"),
        (0, "$0"),
        (None, ""),
    ],
)
def test_money_shows_cents_only_where_there_are_any(amount, words):
    assert waymark.money(amount) == words


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Imani Castellan", "IC"), ("Ana María de la Cruz", "AC"), ("Cher", "C"), ("", ""), ("  ", "")],
)
def test_initials_are_at_most_two_letters(name, letters):
    assert waymark.initials(name) == letters


def test_a_name_keeps_its_colour():
    assert waymark.avatar("Imani Castellan") == waymark.avatar("Imani Castellan")
    assert {waymark.avatar(chr(65 + n)) for n in range(6)} == {f"a{n}" for n in range(1, 7)}


@pytest.mark.parametrize("state", waymark.GLYPHS)
def test_a_status_is_a_shape_with_a_word(state):
    shape, _, word = waymark.GLYPHS[state]
    html = waymark.glyph(state)
    assert f"#{shape}" in html
    assert f'aria-label="{word}"' in html


def test_what_people_typed_is_escaped():
    assert "<script>" not in waymark.icon('"><script>')


def test_a_week_beyond_the_usual_load_still_fits_its_bar():
    load = SimpleNamespace(done=4, to_do=2, overdue=2, total=8, csm=SimpleNamespace(weekly_load=4))
    html = waymark.workload(load)
    assert 'aria-label="4 done, 2 to do, 2 overdue this week"' in html
    assert '<rect class="f-red" x="75.0%" width="25.0%" height="8"/>' in html
    assert '<rect class="f-ink" x="50.0%"' in html


def test_an_empty_week_draws_an_empty_bar():
    load = SimpleNamespace(done=0, to_do=0, overdue=0, total=0, csm=SimpleNamespace(weekly_load=0))
    assert 'width="0.0%"' in waymark.workload(load)
