"""MIL-2, MIL-3 and the table of kinds: when each duty appears, is due, who owns it, what clears it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from lifecycle.rules.cadence import Span
from lifecycle.rules.duties import KINDS, Duty, duties, is_done, lapsed
from lifecycle.rules.facts import AccountFacts, Key, OnboardingFacts, RerouteFacts
from lifecycle.rules.policy import DutyRules, Policy
from lifecycle.tests.test_rules_facts import (
    CSM,
    DAY_90,
    LEAD,
    account,
    adopting,
    check_in,
    new_york,
    onboarding,
    stage,
)

pytestmark = pytest.mark.sqlite_only

POLICY = Policy()
EARLY, LATE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MEETING = new_york(2026, 4, 28, 15)
NOT_HELD = {"meeting_held": False, "no_meeting_reason": "Nobody came."}
STAGE = Key("", "stage", 3, 90)
REVIEW = Key("level_review", "account", 1)
HELD = {"meeting_at": MEETING, "meeting_held": True, "meeting_held_on": date(2026, 4, 28)}


@dataclass(frozen=True)
class Row:
    """One kind of the table, told by examples. `appears` None: owed whenever its condition holds."""

    key: Key
    title: str
    facts: AccountFacts
    appears: datetime | None
    due: date | Span
    owner: int
    done: tuple[AccountFacts, ...]
    lapsed: tuple[AccountFacts, ...]
    on_the_day: bool = False


def of(kind: str) -> Key:
    return STAGE._replace(kind=kind)


CANCELLED = adopting(stage(cancelled=True))
ALL_HELD = onboarding(date(2026, 1, 26), DAY_ZERO := date(2026, 1, 30))
SMB_STANDARD = account(starter_package=True, service_level="standard")

TABLE = (
    Row(
        of("stage"), "90-day adoption", adopting(stage()), None, DAY_90, CSM,
        done=(adopting(stage(closed=True)),),
        lapsed=(CANCELLED, account()),
    ),
    Row(
        Key("check_in", "check_in", 4, 75), "Send the 75-day check-in", adopting(check_in()),
        None, date(2026, 4, 15), LEAD,
        done=(adopting(check_in(done=True)),),
        lapsed=(adopting(check_in(cancelled=True)), account()),
    ),
    Row(
        Key("complete_onboarding", "onboarding", 6), "Complete onboarding", account(onboarding=ALL_HELD),
        None, DAY_ZERO, CSM,
        done=(account(onboarding=replace(ALL_HELD, training_completed_on=DAY_ZERO)),),
        lapsed=(
            account(onboarding=onboarding(date(2026, 1, 26), None)),
            account(onboarding=replace(ALL_HELD, call_completed_on=None)),
            account(onboarding=ALL_HELD, products=()),
            account(onboarding=ALL_HELD, products=("learning", "credentialing_service")),
        ),
        on_the_day=True,
    ),
    Row(
        of("prepare_checklist"), "Prepare the 90-day checklist", adopting(stage()),
        new_york(2026, 4, 20), date(2026, 4, 29), CSM,
        done=(adopting(stage(checklist_ready=True)), adopting(stage(checklist_exported=True))),
        lapsed=(CANCELLED, adopting(stage(meeting_held=False)), adopting(stage(closed=True))),
    ),
    Row(
        of("book_meeting"), "Book the 90-day meeting", adopting(stage()),
        new_york(2026, 4, 9), date(2026, 4, 23), CSM,
        done=(adopting(stage(meeting_at=MEETING)), adopting(stage(meeting_held=True))),
        lapsed=(CANCELLED, adopting(stage(meeting_held=False))),
    ),
    Row(
        of("record_meeting"), "Record the outcome", adopting(stage(meeting_at=MEETING)),
        new_york(2026, 4, 28, 15, 30), date(2026, 4, 28), CSM,
        done=(adopting(stage(**HELD)), adopting(stage(meeting_at=MEETING, meeting_held=False))),
        lapsed=(CANCELLED, adopting(stage())),
        on_the_day=True,
    ),
    Row(
        of("explain_no_meeting"), "Say why the 90-day meeting was missed", adopting(stage()),
        new_york(2026, 5, 1), Span(working_days=1), CSM,
        done=(adopting(stage(no_meeting_reason="On holiday.")),),
        lapsed=(CANCELLED, adopting(stage(meeting_at=MEETING)), adopting(stage(meeting_held=True))),
    ),
    Row(
        of("explain_no_meeting"), "Say why the 90-day meeting was missed",
        adopting(stage(meeting_at=MEETING, meeting_held=False)), None, Span(working_days=1), CSM,
        done=(adopting(stage(**NOT_HELD)),),
        lapsed=(CANCELLED, adopting(stage(**HELD))),
    ),
    Row(
        of("close_gap"), "Review a missed meeting", adopting(stage(**NOT_HELD)), None,
        Span(working_days=2), LEAD,
        done=tuple(
            adopting(stage(**NOT_HELD, gap_decision=choice))
            for choice in ("retry", "email_review", "waive", "rescue")
        ),
        lapsed=(CANCELLED, adopting(stage(**HELD)), adopting(stage(meeting_held=False))),
    ),
    Row(
        of("recap_meeting"), "Send the 90-day recap", adopting(stage(**HELD)), None, date(2026, 4, 28), CSM,
        done=(adopting(stage(**HELD, recap_sent=True)),),
        lapsed=(CANCELLED, adopting(stage(meeting_at=MEETING)), adopting(stage(**NOT_HELD))),
        on_the_day=True,
    ),
    Row(
        of("close_stage"), "Attach the checklist and close", adopting(stage(**HELD, recap_sent=True)), None,
        Span(working_days=3), CSM,
        done=(adopting(stage(**HELD, recap_sent=True, closed=True)),),
        lapsed=(CANCELLED, adopting(stage(**HELD)), adopting(stage())),
    ),
    Row(
        of("close_stage"), "Attach the checklist and close",
        adopting(stage(**NOT_HELD, gap_decision="waive")), None, Span(working_days=3), CSM,
        done=(adopting(stage(**NOT_HELD, gap_decision="waive", closed=True)),),
        lapsed=tuple(adopting(stage(**NOT_HELD, gap_decision=c)) for c in ("", "retry", "rescue")),
    ),
    Row(
        REVIEW, "Review the plan with your TL", SMB_STANDARD, None, Span(working_days=5), CSM,
        done=(replace(SMB_STANDARD, by_hand=frozenset({REVIEW})),),
        lapsed=(
            replace(SMB_STANDARD, service_level="basic"),
            replace(SMB_STANDARD, starter_package=False),
        ),
    ),
    Row(
        Key("reroute", "reroute", 5), "Move to Core?", account(reroutes=(RerouteFacts(5, "core"),)), None,
        Span(working_days=2), LEAD,
        done=(account(reroutes=(RerouteFacts(5, "core", decided=True),)),),
        lapsed=(account(),),
    ),
)  # fmt: skip

each_row = pytest.mark.parametrize("row", TABLE, ids=[f"{n}-{row.key.kind}" for n, row in enumerate(TABLE)])


def owed(facts: AccountFacts, key: Key, now: datetime) -> Duty | None:
    return next((duty for duty in duties(facts, POLICY, now)[0] if duty.key == key), None)


def kinds(facts: AccountFacts, now: datetime) -> set[str]:
    return {duty.key.kind for duty in duties(facts, POLICY, now)[0]}


def test_mil_1_the_examples_tell_of_every_kind() -> None:
    assert {row.key.kind for row in TABLE} == {kind.slug for kind in KINDS}


@each_row
def test_mil_2_a_duty_is_not_owed_one_second_before_it_appears_and_is_at_that_instant(row: Row) -> None:
    if row.appears is None:
        assert owed(row.facts, row.key, EARLY) and owed(row.facts, row.key, LATE)
        return
    assert owed(row.facts, row.key, row.appears - SECOND) is None
    assert owed(row.facts, row.key, row.appears)
    assert owed(row.facts, row.key, LATE)


@each_row
def test_mil_1_a_duty_has_its_title_its_due_and_its_owner(row: Row) -> None:
    duty = owed(row.facts, row.key, LATE)
    assert (duty.title, duty.due, duty.owner) == (row.title, row.due, row.owner)
    (kind,) = (kind for kind in KINDS if kind.slug == row.key.kind)
    assert kind.acts_on_the_day is row.on_the_day
    assert not is_done(row.facts, row.key)


@each_row
def test_mil_2_the_fact_that_clears_a_duty_counts_it_as_done(row: Row) -> None:
    for facts in row.done:
        assert owed(facts, row.key, LATE) is None
        assert is_done(facts, row.key)


@each_row
def test_mil_2_a_duty_whose_condition_lapses_goes_without_being_done(row: Row) -> None:
    for facts in row.lapsed:
        assert owed(facts, row.key, LATE) is None
        assert not is_done(facts, row.key)


@each_row
@pytest.mark.parametrize("gone", ["archived", "churned"])
def test_mil_2_an_archived_or_churned_account_owes_nothing_ever(row: Row, gone: str) -> None:
    facts = replace(row.facts, **{gone: True})
    assert duties(facts, POLICY, EARLY) == duties(facts, POLICY, LATE) == ((), None)
    assert not is_done(facts, row.key)


@each_row
def test_mil_6_a_duty_without_anybody_to_do_it_is_still_owed(row: Row) -> None:
    assert owed(replace(row.facts, csm=None, lead=None), row.key, LATE).owner is None


def test_mil_2_recheck_at_walks_through_a_stage_nobody_touches() -> None:
    facts, now, walked = adopting(stage()), EARLY, []
    while now:
        owed_now, recheck_at = duties(facts, POLICY, now)
        walked.append((now, {duty.key.kind for duty in owed_now}))
        now = recheck_at
    assert walked == [
        (EARLY, {"stage"}),
        (new_york(2026, 4, 9), {"stage", "book_meeting"}),
        (new_york(2026, 4, 20), {"stage", "book_meeting", "prepare_checklist"}),
        (new_york(2026, 5, 1), {"stage", "book_meeting", "prepare_checklist", "explain_no_meeting"}),
    ]


def test_mil_2_recheck_at_is_a_booked_meetings_end_and_then_nothing() -> None:
    facts = adopting(stage(meeting_at=MEETING, checklist_ready=True))
    end = MEETING + timedelta(minutes=30)
    assert duties(facts, POLICY, end - SECOND)[1] == end
    assert duties(facts, POLICY, end)[1] is None
    assert kinds(facts, end) == {"stage", "record_meeting"}


def test_mil_2_a_cleared_duty_wakes_nobody() -> None:
    facts = adopting(stage(meeting_at=MEETING, meeting_held=True, recap_sent=True, checklist_exported=True))
    assert duties(facts, POLICY, EARLY)[1] is None


def test_mil_2_the_offsets_are_the_policys() -> None:
    policy = Policy(duties=DutyRules(checklist_opens_days=1, booking_opens_days=2, booking_due_days=0))
    owed_now, _ = duties(adopting(stage()), policy, new_york(2026, 4, 28))
    assert {(d.key.kind, d.due) for d in owed_now} == {("stage", DAY_90), ("book_meeting", DAY_90)}
    assert duties(adopting(stage()), policy, new_york(2026, 4, 28))[1] == new_york(2026, 4, 29)


def test_cad_5_the_checklist_is_due_on_the_working_day_before_the_meeting_else_the_stage() -> None:
    def due(**changes) -> date:
        return owed(adopting(stage(**changes)), of("prepare_checklist"), LATE).due

    assert due(due_on=date(2026, 5, 3)) == due(due_on=date(2026, 5, 4)) == date(2026, 5, 1)
    assert due(meeting_at=new_york(2026, 5, 11, 9)) == date(2026, 5, 8)
    assert due(meeting_at=new_york(2026, 4, 24, 9)) == date(2026, 4, 23)


def test_stage_2_a_meeting_late_in_the_evening_belongs_to_the_csms_day_not_to_utcs() -> None:
    facts = adopting(stage(meeting_at=new_york(2026, 4, 28, 23, 45)))
    duty = owed(facts, of("record_meeting"), LATE)
    assert (duty.due, duty.appears_at) == (date(2026, 4, 28), new_york(2026, 4, 29, 0, 15))


def test_stage_2_a_meeting_lasts_half_an_hour_also_while_clocks_are_set_back() -> None:
    doubled = new_york(2026, 11, 1, 1, 45)
    facts = adopting(stage(meeting_at=doubled.astimezone(account().zone)))
    end = datetime(2026, 11, 1, 6, 15, tzinfo=UTC)
    assert owed(facts, of("record_meeting"), end - SECOND) is None
    assert owed(facts, of("record_meeting"), end)
    assert owed(facts, of("record_meeting"), end.astimezone(account().zone))
    assert owed(facts, of("record_meeting"), (end - SECOND).astimezone(account().zone)) is None


def test_stage_7_the_recap_is_due_the_day_the_meeting_was_held_whatever_was_booked() -> None:
    facts = adopting(stage(meeting_at=MEETING, meeting_held=True, meeting_held_on=date(2026, 5, 2)))
    assert owed(facts, of("recap_meeting"), LATE).due == date(2026, 5, 2)


def test_stage_3_the_steps_after_a_missed_meeting_follow_one_another() -> None:
    rest = {"stage"}
    assert kinds(adopting(stage(meeting_held=False)), LATE) == rest | {"explain_no_meeting"}
    assert kinds(adopting(stage(**NOT_HELD)), LATE) == rest | {"close_gap"}
    assert kinds(adopting(stage(**NOT_HELD, gap_decision="email_review")), LATE) == rest | {"close_stage"}


def test_stage_7_the_steps_after_a_held_meeting_follow_one_another() -> None:
    held = {**HELD, "checklist_ready": True}
    assert kinds(adopting(stage(**held)), LATE) == {"stage", "recap_meeting"}
    assert kinds(adopting(stage(**held, recap_sent=True)), LATE) == {"stage", "close_stage"}
    assert kinds(adopting(stage(**held, recap_sent=True, closed=True)), LATE) == set()


def test_stage_10_check_ins_live_on_after_the_final_stage_is_closed() -> None:
    assert kinds(adopting(stage(closed=True), check_in(id=5, day=150)), LATE) == {"check_in"}


def test_cad_6_a_withdrawn_adoption_owes_nothing() -> None:
    facts = adopting(stage(), check_in())
    withdrawn = replace(facts, adoption=replace(facts.adoption, withdrawn=True))
    assert duties(withdrawn, POLICY, EARLY) == duties(withdrawn, POLICY, LATE) == ((), None)
    assert not is_done(withdrawn, of("stage"))


def test_cad_1_an_onboarding_without_call_or_sessions_cannot_be_completed() -> None:
    assert kinds(account(onboarding=OnboardingFacts(6)), LATE) == set()
    assert kinds(account(onboarding=OnboardingFacts(6, call_completed_on=DAY_ZERO)), LATE) == set()


def test_seg_6_the_review_is_asked_for_once_until_its_condition_has_lapsed() -> None:
    reviewed = replace(SMB_STANDARD, by_hand=frozenset({REVIEW}))
    assert duties(reviewed, POLICY, LATE)[0] == ()
    assert duties(replace(reviewed, service_level="premium"), POLICY, LATE)[0] == ()
    assert lapsed(reviewed) == frozenset()
    assert lapsed(replace(reviewed, service_level="basic")) == {REVIEW}


@pytest.mark.parametrize("level", ["standard", "premium"])
def test_seg_6_only_an_smb_that_bought_a_level_is_reviewed(level: str) -> None:
    assert kinds(account(traits=frozenset({"small_team"}), service_level=level), LATE) == {"level_review"}
    assert kinds(account(service_level=level), LATE) == set()
