"""CAD-6, CAD-7: what another day 0 or service level would do, row by row, before it is saved."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from lifecycle.rules.cadence import ExistingRow, plan, replan
from lifecycle.rules.diff import DatedRow, diff, foresee
from lifecycle.rules.facts import AdoptionFacts, CheckInFacts, StageFacts
from lifecycle.rules.policy import CadenceRules, LevelPlan, Policy
from lifecycle.rules.refused import Refused

pytestmark = pytest.mark.sqlite_only

DAY_ZERO = date(2026, 1, 30)
POLICY = Policy()


def adoption(level: str = "standard", policy: Policy = POLICY, **changes: object) -> AdoptionFacts:
    """An adoption as it was planned on its day 0; `changes` are of the adoption itself."""
    rows = plan(level, DAY_ZERO, policy)
    stages = [StageFacts(row.day, row.day, row.final, row.due_on) for row in rows if row.type == "stage"]
    checks = [CheckInFacts(row.day, row.day, row.due_on) for row in rows if row.type == "check_in"]
    return replace(
        AdoptionFacts(1, DAY_ZERO, level, stages=tuple(stages), check_ins=tuple(checks)), **changes
    )


def on_stage(facts: AdoptionFacts, day: int, **changes: object) -> AdoptionFacts:
    stages = tuple(replace(row, **changes) if row.day == day else row for row in facts.stages)
    return replace(facts, stages=stages)


def told(
    facts: AdoptionFacts,
    *,
    day_zero: date | None = DAY_ZERO,
    level: str = "standard",
    today: date = DAY_ZERO,
    policy: Policy = POLICY,
) -> dict[tuple[str, int], tuple[str, str | None]]:
    changes = foresee(facts, day_zero=day_zero, service_level=level, policy=policy, today=today)
    return {(c.type, c.day): (c.action, c.due_on and str(c.due_on)) for c in changes}


def test_a_row_is_added_moved_cancelled_or_kept() -> None:
    before = [DatedRow("stage", day, DAY_ZERO) for day in (30, 60, 90)]
    later = DAY_ZERO + timedelta(days=1)
    after = [DatedRow("stage", 30, DAY_ZERO), DatedRow("stage", 60, later), DatedRow("check_in", 75, later)]
    changes = diff(before, after)
    assert [(c.type, c.day, c.action) for c in changes] == [
        ("stage", 30, "kept"),
        ("stage", 60, "moved"),
        ("check_in", 75, "added"),
        ("stage", 90, "cancelled"),
    ]
    assert [(c.was_due_on, c.due_on) for c in changes] == [
        (DAY_ZERO, DAY_ZERO),
        (DAY_ZERO, later),
        (None, later),
        (DAY_ZERO, None),
    ]


def test_cad_6_nothing_changed_keeps_every_row() -> None:
    assert {action for action, _ in told(adoption()).values()} == {"kept"}


@pytest.mark.parametrize("days", [-1, 1])
def test_cad_6_a_corrected_day_0_moves_what_is_open_and_keeps_what_is_closed(days: int) -> None:
    facts = on_stage(adoption(), 30, closed=True, started=True)
    moved = told(facts, day_zero=DAY_ZERO + timedelta(days=days))
    assert moved["stage", 30] == ("kept", "2026-03-01")
    assert {key: action for key, (action, _) in moved.items() if key != ("stage", 30)} == {
        ("check_in", 75): "moved",
        ("stage", 90): "moved",
        ("check_in", 150): "moved",
    }
    assert moved["stage", 90][1] == str(date(2026, 4, 30) + timedelta(days=days))


def test_cad_6_clearing_day_0_cancels_every_row() -> None:
    assert {action for action, _ in told(adoption(), day_zero=None).values()} == {"cancelled"}


def test_cad_6_clearing_day_0_of_what_was_started_is_refused_with_the_reason() -> None:
    with pytest.raises(Refused, match="has been started"):
        told(on_stage(adoption(), 30, started=True), day_zero=None)


def test_cad_6_entering_day_0_again_brings_all_rows_back() -> None:
    withdrawn = on_stage(on_stage(adoption(withdrawn=True), 30, cancelled=True), 90, cancelled=True)
    assert told(withdrawn)["stage", 90] == ("added", "2026-04-30")
    assert told(withdrawn, level="basic") == {("stage", 60): ("added", "2026-03-31")}


@pytest.mark.parametrize(
    ("today", "due"),
    [
        (date(2026, 3, 30), "2026-03-31"),
        (date(2026, 3, 31), "2026-03-31"),
        (date(2026, 4, 1), "2026-04-01"),  # its day has passed: due on the day of the change
    ],
)
def test_cad_7_from_standard_to_basic_the_rows_go_and_a_final_stage_comes(today: date, due: str) -> None:
    assert told(adoption(), level="basic", today=today) == {
        ("stage", 30): ("cancelled", None),
        ("stage", 60): ("added", due),
        ("check_in", 75): ("cancelled", None),
        ("stage", 90): ("cancelled", None),
        ("check_in", 150): ("cancelled", None),
    }


def test_cad_7_what_was_started_stays() -> None:
    changes = told(on_stage(adoption(), 30, started=True), level="basic")
    assert changes["stage", 30] == ("kept", "2026-03-01")


def test_cad_7_a_completed_adoption_is_not_planned_anew() -> None:
    facts = on_stage(adoption("basic", completed=True), 60, closed=True, started=True)
    assert told(facts) == {("stage", 60): ("kept", "2026-03-31")}


def test_cad_7_both_at_once_move_and_replan_from_the_new_day_0() -> None:
    changes = told(adoption("basic"), day_zero=DAY_ZERO + timedelta(days=2))
    assert changes["stage", 60] == ("cancelled", None)
    assert changes["stage", 30] == ("added", "2026-03-03")


OVERLAPPING = Policy(
    cadence=CadenceRules(
        basic=LevelPlan(stage_days=(30,)), standard=LevelPlan(stage_days=(30, 90), check_in_days=(75,))
    )
)


@pytest.mark.parametrize(
    ("level", "to", "final"), [("standard", "basic", True), ("basic", "standard", False)]
)
def test_cad_7_a_stage_of_both_levels_takes_the_part_it_has_in_the_new_one(
    level: str, to: str, final: bool
) -> None:
    facts = adoption(level, OVERLAPPING)
    changes = foresee(facts, day_zero=DAY_ZERO, service_level=to, policy=OVERLAPPING, today=DAY_ZERO)
    assert {c.day: c.final for c in changes if c.action != "cancelled" and c.type == "stage"}[30] is final


@pytest.mark.parametrize(
    ("rows", "retype"),
    [
        ([ExistingRow("stage", 30, kept=True, live=True)], ((30, True),)),
        (
            [
                ExistingRow("stage", 30, kept=True, live=True),
                ExistingRow("stage", 90, kept=True, live=True, final=True),
            ],
            (),
        ),
    ],
)
def test_cad_7_what_was_started_keeps_its_part_unless_no_final_stage_were_left(
    rows: list, retype: tuple
) -> None:
    assert replan("basic", DAY_ZERO, rows, OVERLAPPING, today=DAY_ZERO).retype == retype
