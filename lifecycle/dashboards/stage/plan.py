"""What correcting day 0 or the service level would move, and what the page of a check-in shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accounts.models import User
from adoption.models import Adoption, CheckIn
from lifecycle.dashboards.templatetags.waymark import relative_words
from lifecycle.rules.diff import RowChange

WORDS = {"added": "New", "moved": "Moves", "cancelled": "Goes", "kept": "Stays"}


def plan_context(
    adoption: Adoption, user: User, changes: tuple[RowChange, ...], *, now: datetime
) -> dict[str, Any]:
    """CAD-6, CAD-7: each stage and check-in with its date before and after."""
    rows = [*adoption.stages.filter(cancelled_at=None), *adoption.check_ins.filter(cancelled_at=None)]
    return {
        "adoption": adoption,
        "account": adoption.account,
        "rows": sorted(rows, key=lambda row: row.day),
        "changes": [
            {
                "word": "Closed, stays" if change.shut else WORDS[change.action],
                "title": f"{change.day}-day {'adoption' if change.type == 'stage' else 'check-in'}",
                "was": change.was_due_on,
                "on": change.due_on,
                "moves": change.action != "kept",
            }
            for change in changes
        ],
        "today": user.today(now),
    }


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
