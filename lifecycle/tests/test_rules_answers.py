"""MIL-5 as pure rules: what may be decided about a reminder, and why somebody did or did not get one."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from lifecycle.rules.cadence import WorkCalendar
from lifecycle.rules.policy import Policy
from lifecycle.rules.reminders import (
    HOLD,
    RELEASE,
    SEND_NOW,
    SKIP,
    VERBS,
    Answer,
    Case,
    Stranger,
    answer,
    may_decide,
    occasion_named,
    why_not,
)

pytestmark = pytest.mark.sqlite_only
NOW = datetime(2026, 9, 15, 15, tzinfo=UTC)
TUESDAY, WEDNESDAY = date(2026, 9, 15), date(2026, 9, 16)
CAME = Case(
    now=NOW,
    leaves=NOW - timedelta(hours=2),
    look_back_days=30,
    came_on=TUESDAY,
)
AHEAD = replace(CAME, leaves=NOW + timedelta(days=3), came_on=None)
SENT = replace(CAME, state="sent", mail="sent", mail_on=TUESDAY)
PLANNED = replace(CAME, state="planned", mail="due", mail_on=TUESDAY)
TOMORROW = replace(PLANNED, mail_on=WEDNESDAY)
LEFT_OUT = replace(CAME, state="superseded")


@pytest.mark.parametrize(
    ("case", "code", "rule"),
    [
        (SENT, "sent", "MIL-4"),
        (replace(SENT, at_once=True), "sent_at_once", "MIL-4"),
        (replace(SENT, mail_on=WEDNESDAY), "sent_next_day", "MIL-4"),
        (replace(SENT, by_hand=True, at_once=True), "sent_early", "MIL-5"),
        (replace(SENT, mail="marked"), "marked", "MIL-5"),
        (PLANNED, "in_digest", "MIL-4"),
        (replace(PLANNED, mail="retry"), "tried_again", "MIL-5"),
        (replace(PLANNED, mail="claimed"), "leaving", "MIL-5"),
        (replace(PLANNED, mail="sending"), "leaving", "MIL-5"),
        (TOMORROW, "next_day", "MIL-4"),
        (replace(TOMORROW, caused_it=True), "caused_it", "MIL-4"),
        (replace(TOMORROW, ceiling=True), "ceiling", "MIL-4"),
        (replace(TOMORROW, by_hand=True), "ceiling", "MIL-4"),
        (replace(PLANNED, by_hand=True), "leaving", "MIL-4"),
        (replace(AHEAD, state="planned", by_hand=True), "leaving", "MIL-4"),
        (replace(PLANNED, mail="", mail_on=None), "next_look", "MIL-5"),
        (replace(PLANNED, mail="", mail_on=None, expired=True), "expired", "MIL-5"),
        (replace(AHEAD, state="planned"), "not_due", "MIL-3"),
        (replace(CAME, state="held", by_hand=True), "held", "MIL-5"),
        (replace(CAME, state="held", mail="held"), "mail_held", "MIL-5"),
        (replace(CAME, state="failed", mail="dead"), "mail_failed", "MIL-5"),
        (replace(LEFT_OUT, by_hand=True), "skipped", "MIL-5"),
        (replace(LEFT_OUT, why="newer"), "newer", "MIL-3"),
        (replace(LEFT_OUT, why="closed"), "closed", "MIL-5"),
        (replace(LEFT_OUT, why="not_theirs"), "not_theirs", "MIL-6"),
        (replace(LEFT_OUT, why="inactive"), "inactive", "MIL-6"),
        (replace(LEFT_OUT, why="moved"), "moved", "MIL-5"),
        (replace(LEFT_OUT, mail="cancelled"), "mail_stopped", "MIL-5"),
        (AHEAD, "not_due", "MIL-3"),
        (replace(AHEAD, snoozed=True), "snoozed", "MIL-5"),
        (CAME, "next_look", "MIL-5"),
        (replace(CAME, closed_at=NOW), "missed", "MIL-7"),
        (replace(CAME, closed_at=CAME.leaves), "missed", "MIL-7"),
        (replace(CAME, closed_at=CAME.leaves - timedelta(seconds=1)), "done_first", "MIL-5"),
        (replace(AHEAD, closed_at=NOW), "done_first", "MIL-5"),
        (replace(AHEAD, closed_at=NOW, cancelled=True), "cancelled_first", "MIL-5"),
        (replace(CAME, leaves=NOW - timedelta(days=30)), "next_look", "MIL-5"),
        (replace(CAME, leaves=NOW - timedelta(days=30, seconds=1)), "too_old", "MIL-3"),
        (replace(CAME, leaves=NOW - timedelta(days=31), closed_at=NOW), "too_old", "MIL-3"),
    ],
)
def test_mil_5_each_case_has_its_answer_and_its_rule(case, code, rule):
    assert answer(case) == Answer(code, rule)


@pytest.mark.parametrize(
    ("stranger", "code", "rule"),
    [
        (Stranger(), "not_involved", "MIL-3"),
        (Stranger(parts=frozenset({"csm"})), "other_part", "MIL-3"),
        (Stranger(parts=frozenset({"csm"}), covered=True), "covered", "MIL-6"),
        (Stranger(active=False, parts=frozenset({"csm"})), "gone", "MIL-6"),
        (Stranger(anybody=False), "nobody", "ROUTE-6"),
    ],
)
def test_mil_5_who_is_never_reminded_is_told_why(stranger, code, rule):
    assert why_not(stranger) == Answer(code, rule)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("as_lead", [True, False])
def test_mil_5_a_lead_decides_everything_and_others_their_own_mail(verb, late, as_lead):
    more = {"late": late, "as_lead": as_lead}
    assert may_decide(verb, leads=True, own=False, **more)
    assert not may_decide(verb, leads=False, own=False, **more)
    silences = verb in (HOLD, SKIP) and late and as_lead
    assert may_decide(verb, leads=False, own=True, **more) is not silences


def test_mil_5_nobody_silences_what_tells_the_lead_that_they_are_late():
    for verb, allowed in ((HOLD, False), (SKIP, False), (RELEASE, True), (SEND_NOW, True)):
        assert may_decide(verb, leads=False, own=True, late=True, as_lead=True) is allowed


@pytest.mark.parametrize(
    ("name", "until", "on"),
    [
        ("day", date(2026, 3, 31), date(2026, 2, 27)),
        ("prepare", date(2026, 2, 15), date(2026, 2, 15)),
        ("prepare", date(2026, 2, 14), None),
        ("late1", date(2026, 3, 4), date(2026, 3, 4)),
        ("late1", date(2026, 3, 3), None),
        ("late2", date(2026, 3, 31), date(2026, 3, 11)),
        ("late99", date(2026, 3, 31), None),
        ("nonsense", date(2026, 3, 31), None),
        ("", date(2026, 3, 31), None),
    ],
)
def test_mil_3_an_occasion_is_found_by_name_within_a_bound(name, until, on):
    dates = {"due_on": date(2026, 3, 1), "act_by": date(2026, 2, 27)}
    found = occasion_named(name, "stage", **dates, policy=Policy(), calendar=WorkCalendar(), until=until)
    assert (found and found.on) == on


def test_mil_3_what_does_not_prepare_has_no_such_occasion():
    dates = {"due_on": date(2026, 3, 2), "act_by": date(2026, 3, 2)}
    more = {"policy": Policy(), "calendar": WorkCalendar(), "until": date(2026, 6, 1)}
    assert occasion_named("prepare", "book_meeting", **dates, **more) is None
