"""The table of kinds told by examples: facts that ask for each duty, clear it, or let it lapse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from lifecycle.rules.cadence import Span
from lifecycle.rules.facts import (
    AccountFacts,
    ActivityFacts,
    Key,
    OnboardingFacts,
    OpportunityFacts,
    RerouteFacts,
    SessionFacts,
    SurveyFacts,
    UsageFacts,
)
from lifecycle.tests.test_rules_facts import (
    CSM,
    DAY_90,
    DAY_ZERO,
    LEAD,
    account,
    adopting,
    check_in,
    new_york,
    onboarding,
    stage,
)

AUTHOR = 8


@dataclass(frozen=True)
class Row:
    """One row of the table. `appears` None: owed whenever its condition holds."""

    key: Key
    title: str
    facts: AccountFacts
    appears: datetime | None
    due: date | Span
    owner: int
    done: tuple[AccountFacts, ...]
    lapsed: tuple[AccountFacts, ...]
    on_the_day: bool = False
    without_csm: bool = True


# --- stages and check-ins

MEETING = new_york(2026, 4, 28, 15)
NOT_HELD = {"meeting_held": False, "no_meeting_reason": "Nobody came."}
HELD = {"meeting_at": MEETING, "meeting_held": True, "meeting_held_on": date(2026, 4, 28)}
CANCELLED = adopting(stage(cancelled=True))


def of(kind: str) -> Key:
    return Key(kind, "stage", 3, 90)


STAGES = (
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
)  # fmt: skip

# --- up to day 0

CALL, CALL_DAY = new_york(2026, 1, 20, 10), date(2026, 1, 20)
TRAINING, TRAINING_DAY = new_york(2026, 1, 26, 23, 45), date(2026, 1, 26)
ALL_HELD = onboarding(TRAINING_DAY, DAY_ZERO)
SMB = frozenset({"small_team"})


def beginning(**changes: object) -> AccountFacts:
    """An account whose onboarding call is still to come."""
    return account(onboarding=replace(onboarding(None, None, call_completed_on=None), **changes))


def training(product: str = "compliance", **changes: object) -> AccountFacts:
    """An account that bought Learning and Compliance; the call was held, and this is one of its trainings."""
    sessions = tuple(
        SessionFacts(n, name, **(changes if name == product else {}))
        for n, name in enumerate(("learning", "compliance"), 1)
    )
    return account(onboarding=OnboardingFacts(6, call_completed_on=CALL_DAY, sessions=sessions))


def without(facts: AccountFacts, product: str) -> AccountFacts:
    return replace(facts, products=tuple(bought for bought in facts.products if bought != product))


def onboarded(facts: AccountFacts, **changes: object) -> AccountFacts:
    """The same account with day 0 entered."""
    return replace(facts, onboarding=replace(facts.onboarding, training_completed_on=DAY_ZERO, **changes))


ONBOARDING = (
    Row(
        Key("book_call", "onboarding", 6), "Book the onboarding call", beginning(), None,
        Span(working_days=2), CSM,
        done=(beginning(call_scheduled_at=CALL), beginning(call_completed_on=CALL_DAY)),
        lapsed=(replace(beginning(), csm=None), onboarded(beginning()), account()),
        without_csm=False,
    ),
    Row(
        Key("record_call", "onboarding", 6), "Enter the onboarding call date",
        beginning(call_scheduled_at=CALL), new_york(2026, 1, 20, 10, 30), CALL_DAY, CSM,
        done=(beginning(call_scheduled_at=CALL, call_completed_on=CALL_DAY),),
        lapsed=(beginning(), onboarded(beginning(call_scheduled_at=CALL))),
        on_the_day=True,
    ),
    Row(
        Key("recap_call", "onboarding", 6), "Send the onboarding recap",
        beginning(call_completed_on=CALL_DAY), None, CALL_DAY, CSM,
        done=(beginning(call_completed_on=CALL_DAY, recap_sent=True),),
        lapsed=(beginning(), onboarded(beginning(call_completed_on=CALL_DAY))),
        on_the_day=True,
    ),
    Row(
        Key("book_training", "training_session", 2), "Book the Compliance training", training(), None,
        Span(days=7), CSM,
        done=(training(scheduled_at=TRAINING), training(completed_on=TRAINING_DAY)),
        lapsed=(beginning(), without(training(), "compliance"), onboarded(training()), account()),
    ),
    Row(
        Key("record_training", "training_session", 2), "Record the Compliance training",
        training(scheduled_at=TRAINING), new_york(2026, 1, 27, 0, 15), TRAINING_DAY, CSM,
        done=(training(scheduled_at=TRAINING, completed_on=TRAINING_DAY),),
        lapsed=(
            training(),
            without(training(scheduled_at=TRAINING), "compliance"),
            onboarded(training(scheduled_at=TRAINING)),
        ),
        on_the_day=True,
    ),
    Row(
        Key("recap_training", "training_session", 1), "Send the Learning training recap",
        training("learning", completed_on=TRAINING_DAY), None, TRAINING_DAY, CSM,
        done=(training("learning", completed_on=TRAINING_DAY, recap_sent=True),),
        lapsed=(
            training("learning"),
            without(training("learning", completed_on=TRAINING_DAY), "learning"),
            onboarded(training("learning", completed_on=TRAINING_DAY)),
        ),
        on_the_day=True,
    ),
    Row(
        Key("complete_onboarding", "onboarding", 6), "Complete onboarding", account(onboarding=ALL_HELD),
        None, DAY_ZERO, CSM,
        done=(onboarded(account(onboarding=ALL_HELD)),),
        lapsed=(
            account(onboarding=onboarding(TRAINING_DAY, None)),
            account(onboarding=replace(ALL_HELD, call_completed_on=None)),
            account(onboarding=ALL_HELD, products=()),
            account(onboarding=ALL_HELD, products=("learning", "credentialing_service")),
        ),
        on_the_day=True,
    ),
    Row(
        Key("send_completed", "onboarding", 6), "Send the onboarding-completed mail",
        onboarded(account(onboarding=ALL_HELD, traits=SMB)), None, DAY_ZERO, CSM,
        done=(onboarded(account(onboarding=ALL_HELD, traits=SMB), completed_mail_sent=True),),
        lapsed=(
            account(onboarding=ALL_HELD, traits=SMB),
            onboarded(account(onboarding=ALL_HELD)),
        ),
        on_the_day=True,
    ),
)  # fmt: skip

# --- the account and its contact log

NOTED = datetime(2026, 3, 2, 15, tzinfo=UTC)
SMB_STANDARD = account(traits=SMB, service_level="standard")
STARTER = account(starter_package=True)
REVIEW = Key("level_review", "account", 1)
BILLING = Key("billing_check", "account", 1)
TELL = Key("tell_rsm", "account", 1)
FOLLOW_UP = Key("follow_up", "activity", 11)
LEAD_REVIEW = Key("lead_review", "activity", 11)


def logged(kind: str = "call", **changes: object) -> AccountFacts:
    """An account with one entry in its contact log, of March 2, 15:00 UTC."""
    return account(activities=(replace(ActivityFacts(11, kind, AUTHOR, NOTED), **changes),))


def opportunity(**changes: object) -> AccountFacts:
    return account(opportunities=(replace(OpportunityFacts(12, "module"), **changes),))


def used_by(active: int | None, employees: int | None = None) -> AccountFacts:
    """An account of ten contracted users, as its latest snapshot shows it."""
    return account(usage=UsageFacts(13, date(2026, 3, 1), active, employees))


def by_hand(facts: AccountFacts, key: Key, due: date = date(2026, 3, 9)) -> AccountFacts:
    """The same account, on which somebody declared that duty, due on that day, done."""
    return replace(facts, by_hand={key: due})


FOLLOW_UP_DAY = date(2026, 3, 9)  # clocks went forward the night before

ACCOUNTS = (
    Row(
        FOLLOW_UP, "Follow up", logged(follow_up_on=FOLLOW_UP_DAY), new_york(2026, 3, 9), FOLLOW_UP_DAY,
        AUTHOR,
        done=(by_hand(logged(follow_up_on=FOLLOW_UP_DAY), FOLLOW_UP),),
        lapsed=(logged(), account()),
    ),
    Row(
        Key("follow_up", "bug", 11), "Follow up on an open bug", logged("bug", open_bug=True),
        datetime(2026, 3, 9, 15, tzinfo=UTC), Span(working_days=2), CSM,
        done=(logged("bug"), logged("bug", open_bug=True, noted_at=datetime(2030, 1, 1, tzinfo=UTC))),
        lapsed=(logged("note"), account()),
    ),
    Row(
        TELL, "Tell the RSM about added users", used_by(11), None, Span(days=10), CSM,
        done=(by_hand(used_by(11), TELL),),
        lapsed=(used_by(10), used_by(None), replace(used_by(11), contracted_users=11), account()),
    ),
    Row(
        Key("tell_rsm", "opportunity", 12), "Tell the RSM about an upsell", opportunity(), None,
        Span(working_days=2), CSM,
        done=(opportunity(told=True), opportunity(told=True, open=False)),
        lapsed=(opportunity(open=False), account()),
    ),
    Row(
        BILLING, "Rack rate due", replace(STARTER, contracted_users=11), None, Span(working_days=5), CSM,
        done=(by_hand(replace(STARTER, contracted_users=11), BILLING),),
        lapsed=(STARTER, account(contracted_users=11)),
    ),
    Row(
        LEAD_REVIEW, "Review a workflow error", logged("workflow"), None, Span(working_days=2), LEAD,
        done=(by_hand(logged("workflow"), LEAD_REVIEW),),
        lapsed=(logged("bug"), account()),
    ),
    Row(
        LEAD_REVIEW, "Review an improvement wish", logged("improvement"), None, Span(working_days=2), LEAD,
        done=(by_hand(logged("improvement"), LEAD_REVIEW),),
        lapsed=(logged("request"), account()),
    ),
    Row(
        REVIEW, "Review the plan with your TL", SMB_STANDARD, None, Span(working_days=5), CSM,
        done=(by_hand(SMB_STANDARD, REVIEW),),
        lapsed=(
            replace(SMB_STANDARD, service_level="basic"),
            replace(SMB_STANDARD, traits=frozenset()),
        ),
    ),
    Row(
        Key("reroute", "reroute", 5), "Move to Core?", account(reroutes=(RerouteFacts(5, "core"),)), None,
        Span(working_days=2), LEAD,
        done=(account(reroutes=(RerouteFacts(5, "core", decided=True),)),),
        lapsed=(account(),),
    ),
)  # fmt: skip

# --- surveys

ASKED = SurveyFacts(9)
SENT = replace(ASKED, sent_at=new_york(2026, 4, 10, 23, 45))
LOW = replace(SENT, answered=True, lowest=2)
LOW_ANSWER = Key("lead_review", "survey", 9)


def surveyed(survey: SurveyFacts = ASKED, **changes: object) -> AccountFacts:
    """An account whose 90-day stage asks for the survey."""
    return adopting(stage(survey=survey, **changes))


def settled(**changes: object) -> tuple[AccountFacts, ...]:
    return tuple(
        surveyed(survey, **changes) for survey in (replace(SENT, answered=True), replace(SENT, waived=True))
    )


SURVEYS = (
    Row(
        of("send_survey"), "Send the survey link", surveyed(), new_york(2026, 4, 9), date(2026, 4, 23), CSM,
        done=(surveyed(SENT), *settled(), surveyed(replace(ASKED, answered=True))),
        lapsed=(surveyed(cancelled=True), surveyed(closed=True), adopting(stage()), account()),
    ),
    Row(
        of("survey_reminder"), "Send the survey reminder", surveyed(**HELD), new_york(2026, 5, 5),
        date(2026, 5, 5), CSM,
        done=settled(**HELD),
        lapsed=(surveyed(), surveyed(**HELD, cancelled=True), surveyed(**HELD, closed=True), CANCELLED),
        on_the_day=True,
    ),
    Row(
        of("survey_reminder"), "Send the survey reminder", surveyed(SENT, **HELD, closed=True),
        new_york(2026, 5, 5), date(2026, 5, 5), CSM,
        done=settled(**HELD, closed=True),
        lapsed=(adopting(stage(**HELD, closed=True)),),
        on_the_day=True,
    ),
    Row(
        of("survey_reminder"), "Send the survey reminder",
        surveyed(SENT, meeting_at=MEETING, meeting_held=False), new_york(2026, 5, 5), date(2026, 5, 5), CSM,
        done=settled(meeting_at=MEETING, meeting_held=False),
        lapsed=(adopting(stage(meeting_at=MEETING, meeting_held=False)),),
        on_the_day=True,
    ),
    Row(
        of("survey_reminder"), "Send the survey reminder", surveyed(SENT), new_york(2026, 4, 17),
        date(2026, 4, 17), CSM,
        done=settled(), lapsed=(surveyed(),), on_the_day=True,
    ),
    Row(
        LOW_ANSWER, "Review a low survey answer", surveyed(LOW), None, Span(working_days=2), LEAD,
        done=(by_hand(surveyed(LOW), LOW_ANSWER),),
        lapsed=(surveyed(replace(LOW, lowest=3)), surveyed(replace(LOW, lowest=None)), surveyed()),
    ),
)  # fmt: skip

TABLE = (*STAGES, *ONBOARDING, *ACCOUNTS, *SURVEYS)
