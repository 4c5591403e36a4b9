"""MIL-2, MIL-3 and the table of kinds: when each duty appears, is due, who owns it, what clears it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from lifecycle.rules.duties import KINDS, Duty, duties, forums, is_done, kind_of
from lifecycle.rules.facts import AccountFacts, Key
from lifecycle.rules.policy import DutyRules, Policy
from lifecycle.tests.duty_examples import HELD, MEETING, NOT_HELD, TABLE, Row, of
from lifecycle.tests.test_rules_facts import DAY_90, account, adopting, check_in, new_york, stage

pytestmark = pytest.mark.sqlite_only

POLICY = Policy()
EARLY, LATE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

each_row = pytest.mark.parametrize("row", TABLE, ids=[f"{n}-{row.key.kind}" for n, row in enumerate(TABLE)])


def owed(facts: AccountFacts, key: Key, now: datetime) -> Duty | None:
    return next((duty for duty in duties(facts, POLICY, now)[0] if duty.key == key), None)


def kinds(facts: AccountFacts, now: datetime) -> set[str]:
    return {duty.key.kind for duty in duties(facts, POLICY, now)[0]}


def test_mil_1_the_examples_tell_of_every_kind() -> None:
    assert {kind_of(row.key) for row in TABLE} == set(KINDS) - set(forums.KINDS)


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
    kind = kind_of(row.key)
    assert kind.acts_on_the_day is row.on_the_day
    assert not (kind.evidence or kind.by_hand) or not is_done(row.facts, row.key)


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
def test_mil_6_a_duty_without_anybody_to_do_it_is_still_owed_but_nobody_books_a_call(row: Row) -> None:
    nobodys = tuple(replace(activity, author=None) for activity in row.facts.activities)
    duty = owed(replace(row.facts, csm=None, lead=None, activities=nobodys), row.key, LATE)
    assert (duty is not None and duty.owner is None) if row.without_csm else duty is None


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
