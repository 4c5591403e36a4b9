"""Each kind's row appears, is due, is owned and clears as the table of kinds says, however its fact is recorded.

Dates are worked out by hand: from Tuesday, June 16, two working days are Thursday the 18th, five are Wednesday
the 24th, for Friday the 19th is a day off of the team.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from lifecycle.milestones.models import Milestone
from lifecycle.rules.duties import KINDS
from lifecycle.tests.kinds import (
    ARCHIVED,
    CHECKED_IN,
    CHECKLIST_EXPORTED,
    CHECKLIST_READY,
    DAY_ZERO_CLEARED,
    FIXED,
    FORUMS_PLANNED,
    HIGH,
    LOW,
    NOTED,
    POOL_KEPT,
    REACHABLE,
    REMOVED,
    RSM_TOLD,
    SAID_DONE,
    SECOND,
    STAGE_CLOSED,
    SURVEY_LETTER,
    SURVEY_SENT,
    SURVEY_TICKED,
    SURVEY_WAIVED,
    Fact,
    World,
    account,
    entry_says,
    forum,
    letter,
    logged,
    onboarding,
    onboarding_sent,
    opportunity,
    stage,
    survey_answered,
    training,
    training_told,
    used_by,
)

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

GONE, CLOSED = "No longer applies.", "Onboarding was completed."
ARCHIVING = "The account was archived."
MADE = account()
CALL_BOOKED = onboarding("call", call_scheduled_at="2026-06-19T10:00:00-04:00")
CALL_HELD = onboarding("call", call_completed_on="2026-06-16")
DAY_ZERO = onboarding("complete", training_completed_on="2026-06-16")
DAY_ZERO_IN_APRIL = onboarding("complete", training_completed_on="2026-04-21")  # day 60 is Saturday, June 20
SENT = "2026-06-16T14:00:00Z"
BOOKED = stage(
    "book",
    {"meeting_scheduled_at": "2026-06-17T10:00"},
    {"meeting_scheduled_at": "2026-06-17T10:00:00-04:00"},
)
SAID = {
    "engagement": "decreasing",
    "root_causes": ["bugs"],
    "cause_side": "ours",
    "expectations": "Fixed by June.",
    "investment": "neutral",
    "summary": "They like it.",
}
HELD = stage(
    "hold",
    {"meeting_held_on": "2026-06-16", "reference": "not_asked", **SAID},
    {"meeting_held": True, "meeting_held_on": "2026-06-16", **SAID},
)
MISSED = stage("missed", {"why": "No-show"}, {"meeting_held": False, "no_meeting_reason": "No-show"})
MISSED_SOMEHOW = {"api": stage("missed", {}, {"meeting_held": False})["api"]}
RECAP_SENT = stage("recap", {}, {"recap_sent_at": SENT})
DECIDED = stage(
    "gap",
    {"gap_decision": "waive", "notes": "Their figures are fine."},
    {"gap_decision": "waive", "notes": "Their figures are fine."},
    who="joss",
)


@dataclass(frozen=True)
class End:
    """A fact that ends the row, and how."""

    fact: Fact
    status: str = "done"
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """`before`: what was recorded earlier. `asks`: the fact after which the row is there, at once or `at` an
    instant; `then`: what is recorded before it ends."""

    kind: str
    source: str
    title: str
    owner: str
    due: str
    act_by: str
    asks: Fact
    ends: tuple[End, ...]
    before: tuple[Fact, ...] = (MADE,)
    at: datetime | None = None
    then: tuple[Fact, ...] = ()


def cancelled(fact: Fact, reason: str = GONE) -> End:
    return End(fact, "cancelled", reason)


SMB = account(traits=["small_team"])
STARTER = account(starter_package=True)
ADOPTING = (MADE, DAY_ZERO_IN_APRIL)
TRAINED = training("learning", completed_on="2026-06-12")
ASKED = account(mrr="1000.00")  # from where on a final stage asks for the survey
NOT_ASKED = account(mrr="999.99")
ANSWERED = survey_answered(HIGH)
ANSWERED_LOW = survey_answered(LOW)

TABLE = (
    Row(
        "book_call", "onboarding", "Book the onboarding call", "alice", "2026-06-18", "2026-06-18",
        asks=MADE, before=(),
        ends=(End(CALL_BOOKED), End(CALL_HELD), cancelled(DAY_ZERO, CLOSED), cancelled(ARCHIVED, ARCHIVING)),
    ),
    Row(
        "record_call", "onboarding", "Enter the onboarding call date", "alice", "2026-06-19", "2026-06-19",
        asks=CALL_BOOKED, at=datetime(2026, 6, 19, 14, 30, tzinfo=UTC),
        ends=(End(CALL_HELD), cancelled(DAY_ZERO, CLOSED)),
    ),
    Row(
        "recap_call", "onboarding", "Send the onboarding recap", "alice", "2026-06-16", "2026-06-16",
        asks=CALL_HELD,
        ends=(
            End(onboarding_sent("recap", "recap_sent_at")), End(SAID_DONE), End(letter("onboarding_recap")),
            cancelled(DAY_ZERO, CLOSED),
        ),
    ),
    Row(
        "book_training", "training_session", "Book the Credentialing Service training", "alice",
        "2026-06-23", "2026-06-23",
        asks=account(products=["learning", "credentialing_service"]), before=(MADE, CALL_HELD),
        ends=(
            End(training("credentialing_service", scheduled_at="2026-06-22T10:00:00-04:00")),
            End(training("credentialing_service", completed_on="2026-06-16")),
            cancelled(account(products=["learning"])), cancelled(DAY_ZERO, CLOSED),
        ),
    ),
    Row(
        "record_training", "training_session", "Record the Compliance training", "alice",
        "2026-06-20", "2026-06-20",  # a Saturday: what is due the same day is not moved
        asks=training("compliance", scheduled_at="2026-06-20T10:00:00-04:00"),
        at=datetime(2026, 6, 20, 14, 30, tzinfo=UTC),
        ends=(
            End(training("compliance", completed_on="2026-06-20")),
            cancelled(training("compliance", scheduled_at="2026-06-25T10:00:00-04:00")),
            cancelled(DAY_ZERO, CLOSED),
        ),
    ),
    Row(
        "recap_training", "training_session", "Send the Compliance training recap", "alice",
        "2026-06-16", "2026-06-16",
        asks=training("compliance", completed_on="2026-06-16"),
        ends=(
            End(training_told("compliance")), End(SAID_DONE), End(letter("training_recap")),
            cancelled(account(products=["learning"])), cancelled(DAY_ZERO, CLOSED),
        ),
    ),
    Row(
        "complete_onboarding", "onboarding", "Complete onboarding", "alice", "2026-06-13", "2026-06-13",
        asks=training("compliance", completed_on="2026-06-13"),  # a Saturday
        before=(MADE, onboarding("call", call_completed_on="2026-06-10"), TRAINED),
        ends=(End(DAY_ZERO), cancelled(account(products=["learning", "credentialing_software"]))),
    ),
    Row(
        "send_completed", "onboarding", "Send the onboarding-completed mail", "alice",
        "2026-06-16", "2026-06-16",
        asks=DAY_ZERO, before=(SMB,),
        ends=(
            End(onboarding_sent("completed-mail", "completed_mail_sent_at")), End(SAID_DONE),
            End(letter("onboarding_completed")), cancelled(account(traits=[])),
        ),
    ),
    Row(
        "follow_up", "activity", "Follow up", "joss", "2026-06-20", "2026-06-18",
        asks=logged("call", follow_up_on="2026-06-20"), at=datetime(2026, 6, 20, 4, tzinfo=UTC),
        ends=(
            End(SAID_DONE), cancelled(entry_says(follow_up_on="")), cancelled(REMOVED),
            cancelled(entry_says(follow_up_on="2026-06-29")),
        ),
    ),
    Row(
        "follow_up", "bug", "Follow up on an open bug", "alice", "2026-06-25", "2026-06-25",
        asks=logged("bug"), at=datetime(2026, 6, 23, 15, tzinfo=UTC),
        ends=(End(NOTED), End(FIXED), End(SAID_DONE), cancelled(REMOVED)),
    ),
    Row(
        "lead_review", "activity", "Review a workflow error", "joss", "2026-06-18", "2026-06-18",
        asks=logged("workflow"), ends=(End(SAID_DONE), cancelled(REMOVED)),
    ),
    Row(
        "lead_review", "activity", "Review an improvement wish", "joss", "2026-06-18", "2026-06-18",
        asks=logged("improvement"), ends=(End(SAID_DONE), cancelled(REMOVED)),
    ),
    Row(
        "tell_rsm", "account", "Tell the RSM about added users", "alice", "2026-06-26", "2026-06-26",
        asks=account(contracted_users=11), before=(account(contracted_users=12), used_by(12)),
        ends=(End(SAID_DONE), End(letter("rsm_added_users")), cancelled(account(contracted_users=12))),
    ),
    Row(
        "tell_rsm", "opportunity", "Tell the RSM about an upsell", "alice", "2026-06-18", "2026-06-18",
        asks=opportunity(),
        ends=(End(RSM_TOLD), End(SAID_DONE), End(letter("rsm_upsell")), cancelled(opportunity(state="lost"))),
    ),
    Row(
        "billing_check", "account", "Rack rate due", "alice", "2026-06-24", "2026-06-24",
        asks=account(contracted_users=11), before=(STARTER,),
        ends=(End(SAID_DONE), cancelled(account(mrr="330.00")), cancelled(ARCHIVED, ARCHIVING)),
    ),
    Row(
        "billing_check", "account", "Off the flat rate", "alice", "2026-06-24", "2026-06-24",
        asks=account(mrr="249.99"), before=(STARTER,),
        ends=(End(SAID_DONE), cancelled(account(mrr="250.00"))),
    ),
    Row(
        "level_review", "account", "Review the plan with your TL", "alice", "2026-06-24", "2026-06-24",
        asks=account(service_level="standard"), before=(SMB,),
        ends=(End(SAID_DONE), cancelled(account(service_level="basic"))),
    ),
    Row(
        "reroute", "reroute", "Move to Core?", "joss", "2026-06-18", "2026-06-18",
        asks=account(contracted_users=51),
        ends=(End(POOL_KEPT), cancelled(account(contracted_users=50))),
    ),
    Row(
        "stage", "stage", "60-day adoption", "alice", "2026-06-20", "2026-06-18",
        asks=DAY_ZERO_IN_APRIL,
        ends=(
            cancelled(DAY_ZERO_CLEARED, "The adoption was withdrawn."),
            cancelled(ARCHIVED, ARCHIVING),
        ),
    ),
    Row(
        "stage", "stage", "60-day adoption", "alice", "2026-06-20", "2026-06-18",
        asks=DAY_ZERO_IN_APRIL, then=(HELD, RECAP_SENT, CHECKLIST_EXPORTED), ends=(End(STAGE_CLOSED),),
    ),
    Row(
        "check_in", "check_in", "Send the 75-day check-in", "joss", "2026-07-05", "2026-07-03",
        asks=DAY_ZERO_IN_APRIL, before=(account(service_level="premium"),),
        ends=(End(CHECKED_IN), cancelled(account(service_level="basic"))),
    ),
    Row(
        "prepare_checklist", "stage", "Prepare the 60-day checklist", "alice", "2026-06-18", "2026-06-18",
        asks=DAY_ZERO_IN_APRIL, ends=(End(CHECKLIST_READY), End(CHECKLIST_EXPORTED), cancelled(MISSED)),
    ),
    Row(
        "book_meeting", "stage", "Book the 60-day meeting", "alice", "2026-06-13", "2026-06-12",
        asks=DAY_ZERO_IN_APRIL, ends=(End(BOOKED), End(HELD), cancelled(MISSED)),
    ),
    Row(
        "record_meeting", "stage", "Record the outcome", "alice", "2026-06-17", "2026-06-17",
        asks=BOOKED, before=ADOPTING, at=datetime(2026, 6, 17, 14, 30, tzinfo=UTC),
        ends=(End(HELD), End(MISSED)),
    ),
    Row(
        "explain_no_meeting", "stage", "Say why the 60-day meeting was missed", "alice",
        "2026-06-22", "2026-06-22",
        asks=DAY_ZERO_IN_APRIL, at=datetime(2026, 6, 21, 4, tzinfo=UTC), ends=(End(MISSED), cancelled(HELD)),
    ),
    Row(
        "explain_no_meeting", "stage", "Say why the 60-day meeting was missed", "alice",
        "2026-06-17", "2026-06-17",
        asks=MISSED_SOMEHOW, before=ADOPTING, ends=(End(MISSED),),
    ),
    Row(
        "close_gap", "stage", "Review a missed meeting", "joss", "2026-06-18", "2026-06-18",
        asks=MISSED, before=ADOPTING, ends=(End(DECIDED), cancelled(HELD)),
    ),
    Row(
        "recap_meeting", "stage", "Send the 60-day recap", "alice", "2026-06-16", "2026-06-16",
        asks=HELD, before=ADOPTING, ends=(End(RECAP_SENT), End(SAID_DONE)),
    ),
    Row(
        "close_stage", "stage", "Attach the checklist and close", "alice", "2026-06-22", "2026-06-22",
        asks=RECAP_SENT, before=(*ADOPTING, HELD, CHECKLIST_EXPORTED), ends=(End(STAGE_CLOSED),),
    ),
    Row(
        "close_stage", "stage", "Attach the checklist and close", "alice", "2026-06-22", "2026-06-22",
        asks=DECIDED, before=(*ADOPTING, MISSED, CHECKLIST_EXPORTED), ends=(End(STAGE_CLOSED),),
    ),
    Row(
        "send_survey", "stage", "Send the survey link", "alice", "2026-06-13", "2026-06-12",
        asks=ASKED, before=(NOT_ASKED, DAY_ZERO_IN_APRIL),
        ends=(
            End(SURVEY_SENT), End(SAID_DONE), End(SURVEY_LETTER), End(ANSWERED), End(SURVEY_TICKED),
            End(SURVEY_WAIVED), cancelled(NOT_ASKED), cancelled(ARCHIVED, ARCHIVING),
        ),
    ),
    Row(
        "survey_reminder", "stage", "Send the survey reminder", "alice", "2026-06-23", "2026-06-23",
        asks=HELD, before=(ASKED, DAY_ZERO_IN_APRIL), at=datetime(2026, 6, 23, 4, tzinfo=UTC),
        ends=(End(ANSWERED), End(SURVEY_TICKED), End(SURVEY_WAIVED), cancelled(NOT_ASKED)),
    ),
    Row(
        "survey_reminder", "stage", "Send the survey reminder", "alice", "2026-06-24", "2026-06-24",
        asks=MISSED, before=(ASKED, DAY_ZERO_IN_APRIL, BOOKED), at=datetime(2026, 6, 24, 4, tzinfo=UTC),
        ends=(End(ANSWERED), End(SURVEY_WAIVED)),
    ),
    Row(
        "survey_reminder", "stage", "Send the survey reminder", "alice", "2026-06-23", "2026-06-23",
        asks=SURVEY_SENT, before=(ASKED, DAY_ZERO_IN_APRIL), at=datetime(2026, 6, 23, 4, tzinfo=UTC),
        ends=(End(ANSWERED), End(SURVEY_WAIVED)),
    ),
    Row(
        "lead_review", "survey", "Review a low survey answer", "joss", "2026-06-18", "2026-06-18",
        asks=ANSWERED_LOW, before=(ASKED, DAY_ZERO_IN_APRIL),
        ends=(End(SAID_DONE), cancelled(ARCHIVED, ARCHIVING)),
    ),
    Row(
        "forum_invite", "forum", "Send the forum invitations", "alice", "2026-06-25", "2026-06-25",
        asks=FORUMS_PLANNED, before=(SMB, REACHABLE), at=datetime(2026, 6, 22, 4, tzinfo=UTC),
        ends=(
            End(forum("onboarding:forum-invite")), End(SAID_DONE),
            cancelled(
                forum("onboarding:forum-move", skip="1", note="Everybody is away"),
                "The forum was skipped, moved or is over.",
            ),
        ),
    ),
)  # fmt: skip


def cases() -> Iterator[object]:
    """Every way of asking with the first way of ending, and every way of each end with the first way of asking."""
    for number, row in enumerate(TABLE):
        first = next(iter(row.asks))
        pairs = [(first, end, way) for end in row.ends for way in end.fact]
        pairs += [(way, row.ends[0], next(iter(row.ends[0].fact))) for way in row.asks if way != first]
        for asked, end, ended in pairs:
            name = f"{number}-{row.kind}-{asked}-{row.ends.index(end)}-{end.status}-{ended}"
            yield pytest.param(row, asked, end, ended, id=name)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def open_rows(row: Row) -> list[Milestone]:
    return list(Milestone.objects.open().filter(kind=row.kind, source_type=row.source, title=row.title))


def test_mil_1_the_table_tells_of_every_kind():
    assert {(row.kind, row.source) for row in TABLE} == {(kind.slug, kind.source.type) for kind in KINDS}


@pytest.mark.parametrize(("row", "asked", "end", "ended"), list(cases()))
def test_mil_2_a_row_appears_is_due_is_owned_and_ends_as_the_table_says(world, row, asked, end, ended):
    for fact in row.before:
        world.do(fact)
    assert open_rows(row) == []
    world.do(row.asks, asked)
    if row.at is not None:
        world.look(row.at - SECOND)
        assert open_rows(row) == []
        world.look(row.at)

    (world.row,) = open_rows(row)
    owner = world.people[row.owner]
    found = (str(world.row.due_on), str(world.row.act_by), world.row.owner)
    assert found == (row.due, row.act_by, owner)

    for fact in row.then:
        world.do(fact)
    world.do(end.fact, ended)
    ended_row = Milestone.objects.get(pk=world.row.pk)
    assert (ended_row.status, ended_row.reason) == (end.status, end.reason)
    assert open_rows(row) == []
    if end.status == "done":
        assert ended_row.done_at == world.now
        customer = {None} if ended == "link" else set()  # nobody of ours
        assert ended_row.done_by in (customer or set(world.people.values()))
