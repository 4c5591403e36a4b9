"""What the planner will send in the next days if nobody does anything: its own functions, run ahead in memory.

Nothing is written or locked. Mail is taken to leave when it is due; a policy that begins later is not foreseen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any

from django.db.models import Q

from accounts.models import Account, User
from lifecycle.change.book import Book
from lifecycle.change.forums import owed
from lifecycle.change.reconcile import Foresight
from lifecycle.guard import Ledger
from lifecycle.mail.models import Message
from lifecycle.mail.models.outbox import OPEN_STATES
from lifecycle.milestones.models import Milestone, Notice, Reminder
from lifecycle.milestones.planner.bundling import DIGEST, LastLook, Planning, last_look
from lifecycle.milestones.planner.postroom import Postroom
from lifecycle.rules.duties.forums import invitation, owed_between
from lifecycle.rules.reminders import Occasion
from onboarding.models import Forum

DAYS = 30
A_MINUTE = timedelta(minutes=1)  # how often planners look
LEAVING = ("due", "retry", "claimed", "sending")


@dataclass(frozen=True, slots=True)
class Line:
    """One reminder that will leave, or would if nobody had held or skipped it. `mail` is none for those."""

    reminder: Reminder
    recipient: User
    leaves: datetime
    mail: Message | None

    @property
    def milestone(self) -> Milestone:
        return self.reminder.milestone

    @property
    def stays(self) -> bool:
        """Whether a person held or skipped it."""
        return self.mail is None


def forecast(accounts: Iterable[int], *, room: Postroom, days: int = DAYS) -> list[Line]:
    """MIL-3..5: what leaves about these open accounts, and about no account, within some days, in order.

    Whether a person's digest has left when something comes up later that day depends on all their duties, so
    those are looked at too where it matters.
    """
    ids = set(accounts)
    until = room.now + timedelta(days=days)
    first = _Run.ahead(ids, room=room, until=until)
    others = set(accounts_of(first.unsure, room)) - ids if first.unsure else set()
    if not others:
        return first.lines
    wider = _Run.ahead(ids | others, room=room, until=until)
    return [line for line in wider.lines if line.milestone.account_id in {*ids, None}]


def accounts_of(people: Iterable[int], room: Postroom) -> list[int]:
    """Open accounts whose duties may remind one of these people: they serve, lead or own them, or cover for who does."""
    wanted = set(people)
    wanted |= {who for who, covers in room.covers.items() if any(c.substitute_id in wanted for c in covers)}
    led = {csm for csm in room.roster.users if room.roster.lead_of(csm) in wanted}
    owned = Q(milestones__status="open", milestones__owner__in=wanted)
    found = Account.objects.open().filter(Q(csm__in=wanted | led) | owned)
    return list(found.order_by("pk").values_list("pk", flat=True).distinct())


@dataclass(frozen=True, slots=True)
class _Memory(Postroom):
    """A postroom that answers each question once: a run asks the same again at every look."""

    mornings: dict[tuple[int, date], datetime] = field(default_factory=dict)
    names: dict[tuple[int, str, date], list[User]] = field(default_factory=dict)

    def morning(self, person: User, on: date) -> datetime:
        key = (person.pk, on)
        if key not in self.mornings:
            self.mornings[key] = Postroom.morning(self, person, on)
        return self.mornings[key]

    def recipients(self, milestone: Milestone, occasion: Occasion, on: date) -> list[User]:
        key = (id(milestone), occasion.name, on)
        if key not in self.names:
            self.names[key] = Postroom.recipients(self, milestone, occasion, on)
        return self.names[key]


@dataclass
class _Run:
    """One look ahead. `known` and `inside` are by the identity of milestones and the key of mails."""

    room: Postroom
    until: datetime
    book: Book
    foresight: Foresight
    slots: dict[str, Message] = field(default_factory=dict)
    known: dict[int, list[Reminder]] = field(default_factory=lambda: defaultdict(list))
    inside: dict[str, list[Reminder | Notice]] = field(default_factory=lambda: defaultdict(list))
    waiting: list[Reminder] = field(default_factory=list)
    told: list[Notice] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    unsure: set[int] = field(default_factory=set)
    invitations: dict[int, Milestone] = field(default_factory=dict)
    agenda: list[tuple[datetime, int, Any]] = field(default_factory=list)
    turn: count = field(default_factory=count)

    @classmethod
    def ahead(cls, ids: set[int], *, room: Postroom, until: datetime) -> _Run:
        book = Book.load(
            sorted(ids),
            roster=room.roster,
            policy=room.policy,
            now=room.now,
            by=None,
            ledger=Ledger(room.now),
        )
        known = {each.name: getattr(room, each.name) for each in fields(Postroom)}
        run = cls(_Memory(**known), until, book, Foresight(book))
        run.begin()
        while run.agenda and run.agenda[0][0] <= until:
            run.sweep(max(run.agenda[0][0], room.now))
        run.lines.sort(key=lambda line: (line.leaves, line.recipient.name, line.recipient.pk))
        return run

    def at(self, instant: datetime, what: Any) -> None:
        heappush(self.agenda, (instant, next(self.turn), what))

    # - as things stand

    def begin(self) -> None:
        """Read what the planner would read, and note when it will look at what."""
        rows = {row.pk: row for row in Milestone.objects.open().filter(account=None)}
        self.invitations = {row.source_id: row for row in rows.values()}
        for account in self.book.accounts.values():
            if account.recheck_at:
                self.at(account.recheck_at, account)
            for row in self.book.milestones[account.pk]:
                row.account = account
                rows[row.pk] = row
        for row in rows.values():
            if row.remind_at and row.status == "open":
                self.at(row.remind_at, row)
        ahead = (self.until - self.room.now).days + self.room.policy.duties.forum_invite_opens_days
        for forum in Forum.objects.near(self.room.now.astimezone(UTC).date(), ahead).select_related("host"):
            for instant in owed_between(forum.facts(), self.room.policy):
                self.at(instant, forum)
        reminders = Reminder.objects.filter(milestone__in=rows).select_related("message").order_by("pk")
        for reminder in reminders.defer("message__raw", "message__payload"):
            self._remember(reminder, rows[reminder.milestone_id])
        self._read_mails()
        self.at(self.room.now, None)

    def _remember(self, reminder: Reminder, milestone: Milestone) -> None:
        reminder.milestone = milestone
        self.known[id(milestone)].append(reminder)
        if milestone.status != "open" or reminder.ordinal != milestone.ordinal:
            return
        if reminder.state == "planned" and reminder.message is None:
            self.waiting.append(reminder)
            self.at(self._morning(reminder), None)
        elif reminder.state == "planned":
            self.inside[reminder.message.dedup].append(reminder)
        elif reminder.decided_by_id and reminder.state in ("held", "superseded"):
            occasion = self.room.occasion(milestone, reminder.occasion)
            reminder.send_on = self.room.speaks_on(milestone, occasion)
            leaves = self._morning(reminder)
            if reminder.state == "held" or leaves > self.room.now:
                self._tell(reminder, leaves, None)

    def _morning(self, reminder: Reminder) -> datetime:
        return self.room.morning(self.room.roster.users[reminder.recipient_id], reminder.send_on)

    def _read_mails(self) -> None:
        """Each person's mails of today and tomorrow, and what is told in them or waits to be."""
        planning = Planning(self.room)
        people = [person for person in self.room.roster.users.values() if person.is_active]
        keys = {*self.inside, *(key for person in people for key in planning.keys(person))}
        leaving = {}
        for mail in Message.objects.filter(dedup__in=keys).defer("payload"):
            self.slots[mail.dedup] = mail
            if mail.kind == DIGEST and mail.state == "due" and mail.not_before > self.room.now:
                planning.follows_hour(mail)
            if mail.state in LEAVING:
                leaving[mail.pk] = mail
                self.at(mail.not_before, mail)
        self.told = list(Notice.objects.filter(message=None, recipient__is_active=True))
        for notice in Notice.objects.filter(message__in=leaving):
            self.inside[leaving[notice.message_id].dedup].append(notice)

    # - as time goes by

    def sweep(self, now: datetime) -> None:
        """What the planner does at this instant, and what leaves then."""
        due = self._come(now)
        planning = Planning(replace(self.room, now=now), slots=self.slots)
        looks = [row for row in due if isinstance(row, Milestone)]
        opened = self._look_again([row for row in due if isinstance(row, Account)], now)
        opened += [row for forum in due if isinstance(forum, Forum) for row in self._invite(forum, now)]
        for row in opened:
            row.created_at = row.created_at or now
            if row.remind_at and row.remind_at > now:
                self.at(row.remind_at, row)
            elif row.remind_at:
                looks.append(row)
        for milestone in looks:
            if milestone.status == "open":
                self._remind(milestone, planning)
        for mail in due:
            if isinstance(mail, Message):
                self._expire(mail, now)
        self._bundle(planning)
        for mail in (*due, *self._come(now)):
            if isinstance(mail, Message):
                self._leave(mail, planning.room)

    def _come(self, now: datetime) -> list[Any]:
        due = []
        while self.agenda and self.agenda[0][0] <= now:
            due.append(heappop(self.agenda)[2])
        return due

    def _look_again(self, accounts: list[Account], now: datetime) -> list[Milestone]:
        opened, rechecks = self.foresight.at(now, accounts)
        for account_id, recheck_at in rechecks.items():
            if recheck_at:
                self.at(recheck_at, self.book.accounts[account_id])
        return opened

    def _invite(self, forum: Forum, now: datetime) -> list[Milestone]:
        duty = invitation(forum.facts(), self.room.policy, now)
        row = self.invitations.get(forum.pk)
        if row is not None:
            row.status = "open" if duty else "cancelled"
        if row is not None or duty is None:
            return []
        row = self.invitations[forum.pk] = owed(duty, None, self.room.roster, self.room.policy, now=now)
        return [row]

    def _remind(self, milestone: Milestone, planning: Planning) -> None:
        known = self.known[id(milestone)]
        new: list[Reminder] = []
        again: list[Reminder] = []
        come, remind_at = planning.come(milestone)
        for person_id, occasions in come.items():
            planning.choose(milestone, person_id, occasions, known, new, again)
        known += new
        self.waiting += [row for row in (*new, *again) if row.state == "planned"]
        if remind_at:
            self.at(remind_at, milestone)

    def _bundle(self, planning: Planning) -> None:
        self.waiting.sort(key=lambda row: (row.ordinal, row.send_on))
        found, gone = planning.ready(self.waiting)
        over = {id(row) for rows in (*found.values(), *gone.values()) for row in rows}
        self.waiting = [row for row in self.waiting if id(row) not in over]
        for pk in found:
            self._be_sure(self.room.roster.users[pk], planning)
        told: dict[int, list[Notice]] = defaultdict(list)
        for notice in self.told:
            told[notice.recipient_id].append(notice)
        self.told = []
        planning.assign(found, told, planning.causers(row for rows in found.values() for row in rows))
        for row in (row for rows in (*found.values(), *told.values()) for row in rows):
            self.inside[row.message.dedup].append(row)
        for mail in planning.fresh.values():
            self.at(mail.not_before, mail)

    def _be_sure(self, person: User, planning: Planning) -> None:
        """After the hour, and with no digest of that day in sight, a duty not looked at here may have sent one."""
        passed = planning.room.morning(person, person.today(planning.now)) < planning.now
        if passed and planning.now > self.room.now and planning.keys(person)[0] not in self.slots:
            self.unsure.add(person.pk)

    def _expire(self, mail: Message, now: datetime) -> None:
        """What a mail held that never left and is too late now waits for the next one."""
        if mail.state not in OPEN_STATES or mail.expires_at is None or mail.expires_at > now:
            return
        mail.state = "expired"
        for row in self.inside.pop(mail.dedup, []):
            row.message = None
            (self.told if isinstance(row, Notice) else self.waiting).append(row)

    def _leave(self, mail: Message, room: Postroom) -> None:
        if mail.state not in LEAVING:
            return
        carried = self.inside.pop(mail.dedup, [])
        left = [row for row in carried if isinstance(row, Notice) or self._is_wanted(row, mail, room)]
        mail.state = "sent" if left else "cancelled"

    def _is_wanted(self, reminder: Reminder, mail: Message, room: Postroom) -> bool:
        found = last_look(reminder, self.room.roster.users[reminder.recipient_id], room)
        if found == LastLook():
            self._tell(reminder, room.now, mail)
            return True
        if found.wait_until:
            reminder.send_on, reminder.message = found.wait_until, None
            self.waiting.append(reminder)
            self.at(self._morning(reminder), None)
        known = self.known[id(reminder.milestone)]
        have = {
            r.recipient_id for r in known if (r.occasion, r.ordinal) == (reminder.occasion, reminder.ordinal)
        }
        for person in found.people:
            if person.pk not in have:
                passed_on = Reminder(
                    milestone=reminder.milestone,
                    occasion=reminder.occasion,
                    ordinal=reminder.ordinal,
                    recipient_id=person.pk,
                    send_on=reminder.send_on,
                )
                known.append(passed_on)
                self.waiting.append(passed_on)
                self.at(room.now + A_MINUTE, None)
        return False

    def _tell(self, reminder: Reminder, leaves: datetime, mail: Message | None) -> None:
        recipient = self.room.roster.users[reminder.recipient_id]
        self.lines.append(Line(reminder, recipient, leaves, mail))
