"""STAGE-10: what a stage still needs before it closes, by stage and by what happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from lifecycle.rules.facts import StageFacts, SurveyFacts
from lifecycle.rules.gates import missing
from lifecycle.tests.test_rules_facts import stage

pytestmark = pytest.mark.sqlite_only

NOT_HELD = {"meeting_held": False, "no_meeting_reason": "Nobody came."}
HELD = {
    "meeting_held": True,
    "recap_sent": True,
    "checklist_ready": True,
    "checklist_exported": True,
    "investment": "neutral",
    "summary": "They like it.",
}
ENGAGED = {**HELD, "engaged": True}
DISENGAGED = {
    **HELD,
    "engaged": False,
    "disengagement_reasons": ("knowledge_gaps",),
    "action": "A refresher.",
}
STEADY = {**HELD, "engagement": "steady", "contacts_unchanged": True, "reference": "no"}
DECREASING = {
    **HELD,
    "engagement": "decreasing",
    "root_causes": ("bugs",),
    "cause_side": "ours",
    "expectations": "Fixed by June.",
}


def first(**changes: Any) -> StageFacts:
    return stage(**{"day": 30, "final": False, **changes})


def fields(facts: StageFacts) -> list[str]:
    return [one.field for one in missing(facts)]


def rules(facts: StageFacts) -> set[str]:
    return {one.rule for one in missing(facts)}


# --- the four ways in which a meeting can be whole


@pytest.mark.parametrize(
    "facts",
    [
        first(**ENGAGED),
        first(**DISENGAGED),
        stage(**STEADY),
        stage(**{**STEADY, "engagement": "increasing"}),
        stage(**DECREASING),
        stage(**STEADY, day=60),
    ],
)
def test_stage_10_a_stage_with_everything_that_applies_to_it_closes(facts: StageFacts) -> None:
    assert missing(facts) == ()


def test_stage_10_an_empty_first_stage_counts_the_meeting_as_coming_and_lists_all() -> None:
    asked = ["meeting_held", "engaged", "investment", "summary", "recap_sent_at", "checklist"]
    assert fields(first()) == asked


@pytest.mark.parametrize("day", [60, 90])
def test_stage_10_an_empty_final_stage_lists_its_own_questions_whatever_its_day(day: int) -> None:
    asked = ["meeting_held", "engagement", "investment", "summary", "recap_sent_at", "checklist"]
    assert fields(stage(day=day)) == asked
    assert fields(stage(day=day, objectives_open=1)) == [*asked[:4], "objectives", *asked[4:]]


def test_stage_10_answers_given_before_the_outcome_are_not_asked_for_again() -> None:
    assert fields(first(**{**ENGAGED, "meeting_held": None})) == ["meeting_held"]


# --- rule by rule


def test_stage_3_until_it_is_said_whether_there_was_a_meeting_the_outcome_is_missing() -> None:
    assert rules(stage(**{**STEADY, "meeting_held": None})) == {"STAGE-3"}


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"engaged": None}, ["engaged"]),
        ({"disengagement_reasons": ()}, ["disengagement_reasons"]),
        ({"action": ""}, ["action"]),
        ({"disengagement_reasons": (), "action": ""}, ["disengagement_reasons", "action"]),
        ({"disengagement_reasons": ("internal_situation",)}, ["reengage_on"]),
        ({"disengagement_reasons": ("knowledge_gaps", "internal_situation")}, ["reengage_on"]),
        ({"disengagement_reasons": ("internal_situation",), "reengage_on": date(2026, 6, 1)}, []),
        ({"disengagement_reasons": ("early_disengagement",)}, []),
        ({"engaged": True, "disengagement_reasons": (), "action": ""}, []),
    ],
)
def test_stage_4_a_first_stage_without_engagement_needs_why_what_was_agreed_and_until_when(
    changes: dict, left: list
) -> None:
    assert fields(first(**{**DISENGAGED, **changes})) == left
    assert rules(first(**{**DISENGAGED, **changes})) <= {"STAGE-4"}


def test_stage_4_a_final_stage_is_not_asked_whether_they_are_engaged() -> None:
    assert fields(stage(**{**STEADY, "engaged": False})) == []


@pytest.mark.parametrize("engagement", ["increasing", "steady"])
@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"contacts_unchanged": None}, ["contacts_unchanged"]),
        ({"contacts_unchanged": False}, []),
        ({"reference": "not_asked"}, ["reference"]),
        ({"reference": "yes"}, []),
    ],
)
def test_stage_5_consistent_engagement_asks_about_contacts_and_a_reference(
    engagement: str, changes: dict, left: list
) -> None:
    facts = stage(**{**STEADY, "engagement": engagement, **changes})
    assert fields(facts) == left
    assert rules(facts) <= {"STAGE-5"}


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"root_causes": ()}, ["root_causes"]),
        ({"cause_side": ""}, ["cause_side"]),
        ({"expectations": ""}, ["expectations"]),
        ({"root_causes": (), "cause_side": "", "expectations": ""}, ["root_causes", "cause_side", "expectations"]),
        ({"contacts_unchanged": None, "reference": "not_asked"}, []),
        ({"engagement": ""}, ["engagement"]),
    ],
)  # fmt: skip
def test_stage_5_decreasing_engagement_asks_for_causes_their_side_and_what_was_told(
    changes: dict, left: list
) -> None:
    facts = stage(**{**DECREASING, **changes})
    assert fields(facts) == left
    assert rules(facts) <= {"STAGE-5"}


def test_stage_5_a_first_stage_asks_neither_for_consistency_nor_for_a_reference() -> None:
    assert fields(first(**ENGAGED, engagement="decreasing")) == []


@pytest.mark.parametrize(
    "whole", [first(**ENGAGED), first(**DISENGAGED), stage(**STEADY), stage(**DECREASING)]
)
@pytest.mark.parametrize("field", ["investment", "summary"])
def test_stage_6_interest_and_summary_are_asked_of_every_meeting(whole: StageFacts, field: str) -> None:
    (one,) = missing(replace(whole, **{field: ""}))
    assert (one.field, one.rule) == (field, "STAGE-6")


def test_stage_6_notes_and_expectations_may_stay_empty_where_nothing_is_falling() -> None:
    assert fields(stage(**STEADY, notes="", expectations="")) == []
    assert fields(first(**ENGAGED, notes="", expectations="")) == []


@pytest.mark.parametrize("whole", [first(**ENGAGED), stage(**STEADY)])
def test_stage_7_a_held_meeting_needs_its_recap(whole: StageFacts) -> None:
    (one,) = missing(replace(whole, recap_sent=False))
    assert (one.field, one.rule) == ("recap_sent_at", "STAGE-7")


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize(
    "changes", [STEADY, {**NOT_HELD, "gap_decision": "waive", "notes": "Agreed."}, DECREASING]
)
def test_stage_8_nothing_closes_without_the_checklist_pdf(changes: dict, ready: bool) -> None:
    (one,) = missing(stage(**{**changes, "checklist_exported": False, "checklist_ready": ready}))
    assert (one.field, one.rule) == ("checklist", "STAGE-8")
    assert ("Fill" in one.text) is not ready  # what was never prepared is to be filled first


def test_stage_8_an_smb_checklist_is_exported_again_after_the_meeting() -> None:
    (one,) = missing(stage(**STEADY, day=60, export_outdated=True))
    assert (one.field, one.rule) == ("checklist", "STAGE-8")
    assert "again" in one.text


@pytest.mark.parametrize(("open_ones", "left"), [(0, []), (1, ["objectives"]), (7, ["objectives"])])
def test_stage_9_each_objective_is_judged_before_the_final_stage_closes(open_ones: int, left: list) -> None:
    assert fields(stage(**STEADY, objectives_open=open_ones)) == left
    assert fields(stage(**DECREASING, objectives_open=open_ones)) == left
    assert fields(first(**ENGAGED, objectives_open=open_ones)) == []
    assert rules(stage(**STEADY, objectives_open=open_ones)) <= {"STAGE-9"}


SENT = SurveyFacts(9, sent_at=datetime(2026, 4, 10, tzinfo=UTC))


@pytest.mark.parametrize(
    ("survey", "left"),
    [
        (None, []),
        (SurveyFacts(9), ["survey"]),
        (SENT, []),
        (SurveyFacts(9, answered=True), []),
        (SurveyFacts(9, waived=True), []),
    ],
)
def test_sur_2_a_final_stage_closes_once_the_survey_link_went_out_whether_or_not_it_was_answered(
    survey: SurveyFacts | None, left: list
) -> None:
    assert fields(stage(**STEADY, survey=survey)) == left
    assert rules(stage(**STEADY, survey=survey)) <= {"SUR-2"}


# --- without a meeting


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"meeting_held": False}, ["no_meeting_reason", "checklist"]),
        ({"meeting_held": False, "gap_decision": "waive", "notes": "x"}, ["no_meeting_reason", "checklist"]),
        (NOT_HELD, ["gap_decision", "checklist"]),
        ({**NOT_HELD, "gap_decision": "waive"}, ["notes", "checklist"]),
        ({**NOT_HELD, "gap_decision": "email_review"}, ["notes", "checklist"]),
        ({**NOT_HELD, "gap_decision": "waive", "notes": "Agreed."}, ["checklist"]),
        ({**NOT_HELD, "gap_decision": "email_review", "notes": "Sent.", "checklist_exported": True}, []),
    ],
)
def test_stage_3_no_meeting_needs_a_reason_the_team_leads_decision_and_its_note(
    changes: dict, left: list, final: bool
) -> None:
    assert fields(stage(**changes, final=final, objectives_open=2)) == left


@pytest.mark.parametrize("decision", ["retry", "rescue"])
def test_stage_3_a_retry_or_a_rescue_waits_for_the_outcome(decision: str) -> None:
    done_but_for_that = {**NOT_HELD, "gap_decision": decision, "notes": "x", "checklist_exported": True}
    assert fields(stage(**done_but_for_that)) == ["meeting_held"]


def test_stage_3_without_a_meeting_nothing_is_asked_of_it() -> None:
    asked = {"recap_sent_at", "engagement", "investment", "summary", "objectives"}
    assert not asked & set(fields(stage(**NOT_HELD, objectives_open=1)))


def test_stage_10_each_thing_missing_names_its_rule_and_says_it_in_words() -> None:
    gap = [
        {"meeting_held": False},
        NOT_HELD,
        *({**NOT_HELD, "gap_decision": d} for d in ("retry", "rescue", "waive")),
    ]
    held = [
        first(),
        first(engaged=False, disengagement_reasons=("internal_situation",)),
        first(engaged=False),
        stage(engagement="decreasing", objectives_open=1),
        stage(engagement="steady", checklist_ready=True),
        stage(**STEADY, export_outdated=True),
    ]  # fmt: skip
    everything = [one for facts in [*held, *(stage(**changes) for changes in gap)] for one in missing(facts)]
    assert {one.rule for one in everything} == {f"STAGE-{n}" for n in (3, 4, 5, 6, 7, 8, 9)}
    assert all(one.text.endswith(".") and one.text[0].isupper() for one in everything)
