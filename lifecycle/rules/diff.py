"""CAD-6, CAD-7: what another day 0 or service level does to the dates of an adoption, told before it is saved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from lifecycle.rules.cadence import ExistingRow, due_on, plan, replan
from lifecycle.rules.facts import AdoptionFacts, CheckInFacts, StageFacts
from lifecycle.rules.policy import Policy
from lifecycle.rules.refused import Refused


@dataclass(frozen=True, slots=True)
class DatedRow:
    """A live stage or check-in with its date; `shut` once it was closed or done."""

    type: str
    day: int
    due_on: date
    final: bool = False
    shut: bool = False


@dataclass(frozen=True, slots=True)
class RowChange:
    """What becomes of one row: `action` is added, moved, cancelled or kept. `due_on` is None for a cancelled row,
    `was_due_on` for an added one."""

    action: str
    type: str
    day: int
    final: bool
    shut: bool
    due_on: date | None
    was_due_on: date | None


def diff(before: Iterable[DatedRow], after: Iterable[DatedRow]) -> tuple[RowChange, ...]:
    """The rows of two plans side by side, by day: each is in the answer once."""
    old = {(row.day, row.type): row for row in before}
    new = {(row.day, row.type): row for row in after}
    return tuple(_change(old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys()))


def _change(old: DatedRow | None, new: DatedRow | None) -> RowChange:
    if old is None or new is None:
        action = "added" if old is None else "cancelled"
    else:
        action = "kept" if old.due_on == new.due_on else "moved"
    row = new or old
    return RowChange(action, row.type, row.day, row.final, row.shut, new and new.due_on, old and old.due_on)


def clearing_refused() -> Refused:
    """CAD-6: the answer to clearing day 0 of an adoption in which something was recorded."""
    text = "The Training Completed Date cannot be cleared: the adoption has been started."
    return Refused("training_completed_on", "started", text, rule="CAD-6")


def foresee(
    adoption: AdoptionFacts, *, day_zero: date | None, service_level: str, policy: Policy, today: date
) -> tuple[RowChange, ...]:
    """CAD-6, CAD-7: the stages and check-ins as they stand beside what the door would make of them.

    `day_zero` None clears it; `policy` is the adoption's own version; `today` the day of the change in the
    account's zone. Raises Refused for clearing the day 0 of what was started.
    """
    before = _live(adoption)
    if day_zero is None:
        if any(row.started or _shut(row) for row in _rows(adoption) if not row.cancelled):
            raise clearing_refused()
        return diff(before, ())
    if adoption.withdrawn:
        planned = plan(service_level, day_zero, policy)
        return diff((), [DatedRow(row.type, row.day, row.due_on, row.final) for row in planned])
    after = before
    if day_zero != adoption.day_zero:
        after = [row if row.shut else replace(row, due_on=due_on(day_zero, row.day)) for row in before]
    if service_level != adoption.service_level and not adoption.completed:
        after = _releveled(adoption, after, day_zero, service_level, policy, today)
    return diff(before, after)


def _releveled(
    adoption: AdoptionFacts,
    rows: list[DatedRow],
    day_zero: date,
    service_level: str,
    policy: Policy,
    today: date,
) -> list[DatedRow]:
    existing = [
        ExistingRow(
            _type(row),
            row.day,
            kept=_shut(row) or (row.started and not row.cancelled),
            live=not row.cancelled,
            final=isinstance(row, StageFacts) and row.final,
        )
        for row in _rows(adoption)
    ]
    what = replan(service_level, day_zero, existing, policy, today=today)
    parts = dict(what.retype)
    stay = [
        replace(row, final=parts.get(row.day, row.final)) if row.type == "stage" else row
        for row in rows
        if (row.type, row.day) not in what.cancel
    ]
    return stay + [DatedRow(row.type, row.day, row.due_on, row.final) for row in what.add]


def _rows(adoption: AdoptionFacts) -> tuple[StageFacts | CheckInFacts, ...]:
    return (*adoption.stages, *adoption.check_ins)


def _live(adoption: AdoptionFacts) -> list[DatedRow]:
    if adoption.withdrawn:
        return []
    return [
        DatedRow(
            _type(row),
            row.day,
            row.due_on,
            final=isinstance(row, StageFacts) and row.final,
            shut=_shut(row),
        )
        for row in _rows(adoption)
        if not row.cancelled
    ]


def _type(row: StageFacts | CheckInFacts) -> str:
    return "stage" if isinstance(row, StageFacts) else "check_in"


def _shut(row: StageFacts | CheckInFacts) -> bool:
    return row.closed if isinstance(row, StageFacts) else row.done
