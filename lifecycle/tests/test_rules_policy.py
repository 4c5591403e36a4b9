"""POL: one typed, immutable version of all numbers, and what a body that cannot be read is told."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from decimal import Decimal
from typing import Any

import pytest

from lifecycle.rules.policy import LevelPlan, Policy, PolicyError

pytestmark = pytest.mark.sqlite_only


def test_pol_the_defaults_are_the_numbers_of_the_sops() -> None:
    policy = Policy()
    assert (policy.routing.core_over_users, policy.routing.core_over_mrr) == (50, Decimal("500.00"))
    assert policy.routing.core_levels == ("standard", "premium")
    assert policy.routing.regular_to_core is False
    assert policy.cadence.basic == LevelPlan((60,))
    assert policy.cadence.standard == policy.cadence.premium == LevelPlan((30, 90), (75, 150))
    assert (policy.cadence.reference_months_high, policy.cadence.reference_months_low) == (6, 12)
    assert policy.cadence.reference_high_mrr == Decimal("1000.00")
    assert (policy.reminders.digest_hour, policy.reminders.daily_ceiling) == (8, 5)


def test_mil_3_the_offsets_of_duties_and_reminders_default_to_the_rules_numbers() -> None:
    duties, reminders = Policy().duties, Policy().reminders
    assert (duties.checklist_opens_days, duties.booking_opens_days, duties.booking_due_days) == (10, 21, 7)
    assert (duties.meeting_minutes, duties.explain_working_days, duties.close_working_days) == (30, 1, 3)
    assert (duties.gap_working_days, duties.reroute_working_days) == (2, 2)
    assert duties.level_review_working_days == 5
    assert (reminders.stage_prepare_days, reminders.stage_late_days) == (14, 3)
    assert (reminders.check_in_prepare_days, reminders.check_in_late_days) == (3, 7)
    assert (reminders.other_late_working_days, reminders.repeat_days, reminders.rearm_days) == (2, 7, 7)


def test_seg_2_the_starter_package_is_flat_for_10_users_at_250_dollars() -> None:
    assert (Policy().package.flat_users, Policy().package.flat_mrr) == (10, Decimal("250.00"))


def test_sur_1_and_4_the_survey_asks_from_1000_dollars_reminds_after_7_days_and_2_is_low() -> None:
    survey = Policy().survey
    assert (survey.from_mrr, survey.reminder_days, survey.low_score) == (Decimal("1000.00"), 7, 2)


@pytest.mark.parametrize(
    "wrong",
    [{"from_mrr": 1000}, {"from_mrr": "-1.00"}, {"low_score": 6}, {"reminder_days": 3651}, {"else": 1}],
)
def test_pol_what_the_survey_cannot_mean_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(PolicyError) as no:
        Policy().merged({"survey": wrong})
    assert no.value.field == f"survey.{next(iter(wrong))}"


def test_pol_a_version_is_never_edited() -> None:
    with pytest.raises(FrozenInstanceError):
        Policy().number = 2
    with pytest.raises(FrozenInstanceError):
        Policy().routing.core_over_users = 40


def test_pol_a_body_is_plain_json_and_reads_back_as_the_same_policy() -> None:
    changed = Policy().merged(
        {
            "routing": {"core_over_users": 40, "core_over_mrr": "750.5", "core_levels": ["premium"]},
            "cadence": {"basic": {"stage_days": [45], "check_in_days": [75]}},
            "reminders": {"digest_hour": 0},
        },
        number=3,
    )
    for policy in (Policy(), changed):
        stored = json.loads(json.dumps(policy.body()))
        assert "number" not in stored
        assert Policy.from_body(stored, number=policy.number) == policy
    assert changed.body()["routing"]["core_over_mrr"] == "750.50"


def test_pol_a_partial_body_changes_what_it_names_and_nothing_else() -> None:
    merged = Policy(number=7).merged({"routing": {"core_over_users": 40}})
    assert merged.number == 7
    assert merged.routing.core_over_users == 40
    assert merged.body() == {
        **Policy().body(),
        "routing": {**Policy().body()["routing"], "core_over_users": 40},
    }


def test_pol_an_empty_body_is_the_same_policy() -> None:
    assert Policy(number=2).merged({}) == Policy(number=2)


AT_LEAST_ONE = ("repeat_days", "stage_late_days", "check_in_late_days", "look_back_days", "daily_ceiling")
MONEY, WHOLE, LIST = "routing.core_over_mrr", "routing.core_over_users", "cadence.basic.stage_days"
NOT_MONEY = [500.0, 500, None, True, "", "five", "NaN", "sNaN", "Infinity", "-1.00", "-0.00", "1.001"]
NOT_MONEY += ["1e3", "1E+30", "5_00.00", " 500.00", "+5.00", ".5", "٥.٠٠", "1000000000.01", [], {}]
NOT_WHOLE = [True, False, 50.0, "50", None, -1, 1_000_001, [], {}]
NOT_DAYS = [[], 60, "60", None, [60.0], ["60"], [True], [0], [-1], [3651], [90, 30], [30, 30], {}]


@pytest.mark.parametrize(
    ("dotted", "value"),
    [(MONEY, value) for value in NOT_MONEY]
    + [(WHOLE, value) for value in NOT_WHOLE]
    + [(LIST, value) for value in NOT_DAYS]
    + [("cadence.standard.check_in_days", [150, 75]), ("cadence.premium.check_in_days", [0])]
    + [("routing.regular_to_core", value) for value in (0, 1, "true", None, [])]
    + [("routing.core_levels", value) for value in ("premium", ["gold"], [1], None)]
    + [("reminders.digest_hour", 24)]
    + [("duties.checklist_opens_days", 3651), ("reminders.stage_prepare_days", 3651)]
    + [(f"reminders.{name}", 0) for name in AT_LEAST_ONE]
    + [("routing.core_over", 1), ("cadence.gold", {}), ("signs", {}), ("number", 2)]
    + [("routing", value) for value in ([], None, 5, "50")]
    + [("cadence.basic", [60])],
)
def test_pol_a_value_of_the_wrong_form_is_refused_with_its_dotted_name(dotted: str, value: Any) -> None:
    body = value
    for name in reversed(dotted.split(".")):
        body = {name: body}
    with pytest.raises(PolicyError) as refused:
        Policy().merged(body)
    assert refused.value.field == dotted
    assert refused.value.text
    assert str(refused.value).startswith(f"{dotted}: ")


@pytest.mark.parametrize("body", [None, [], "x", 5])
def test_pol_a_body_that_is_no_object_is_refused(body: Any) -> None:
    with pytest.raises(PolicyError) as refused:
        Policy().merged(body)
    assert refused.value.field == "policy"


@pytest.mark.parametrize(
    ("dotted", "value"),
    [
        (MONEY, "0"),
        (MONEY, "0.00"),
        (MONEY, "500.5"),
        (MONEY, "1000000000.00"),
        (WHOLE, 0),
        (WHOLE, 1_000_000),
        (LIST, [1]),
        (LIST, [1, 3650]),
        ("cadence.standard.check_in_days", []),
        ("routing.core_levels", []),
        ("reminders.digest_hour", 0),
        ("reminders.digest_hour", 23),
        ("duties.checklist_opens_days", 3650),
        *((f"reminders.{name}", 1) for name in AT_LEAST_ONE),
    ],
)
def test_pol_values_on_the_boundary_are_accepted(dotted: str, value: Any) -> None:
    body = value
    for name in reversed(dotted.split(".")):
        body = {name: body}
    stored: Any = Policy().merged(body).body()
    for name in dotted.split("."):
        stored = stored[name]
    assert stored == (f"{Decimal(value):.2f}" if dotted == MONEY else value)


@pytest.mark.parametrize("level", ["gold", "", "Basic", "plan", "reference_months_high"])
def test_cad_4_an_unknown_service_level_has_no_plan(level: str) -> None:
    with pytest.raises(KeyError):
        Policy().cadence.plan(level)


def test_cad_4_the_last_stage_is_the_final_one() -> None:
    policy = Policy()
    assert [policy.cadence.plan(level).final_day for level in ("basic", "standard", "premium")] == [
        60,
        90,
        90,
    ]
