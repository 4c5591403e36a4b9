"""The rules once more, slowly: written from the words of the SOPs, sharing no code with `lifecycle.rules`.

Nothing here is clever. Dates are found by walking a day at a time, clocks by asking the zone.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

PLANS = {
    "basic": {"stages": [60], "check_ins": []},
    "standard": {"stages": [30, 90], "check_ins": [75, 150]},
    "premium": {"stages": [30, 90], "check_ins": [75, 150]},
}


def is_working(day: date, holidays: set[date]) -> bool:
    return day.isoweekday() <= 5 and day not in holidays


def days_after(day: date, count: int) -> date:
    return date.fromordinal(day.toordinal() + count)


def last_working_until(day: date, holidays: set[date]) -> date:
    return max(d for d in (days_after(day, -n) for n in range(60)) if is_working(d, holidays))


def nth_working_after(day: date, count: int, holidays: set[date]) -> date:
    later = [day] + [d for d in (days_after(day, n) for n in range(1, 80)) if is_working(d, holidays)]
    return later[count]


def months_after(day: date, months: int) -> date:
    year, month = day.year, day.month
    for _ in range(months):
        month += 1
        if month == 13:
            year, month = year + 1, 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def first_instant_showing(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The first instant at which clocks of the zone show this wall time; where none ever does, the
    first at which they show a later one."""
    wanted = datetime.combine(day, at)
    as_if_utc = wanted.replace(tzinfo=UTC)
    around = [as_if_utc + timedelta(hours=h) for h in (-48, -24, -12, 0, 12, 24, 48)]
    offsets = {instant.astimezone(zone).utcoffset() for instant in around}
    showing = [i for i in (as_if_utc - offset for offset in offsets) if wall(i, zone) == wanted]
    if showing:
        return min(showing)
    instant = as_if_utc - max(offsets) - timedelta(hours=1)
    while wall(instant, zone) < wanted:
        instant += timedelta(minutes=1)
    return instant


def wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def pool(users: int, mrr: Decimal, level: str, smb: bool, regular_to_core: bool) -> tuple[str, list[str]]:
    fired = []
    if users >= 51:
        fired.append("contracted_users")
    if int(mrr * 100) >= 50001:
        fired.append("mrr")
    if level != "basic":
        fired.append("service_level")
    if regular_to_core and not smb:
        fired.append("segment")
    return ("core" if fired else "digital"), fired


def replan(
    level: str, day_zero: date, rows: list[tuple[str, int, bool, bool, bool]], today: date
) -> tuple[set[tuple[str, int]], dict[tuple[str, int], date]]:
    """(type, day, kept, live, final) of each row -> what is cancelled, what is added and due when."""
    belonging = {("stage", n) for n in PLANS[level]["stages"]} | {
        ("check_in", n) for n in PLANS[level]["check_ins"]
    }
    cancelled = {
        (type_, day)
        for type_, day, kept, live, _ in rows
        if live and not kept and (type_, day) not in belonging
    }
    standing = {(type_, day) for type_, day, kept, live, _ in rows if kept or live} - cancelled
    added = {}
    for type_, day in belonging - standing:
        due = days_after(day_zero, day)
        if due >= today:
            added[type_, day] = due
    the_final = ("stage", PLANS[level]["stages"][-1])
    a_final_stands = any(type_ == "stage" and kept and final for type_, _, kept, _, final in rows)
    if the_final not in standing and the_final not in added and not a_final_stands:
        added[the_final] = today
    return cancelled, added


def spoken_on(
    schedule: str, day: date, due: date, act_by: date, holidays: set[date]
) -> set[tuple[str, frozenset[str]]]:
    """MIL-3 asked of one day: which occasions fall on it, and to whom they speak."""
    both, said = frozenset({"csm", "lead"}), set()
    if schedule == "stage":
        before, first_late, at_start, at_day, at_late = 14, days_after(due, 3), both, both, both
    elif schedule == "check_in":
        lead = frozenset({"lead"})
        before, first_late, at_start, at_day, at_late = 3, days_after(due, 7), lead, both, lead
    else:
        before, first_late = None, nth_working_after(due, 2, holidays)
        at_start, at_day, at_late = None, frozenset({"owner"}), frozenset({"owner", "lead"})
    if before and days_after(day, before) == due:
        said.add(("prepare", at_start))
    if day == act_by:
        said.add(("day", at_day))
    late_by = (day - first_late).days
    if late_by >= 0 and late_by % 7 == 0:
        said.add((f"late{late_by // 7 + 1}", at_late))
    return said


