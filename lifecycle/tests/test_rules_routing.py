"""SEG and ROUTE: the table of the rules row by row, reasons, near misses, override."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from lifecycle.rules.policy import Policy, RoutingRules
from lifecycle.rules.routing import route, signature
from lifecycle.tests.test_rules_facts import account

pytestmark = pytest.mark.sqlite_only

POLICY = Policy(number=4)
SWITCHED_ON = Policy(routing=RoutingRules(regular_to_core=True))


def facts_of(segment: str, users: int, mrr: str, level: str, override: str = ""):
    return account(
        starter_package=segment == "smb",
        contracted_users=users,
        mrr=Decimal(mrr),
        service_level=level,
        override_pool=override,
    )


@pytest.mark.parametrize(
    ("segment", "users", "mrr", "level", "pool", "fired"),
    [
        ("smb", 10, "250.00", "basic", "digital", []),
        ("smb", 50, "500.00", "basic", "digital", []),
        ("smb", 51, "250.00", "basic", "core", ["contracted_users"]),
        ("smb", 10, "500.01", "basic", "core", ["mrr"]),
        ("smb", 1, "0.00", "standard", "core", ["service_level"]),
        ("smb", 1, "0.00", "premium", "core", ["service_level"]),
        ("smb", 51, "500.01", "premium", "core", ["contracted_users", "mrr", "service_level"]),
        ("smb", 0, "0.00", "basic", "digital", []),
        ("regular", 5, "100.00", "basic", "digital", []),
        ("regular", 50, "500.00", "basic", "digital", []),
        ("regular", 51, "500.00", "basic", "core", ["contracted_users"]),
        ("regular", 50, "500.01", "basic", "core", ["mrr"]),
        ("regular", 5, "100.00", "standard", "core", ["service_level"]),
    ],
)
def test_route_2_over_50_users_over_500_dollars_or_a_bought_level_goes_to_core(
    segment: str, users: int, mrr: str, level: str, pool: str, fired: list[str]
) -> None:
    routed = route(facts_of(segment, users, mrr, level), POLICY)
    assert (routed.pool, routed.rules_pool, routed.overridden, routed.policy) == (pool, pool, False, 4)
    assert [reason.fact for reason in routed.reasons] == fired
    assert {reason.rule for reason in routed.reasons} <= {"ROUTE-2"}


@pytest.mark.parametrize(
    ("segment", "users", "pool", "rules"),
    [
        ("regular", 5, "core", ["ROUTE-3"]),
        ("regular", 51, "core", ["ROUTE-2", "ROUTE-3"]),
        ("smb", 5, "digital", []),
        ("smb", 51, "core", ["ROUTE-2"]),
    ],
)
def test_route_3_switched_on_every_account_that_is_not_smb_goes_to_core(
    segment: str, users: int, pool: str, rules: list[str]
) -> None:
    routed = route(facts_of(segment, users, "100.00", "basic"), SWITCHED_ON)
    assert (routed.pool, [reason.rule for reason in routed.reasons]) == (pool, rules)


def test_route_3_is_off_by_default_and_then_not_even_listed() -> None:
    routed = route(facts_of("regular", 5, "100.00", "basic"), POLICY)
    assert [check.fact for check in routed.checks] == ["contracted_users", "mrr", "service_level"]


def test_route_3_names_the_segment_as_its_fact() -> None:
    (reason,) = route(facts_of("regular", 5, "100.00", "basic"), SWITCHED_ON).reasons
    assert (reason.fact, reason.value) == ("segment", "regular")


def test_route_5_a_reason_shows_fact_value_threshold_and_text_as_the_api_promises() -> None:
    (reason,) = route(facts_of("smb", 62, "250.00", "basic"), POLICY).reasons
    assert reason.as_json() == {
        "rule": "ROUTE-2",
        "fact": "contracted_users",
        "value": 62,
        "threshold": 50,
        "text": "62 contracted users > 50",
    }


def test_route_5_money_in_a_reason_is_a_decimal_string_and_a_level_names_what_was_bought() -> None:
    mrr, level = (r.as_json() for r in route(facts_of("smb", 10, "1500.50", "premium"), POLICY).reasons)
    assert (mrr["value"], mrr["threshold"], mrr["text"]) == ("1500.50", "500.00", "MRR $1,500.50 > $500.00")
    assert (level["value"], level["threshold"]) == ("premium", ["standard", "premium"])
    assert level["text"] == "service level Premium is Standard or Premium"


def test_route_5_digital_says_of_every_trigger_why_it_did_not_fire() -> None:
    routed = route(facts_of("smb", 50, "500.00", "basic"), POLICY)
    assert [(check.fired, check.text) for check in routed.checks] == [
        (False, "50 contracted users <= 50"),
        (False, "MRR $500.00 <= $500.00"),
        (False, "service level Basic is not Standard or Premium"),
    ]


@pytest.mark.parametrize(("users", "near"), [(44, False), (45, True), (50, True), (51, False)])
def test_route_5_users_within_a_tenth_of_the_threshold_are_a_near_miss(users: int, near: bool) -> None:
    assert route(facts_of("smb", users, "0.00", "basic"), POLICY).checks[0].near is near


@pytest.mark.parametrize(
    ("mrr", "near"), [("449.99", False), ("450.00", True), ("500.00", True), ("500.01", False)]
)
def test_route_5_mrr_within_a_tenth_of_the_threshold_is_a_near_miss(mrr: str, near: bool) -> None:
    assert route(facts_of("smb", 1, mrr, "basic"), POLICY).checks[1].near is near


@pytest.mark.parametrize("pool", ["digital", "core", "strategic"])
def test_route_4_a_hand_set_pool_stands_and_what_the_rules_say_is_still_told(pool: str) -> None:
    routed = route(facts_of("smb", 51, "250.00", "basic", pool), POLICY)
    assert (routed.pool, routed.rules_pool, routed.overridden) == (pool, "core", True)
    assert [reason.text for reason in routed.reasons] == ["51 contracted users > 50"]


@pytest.mark.parametrize("level", ["basic", "standard", "premium"])
@pytest.mark.parametrize("segment", ["smb", "regular"])
def test_route_4_strategic_is_never_chosen_by_a_rule(segment: str, level: str) -> None:
    assert route(facts_of(segment, 1_000_000, "999999.99", level), SWITCHED_ON).pool == "core"


def test_route_7_another_version_of_the_numbers_gives_another_answer() -> None:
    stricter = Policy(number=5, routing=RoutingRules(core_over_users=40))
    facts = facts_of("smb", 41, "250.00", "basic")
    assert (route(facts, POLICY).pool, route(facts, stricter).pool) == ("digital", "core")
    assert route(facts, stricter).policy == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"contracted_users": 11},
        {"mrr": Decimal("250.01")},
        {"service_level": "standard"},
        {"starter_package": True},
        {"override_pool": "strategic"},
    ],
)
def test_route_6_keep_asks_again_when_a_routing_fact_changes(changes: dict) -> None:
    assert signature(replace(account(), **changes), POLICY) != signature(account(), POLICY)


def test_route_6_keep_asks_again_under_another_version() -> None:
    assert signature(account(), Policy(number=1)) != signature(account(), Policy(number=2))


def test_route_6_keep_stands_when_what_changed_is_no_fact_of_routing() -> None:
    elsewhere = account(csm=99, products=(), mrr=Decimal("250"))
    assert signature(elsewhere, POLICY) == signature(account(), POLICY)
