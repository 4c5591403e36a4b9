"""MIL-2: what holds of `duties()` whatever the facts, the policy and the instant."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.rules.cadence import Span, WorkCalendar
from lifecycle.rules.duties import KIND, KINDS, Duty, duties, is_done, kind_of, lapsed
from lifecycle.rules.facts import (
    PRODUCTS,
    SMB_TRAITS,
    AccountFacts,
    ActivityFacts,
    AdoptionFacts,
    CheckInFacts,
    Key,
    OnboardingFacts,
    OpportunityFacts,
    RerouteFacts,
    SessionFacts,
    StageFacts,
    SurveyFacts,
    UsageFacts,
)
from lifecycle.rules.gates import missing
from lifecycle.rules.policy import LEVELS, DutyRules, Policy
from lifecycle.tests import naive
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

surveys = st.builds(
    SurveyFacts,
    id=st.just(0),
    sent_at=st.none() | instants,
    answered=yes_or_no,
    waived=yes_or_no,
    lowest=st.none() | st.integers(1, 5),
)
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
    engaged=st.none() | yes_or_no,
    disengagement_reasons=st.sampled_from([(), ("knowledge_gaps",), ("internal_situation",)]),
    engagement=st.sampled_from(["", "increasing", "steady", "decreasing"]),
    objectives_open=st.integers(0, 2),
    export_outdated=yes_or_no,
    survey=st.none() | surveys,
)
check_ins = st.builds(
    CheckInFacts,
    id=st.just(0),
    day=st.sampled_from([75, 150]),
    due_on=days,
    cancelled=yes_or_no,
    done=yes_or_no,
)
reroutes = st.builds(
    RerouteFacts, id=st.just(0), to_pool=st.sampled_from(["digital", "core"]), decided=yes_or_no
)


def numbered(rows: st.SearchStrategy) -> st.SearchStrategy:
    """A few rows, each with an id of its own, as a table has them."""
    few = st.lists(rows, max_size=3)
    return few.map(lambda drawn: tuple(replace(row, id=n) for n, row in enumerate(drawn, 1)))


def surveyed(rows: tuple[StageFacts, ...]) -> tuple[StageFacts, ...]:
    """Each survey with an id of its own."""
    return tuple(replace(row, survey=row.survey and replace(row.survey, id=row.id)) for row in rows)


sessions = st.builds(
    SessionFacts,
    id=st.just(0),
    product=st.sampled_from(PRODUCTS),
    scheduled_at=st.none() | instants,
    completed_on=maybe_days,
    recap_sent=yes_or_no,
)
onboardings = st.builds(
    OnboardingFacts,
    id=st.just(6),
    call_scheduled_at=st.none() | instants,
    call_completed_on=maybe_days,
    training_completed_on=st.none() | maybe_days,
    recap_sent=yes_or_no,
    completed_mail_sent=yes_or_no,
    sessions=numbered(sessions),
)
entries = st.builds(
    ActivityFacts,
    id=st.just(0),
    kind=st.sampled_from(["call", "bug", "bug", "workflow", "improvement"]),
    author=st.none() | st.just(8),
    noted_at=instants,
    follow_up_on=maybe_days,
    open_bug=yes_or_no,
).map(lambda entry: replace(entry, open_bug=entry.open_bug and entry.kind == "bug"))
opportunities = st.builds(
    OpportunityFacts, id=st.just(0), kind=st.just("module"), open=yes_or_no, told=yes_or_no
)
people = st.none() | st.integers(0, 100)
usages = st.builds(UsageFacts, id=st.just(3), taken_on=days, active_users=people, employees=people)
adoptions = st.builds(
    AdoptionFacts,
    id=st.just(2),
    day_zero=days,
    service_level=st.sampled_from(LEVELS),
    completed=yes_or_no,
    withdrawn=yes_or_no,
    stages=numbered(stages).map(surveyed),
    check_ins=numbered(check_ins),
)
declared = [Key(kind, "account", n) for kind in ("level_review", "billing_check", "tell_rsm") for n in (1, 2)]
declared += [Key(kind, "activity", n) for kind in ("follow_up", "lead_review") for n in (1, 2)]
by_hand = st.dictionaries(st.sampled_from(declared), days, max_size=3)
accounts = st.builds(
    AccountFacts,
    id=st.just(1),
    service_level=st.sampled_from(LEVELS),
    contracted_users=st.integers(0, 100) | st.sampled_from([10, 11]),
    mrr=st.decimals(0, 2000, places=2).map(Decimal) | st.just(Decimal("250.00")),
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
    activities=numbered(entries),
    opportunities=numbered(opportunities),
    usage=st.none() | usages,
    by_hand=by_hand,
)
policies = st.just(Policy()) | st.builds(
    lambda *numbers: Policy(duties=DutyRules(*numbers)), *[st.integers(0, 60)] * len(fields(DutyRules))
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
    assert {duty.owner for duty in owed} <= {facts.csm, facts.lead, 8}
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
        assert steps <= 30


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
    gone = lapsed(facts, policy)
    assert gone <= set(facts.by_hand)
    for duty in duties(facts, policy, now)[0]:
        kind = kind_of(duty.key)
        assert duty.key not in facts.by_hand or duty.key in gone
        assert not (kind.evidence and is_done(facts, duty.key))


@many
@given(accounts, policies, instants)
def test_mil_2_who_owns_the_account_decides_only_who_owns_its_duties(
    facts: AccountFacts, policy: Policy, now: datetime
) -> None:
    owed, recheck_at = duties(replace(facts, csm=7, lead=9), policy, now)
    others = {7: 70, 9: 90}
    assert duties(replace(facts, csm=70, lead=90), policy, now) == (
        tuple(replace(duty, owner=others.get(duty.owner, duty.owner)) for duty in owed),
        recheck_at,
    )
    unserved = [duty.key for duty in duties(replace(facts, csm=None, lead=None), policy, now)[0]]
    assert unserved == [duty.key for duty in owed if duty.key.kind != "book_call"]


NAIVELY = naive.UP_TO_DAY_ZERO | naive.OF_THE_ACCOUNT


def plainly(due: date | Span) -> object:
    if not isinstance(due, Span):
        return due
    return ("working days", due.working_days) if due.working_days else ("days", due.days)


@many
@given(accounts, instants)
def test_mil_2_duties_up_to_day_zero_and_of_the_account_are_those_a_second_reading_finds(
    facts: AccountFacts, now: datetime
) -> None:
    owed = duties(facts, Policy(), now)[0]
    found = {duty.key[:3]: (plainly(duty.due), duty.owner) for duty in owed if duty.key.kind in NAIVELY}
    assert found == naive.owes(facts, now)


def test_mil_2_the_second_reading_knows_every_kind_that_an_onboarding_or_the_contact_log_asks_for() -> None:
    types = {"onboarding", "training_session", "activity", "bug", "opportunity", "account"}
    assert {kind.slug for kind in KINDS if kind.source.type in types} == NAIVELY


@many
@given(stages)
def test_stage_10_the_gate_never_raises_and_asks_for_nothing_twice(stage: StageFacts) -> None:
    asked = [one.field for one in missing(stage)]
    assert len(set(asked)) == len(asked)
    assert ("checklist" in asked) is (not stage.checklist_exported or stage.export_outdated)
