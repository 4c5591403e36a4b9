"""Why did or didn't I get this? Every occasion of an account's duties, for every person, with a reason (MIL-5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from accounts.models import Account, User
from lifecycle.dashboards.reminders import words
from lifecycle.dashboards.shown import path_of
from lifecycle.mail.models import Message
from lifecycle.milestones.models import CLOSED, INACTIVE, NOT_THEIRS, Milestone, Reminder
from lifecycle.milestones.planner.bundling import AT_ONCE, DIGEST, MOVED_FAR, NEWER, Planning
from lifecycle.milestones.planner.forecast import DAYS
from lifecycle.milestones.planner.postroom import Postroom
from lifecycle.rules.duties import kind_of
from lifecycle.rules.reminders import DAY, PREPARE, Answer, Case, Occasion, Stranger, answer, why_not
from lifecycle.words import day_words, hour_words

LATELY = timedelta(days=30)  # how long a closed duty is still explained
WHY = {NEWER: "newer", CLOSED: "closed", NOT_THEIRS: "not_theirs", INACTIVE: "inactive", MOVED_FAR: "moved"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One occasion for one person: whether it came, and why."""

    person: User
    occasion: str
    leaves: datetime
    past: bool
    shape: str
    word: str
    why: str
    rule: str
    mail: int | None = None


@dataclass(frozen=True, slots=True)
class Duty:
    """A milestone with everything it told, or will tell next."""

    milestone: Milestone
    state: str
    url: str
    entries: list[Entry]


def page(account: Account, viewer: User, *, who: User | None, room: Postroom) -> dict[str, Any]:
    """All duties of an account that are open or ended lately; with `who`, one sentence a duty for that person."""
    scene = _Scene(account, viewer, room)
    duties = [scene.duty(row) for row in scene.milestones]
    people = {entry.person.pk: entry.person for duty in duties for entry in duty.entries}
    everybody = [p for p in room.roster.users.values() if p.is_active and p.pk not in people]
    return {
        "account": account,
        "duties": duties,
        "involved": [scene.address(person) for person in sorted(people.values(), key=lambda p: p.name)],
        "others": sorted(everybody, key=lambda p: p.name),
        "who": who,
        "answers": [(row, scene.about(row, who)) for row in duties] if who else [],
    }


