"""The mail of the next thirty days, by day and mail, with what may be done about each line of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from accounts.models import Account, Team, User
from lifecycle.dashboards.reminders import words
from lifecycle.dashboards.rows import meetings_of, order
from lifecycle.dashboards.shown import path_of
from lifecycle.mail.models import Message
from lifecycle.milestones.models import Milestone
from lifecycle.milestones.planner.bundling import AT_ONCE
from lifecycle.milestones.planner.decisions import permits
from lifecycle.milestones.planner.forecast import DAYS, Line, accounts_of, forecast
from lifecycle.milestones.planner.postroom import Postroom
from lifecycle.rules.reminders import HOLD, RELEASE, SEND_NOW, SKIP
from lifecycle.words import time_words

LABELS = {HOLD: "Hold", SKIP: "Skip", SEND_NOW: "Send now", RELEASE: "Release"}
OPEN_DAYS = 7  # the first days stand open, later ones fold
MOST_LINES = 300


@dataclass(slots=True)
class Shown:
    """One reminder of a mail."""

    milestone: Milestone
    occasion: str
    name: str
    ordinal: int
    recipient: User
    url: str
    stays: str
    verbs: list[tuple[str, str]]
    opens: date | None


@dataclass(slots=True)
class Mail:
    """One mail, and what stays out of it because somebody held or skipped it."""

    recipient: User
    when: str
    at_once: bool
    lines: list[Shown] = field(default_factory=list)
    counted: int = 0


@dataclass(slots=True)
class Day:
    """The mails of one day, each on its recipient's calendar."""

    on: date
    mails: list[Mail] = field(default_factory=list)
    folded: bool = False

    @property
    def counted(self) -> int:
        return sum(mail.counted for mail in self.mails)


class Allowed:
    """What the viewer may decide: asked once for all lines."""

    def __init__(self, viewer: User, accounts: Iterable[int], room: Postroom) -> None:
        self.viewer, self.room = viewer, room
        today = viewer.today(room.now)
        led = Account.objects.worked_by(viewer, today=today) if viewer.decides else Account.objects.none()
        self.leads = set(led.filter(pk__in=accounts).values_list("pk", flat=True))

    def verbs(self, line: Line) -> list[tuple[str, str]]:
        """The buttons of a line, those of a row that exists already; a duty yet to open has none."""
        reminder, milestone = line.reminder, line.milestone
        if milestone._state.adding or milestone.account is None or milestone.account.archived:
            return []
        leads = milestone.account_id in self.leads
        if not leads and line.recipient != self.viewer:
            return []
        occasion = self.room.occasion(milestone, reminder.occasion)
        if line.stays:
            asked = (RELEASE, SEND_NOW)
        else:
            asked = (HOLD, SKIP) if reminder.at_once else (HOLD, SKIP, SEND_NOW)
        return [
            (verb, LABELS[verb])
            for verb in asked
            if permits(
                verb, milestone, occasion, line.recipient.pk, by=self.viewer, leads=leads, room=self.room
            )
        ]


def of_account(account: Account, viewer: User, *, room: Postroom) -> dict[str, Any]:
    """The reminders that are coming about one account."""
    ids = [] if account.archived or account.churned_on else [account.pk]
    lines = [line for line in forecast(ids, room=room) if line.milestone.account_id == account.pk]
    return _page(lines, viewer, ids, room=room)


def of_person(person: User, viewer: User, *, room: Postroom) -> dict[str, Any]:
    """The mail one person will get, as far as the viewer sees the accounts."""
    ids = _seen(accounts_of({person.pk}, room), viewer, room)
    lines = [line for line in forecast(ids, room=room) if line.recipient.pk == person.pk]
    later = [c for covers in room.covers.values() for c in covers if c.substitute_id == person.pk]
    today = person.today(room.now)
    context = _page(_visible(lines, viewer), viewer, ids, room=room)
    return {**context, "covers_later": any(c.from_on > today for c in later)}


