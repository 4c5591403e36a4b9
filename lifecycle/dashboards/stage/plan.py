"""What correcting day 0 or the service level would move, and what the page of a check-in shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accounts.models import User
from adoption.models import Adoption, CheckIn, Stage
from lifecycle.words import relative_words

Planned = Stage | CheckIn


def planned_rows(adoption: Adoption) -> list[Planned]:
    """The live stages and check-ins, by day."""
    rows = [*adoption.stages.filter(cancelled_at=None), *adoption.check_ins.filter(cancelled_at=None)]
    return sorted(rows, key=lambda row: row.day)


def plan_context(adoption: Adoption, user: User, after: list[Planned], *, now: datetime) -> dict[str, Any]:
    """CAD-6, CAD-7: each stage and check-in, and beside it what a preview found `after`; empty without one."""
    rows = planned_rows(adoption)
    return {
        "adoption": adoption,
        "account": adoption.account,
        "rows": rows,
        "changes": _changes(rows, after) if after else [],
        "today": user.today(now),
    }


def _changes(before: list[Planned], after: list[Planned]) -> list[dict[str, Any]]:
    old, new = ({(row.day, row.type): row for row in rows} for rows in (before, after))
    return [_change(old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys())]


def _change(old: Planned | None, new: Planned | None) -> dict[str, Any]:
    was, on = (row and row.due_on for row in (old, new))
    if not old or not new:
        word = "Goes" if old else "New"
    elif new.finished:
        word = "Closed, stays"
    else:
        word = "Stays" if was == on else "Moves"
    return {"word": word, "title": str(new or old), "was": was, "on": on, "moves": was != on}


def check_in_context(check_in: CheckIn, user: User, *, now: datetime) -> dict[str, Any]:
    """TLC-1, TLC-2: the check-in, and the earlier one's answers beside it."""
    today = user.today(now)
    earlier = CheckIn.objects.filter(
        adoption=check_in.adoption_id, day__lt=check_in.day, cancelled_at=None
    ).last()
    return {
        "check_in": check_in,
        "account": check_in.account,
        "earlier": earlier,
        "due": relative_words(check_in.due_on, today),
        "today": today,
    }