class _Scene:
    """What the answers are made of, read once for all duties."""

    def __init__(self, account: Account, viewer: User, room: Postroom) -> None:
        self.account, self.room, self.now = account, room, room.now
        self.today = viewer.today(room.now)
        self.oldest = timedelta(days=room.policy.reminders.look_back_days)
        since = room.now - LATELY
        lately = Q(status="done", done_at__gte=since) | Q(status="cancelled", updated_at__gte=since)
        rows = Milestone.objects.filter(Q(status="open") | lately, account=account)
        self.milestones = list(rows.select_related("owner").order_by("due_on", "pk"))
        for row in self.milestones:
            row.account = account
        self.milestones.sort(key=lambda row: row.status != "open")
        self.rows: dict[int, list[Reminder]] = defaultdict(list)
        self.told = list(self._told())
        seen = Message.objects.visible_to(viewer, today=self.today)
        mails = {row.message_id for row in self.told} - {None}
        self.seen = set(seen.filter(pk__in=mails).values_list("pk", flat=True))
        self.mails = self._mails()
        self.causers = Planning(room).causers(row for row in self.told if row.state == "planned")

    def _told(self) -> Iterator[Reminder]:
        found = Reminder.objects.filter(milestone__in=self.milestones).select_related("message", "decided_by")
        by_id = {row.pk: row for row in self.milestones}
        for row in found.defer("message__raw", "message__payload").order_by("ordinal", "send_on", "pk"):
            row.milestone = by_id[row.milestone_id]
            self.rows[row.milestone_id].append(row)
            yield row

    def _mails(self) -> dict[str, str]:
        """The state of each mail of a person's day that reminders waited for: digests, and what left at once."""
        keys = set()
        for row in self.told:
            if row.state == "planned":
                keys.add(f"{DIGEST}:{row.recipient_id}:{row.send_on}")
            if row.state == "planned" and kind_of(row.milestone.key).at_once:
                day = row.created_at.astimezone(self._person(row).zone).date()
                most = range(1, self.room.policy.reminders.daily_ceiling)
                keys |= {f"{AT_ONCE}:{row.recipient_id}:{day}:{n}" for n in most}
        return dict(Message.objects.filter(dedup__in=keys).values_list("dedup", "state"))

    def _person(self, row: Reminder) -> User:
        return self.room.roster.users[row.recipient_id]

    # - a duty

    def duty(self, milestone: Milestone) -> Duty:
        state = {"open": "todo", "done": "done", "cancelled": "skip"}[milestone.status]
        if milestone.status == "open" and milestone.act_by < self.today:
            state = "overdue"
        entries = sorted(self._entries(milestone), key=lambda e: (e.leaves, e.person.name))
        return Duty(milestone, state, path_of(milestone), entries)

    def _entries(self, milestone: Milestone) -> Iterator[Entry]:
        """Every row there is; what is planned next for each; and what would have come when the duty ended."""
        rows = list(self.rows[milestone.pk])
        next_told: set[int] = set()
        for occasion, people in self._occasions(milestone):
            for person in people:
                row = self._row(rows, occasion, person, milestone)
                leaves = self.room.morning(person, self.room.speaks_on(milestone, occasion))
                past = leaves <= (self._ended(milestone) or self.now)
                if row is None and not past and person.pk in next_told:
                    continue
                if not past:
                    next_told.add(person.pk)
                if row is None and leaves < (self._ended(milestone) or self.now) - self.oldest:
                    continue  # nobody asks about what was too old for every planner
                if row is not None:
                    rows.remove(row)
                yield self._entry(milestone, occasion, person, row, leaves)
        for row in rows:  # of an owner, a cover or a date before
            occasion = self.room.occasion(milestone, row.occasion)
            person = self._person(row)
            yield self._entry(milestone, occasion, person, row, self.room.morning(person, row.send_on))

    def _occasions(self, milestone: Milestone) -> Iterator[tuple[Occasion, list[User]]]:
        """Those that have come, and the next ones; none beyond thirty days, or beyond the first after the end."""
        end = (self._ended(milestone) or self.now).date() + timedelta(days=1)
        until = end + timedelta(days=DAYS)
        for occasion in milestone.occasions(self.room.policy, self.room.calendar(milestone)):
            on = self.room.speaks_on(milestone, occasion)
            repeats = occasion.name not in (PREPARE, DAY)
            if repeats and on > until:
                return
            yield occasion, self.room.recipients(milestone, occasion, on)
            if repeats and on > end:
                return

    @staticmethod
    def _row(rows: list[Reminder], occasion: Occasion, person: User, milestone: Milestone) -> Reminder | None:
        return next(
            (
                row
                for row in rows
                if (row.occasion, row.ordinal, row.recipient_id)
                == (occasion.name, milestone.ordinal, person.pk)
            ),
            None,
        )

    @staticmethod
    def _ended(milestone: Milestone) -> datetime | None:
        if milestone.status == "open":
            return None
        return milestone.done_at or milestone.updated_at

    # - an entry

    def _entry(
        self, milestone: Milestone, occasion: Occasion, person: User, row: Reminder | None, leaves: datetime
    ) -> Entry:
        case = self._case(milestone, person, row, leaves)
        found = answer(case)
        shape, word = words.state(found.code)
        at = row.message.sent_at if row and row.message and row.message.sent_at else leaves
        return Entry(
            person=person,
            occasion=words.occasion(occasion.name, occasion.on, milestone.due_on),
            leaves=at,
            past=at <= self.now,
            shape=shape,
            word=word,
            why=self._sentence(found, milestone, person, row, case),
            rule=found.rule,
            mail=row.message_id if row and row.message_id in self.seen else None,
        )

    def _case(self, milestone: Milestone, person: User, row: Reminder | None, leaves: datetime) -> Case:
        ended = self._ended(milestone)
        case = {
            "now": self.now,
            "leaves": leaves,
            "look_back_days": self.room.policy.reminders.look_back_days,
            "closed_at": ended,
            "cancelled": milestone.status == "cancelled",
            "snoozed": bool(milestone.snoozed_until and leaves > self.now),
        }
        if row is None:
            return Case(**case)
        came_on = row.created_at.astimezone(person.zone).date()
        late_that_day = row.created_at >= self.room.morning(person, came_on) and row.send_on <= came_on
        mail = row.message
        today_full = [f"{AT_ONCE}:{person.pk}:{came_on}:{n}" for n in self._extra()]
        return Case(
            **case,
            state=row.state,
            why=WHY.get(row.reason, ""),
            by_hand=row.decided_by_id is not None,
            mail=mail.state if mail else "",
            at_once=bool(mail and mail.kind == AT_ONCE),
            mail_on=mail.not_before.astimezone(person.zone).date() if mail else None,
            came_on=came_on if late_that_day else None,
            caused_it=self.causers.get(milestone.pk, 0) == person.pk,
            ceiling=kind_of(milestone.key).at_once and all(key in self.mails for key in today_full),
            expired=self.mails.get(f"{DIGEST}:{person.pk}:{row.send_on}") == "expired",
        )

    def _extra(self) -> range:
        return range(1, self.room.policy.reminders.daily_ceiling)

    def _sentence(
        self,
        found: Answer,
        milestone: Milestone,
        person: User,
        row: Reminder | None,
        case: Case,
    ) -> str:
        mail = row.message if row else None
        ended = self._ended(milestone)
        return words.WHY[found.code].format(
            name=person.name,
            leaves=self._moment(case.leaves, person),
            left=self._moment(mail.sent_at, person) if mail and mail.sent_at else "",
            mail=self._moment(mail.not_before, person) if mail else "",
            came_on=self._day(case.came_on or (row.send_on if row else None)),
            decider=row.decided_by.name if row and row.decided_by else "",
            reason=self._reason(row),
            until=self._day(milestone.snoozed_until),
            closed=self._day(ended.astimezone(person.zone).date() if ended else None),
            back=case.look_back_days,
            most=self.room.policy.reminders.daily_ceiling,
        )

    @staticmethod
    def _reason(row: Reminder | None) -> str:
        if row is None:
            return ""
        return row.reason or (row.message.reason if row.message else "")

    def _moment(self, at: datetime, person: User) -> str:
        return words.moment(at, person, self.today)

    def _day(self, day: Any) -> str:
        return day_words(day, self.today) if day else ""

    # - one person

    def address(self, person: User) -> dict[str, Any]:
        """To which address and at what hour somebody's digest leaves (MIL-4)."""
        hour = person.mail_hour(self.room.policy)
        return {
            "person": person,
            "part": self._part(person),
            "hour": f"{hour_words(hour)} {words.there(person)}",
            "own_hour": person.digest_hour is not None,
        }

    def _part(self, person: User) -> str:
        lead = self.room.roster.lead_of(self.account.csm_id)
        return {self.account.csm_id: "CSM", lead: "TL"}.get(person.pk, "")

    def about(self, duty: Duty, who: User) -> Entry | None:
        """One answer: what came last, else what comes next; None where this person is no recipient at all."""
        mine = [entry for entry in duty.entries if entry.person.pk == who.pk]
        past = [entry for entry in mine if entry.past]
        return past[-1] if past else mine[0] if mine else self._stranger(duty, who)

    def _stranger(self, duty: Duty, who: User) -> Entry:
        milestone = duty.milestone
        occasions = [occasion for occasion, _ in self._occasions(milestone)]
        named = {
            person.pk
            for occasion in occasions
            for person in milestone.audience(occasion, self.room.roster, csm_id=self.account.csm_id)
        }
        lead = self.room.roster.lead_of(self.account.csm_id)
        parts = {"owner": milestone.owner_id, "csm": self.account.csm_id, "lead": lead}
        mine = frozenset(part for part, pk in parts.items() if pk == who.pk)
        found = why_not(
            Stranger(active=who.is_active, parts=mine, covered=who.pk in named, anybody=bool(named))
        )
        people = list(dict.fromkeys(entry.person.name for entry in duty.entries if not entry.past))
        people = people or list(dict.fromkeys(entry.person.name for entry in duty.entries))
        shape, word = words.state(found.code)
        why = words.WHY[found.code].format(
            name=who.name,
            cover=words.both(self._covers(milestone, occasions, mine)),
            others=words.both(people),
            part=words.PARTS[min(mine)] if mine else "",
        )
        return Entry(who, "", self.now, True, shape, word, why, found.rule)

    def _covers(self, milestone: Milestone, occasions: list[Occasion], parts: frozenset[str]) -> list[str]:
        """Who stands in for somebody on the next occasion that would reach them."""
        for occasion in occasions:
            on = self.room.speaks_on(milestone, occasion)
            found = self.room.parts(milestone, occasion, on)
            names = [self.room.roster.users[pk].name for pk, theirs in found.items() if theirs & parts]
            if names:
                return names
        return []
