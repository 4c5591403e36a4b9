"""Active users over time as a chart that is drawn here, on the server: no script, no library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accounts.models import UsageSnapshot

POINTS, FEWEST = 13, 5  # fewer than five figures are shown as figures
WIDTH, TOP, BOTTOM = 258, 14, 96
STEADY = 0.05  # a change of less than a twentieth


def usage_chart(newest_first: Sequence[UsageSnapshot], contracted: int) -> dict[str, Any]:
    """The line of active users beside what is contracted; empty while there are too few figures."""
    shown = [row for row in reversed(newest_first) if row.active_users is not None]
    if len(shown) < FEWEST:
        return {}
    most = max(contracted, 1, *(row.active_users for row in shown))
    first, last = shown[0], shown[-1]
    days = (last.taken_on - first.taken_on).days

    def height(users: int) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * users / most, 1)

    places = [
        (round(4 + (WIDTH - 10) * (row.taken_on - first.taken_on).days / days, 1), height(row.active_users))
        for row in shown
    ]
    line = " ".join(f"{x},{y}" for x, y in places)
    return {
        "line": line,
        "area": f"M{places[0][0]},{BOTTOM} L{line} L{places[-1][0]},{BOTTOM} Z",
        "dot": places[-1],
        "contracted_at": height(contracted),
        "apart": abs(height(contracted) - places[-1][1])
        >= 12,  # else the two figures would lie on each other
        "first": first,
        "last": last,
        "rows": shown[::-1],
        "word": _word(first.active_users, last.active_users),
        "over": max(0, last.active_users - contracted),
    }


def _word(before: int, now: int) -> str:
    if abs(now - before) <= STEADY * max(before, 1):
        return "Steady"
    return "Growing" if now > before else "Falling"
