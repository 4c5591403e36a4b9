"""CAD: the calendar. Dates only, never times; day counts are calendar days unless the name says working."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from lifecycle.rules.policy import Policy

ONE_DAY = timedelta(days=1)
WEEKEND = (5, 6)
THURSDAY = 3


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """A team's working days: Monday to Friday without its holidays (CAD-5)."""

    holidays: frozenset[date] = frozenset()

    def is_working(self, day: date) -> bool:
        """Whether people work on that day."""
        return day.weekday() not in WEEKEND and day not in self.holidays

    def last_on_or_before(self, day: date) -> date:
        """CAD-5: `act_by` of a due date."""
        while not self.is_working(day):
            day -= ONE_DAY
        return day

    def working_day_before(self, day: date) -> date:
        """The last working day that is earlier than `day`."""
        return self.last_on_or_before(day - ONE_DAY)

    def add_working(self, day: date, count: int) -> date:
        """The `count`-th working day after `day`; `day` itself for 0."""
        for _ in range(count):
            day += ONE_DAY
            while not self.is_working(day):
                day += ONE_DAY
        return day


@dataclass(frozen=True, slots=True)
class Span:
    """A due that counts from the day its row appears (MIL-2): turned into a date once, never moved after."""

    days: int = 0
    working_days: int = 0

    def from_day(self, day: date, calendar: WorkCalendar) -> date:
        """The due date of a row that appears on `day`."""
        return calendar.add_working(day + timedelta(days=self.days), self.working_days)


def add_months(day: date, months: int) -> date:
    """CAD-8: the same day of a later month, clamped to its end (31 Aug + 6 = 28 or 29 Feb)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    first_of_next = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return date(year, month + 1, min(day.day, (first_of_next - ONE_DAY).day))


def first_thursdays(from_day: date, count: int) -> list[date]:
    """ONB-6: the first Thursdays of `count` months, from the first that is not before `from_day`."""
    found: list[date] = []
    month = from_day.replace(day=1)
    while len(found) < count:
        day = month + timedelta(days=(THURSDAY - month.weekday()) % 7)
        if day >= from_day:
            found.append(day)
        month = add_months(month, 1)
    return found


def due_on(day_zero: date, day: int) -> date:
    """CAD-5: day 0 + N calendar days."""
    return day_zero + timedelta(days=day)


def local_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant of a local wall time (MIL-4): a time that clocks skip moves to the next valid
    minute, one that happens twice is the first."""
    naive = datetime.combine(day, at)
    instant = naive.replace(tzinfo=zone, fold=0)
    there_and_back = instant.astimezone(ZoneInfo("UTC")).astimezone(zone)
    if there_and_back.replace(tzinfo=None) == naive:
        return instant
    # Skipped by the clocks: the instants read with the offsets after and before the jump lie on its two sides.
    utc = ZoneInfo("UTC")
    low = (naive - naive.replace(tzinfo=zone, fold=1).utcoffset()).replace(tzinfo=utc)
    high = (naive - naive.replace(tzinfo=zone, fold=0).utcoffset()).replace(tzinfo=utc)
    old_offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == old_offset:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0).astimezone(zone)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day."""
    return local_instant(day, time(0, 0), zone)


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A stage or check-in as it should stand."""

    type: str
    day: int
    final: bool
    due_on: date


def plan(service_level: str, day_zero: date, policy: Policy) -> tuple[PlannedRow, ...]:
    """CAD-2, CAD-3, CAD-5: the stages and check-ins of an adoption, by day."""
    level = policy.cadence.plan(service_level)
    stages = [
        PlannedRow("stage", day, day == level.final_day, due_on(day_zero, day)) for day in level.stage_days
    ]
    check_ins = [PlannedRow("check_in", day, False, due_on(day_zero, day)) for day in level.check_in_days]
    return tuple(sorted(stages + check_ins, key=lambda row: (row.day, row.type)))


@dataclass(frozen=True, slots=True)
class ExistingRow:
    """A stage or check-in as it stands; `kept` when it was started, closed or done, `final` when it
    was planned as the final stage."""

    type: str
    day: int
    kept: bool
    live: bool
    final: bool = False


@dataclass(frozen=True, slots=True)
class Replan:
    """CAD-7: what a change of service level does to the rows of an adoption. `retype`: days of stages that stay
    and become, or no longer are, the final stage."""

    cancel: tuple[tuple[str, int], ...]
    add: tuple[PlannedRow, ...]
    retype: tuple[tuple[int, bool], ...] = ()


def replan(
    service_level: str, day_zero: date, existing: Sequence[ExistingRow], policy: Policy, *, today: date
) -> Replan:
    """CAD-7: rows that no longer belong and were not started are cancelled, missing ones that are
    still ahead are added, and a final stage always exists: where its day has passed, due today,
    unless a final stage that was started stays."""
    wanted = plan(service_level, day_zero, policy)
    belongs = {(row.type, row.day) for row in wanted}
    here = {(row.type, row.day): row for row in existing if row.live or row.kept}
    cancel = tuple(
        (r.type, r.day) for r in existing if r.live and not r.kept and (r.type, r.day) not in belongs
    )
    final_stays = any(r.type == "stage" and r.final and r.kept for r in existing)
    add = []
    for row in wanted:
        if (row.type, row.day) in here:
            continue
        if row.due_on >= today:
            add.append(row)
        elif row.final and not final_stays:
            add.append(PlannedRow(row.type, row.day, row.final, today))
    stays = [row for row in wanted if row.type == "stage" and (row.type, row.day) in here]
    return Replan(cancel, tuple(add), _retyped(stays, here, final_stays=final_stays))


def _retyped(
    stays: Sequence[PlannedRow], here: Mapping[tuple[str, int], ExistingRow], *, final_stays: bool
) -> tuple[tuple[int, bool], ...]:
    """Stages that belong to both levels take the new one's part. What was started keeps its own, unless the
    adoption would be left without a final stage."""
    found = []
    for row in stays:
        old = here[row.type, row.day]
        if old.final != row.final and (not old.kept or (row.final and not final_stays)):
            found.append((row.day, row.final))
    return tuple(found)
