"""STAGE-10: what a stage still needs before it closes. An empty answer opens the gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lifecycle.rules.duties.stages import GAP_CLOSING
from lifecycle.rules.duties.surveys import lacks_survey
from lifecycle.rules.facts import StageFacts


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that is not there yet: the API's field, the rule that wants it, and words for a person."""

    field: str
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One row of the gate's table: what is asked, of which stages (`applies`), and when it is there."""

    what: Missing
    there: Callable[[StageFacts], bool]
    applies: Callable[[StageFacts], bool] = lambda stage: True


MEETING = Missing("meeting_held", "STAGE-3", "Record whether the meeting was held.")
REASON = Missing("no_meeting_reason", "STAGE-3", "Say why there was no meeting.")
DECISION = Missing("gap_decision", "STAGE-3", "The team lead decides how to close the gap.")
NOTE = Missing("notes", "STAGE-3", "Note what was decided instead of the meeting.")
RETRY = Missing("meeting_held", "STAGE-3", "Another meeting was agreed: record its outcome.")
RESCUE = Missing(
    "meeting_held", "STAGE-3", "The account is being rescued: meet, or have the team lead decide anew."
)
SURVEY = Missing("survey", "SUR-2", "Send the survey link, or waive the survey with a reason.")
RECAP = Missing("recap_sent_at", "STAGE-7", "Send the recap, or mark it as sent.")
PREPARE = Missing("checklist", "STAGE-8", "Fill the checklist, then export its PDF; it attaches itself.")
EXPORT = Missing("checklist", "STAGE-8", "Export the checklist PDF; it attaches itself.")
EXPORT_AGAIN = Missing(
    "checklist",
    "STAGE-8",
    "Export the checklist PDF again: what the admin said in the meeting belongs on it.",
)


def _disengaged(stage: StageFacts) -> bool:
    return not stage.final and stage.engaged is False


def _waits(stage: StageFacts) -> bool:
    return _disengaged(stage) and "internal_situation" in stage.disengagement_reasons


def _consistent(stage: StageFacts) -> bool:
    return stage.final and stage.engagement in ("increasing", "steady")


def _decreasing(stage: StageFacts) -> bool:
    return stage.final and stage.engagement == "decreasing"


# What a meeting must have brought, in the order in which a person records it.
OF_THE_MEETING: tuple[Asked, ...] = (
    Asked(
        Missing("engaged", "STAGE-4", "Say whether they are engaged."),
        there=lambda stage: stage.engaged is not None,
        applies=lambda stage: not stage.final,
    ),
    Asked(
        Missing("disengagement_reasons", "STAGE-4", "Say why they are not engaged."),
        there=lambda stage: bool(stage.disengagement_reasons),
        applies=_disengaged,
    ),
    Asked(
        Missing("reengage_on", "STAGE-4", "Enter the day they expect to start again."),
        there=lambda stage: stage.reengage_on is not None,
        applies=_waits,
    ),
    Asked(
        Missing("action", "STAGE-4", "Write down what you agreed to do about it."),
        there=lambda stage: bool(stage.action),
        applies=_disengaged,
    ),
    Asked(
        Missing("engagement", "STAGE-5", "Say whether engagement is growing, steady or falling."),
        there=lambda stage: bool(stage.engagement),
        applies=lambda stage: stage.final,
    ),
    Asked(
        Missing("root_causes", "STAGE-5", "Choose what makes engagement fall."),
        there=lambda stage: bool(stage.root_causes),
        applies=_decreasing,
    ),
    Asked(
        Missing("cause_side", "STAGE-5", "Say on whose side the causes lie."),
        there=lambda stage: bool(stage.cause_side),
        applies=_decreasing,
    ),
    Asked(
        Missing("expectations", "STAGE-5", "Write down the realistic expectation you gave the admin."),
        there=lambda stage: bool(stage.expectations),
        applies=_decreasing,
    ),
    Asked(
        Missing("contacts_unchanged", "STAGE-5", "Say whether the contacts are still the same people."),
        there=lambda stage: stage.contacts_unchanged is not None,
        applies=_consistent,
    ),
    Asked(
        Missing("reference", "STAGE-5", "Ask whether they would be a reference, and record the answer."),
        there=lambda stage: stage.reference in ("yes", "no"),
        applies=_consistent,
    ),
    Asked(
        Missing("investment", "STAGE-6", "Say how interested they are in more."),
        there=lambda stage: bool(stage.investment),
    ),
    Asked(
        Missing("summary", "STAGE-6", "Write down the main points and the pain points."),
        there=lambda stage: bool(stage.summary),
    ),
    Asked(
        Missing("objectives", "STAGE-9", "Judge each objective of the onboarding."),
        there=lambda stage: not stage.objectives_open,
        applies=lambda stage: stage.final,
    ),
)


def missing(stage: StageFacts) -> tuple[Missing, ...]:
    """STAGE-10: what is missing, in the order a person would do it; no field is named twice. Never raises.

    Until `meeting_held` is false the meeting counts as coming: its outcome (STAGE-3), its answers (STAGE-4 on a
    first stage, STAGE-5 and STAGE-9 on a final one, STAGE-6 on both), the survey's link (SUR-2; its answer may come
    later), its recap (STAGE-7) and the PDF (STAGE-8).
    Without a meeting: the reason, the lead's decision with its note, and the PDF. Feedback, notes and,
    unless engagement is decreasing, expectations may be empty: there may have been none.
    """
    steps = _gap(stage) if stage.meeting_held is False else _meeting(stage)
    return (*steps, *_checklist(stage))


def _meeting(stage: StageFacts) -> tuple[Missing, ...]:
    answers = (row.what for row in OF_THE_MEETING if row.applies(stage) and not row.there(stage))
    survey = (SURVEY,) if lacks_survey(stage) else ()
    outcome = () if stage.meeting_held else (MEETING,)
    return (*survey, *outcome, *answers, *(() if stage.recap_sent else (RECAP,)))


def _gap(stage: StageFacts) -> tuple[Missing, ...]:
    if not stage.no_meeting_reason:
        return (REASON,)
    if not stage.gap_decision:
        return (DECISION,)
    if stage.gap_decision not in GAP_CLOSING:
        return (RESCUE if stage.gap_decision == "rescue" else RETRY,)
    return () if stage.notes else (NOTE,)


def _checklist(stage: StageFacts) -> tuple[Missing, ...]:
    if not stage.checklist_exported:
        return (EXPORT if stage.checklist_ready else PREPARE,)
    return (EXPORT_AGAIN,) if stage.export_outdated else ()
