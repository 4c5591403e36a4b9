"""STAGE-10: what a stage still needs before it closes. An empty answer opens the gate."""

from __future__ import annotations

from dataclasses import dataclass

from lifecycle.rules.duties.stages import GAP_CLOSING
from lifecycle.rules.facts import StageFacts


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that is not there yet: the API's field, the rule that wants it, and words for a person."""

    field: str
    rule: str
    text: str


MEETING = Missing("meeting_held", "STAGE-3", "Record whether the meeting was held.")
REASON = Missing("no_meeting_reason", "STAGE-3", "Say why there was no meeting.")
DECISION = Missing("gap_decision", "STAGE-3", "The team lead decides how to close the gap.")
NOTE = Missing("notes", "STAGE-3", "Note what was decided instead of the meeting.")
RETRY = Missing("meeting_held", "STAGE-3", "Another meeting was agreed: record its outcome.")
RECAP = Missing("recap_sent_at", "STAGE-7", "Send the recap, or mark it as sent.")
CHECKLIST = Missing("checklist", "STAGE-8", "Export the checklist PDF; it attaches itself.")


def missing(stage: StageFacts) -> tuple[Missing, ...]:
    """STAGE-10: what is missing, in the order a person would do it; until `meeting_held` is false the
    meeting counts as coming. Never raises."""
    return (*_meeting(stage), *(() if stage.checklist_exported else (CHECKLIST,)))


def _meeting(stage: StageFacts) -> tuple[Missing, ...]:
    if stage.meeting_held is False:
        if not stage.no_meeting_reason:
            return (REASON,)
        if not stage.gap_decision:
            return (DECISION,)
        if stage.gap_decision not in GAP_CLOSING:
            return (RETRY,)
        return () if stage.notes else (NOTE,)
    wanted = () if stage.meeting_held else (MEETING,)
    return (*wanted, *(() if stage.recap_sent else (RECAP,)))
