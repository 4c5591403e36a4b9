"""MIL-3, MIL-4: on which days a milestone reminds whom. Days before and after count from `due_on`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from lifecycle.rules.cadence import WorkCalendar, local_instant
from lifecycle.rules.duties import KIND
from lifecycle.rules.policy import Policy

PREPARE, DAY, LATE = "prepare", "day", "late"


@dataclass(frozen=True, slots=True)
class Occasion:
    """One day on which a milestone speaks up. `to` names roles: "csm", "lead" or "owner"."""

    name: str
    on: date
    to: frozenset[str]


CSM_AND_LEAD = frozenset({"csm", "lead"})
LEAD = frozenset({"lead"})
OWNER = frozenset({"owner"})
OWNER_AND_LEAD = frozenset({"owner", "lead"})


def occasions(
    kind: str, *, due_on: date, act_by: date, policy: Policy, calendar: WorkCalendar
) -> Iterator[Occasion]:
    """MIL-3: every occasion of a milestone in order, without end: the last ones repeat weekly. Kinds that remind
    once have the day alone (SUR-4).

    `day` is on `act_by`; `prepare` and the late ones count from `due_on`, in calendar days
    (working days for the first late one of kinds that are neither stage nor check-in).
    """
    rules = policy.reminders
    schedule = KIND[kind].schedule
    if schedule == "stage":
        yield Occasion(PREPARE, due_on - timedelta(days=rules.stage_prepare_days), CSM_AND_LEAD)
        yield Occasion(DAY, act_by, CSM_AND_LEAD)
        first_late, late_to = due_on + timedelta(days=rules.stage_late_days), CSM_AND_LEAD
    elif schedule == "check_in":
        yield Occasion(PREPARE, due_on - timedelta(days=rules.check_in_prepare_days), LEAD)
        yield Occasion(DAY, act_by, CSM_AND_LEAD)
        first_late, late_to = due_on + timedelta(days=rules.check_in_late_days), LEAD
    elif schedule == "once":
        yield Occasion(DAY, act_by, OWNER)
        return
    else:
        yield Occasion(DAY, act_by, OWNER)
        first_late, late_to = calendar.add_working(due_on, rules.other_late_working_days), OWNER_AND_LEAD
    for n in count():
        yield Occasion(f"{LATE}{n + 1}", first_late + timedelta(days=n * rules.repeat_days), late_to)


def send_at(on: date, *, hour: int, zone: ZoneInfo) -> datetime:
    """MIL-4: the instant at which mail of that day leaves in the recipient's zone, right on both DST days."""
    return local_instant(on, time(hour), zone)


def occasion_named(
    name: str, kind: str, *, due_on: date, act_by: date, policy: Policy, calendar: WorkCalendar, until: date
) -> Occasion | None:
    """The occasion of that name, where there is one on or before `until`; the late ones go on without end."""
    for occasion in occasions(kind, due_on=due_on, act_by=act_by, policy=policy, calendar=calendar):
        if occasion.name == name and occasion.on <= until:
            return occasion
        if occasion.name.startswith(LATE) and occasion.on > until:
            return None
    return None  # it reminds once


# --- what people may decide about a reminder that has not left

HOLD, SKIP, RELEASE, SEND_NOW = "hold", "skip", "release", "send"
VERBS = (HOLD, SKIP, RELEASE, SEND_NOW)


def may_decide(verb: str, *, leads: bool, own: bool, late: bool, as_lead: bool) -> bool:
    """MIL-5: whether somebody may hold, skip, release or send early one reminder of one person.

    Who leads the account's people may, for all of them; anybody for their own mail. But a late reminder that
    reaches a person in the lead's place (`as_lead`) is the lead's to hold or skip: nobody silences what tells
    the lead that they are late.
    """
    if leads:
        return True
    return own and not (verb in (HOLD, SKIP) and late and as_lead)


# --- why somebody did or did not get a reminder


