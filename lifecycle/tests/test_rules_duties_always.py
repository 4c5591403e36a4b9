"""MIL-2: what holds of `duties()` whatever the facts, the policy and the instant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.rules.cadence import Span, WorkCalendar
from lifecycle.rules.duties import KIND, Duty, duties, is_done, lapsed
from lifecycle.rules.facts import (
    PRODUCTS,
    SMB_TRAITS,
    AccountFacts,
    AdoptionFacts,
    CheckInFacts,
    Key,
    OnboardingFacts,
    RerouteFacts,
    SessionFacts,
    StageFacts,
)
from lifecycle.rules.gates import missing
from lifecycle.rules.policy import LEVELS, DutyRules, Policy
from lifecycle.tests.test_rules_dates import many, zones

pytestmark = pytest.mark.sqlite_only

days = st.dates(date(2026, 1, 1), date(2026, 12, 31))
maybe_days = st.none() | days
yes_or_no = st.booleans()
YEAR = datetime(2025, 11, 1, tzinfo=UTC)
CLOCKS_CHANGE = [datetime(2026, 3, 8, 4, tzinfo=UTC), datetime(2026, 11, 1, 3, tzinfo=UTC)]


def minutes_after(start: datetime, minutes: int, zone: ZoneInfo) -> datetime:
    return (start + timedelta(minutes=minutes)).astimezone(zone)


instants = st.builds(minutes_after, st.just(YEAR), st.integers(0, 450 * 24 * 60), zones)
instants |= st.builds(minutes_after, st.sampled_from(CLOCKS_CHANGE), st.integers(0, 600), zones)

stages = st.builds(
    StageFacts,
    id=st.just(0),
    day=st.sampled_from([30, 60, 90]),
    final=yes_or_no,
    due_on=days,
    cancelled=yes_or_no,
    started=yes_or_no,
    closed=yes_or_no,
    meeting_at=st.none() | instants,
    meeting_held=st.none() | yes_or_no,
    meeting_held_on=maybe_days,
    no_meeting_reason=st.sampled_from(["", "Nobody came."]),
    gap_decision=st.sampled_from(["", "retry", "email_review", "waive", "rescue"]),
    notes=st.sampled_from(["", "Agreed."]),
    recap_sent=yes_or_no,
    checklist_ready=yes_or_no,
    checklist_exported=yes_or_no,
)
check_ins = st.builds(
    CheckInFacts,
    id=st.just(0),
    day=st.sampled_from([75, 150]),
    due_on=days,
    cancelled=yes_or_no,
    done=yes_or_no,
)
sessions = st.builds(
    SessionFacts, id=st.integers(1, 9), product=st.sampled_from(PRODUCTS), completed_on=maybe_days
)
onboardings = st.builds(
    OnboardingFacts,
    id=st.just(6),
    call_scheduled_at=st.none() | instants,
    call_completed_on=maybe_days,
    training_completed_on=maybe_days,
    sessions=st.lists(sessions, max_size=4).map(tuple),
)
reroutes = st.builds(
    RerouteFacts, id=st.just(0), to_pool=st.sampled_from(["digital", "core"]), decided=yes_or_no
)


def numbered(rows: st.SearchStrategy) -> st.SearchStrategy:
    """A few rows, each with an id of its own, as a table has them."""
    few = st.lists(rows, max_size=3)
    return few.map(lambda drawn: tuple(replace(row, id=n) for n, row in enumerate(drawn, 1)))


adoptions = st.builds(
    AdoptionFacts,
    id=st.just(2),
    day_zero=days,
    service_level=st.sampled_from(LEVELS),
    completed=yes_or_no,
    withdrawn=yes_or_no,
    stages=numbered(stages),
    check_ins=numbered(check_ins),
)
by_hand = st.frozensets(
    st.builds(Key, st.sampled_from(sorted(KIND)), st.just("account"), st.integers(1, 2)), max_size=3
)
accounts = st.builds(
    AccountFacts,
    id=st.just(1),
    service_level=st.sampled_from(LEVELS),
    contracted_users=st.integers(0, 100),
    mrr=st.decimals(0, 2000, places=2).map(Decimal),
    starter_package=yes_or_no,
    traits=st.frozensets(st.sampled_from(SMB_TRAITS)),
    products=st.lists(st.sampled_from(PRODUCTS), unique=True).map(tuple),
    zone=zones,
    calendar=st.builds(WorkCalendar, st.frozensets(days, max_size=5)),
    csm=st.none() | st.just(7),
    lead=st.none() | st.just(9),
    archived=st.sampled_from([False, False, False, True]),
    churned=st.sampled_from([False, False, False, True]),
    onboarding=st.none() | onboardings,
    adoption=st.none() | adoptions,
    reroutes=numbered(reroutes),
    by_hand=by_hand,
)
policies = st.just(Policy()) | st.builds(
    lambda *numbers: Policy(duties=DutyRules(*numbers)), *[st.integers(0, 60)] * 4
)


def keys(owed: tuple[Duty, ...]) -> list[Key]:
    return sorted(duty.key for duty in owed)


@many
@given(accounts, policies, instants)
def test_mil_2_duties_are_total_pure_and_each_is_owed_once(
    facts: AccountFacts, policy: Policy, now: datetime
) -> None:
    owed, recheck_at = duties(facts, policy, now)
    assert duties(replace(facts), policy, now.astimezone(UTC)) == (owed, recheck_at)
    assert len(set(keys(owed))) == len(owed)
    assert {duty.key.kind for duty in owed} <= set(KIND)
    assert {duty.owner for duty in owed} <= {facts.csm, facts.lead}
    assert all(isinstance(duty.due, date | Span) and not isinstance(duty.due, datetime) for duty in owed)


@many
@given(accounts, policies, instants)
def test_mil_2_what_is_owed_has_appeared_and_what_comes_is_still_ahead(
    facts: AccountFacts, policy: Policy, now: datetime
) -> None:
    owed, recheck_at = duties(facts, policy, now)
    at = now.astimezone(UTC)
    assert all(duty.appears_at <= at for duty in owed)
    assert recheck_at is None or recheck_at > at


@many
@given(accounts, policies, instants, st.floats(0, 1, exclude_max=True))
def test_mil_2_nothing_changes_before_recheck_at_and_something_does_then(
    facts: AccountFacts, policy: Policy, now: datetime, share: float
) -> None:
    owed, recheck_at = duties(facts, policy, now)
    at = now.astimezone(UTC)
    end = recheck_at or at + timedelta(days=4000)
    between = min(at + (end - at) * share, end - timedelta(microseconds=1))
    assert duties(facts, policy, between) == (owed, recheck_at)
    if recheck_at is None:
        return
    for same_instant in (recheck_at, recheck_at.astimezone(facts.zone)):
        then, later = duties(facts, policy, same_instant)
        assert set(keys(owed)) < set(keys(then))
        assert later is None or later > recheck_at


@many
@given(accounts, policies, instants)
def test_mil_2_walking_from_recheck_to_recheck_ends(
    facts: AccountFacts, policy: Policy, now: datetime
) -> None:
    steps, recheck_at = 0, duties(facts, policy, now)[1]
    while recheck_at:
        steps, recheck_at = steps + 1, duties(facts, policy, recheck_at)[1]
        assert steps <= 20


@many
@given(accounts, policies, instants, st.sampled_from(["archived", "churned"]))
def test_mil_2_an_archived_or_churned_account_owes_nothing(
    facts: AccountFacts, policy: Policy, now: datetime, gone: str
) -> None:
    assert duties(replace(facts, **{gone: True}), policy, now) == ((), None)


@many
@given(accounts, policies, instants)
def test_mil_2_what_is_owed_is_neither_done_nor_lapsed(
    facts: AccountFacts, policy: Policy, now: datetime
) -> None:
    for duty in duties(facts, policy, now)[0]:
        assert not is_done(facts, duty.key)
    assert lapsed(facts) <= facts.by_hand


@many
@given(accounts, policies, instants)
def test_mil_2_who_owns_the_account_decides_only_who_owns_its_duties(
    facts: AccountFacts, policy: Policy, now: datetime
) -> None:
    orphaned = duties(replace(facts, csm=None, lead=None), policy, now)
    owed, recheck_at = duties(facts, policy, now)
    assert orphaned == (tuple(replace(duty, owner=None) for duty in owed), recheck_at)


@many
@given(stages)
def test_stage_10_the_gate_never_raises_and_asks_for_nothing_twice(stage: StageFacts) -> None:
    asked = [one.field for one in missing(stage)]
    assert len(set(asked)) == len(asked)
    assert ("checklist" in asked) is not stage.checklist_exported
