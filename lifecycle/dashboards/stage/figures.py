"""STAGE-1: the figures of an account before a meeting, filled from what the app knows, with what is unusual marked."""

from __future__ import annotations

from datetime import date
from typing import Any

from accounts.models import UsageSnapshot
from adoption.models import Stage
from lifecycle.words import day_words

STALE_DAYS = 14
# Each figure with its name, and the one it is held against.
FIGURES = {
    "active_users": ("Active users", "contracted_users"),
    "employees": ("Employees", ""),
    "non_admin_active_users": ("Active besides the super admins", ""),
    "courses_completed": ("Courses completed", "courses_assigned"),
    "documents_uploaded": ("Documents uploaded", ""),
    "documents_assigned": ("Documents assigned", ""),
    "pending_actions": ("Pending system actions", ""),
}
SYNC = {True: "Right", False: "Not right"}


def figures(stage: Stage, *, today: date) -> dict[str, Any]:
    """The newest figures as lines, each with its flag; `stale` names their day once it is long ago."""
    known, account = stage.prefill(), stage.account
    usage = UsageSnapshot.objects.filter(account=account).order_by("-taken_on").first()
    values = vars(usage) | {"contracted_users": account.contracted_users} if usage else {}
    flags = {flag.figure: flag.text for flag in known.flags}
    lines = [
        {"label": label, "value": _words(values[name], values.get(of)), "flag": flags.get(name, "")}
        for name, (label, of) in FIGURES.items()
        if values.get(name) is not None
    ]
    if account.employee_sync is not None:
        told = {"label": "Employee integration", "value": SYNC[account.employee_sync]}
        lines.append(told | {"flag": flags.get("employee_sync", "")})
    taken = known.taken_on
    old = taken is not None and (today - taken).days > STALE_DAYS
    return {
        "lines": lines,
        "flags": list(flags.values()),
        "taken": day_words(taken, today) if taken else "",
        "stale": old,
    }


def _words(value: int, of: int | None) -> str:
    return f"{value:,}" if of is None else f"{value:,} of {of:,}"