@dataclass(frozen=True, slots=True)
class Case:
    """Everything known of one occasion of a duty for one person.

    `leaves`: when its mail leaves, or would have. `state` is its row's, "" where there is none; `why` says for a
    superseded one: newer, closed, not_theirs, inactive, moved; `by_hand`: a person held it, skipped it or sent it
    early. `mail` is the state of the mail it is in, `at_once` whether that leaves by itself; `mail_on` and
    `came_on` are the local days of the digest and of the row's coming, where that came after the hour of the
    day. `closed_at` is the duty's end.
    """

    now: datetime
    leaves: datetime
    look_back_days: int
    closed_at: datetime | None = None
    cancelled: bool = False
    snoozed: bool = False
    state: str = ""
    why: str = ""
    by_hand: bool = False
    mail: str = ""
    at_once: bool = False
    mail_on: date | None = None
    came_on: date | None = None
    caused_it: bool = False
    ceiling: bool = False
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Why: a code that the page has words for, and the rule it follows."""

    code: str
    rule: str


SUPERSEDED = {
    "newer": Answer("newer", "MIL-3"),
    "closed": Answer("closed", "MIL-5"),
    "not_theirs": Answer("not_theirs", "MIL-6"),
    "inactive": Answer("inactive", "MIL-6"),
    "moved": Answer("moved", "MIL-5"),
}


def answer(case: Case) -> Answer:
    """MIL-5: why a person did or did not get the reminder of one occasion."""
    if case.state == "sent":
        return _sent(case)
    if case.state == "planned":
        return _planned(case)
    if case.state == "held":
        return Answer("held" if case.by_hand else "mail_held", "MIL-5")
    if case.state == "failed":
        return Answer("mail_failed", "MIL-5")
    if case.state == "superseded":
        return Answer("skipped", "MIL-5") if case.by_hand else SUPERSEDED.get(case.why, _STOPPED)
    return _never_planned(case)


_STOPPED = Answer("mail_stopped", "MIL-5")


def _sent(case: Case) -> Answer:
    if case.mail == "marked":
        return Answer("marked", "MIL-5")
    if case.by_hand:
        return Answer("sent_early", "MIL-5")
    if case.at_once:
        return Answer("sent_at_once", "MIL-4")
    return Answer("sent_next_day" if _waited(case) else "sent", "MIL-4")


def _planned(case: Case) -> Answer:
    if case.mail in ("claimed", "sending"):
        return Answer("leaving", "MIL-5")
    if case.mail == "retry":
        return Answer("tried_again", "MIL-5")
    if case.by_hand:
        return Answer("ceiling" if _waited(case) else "leaving", "MIL-4")
    if case.mail and _waited(case):
        code = "caused_it" if case.caused_it else "ceiling" if case.ceiling else "next_day"
        return Answer(code, "MIL-4")
    if case.mail:
        return Answer("in_digest", "MIL-4")
    if case.expired:
        return Answer("expired", "MIL-5")
    return Answer("not_due", "MIL-3") if case.leaves > case.now else Answer("next_look", "MIL-5")


def _waited(case: Case) -> bool:
    """Whether it is in the digest of a later day than the one on which it came up."""
    return bool(case.mail_on and case.came_on and case.mail_on > case.came_on)


def _never_planned(case: Case) -> Answer:
    end = case.closed_at or case.now
    if case.leaves < end - timedelta(days=case.look_back_days):
        return Answer("too_old", "MIL-3")
    if case.closed_at is not None and case.leaves <= end:
        return Answer("missed", "MIL-7")
    if case.closed_at is not None:
        return Answer("cancelled_first" if case.cancelled else "done_first", "MIL-5")
    if case.leaves > case.now:
        return Answer("snoozed", "MIL-5") if case.snoozed else Answer("not_due", "MIL-3")
    return Answer("next_look", "MIL-5")


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody who is a recipient of no occasion of a duty: what they are to it."""

    active: bool = True
    parts: frozenset[str] = frozenset()  # of "owner", "csm", "lead"
    covered: bool = False
    anybody: bool = True  # whether the rules name anybody at all


def why_not(stranger: Stranger) -> Answer:
    """MIL-3, MIL-6: why a duty never reminds this person."""
    if not stranger.active:
        return Answer("gone", "MIL-6")
    if not stranger.anybody:
        return Answer("nobody", "ROUTE-6")
    if stranger.covered:
        return Answer("covered", "MIL-6")
    return Answer("other_part" if stranger.parts else "not_involved", "MIL-3")
