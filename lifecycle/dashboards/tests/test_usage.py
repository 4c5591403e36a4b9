"""The chart of active users: where its line lies, what it says, and when there is none."""

from datetime import date, timedelta

import pytest

from accounts.models import UsageSnapshot
from lifecycle.dashboards.usage import BOTTOM, TOP, usage_chart

START = date(2026, 6, 22)


def figures(*active):
    """A snapshot a week, newest first."""
    rows = [UsageSnapshot(taken_on=START + timedelta(weeks=n), active_users=a) for n, a in enumerate(active)]
    return rows[::-1]


def test_four_figures_are_no_chart_and_five_are():
    assert usage_chart(figures(1, 2, 3, 4), 10) == {}
    assert usage_chart(figures(1, 2, None, 3, 4), 10) == {}
    assert usage_chart(figures(1, 2, 3, 4, 5), 10)["last"].active_users == 5


def test_the_line_runs_from_zero_at_the_bottom_to_the_most_at_the_top():
    chart = usage_chart(figures(0, 10, 20, 30, 47), 44)
    points = [tuple(map(float, point.split(","))) for point in chart["line"].split()]
    assert points[0] == (4.0, BOTTOM) and points[-1] == (252.0, TOP) == chart["dot"]
    assert [x for x, _ in points] == sorted({x for x, _ in points})
    assert TOP < chart["contracted_at"] < BOTTOM
    assert (chart["over"], chart["word"]) == (3, "Growing")


@pytest.mark.parametrize(
    ("last", "word"), [(95, "Steady"), (94, "Falling"), (105, "Steady"), (106, "Growing"), (0, "Falling")]
)
def test_a_twentieth_more_or_less_is_steady(last, word):
    assert usage_chart(figures(100, 1, 1, 1, last), 100)["word"] == word


@pytest.mark.parametrize(("users", "contracted"), [(0, 0), (10**6, 1), (1, 10**6)])
def test_the_chart_stays_in_its_frame(users, contracted):
    chart = usage_chart(figures(*[users] * 5), contracted)
    heights = [float(point.split(",")[1]) for point in chart["line"].split()] + [chart["contracted_at"]]
    assert min(heights) >= TOP and max(heights) <= BOTTOM
