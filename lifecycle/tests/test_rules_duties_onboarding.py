"""ONB, CAD-1: the duties up to day 0, from the first call to the completed onboarding."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from lifecycle.rules.duties import KINDS, duties, is_done
from lifecycle.rules.facts import AccountFacts, Key, OnboardingFacts, SessionFacts
from lifecycle.rules.policy import DutyRules, Policy
from lifecycle.tests.duty_examples import (
    ALL_HELD,
    CALL,
    CALL_DAY,
    SMB,
    TRAINING,
    TRAINING_DAY,
    beginning,
    onboarded,
    training,
    without,
)
from lifecycle.tests.test_rules_duties import EARLY, LATE, POLICY, SECOND, kinds, owed
from lifecycle.tests.test_rules_facts import CSM, DAY_ZERO, account, new_york, onboarding

pytestmark = pytest.mark.sqlite_only

COMPLETE = Key("complete_onboarding", "onboarding", 6)
RECAPS = {"recap_call", "recap_training"}


def rows(facts: AccountFacts, now: datetime = LATE) -> set[tuple[str, int]]:
    return {(duty.key.kind, duty.key.source_id) for duty in duties(facts, POLICY, now)[0]}


def test_onb_1_a_new_account_owes_its_call_alone_and_time_changes_nothing() -> None:
    owed_now, recheck_at = duties(beginning(), POLICY, EARLY)
    assert [(duty.key.kind, duty.owner) for duty in owed_now] == [("book_call", CSM)]
    assert recheck_at is None


def test_onb_1_a_booking_taken_back_asks_for_another() -> None:
    key = Key("book_call", "onboarding", 6)
    booked = beginning(call_scheduled_at=CALL)
    assert is_done(booked, key) and owed(booked, key, EARLY) is None
    assert owed(beginning(), key, EARLY) and rows(beginning()) == {("book_call", 6)}


def test_onb_1_a_call_booked_for_another_time_is_entered_after_that_one() -> None:
    later = CALL + timedelta(days=3)
    end = later + timedelta(minutes=30)
    facts = beginning(call_scheduled_at=later)
    assert rows(facts, CALL + timedelta(hours=1)) == set()
    assert duties(facts, POLICY, end - SECOND) == ((), end)
    assert kinds(facts, end) == {"record_call"}


def test_onb_1_what_was_booked_ends_after_half_an_hour_also_while_clocks_are_set_back() -> None:
    doubled = new_york(2026, 11, 1, 1, 45).astimezone(account().zone)
    end = datetime(2026, 11, 1, 6, 15, tzinfo=UTC)
    for facts in (beginning(call_scheduled_at=doubled), training(scheduled_at=doubled)):
        recorded = kinds(facts, end) - kinds(facts, end - SECOND)
        assert len(recorded) == 1 and recorded <= {"record_call", "record_training"}


def test_onb_1_the_booked_day_is_the_csms_not_utcs() -> None:
    duty = owed(training(scheduled_at=TRAINING), Key("record_training", "training_session", 2), LATE)
    assert TRAINING.date() == date(2026, 1, 27)
    assert (duty.due, duty.appears_at) == (TRAINING_DAY, new_york(2026, 1, 27, 0, 15))


def test_onb_2_the_recap_is_due_the_day_the_call_was_held_whatever_was_booked() -> None:
    facts = beginning(call_scheduled_at=CALL, call_completed_on=CALL_DAY + timedelta(days=2))
    assert owed(facts, Key("recap_call", "onboarding", 6), LATE).due == date(2026, 1, 22)


def test_onb_3_after_the_call_every_training_is_booked_then_held_then_told() -> None:
    assert rows(training()) == {("recap_call", 6), ("book_training", 1), ("book_training", 2)}
    assert rows(training(scheduled_at=TRAINING)) == {
        ("recap_call", 6),
        ("book_training", 1),
        ("record_training", 2),
    }
    assert rows(training(scheduled_at=TRAINING, completed_on=TRAINING_DAY)) == {
        ("recap_call", 6),
        ("book_training", 1),
        ("recap_training", 2),
    }


def test_onb_3_a_training_booked_before_the_call_is_recorded_but_none_is_asked_for() -> None:
    sessions = (SessionFacts(1, "learning", scheduled_at=TRAINING), SessionFacts(2, "compliance"))
    assert rows(beginning(call_scheduled_at=CALL, sessions=sessions)) == {
        ("record_call", 6),
        ("record_training", 1),
    }


@pytest.mark.parametrize(
    "changes", [{}, {"scheduled_at": TRAINING}, {"scheduled_at": TRAINING, "completed_on": TRAINING_DAY}]
)
def test_onb_3_the_training_of_a_product_given_up_asks_for_nothing(changes: dict) -> None:
    facts = without(training(**changes), "compliance")
    assert not {row for row in rows(facts) if row[1] == 2}
    assert rows(replace(facts, products=("compliance",))) > {("recap_call", 6)}


def test_onb_3_an_smb_keeps_learning_and_compliance_whatever_it_bought() -> None:
    facts = replace(training(), products=(), traits=SMB)
    assert rows(facts) == {("recap_call", 6), ("book_training", 1), ("book_training", 2)}


def test_onb_4_the_day_offered_is_that_of_the_last_required_training() -> None:
    third = SessionFacts(3, "credentialing_service", completed_on=date(2026, 2, 20))
    held = replace(ALL_HELD, sessions=(*ALL_HELD.sessions, third))
    assert owed(account(onboarding=held), COMPLETE, LATE).due == DAY_ZERO
    bought = account(onboarding=held, products=("learning", "compliance", "credentialing_service"))
    assert owed(bought, COMPLETE, LATE).due == date(2026, 2, 20)


def test_onb_4_a_call_entered_after_the_trainings_is_the_day_itself() -> None:
    facts = account(onboarding=replace(ALL_HELD, call_completed_on=date(2026, 2, 3)))
    assert owed(facts, COMPLETE, LATE).due == date(2026, 2, 3)


def test_onb_4_the_completed_mail_is_an_smbs_and_due_on_day_zero() -> None:
    for traits, starter, asked in (
        (SMB, False, True),
        (frozenset(), True, True),
        (frozenset(), False, False),
    ):
        facts = onboarded(account(onboarding=ALL_HELD, traits=traits, starter_package=starter))
        assert ("send_completed" in kinds(facts, EARLY)) is asked


def test_cad_1_an_onboarding_without_call_or_sessions_cannot_be_completed() -> None:
    assert kinds(account(onboarding=OnboardingFacts(6)), LATE) == {"book_call"}
    held = OnboardingFacts(6, call_completed_on=DAY_ZERO, recap_sent=True)
    assert kinds(account(onboarding=held), LATE) == set()


@pytest.mark.parametrize(
    "facts",
    [
        beginning(),
        beginning(call_scheduled_at=CALL),
        beginning(call_completed_on=CALL_DAY),
        training(scheduled_at=TRAINING),
        training(completed_on=TRAINING_DAY),
        account(onboarding=ALL_HELD),
    ],
    ids=["new", "booked", "call held", "training booked", "training held", "all held"],
)
def test_cad_1_day_zero_ends_every_onboarding_row_and_nothing_comes_after(facts: AccountFacts) -> None:
    assert duties(onboarded(facts), POLICY, EARLY) == duties(onboarded(facts), POLICY, LATE) == ((), None)
    assert kinds(replace(onboarded(facts), traits=SMB), LATE) == {"send_completed"}
    for duty in duties(facts, POLICY, LATE)[0]:
        assert is_done(onboarded(facts), duty.key) is (duty.key == COMPLETE)


def test_cad_1_what_was_sent_or_booked_by_then_counts_as_done_and_the_rest_as_lapsed() -> None:
    sessions = (
        SessionFacts(1, "learning", scheduled_at=TRAINING, completed_on=TRAINING_DAY, recap_sent=True),
        SessionFacts(2, "compliance", scheduled_at=TRAINING),
    )
    facts = onboarded(beginning(call_completed_on=CALL_DAY, sessions=sessions))
    done = {
        key
        for key in (
            *(Key(kind, "onboarding", 6) for kind in ("book_call", "record_call", "recap_call")),
            *(
                Key(kind, "training_session", n)
                for kind in ("book_training", "record_training", "recap_training")
                for n in (1, 2)
            ),
        )
        if is_done(facts, key)
    }
    assert done == {
        Key("book_call", "onboarding", 6),
        Key("record_call", "onboarding", 6),
        Key("book_training", "training_session", 1),
        Key("record_training", "training_session", 1),
        Key("recap_training", "training_session", 1),
        Key("book_training", "training_session", 2),
    }


def test_cad_1_every_kind_of_an_onboarding_says_whether_it_ends_with_it() -> None:
    ending = {kind.slug for kind in KINDS if kind.until_day_zero}
    of_onboarding = {kind.slug for kind in KINDS if kind.source.type in ("onboarding", "training_session")}
    assert of_onboarding - ending == {"complete_onboarding", "send_completed"}
    assert ending < of_onboarding


def test_mil_4_same_day_recaps_do_not_wait_for_the_morning() -> None:
    assert {kind.slug for kind in KINDS if kind.at_once} == RECAPS | {"recap_meeting", "send_completed"}


def test_mil_2_the_spans_of_an_onboarding_are_the_policys() -> None:
    policy = Policy(
        duties=DutyRules(call_booking_working_days=3, training_booking_days=1, meeting_minutes=60)
    )
    (duty,) = duties(beginning(), policy, EARLY)[0]
    assert duty.due.working_days == 3
    bookings = [duty.due.days for duty in duties(training(), policy, EARLY)[0] if "book" in duty.key.kind]
    assert bookings == [1, 1]
    assert duties(beginning(call_scheduled_at=CALL), policy, CALL)[1] == CALL + timedelta(minutes=60)


def test_onb_1_an_archived_account_without_onboarding_owes_none() -> None:
    assert kinds(account(onboarding=None), LATE) == set()
    assert duties(account(onboarding=onboarding(None, None), archived=True), POLICY, LATE) == ((), None)