def of_team(team: Team, viewer: User, *, room: Postroom) -> dict[str, Any]:
    """What is coming about the accounts of a team."""
    ids = Account.objects.open().filter(csm__team=team).values_list("pk", flat=True)
    ids = _seen(list(ids), viewer, room)
    members = {person.pk for person in room.roster.users.values() if person.team_id == team.pk}
    lines = [
        line
        for line in forecast(ids, room=room)
        if line.milestone.account_id or line.milestone.owner_id in members
    ]
    return _page(_visible(lines, viewer), viewer, ids, room=room)


def _seen(ids: list[int], viewer: User, room: Postroom) -> list[int]:
    today = viewer.today(room.now)
    return list(
        Account.objects.visible_to(viewer, today=today).filter(pk__in=ids).values_list("pk", flat=True)
    )


def _visible(lines: list[Line], viewer: User) -> list[Line]:
    """A duty of no account is its owner's, and of those who see all."""
    return [
        line
        for line in lines
        if line.milestone.account_id or viewer.sees_all or line.milestone.owner_id == viewer.pk
    ]


def _page(lines: list[Line], viewer: User, ids: list[int], *, room: Postroom) -> dict[str, Any]:
    today = viewer.today(room.now)
    allowed = Allowed(viewer, ids, room)
    held = [line for line in lines if line.stays and line.leaves <= room.now]
    coming = [line for line in lines if not line.stays or line.leaves > room.now]
    return {
        "today": today,
        "now": room.now,
        "zone": viewer.zone,
        "days": _days(coming, allowed, today=today),
        "held": [_shown(line, allowed) for line in held],
        "days_ahead": DAYS,
    }


def _days(lines: list[Line], allowed: Allowed, *, today: date) -> list[Day]:
    days: dict[date, Day] = {}
    mails: dict[tuple[date, int, str], Mail] = {}
    left = MOST_LINES
    meetings = meetings_of(line.milestone for line in lines)
    for line in sorted(lines, key=lambda line: _rank(line, meetings)):
        local = line.leaves.astimezone(line.recipient.zone)
        at_once = bool(line.mail and line.mail.kind == AT_ONCE)
        key = (local.date(), line.recipient.pk, line.mail.dedup if at_once else "")
        if key not in mails:
            day = days.setdefault(local.date(), Day(local.date()))
            day.folded = local.date() >= today + timedelta(days=OPEN_DAYS)
            mails[key] = Mail(line.recipient, _when(line, allowed.room.now), at_once)
            day.mails.append(mails[key])
        mails[key].counted += not line.stays
        if left:
            left -= 1
            mails[key].lines.append(_shown(line, allowed))
    return [days[on] for on in sorted(days)]


def _rank(line: Line, meetings: dict[int, datetime]) -> tuple[Any, ...]:
    """By mail; in it as My day has it, what stays out last."""
    place = order(line.milestone, meetings.get(line.milestone.source_id))
    return (line.leaves, line.recipient.name, line.recipient.pk, line.stays, *place)


def _when(line: Line, now: datetime) -> str:
    if line.leaves <= now:
        return "within a minute"
    local = line.leaves.astimezone(line.recipient.zone)
    return f"{time_words(local)} {words.there(line.recipient)}"


def _shown(line: Line, allowed: Allowed) -> Shown:
    milestone, reminder = line.milestone, line.reminder
    occasion = allowed.room.occasion(milestone, reminder.occasion)
    return Shown(
        milestone=milestone,
        occasion=words.occasion(occasion.name, occasion.on, milestone.due_on),
        name=reminder.occasion,
        ordinal=reminder.ordinal,
        recipient=line.recipient,
        url=path_of(milestone),
        stays=reminder.reason if line.stays or reminder.decided_by_id else "",
        verbs=allowed.verbs(line),
        opens=milestone.created_at.astimezone(allowed.viewer.zone).date()
        if milestone._state.adding
        else None,
    )


def mails_today(person: User, *, room: Postroom) -> int:
    """How many mails somebody got or will get today: the ceiling is on these."""
    today = person.today(room.now)
    keys = [f"digest:{person.pk}:{today}"]
    keys += [f"{AT_ONCE}:{person.pk}:{today}:{n}" for n in range(1, room.policy.reminders.daily_ceiling)]
    return Message.objects.filter(dedup__in=keys).exclude(state="cancelled").count()
