"""The planner: looks again at accounts whose time has come, plans reminders, bundles them into mails.

Run by beat each minute and by the dispatch loop; any number of planners at any time plan the same rows once.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import InterfaceError, OperationalError, connection, transaction

from accounts.models import Account
from lifecycle.change import change_many
from lifecycle.mail.models import ServiceBeat
from lifecycle.milestones.planner.bundling import Planning
from lifecycle.milestones.planner.forums import look_at_forums
from lifecycle.milestones.planner.postroom import Postroom
from lifecycle.milestones.planner.probe import LOCK, PLANNER, look, mark_idle

log = logging.getLogger(__name__)

CHUNK = 200
LATE_AFTER = timedelta(minutes=15)


class Sweep(NamedTuple):
    """What a run of the planner did to reminders; `looked` is False when another planner was at work."""

    planned: int = 0
    superseded: int = 0
    looked: bool = True


BUSY = Sweep(looked=False)


def plan(now: datetime) -> int:
    """MIL-2..5: pass due accounts through the door, plan reminders whose instant has come, bundle them into
    mails. Answers how many were planned; safe to run at any time, by any number of processes."""
    return sweep(now).planned


def sweep(now: datetime) -> Sweep:
    """As `plan`, telling also how many reminders were superseded by newer ones, and whether it could look."""
    with transaction.atomic():
        found = look(now)
        if not found.alone:
            return BUSY
        if not found.again and not found.mail:
            mark_idle(now)
            return Sweep()
    if found.again and not _look_again(now):
        return BUSY
    with transaction.atomic():
        found = look(now)
        if not found.alone:
            return BUSY
        if not found.mail:
            mark_idle(now)
            return Sweep()
        planning = Planning(Postroom.load(now))
        planning.remind()
        planning.bundle()
        ServiceBeat.mark(PLANNER, now=now)
    return Sweep(planning.planned, planning.superseded)


def is_late(now: datetime) -> bool:
    """MIL-7: no planner, beat's or the loop's, ran within fifteen minutes; a mark from the future is none."""
    age = ServiceBeat.age(PLANNER, now=now)
    return age is None or abs(age) > LATE_AFTER


def _alone() -> bool:
    """Whether this transaction is the only planner; SQLite has one writer anyway."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return cursor.fetchone()[0]


def _look_again(now: datetime) -> bool:
    """MIL-2, ONB-6: accounts and forums whose duties change by time alone; False when another planner is at
    work."""
    seen = 0
    while True:
        with transaction.atomic():
            if not _alone():
                return False
            due = Account.objects.filter(recheck_at__lte=now, pk__gt=seen).order_by("pk")
            ids = list(due.values_list("pk", flat=True)[:CHUNK])
            if not ids:
                look_at_forums(now)
                return True
            _through_the_door(ids, now)
            seen = ids[-1]


def _through_the_door(ids: list[int], now: datetime) -> None:
    try:
        with change_many(ids, by=None, via="task", now=now):
            pass
    except (OperationalError, InterfaceError):  # no account's fault: nothing can be read or written
        raise
    except Exception:
        if len(ids) == 1:  # one broken account must not stop the mail of all others
            log.exception("account %s cannot be looked at again", ids[0])
            return
        for account_id in ids:
            _through_the_door([account_id], now)
