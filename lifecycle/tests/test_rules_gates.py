"""STAGE-10: what a stage still needs before it closes."""

from __future__ import annotations

import pytest

from lifecycle.rules.gates import missing
from lifecycle.tests.test_rules_facts import stage

pytestmark = pytest.mark.sqlite_only

NOT_HELD = {"meeting_held": False, "no_meeting_reason": "Nobody came."}


def fields(**changes) -> list[str]:
    return [one.field for one in missing(stage(**changes))]


def test_stage_10_an_empty_stage_counts_the_meeting_as_coming_and_lists_all() -> None:
    assert fields() == ["meeting_held", "recap_sent_at", "checklist"]


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"meeting_held": True}, ["recap_sent_at", "checklist"]),
        ({"meeting_held": True, "recap_sent": True}, ["checklist"]),
        ({"meeting_held": True, "checklist_exported": True}, ["recap_sent_at"]),
        ({"meeting_held": True, "checklist_ready": True, "recap_sent": True}, ["checklist"]),
        ({"meeting_held": True, "recap_sent": True, "checklist_exported": True}, []),
        ({"recap_sent": True, "checklist_exported": True}, ["meeting_held"]),
    ],
)
def test_stage_7_and_8_a_held_meeting_needs_its_recap_and_the_checklist_pdf(
    changes: dict, left: list
) -> None:
    assert fields(**changes) == left


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
    changes: dict, left: list
) -> None:
    assert fields(**changes) == left


@pytest.mark.parametrize("decision", ["retry", "rescue"])
def test_stage_3_a_retry_or_a_rescue_waits_for_the_outcome(decision: str) -> None:
    done_but_for_that = {**NOT_HELD, "gap_decision": decision, "notes": "x", "checklist_exported": True}
    assert fields(**done_but_for_that) == ["meeting_held"]


def test_stage_3_without_a_meeting_no_recap_is_asked_for() -> None:
    assert "recap_sent_at" not in fields(**NOT_HELD)


def test_stage_10_each_thing_missing_names_its_rule_and_says_it_in_words() -> None:
    everything = [
        *missing(stage()),
        *missing(stage(meeting_held=False)),
        *missing(stage(**NOT_HELD)),
        *missing(stage(**NOT_HELD, gap_decision="retry")),
        *missing(stage(**NOT_HELD, gap_decision="waive")),
    ]
    assert {one.rule for one in everything} == {"STAGE-3", "STAGE-7", "STAGE-8"}
    assert all(one.text.endswith(".") for one in everything)
