"""MIL-3, MIL-4: on which days a milestone reminds whom. Days before and after count from `due_on`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from lifecycle.rules.cadence import WorkCalendar, local_instant
from lifecycle.rules.duties import KIND
from lifecycle.rules.policy import Policy

PREPARE, DAY, LATE = "prepare", "day", "late"


@dataclass(frozen=True, slots=True)
class Occasion:
    """One day on which a milestone speaks up. `to` names roles: "csm", "lead" or "owner"."""

    name: str
    on: date
    to: frozenset[str]


CSM_AND_LEAD = frozenset({"csm", "lead"})
LEAD = frozenset({"lead"})
OWNER = frozenset({"owner"})
OWNER_AND_LEAD = frozenset({"owner", "lead"})


def occasions(
    kind: str, *, due_on: date, act_by: date, policy: Policy, calendar: WorkCalendar
) -> Iterator[Occasion]:
    """MIL-3: every occasion of a milestone in order, without end: the last ones repeat weekly.

    `day` is on `act_by`; `prepare` and the late ones count from `due_on`, in calendar days
    (working days for the first late one of kinds that are neither stage nor check-in).
    """
    rules = policy.reminders
    schedule = KIND[kind].schedule
    if schedule == "stage":
        yield Occasion(PREPARE, due_on - timedelta(days=rules.stage_prepare_days), CSM_AND_LEAD)
        yield Occasion(DAY, act_by, CSM_AND_LEAD)
        first_late, late_to = due_on + timedelta(days=rules.stage_late_days), CSM_AND_LEAD
    elif schedule == "check_in":
        yield Occasion(PREPARE, due_on - timedelta(days=rules.check_in_prepare_days), LEAD)
        yield Occasion(DAY, act_by, CSM_AND_LEAD)
        first_late, late_to = due_on + timedelta(days=rules.check_in_late_days), LEAD
    else:
        yield Occasion(DAY, act_by, OWNER)
        first_late, late_to = calendar.add_working(due_on, rules.other_late_working_days), OWNER_AND_LEAD
    for n in count():
        yield Occasion(f"{LATE}{n + 1}", first_late + timedelta(days=n * rules.repeat_days), late_to)


def send_at(on: date, *, hour: int, zone: ZoneInfo) -> datetime:
    """MIL-4: the instant at which mail of that day leaves in the recipient's zone, right on both DST days."""
    return local_instant(on, time(hour), zone)
