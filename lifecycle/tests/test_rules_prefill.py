"""STAGE-1: what is known before a meeting, and what of it is unusual."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from lifecycle.rules.prefill import Figures, Known, prefill

pytestmark = pytest.mark.sqlite_only

KNOWN = Known(contracted_users=50)


def snapshot(day: int = 20, **figures: Any) -> Figures:
    return Figures(date(2026, 7, day), **figures)


def flags(*snapshots: Figures, known: Known = KNOWN) -> list[tuple[str, bool]]:
    """Each flag's figure, and whether its words point at added users."""
    return [(flag.figure, "added users" in flag.text) for flag in prefill(known, snapshots).flags]


def answers(*snapshots: Figures, known: Known = KNOWN) -> dict[str, str]:
    return dict(prefill(known, snapshots).answers)


def test_stage_1_without_figures_nothing_is_claimed() -> None:
    for known in (prefill(KNOWN, []), prefill(KNOWN, [snapshot()])):
        assert (dict(known.answers), known.flags) == ({}, ())
    assert prefill(KNOWN, []).taken_on is None


def test_stage_1_the_newest_snapshot_counts_and_says_of_which_day_it_is() -> None:
    known = prefill(KNOWN, [snapshot(20, active_users=50), snapshot(13, active_users=9)])
    assert known.answers["active_users"] == "50"
    assert known.taken_on == date(2026, 7, 20)


@pytest.mark.parametrize(
    ("active", "flagged", "within"),
    [(49, [("active_users", False)], "yes"), (50, [], "yes"), (51, [("active_users", True)], "no")],
)
def test_stage_1_fewer_active_than_contracted_is_flagged_and_more_is_an_upsell(
    active: int, flagged: list, within: str
) -> None:
    assert flags(snapshot(active_users=active)) == flagged
    assert answers(snapshot(active_users=active))["users_in_contract"] == within


@pytest.mark.parametrize(("employees", "flagged"), [(50, []), (51, [("employees", True)])])
def test_stage_1_more_employees_than_contracted_users_is_an_upsell(employees: int, flagged: list) -> None:
    assert flags(snapshot(employees=employees)) == flagged


@pytest.mark.parametrize(
    ("others", "flagged", "answer"), [(0, [("non_admin_active_users", False)], "no"), (1, [], "yes")]
)
def test_stage_1_nobody_but_super_admins_is_flagged(others: int, flagged: list, answer: str) -> None:
    assert flags(snapshot(non_admin_active_users=others)) == flagged
    assert answers(snapshot(non_admin_active_users=others))["others_active"] == answer


@pytest.mark.parametrize(("was", "now", "grows"), [(4, 5, True), (5, 5, False), (6, 5, False), (0, 1, True)])
def test_stage_1_pending_actions_are_flagged_when_they_grow(was: int, now: int, grows: bool) -> None:
    told = flags(snapshot(20, pending_actions=now), snapshot(13, pending_actions=was))
    assert told == ([("pending_actions", False)] if grows else [])
    assert flags(snapshot(20, pending_actions=now)) == []


def test_stage_1_pending_actions_are_compared_with_the_last_time_they_were_told() -> None:
    told = flags(snapshot(20, pending_actions=5), snapshot(13), snapshot(6, pending_actions=4))
    assert told == [("pending_actions", False)]


@pytest.mark.parametrize(
    ("sync", "flagged", "answer"), [(None, [], None), (True, [], "yes"), (False, 1, "no")]
)
def test_stage_1_a_wrong_employee_integration_is_flagged_with_or_without_figures(
    sync: bool | None, flagged: Any, answer: str | None
) -> None:
    known = Known(50, employee_sync=sync)
    for snapshots in ((), (snapshot(),)):
        assert flags(*snapshots, known=known) == ([("employee_sync", False)] if flagged else [])
        assert answers(*snapshots, known=known).get("roster_matches") == answer


@pytest.mark.parametrize(
    ("figures", "item", "answer"),
    [
        ({"courses_assigned": 0}, "courses_assigned", "no"),
        ({"courses_assigned": 1}, "courses_assigned", None),
        ({"documents_uploaded": 1, "documents_assigned": 1}, "policies_assigned", "yes"),
        ({"documents_uploaded": 0, "documents_assigned": 0}, "policies_assigned", "no"),
        ({"documents_uploaded": 3, "documents_assigned": 0}, "policies_assigned", "no"),
        ({"documents_uploaded": 3}, "policies_assigned", None),
    ],
)
def test_stage_1_only_what_the_figures_say_is_answered(figures: dict, item: str, answer: str | None) -> None:
    assert answers(snapshot(**figures)).get(item) == answer


def test_stage_1_a_blocked_mail_domain_answers_that_item() -> None:
    assert answers(known=Known(50, domain_allowlisted=False)) == {"email_arrives": "no"}
