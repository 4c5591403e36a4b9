"""Open Forums whose invitations are due, or due no more, by time alone (ONB-6)."""

from __future__ import annotations

from datetime import UTC, datetime

from lifecycle.change import change
from lifecycle.change.forums import forums_wait
from lifecycle.policies.models import PolicyVersion


def look_at_forums(now: datetime) -> None:
    """Pass them through the door, where something changed."""
    if forums_wait(PolicyVersion.in_force(now.astimezone(UTC).date()), now=now):
        with change(None, by=None, via="task", now=now) as work:
            work.looks_at_forums = True