UP_TO_DAY_ZERO = {"book_call", "record_call", "recap_call", "book_training", "record_training"}
UP_TO_DAY_ZERO |= {"recap_training", "complete_onboarding", "send_completed"}
OF_THE_ACCOUNT = {"follow_up", "tell_rsm", "billing_check", "lead_review", "level_review"}

Owed = dict[tuple[str, str, int], tuple[object, int | None]]


def owes(facts: Any, now: datetime) -> Owed:
    """The duties up to day 0 and those of the account, from the words of the table: what -> (due, owner).

    A due counted from the row's appearance is told as ("working days", n) or ("days", n).
    """
    if facts.archived or facts.churned:
        return {}
    return {**_up_to_day_zero(facts, now), **_of_the_account(facts, now)}


def is_small(facts: Any) -> bool:
    four = ("start_up", "small_team", "new_to_compliance", "limited_budget")
    return facts.starter_package or any(trait in facts.traits for trait in four)


def is_over(booked: datetime | None, now: datetime) -> bool:
    return booked is not None and booked.timestamp() + 30 * 60 <= now.timestamp()


def _up_to_day_zero(facts: Any, now: datetime) -> Owed:
    found: Owed = {}
    onboarding = facts.onboarding
    if onboarding is None:
        return found
    this, csm = onboarding.id, facts.csm
    needed = set(facts.products)
    if is_small(facts):
        needed = needed | {"learning", "compliance"}
    if onboarding.training_completed_on is not None:
        if is_small(facts) and not onboarding.completed_mail_sent:
            found["send_completed", "onboarding", this] = (onboarding.training_completed_on, csm)
        return found

    call_held = onboarding.call_completed_on
    if not call_held:
        if onboarding.call_scheduled_at is None and csm is not None:
            found["book_call", "onboarding", this] = (("working days", 2), csm)
        if is_over(onboarding.call_scheduled_at, now):
            day = wall(onboarding.call_scheduled_at, facts.zone).date()
            found["record_call", "onboarding", this] = (day, csm)
    elif not onboarding.recap_sent:
        found["recap_call", "onboarding", this] = (call_held, csm)

    trainings = [training for training in onboarding.sessions if training.product in needed]
    for training in trainings:
        if training.completed_on:
            if not training.recap_sent:
                found["recap_training", "training_session", training.id] = (training.completed_on, csm)
        elif training.scheduled_at:
            if is_over(training.scheduled_at, now):
                day = wall(training.scheduled_at, facts.zone).date()
                found["record_training", "training_session", training.id] = (day, csm)
        elif call_held:
            found["book_training", "training_session", training.id] = (("days", 7), csm)

    days = [training.completed_on for training in trainings if training.completed_on]
    held = {training.product for training in trainings if training.completed_on}
    if call_held and needed and held == needed:
        found["complete_onboarding", "onboarding", this] = (max([*days, call_held]), csm)
    return found


def _of_the_account(facts: Any, now: datetime) -> Owed:
    """Those of the account and its contact log; what somebody said was done is taken out again at the end."""
    found: Owed = {}
    csm, lead, users = facts.csm, facts.lead, facts.contracted_users

    for entry in facts.activities:
        day = entry.follow_up_on
        if day and first_instant_showing(day, time(0), facts.zone) <= now:
            found["follow_up", "activity", entry.id] = (day, entry.author or csm)
        if entry.open_bug and entry.noted_at.timestamp() + 7 * 24 * 3600 <= now.timestamp():
            found["follow_up", "bug", entry.id] = (("working days", 2), csm)
        if entry.kind in ("workflow", "improvement"):
            found["lead_review", "activity", entry.id] = (("working days", 2), lead)
    adoption = facts.adoption
    for stage in adoption.stages if adoption and not adoption.withdrawn else ():
        said = stage.survey.lowest if stage.survey and not stage.cancelled else None
        if said in (1, 2):
            found["lead_review", "survey", stage.survey.id] = (("working days", 2), lead)
    for chance in facts.opportunities:
        if chance.open and not chance.told:
            found["tell_rsm", "opportunity", chance.id] = (("working days", 2), csm)
    seen = [facts.usage.active_users, facts.usage.employees] if facts.usage else []
    if any(number is not None and number > users for number in seen):
        found["tell_rsm", "account", facts.id] = (("days", 10), csm)
    pays_flat = int(facts.mrr * 100) == 25000
    if facts.starter_package and (users < 11) != pays_flat:
        found["billing_check", "account", facts.id] = (("working days", 5), csm)
    if is_small(facts) and facts.service_level in ("standard", "premium"):
        found["level_review", "account", facts.id] = (("working days", 5), csm)

    for (kind, source, this, _), was_due in facts.by_hand.items():
        due = found.get((kind, source, this), (None,))[0]
        if due == was_due or isinstance(due, tuple):
            del found[kind, source, this]
    return found
