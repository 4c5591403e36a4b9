"""SEG-3, SEG-6, ACT: the duties of the account itself and of its contact log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from lifecycle.rules.duties import duties, is_done, lapsed
from lifecycle.rules.facts import PRODUCTS, Key, OpportunityFacts, UsageFacts
from lifecycle.rules.package import billing, next_user_moves_it
from lifecycle.rules.policy import DutyRules, PackageRules, Policy
from lifecycle.tests.duty_examples import (
    AUTHOR,
    BILLING,
    FOLLOW_UP,
    LEAD_REVIEW,
    NOTED,
    REVIEW,
    SMB_STANDARD,
    STARTER,
    TELL,
    by_hand,
    logged,
    opportunity,
    used_by,
)
from lifecycle.tests.test_rules_duties import EARLY, LATE, POLICY, SECOND, kinds, owed
from lifecycle.tests.test_rules_facts import CSM, LEAD, NEW_YORK, account, new_york

pytestmark = pytest.mark.sqlite_only

BUG = Key("follow_up", "bug", 11)
WEEK = timedelta(days=7)


# --- SEG-2, SEG-3: the flat price


@pytest.mark.parametrize(
    ("users", "mrr", "says"),
    [
        (0, "250.00", ""),
        (10, "249.99", "Off the flat rate"),
        (10, "250.00", ""),
        (10, "250.01", "Off the flat rate"),
        (10, "0.00", "Off the flat rate"),
        (11, "249.99", ""),
        (11, "250.00", "Rack rate due"),
        (11, "250.01", ""),
        (11, "330.00", ""),
        (5000, "250.00", "Rack rate due"),
    ],
)
def test_seg_3_the_billing_check_at_ten_and_eleven_users(users: int, mrr: str, says: str) -> None:
    facts = replace(STARTER, contracted_users=users, mrr=Decimal(mrr))
    assert billing(facts, POLICY) == says
    duty = owed(facts, BILLING, EARLY)
    assert (duty.title if duty else "") == says
    assert billing(replace(facts, starter_package=False, traits=frozenset({"start_up"})), POLICY) == ""


@pytest.mark.parametrize(("users", "moves"), [(9, False), (10, True), (11, False)])
def test_seg_3_at_ten_users_the_page_says_that_the_next_one_moves_it(users: int, moves: bool) -> None:
    assert next_user_moves_it(replace(STARTER, contracted_users=users), POLICY) is moves
    assert next_user_moves_it(account(contracted_users=users), POLICY) is False


def test_seg_2_users_and_price_of_the_package_are_the_policys() -> None:
    policy = Policy(package=PackageRules(flat_users=20, flat_mrr=Decimal("300.00")))
    assert billing(replace(STARTER, contracted_users=20, mrr=Decimal("300.00")), policy) == ""
    assert billing(replace(STARTER, contracted_users=21, mrr=Decimal("300.00")), policy) == "Rack rate due"
    assert billing(STARTER, policy) == "Off the flat rate"


def test_seg_3_a_check_declared_done_rests_until_the_price_was_right_once() -> None:
    wrong = replace(STARTER, contracted_users=11)
    checked = by_hand(wrong, BILLING)
    assert kinds(checked, LATE) == set() and lapsed(checked, POLICY) == frozenset()
    assert lapsed(replace(checked, mrr=Decimal("330.00")), POLICY) == {BILLING}


# --- SEG-6: a bought level


def test_seg_6_the_review_is_asked_for_once_until_its_condition_has_lapsed() -> None:
    reviewed = by_hand(SMB_STANDARD, REVIEW)
    assert duties(reviewed, POLICY, LATE)[0] == ()
    assert duties(replace(reviewed, service_level="premium"), POLICY, LATE)[0] == ()
    assert lapsed(reviewed, POLICY) == frozenset()
    assert lapsed(replace(reviewed, service_level="basic"), POLICY) == {REVIEW}


@pytest.mark.parametrize("level", ["standard", "premium"])
def test_seg_6_only_an_smb_that_bought_a_level_is_reviewed(level: str) -> None:
    assert kinds(account(traits=frozenset({"small_team"}), service_level=level), LATE) == {"level_review"}
    assert kinds(account(service_level=level), LATE) == set()


# --- ACT-1: follow-ups


def test_act_1_a_follow_up_is_its_authors_and_the_csms_once_the_author_is_gone() -> None:
    asked = logged(follow_up_on=date(2026, 3, 9))
    assert owed(asked, FOLLOW_UP, LATE).owner == AUTHOR
    assert owed(logged(follow_up_on=date(2026, 3, 9), author=None), FOLLOW_UP, LATE).owner == CSM


def test_act_1_any_kind_of_entry_may_ask_for_a_follow_up() -> None:
    for kind in ("call", "email", "meeting", "note", "upsell", "request"):
        assert kinds(logged(kind, follow_up_on=date(2026, 3, 9)), LATE) == {"follow_up"}
        assert kinds(logged(kind), LATE) == set()


def test_act_1_a_follow_up_done_stays_done_until_it_is_asked_for_on_another_day() -> None:
    done = by_hand(logged(follow_up_on=date(2026, 3, 9)), FOLLOW_UP, date(2026, 3, 9))
    assert duties(done, POLICY, LATE) == ((), None) and lapsed(done, POLICY) == frozenset()
    for day in (date(2026, 3, 8), date(2026, 3, 10), date(2026, 6, 1)):
        moved = by_hand(logged(follow_up_on=day), FOLLOW_UP, date(2026, 3, 9))
        assert owed(moved, FOLLOW_UP, LATE).due == day
        assert lapsed(moved, POLICY) == {FOLLOW_UP}
        assert duties(moved, POLICY, EARLY)[1] == new_york(day.year, day.month, day.day)
    assert lapsed(by_hand(logged(), FOLLOW_UP), POLICY) == {FOLLOW_UP}


def test_act_1_the_day_of_a_follow_up_begins_where_the_csm_is() -> None:
    facts = replace(logged(follow_up_on=date(2026, 3, 9)), zone=ZoneInfo("Pacific/Kiritimati"))
    begins = datetime(2026, 3, 8, 10, tzinfo=UTC)
    assert owed(facts, FOLLOW_UP, begins - SECOND) is None and owed(facts, FOLLOW_UP, begins)


# --- ACT-2: bugs, workflow errors, wishes


def test_act_2_an_open_bug_is_followed_up_after_seven_days_of_silence_again_and_again() -> None:
    noted = NOTED
    for _ in range(3):
        facts = logged("bug", open_bug=True, noted_at=noted)
        assert duties(facts, POLICY, noted + WEEK - SECOND) == ((), noted + WEEK)
        assert owed(facts, BUG, noted + WEEK).owner == CSM
        noted += WEEK + timedelta(days=2)
        again = logged("bug", open_bug=True, noted_at=noted)
        assert owed(again, BUG, noted) is None and is_done(again, BUG)


def test_act_2_seven_days_are_seven_days_also_while_clocks_change() -> None:
    facts = logged("bug", open_bug=True, noted_at=datetime(2026, 3, 6, 12, tzinfo=NEW_YORK))
    assert duties(facts, POLICY, EARLY)[1] == datetime(2026, 3, 13, 17, tzinfo=UTC)


def test_act_2_a_fixed_bug_is_done_and_a_removed_one_lapses() -> None:
    assert is_done(logged("bug"), BUG) and duties(logged("bug"), POLICY, LATE) == ((), None)
    assert not is_done(account(), BUG)


def test_act_2_a_bug_may_ask_for_a_follow_up_of_its_own_besides() -> None:
    facts = logged("bug", open_bug=True, follow_up_on=date(2026, 3, 9))
    found = {duty.key: duty.owner for duty in duties(facts, POLICY, LATE)[0]}
    assert found == {FOLLOW_UP: AUTHOR, BUG: CSM}


def test_act_2_the_lead_reviews_a_workflow_error_once() -> None:
    for kind in ("workflow", "improvement"):
        assert owed(logged(kind), LEAD_REVIEW, EARLY).owner == LEAD
        reviewed = by_hand(logged(kind), LEAD_REVIEW)
        assert kinds(reviewed, LATE) == set() and lapsed(reviewed, POLICY) == frozenset()


# --- ACT-3: what the RSM is told


@pytest.mark.parametrize(
    ("active", "employees", "told"),
    [
        (10, None, False),
        (11, None, True),
        (None, 10, False),
        (None, 11, True),
        (3, 11, True),
        (11, 3, True),
        (None, None, False),
        (0, 0, False),
    ],
)
def test_act_3_the_rsm_is_told_when_more_use_it_or_work_there_than_are_contracted(
    active: int | None, employees: int | None, told: bool
) -> None:
    assert (owed(used_by(active, employees), TELL, EARLY) is not None) is told


def test_act_3_added_users_told_once_are_told_again_after_the_contract_grew_and_was_outgrown() -> None:
    told = by_hand(used_by(11), TELL)
    assert kinds(told, LATE) == kinds(replace(told, usage=UsageFacts(13, NOTED.date(), 40)), LATE) == set()
    assert lapsed(told, POLICY) == frozenset()
    grown = replace(told, contracted_users=40)
    assert lapsed(grown, POLICY) == {TELL}
    assert kinds(replace(grown, by_hand={}, usage=UsageFacts(14, NOTED.date(), 41)), LATE) == {"tell_rsm"}


def test_act_3_each_opportunity_is_told_by_itself() -> None:
    two = (OpportunityFacts(12, "module"), OpportunityFacts(13, "added_users", told=True))
    facts = replace(used_by(11), opportunities=two)
    assert [duty.key for duty in duties(facts, POLICY, LATE)[0]] == [TELL, Key("tell_rsm", "opportunity", 12)]


def test_act_3_an_opportunity_told_is_done_and_untold_is_owed_again() -> None:
    key = Key("tell_rsm", "opportunity", 12)
    assert is_done(opportunity(told=True), key) and is_done(opportunity(told=True, open=False), key)
    assert owed(opportunity(), key, LATE)
    assert not is_done(opportunity(open=False), key)  # won or lost before anybody was told


# --- all of them


def test_mil_2_the_offsets_of_the_contact_log_are_the_policys() -> None:
    rules = DutyRules(
        bug_silence_days=1,
        follow_up_working_days=3,
        tell_rsm_days=4,
        tell_rsm_working_days=5,
        billing_working_days=6,
        lead_review_working_days=7,
    )
    facts = replace(
        logged("bug", open_bug=True),
        starter_package=True,
        usage=UsageFacts(13, NOTED.date(), 11),
        mrr=Decimal("1.00"),
        opportunities=(OpportunityFacts(12, "module"),),
    )
    owed_now, _ = duties(facts, Policy(duties=rules), NOTED + timedelta(days=1))
    assert {duty.key[:2]: duty.due.days or duty.due.working_days for duty in owed_now} == {
        ("follow_up", "bug"): 3,
        ("tell_rsm", "account"): 4,
        ("tell_rsm", "opportunity"): 5,
        ("billing_check", "account"): 6,
    }
    (review,) = duties(logged("workflow"), Policy(duties=rules), NOTED)[0]
    assert review.due.working_days == 7


def test_seg_1_products_matter_to_no_duty_of_the_account_itself() -> None:
    for facts in (STARTER, SMB_STANDARD, used_by(11), logged("workflow")):
        assert duties(facts, POLICY, LATE) == duties(replace(facts, products=PRODUCTS), POLICY, LATE)
