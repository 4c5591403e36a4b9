"""Reminders that have come, as rows, and the mails that carry them (MIL-3, MIL-4, MIL-5)."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.db.models import QuerySet

from accounts.models import User
from lifecycle.change import change
from lifecycle.events.models import Event
from lifecycle.mail.dispatch.sending import TOO_LATE
from lifecycle.mail.models import Message
from lifecycle.mail.models.outbox import OPEN_STATES
from lifecycle.milestones.models import (
    CLOSED,
    INACTIVE,
    NOT_THEIRS,
    REVIVABLE,
    Milestone,
    Notice,
    Reminder,
)
from lifecycle.milestones.planner import desk
from lifecycle.milestones.planner.postroom import Postroom
from lifecycle.rules.duties import kind_of
from lifecycle.rules.reminders import DAY, PREPARE

log = logging.getLogger(__name__)

BATCH = 5000
ONE_DAY = timedelta(days=1)
FAR = 2 * ONE_DAY
LATER = timedelta(hours=1)  # when a duty that could not be planned is tried again
DIGEST, AT_ONCE = "digest", "now"

NEWER = "A newer reminder took its place."
MOVED_FAR = "The date moved; a new reminder is planned."
FAR_OFF = "It was planned for another day than the one that has come."


@dataclass(slots=True)
class _Due:
    """One occasion that has come for one person: its place in the schedule, and the day it speaks."""

    place: int
    name: str
    on: date


@dataclass(frozen=True, slots=True)
class LastLook:
    """MIL-5: what a look at a reminder that is about to leave found. `reason`: why it is not sent, with the
    `people` who get it instead; `wait_until`: its day has moved ahead. Neither: it leaves."""

    reason: str = ""
    people: tuple[User, ...] = ()
    wait_until: date | None = None


def last_look(reminder: Reminder, recipient: User, room: Postroom) -> LastLook:
    """MIL-5, MIL-6: whether a planned reminder is still wanted at the room's instant."""
    milestone = reminder.milestone
    if milestone.status != "open" or (milestone.account and milestone.account.archived):
        return LastLook(CLOSED)
    if reminder.ordinal != milestone.ordinal:
        return LastLook(MOVED_FAR)
    occasion = room.occasion(milestone, reminder.occasion)
    speaks_on, today = room.speaks_on(milestone, occasion), recipient.today(room.now)
    if speaks_on > today and not reminder.at_once:
        return LastLook(wait_until=speaks_on)
    people = room.recipients(milestone, occasion, today)
    if recipient.pk not in {person.pk for person in people}:
        return LastLook(NOT_THEIRS, tuple(people))
    return LastLook()


@dataclass
class Planning:
    """One run of the planner, inside its transaction."""

    room: Postroom
    planned: int = 0
    superseded: int = 0
    slots: dict[str, Message] = field(default_factory=dict)
    fresh: dict[str, Message] = field(default_factory=dict)
    due: list[Milestone] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.room.now

    # - MIL-3, MIL-5: rows for what has come

    def remind(self) -> None:
        """Insert the reminders that have come, and note on each milestone when to look again."""
        self.due = desk.due_milestones(self.now)
        known: dict[int, list[Reminder]] = defaultdict(list)
        for reminder in desk.known_reminders(self.now) if self.due else ():
            known[reminder.milestone_id].append(reminder)
        new: list[Reminder] = []
        revived: list[Reminder] = []
        looks: dict[datetime | None, list[int]] = defaultdict(list)
        for milestone in self.due:
            try:
                come, remind_at = self.come(milestone)
            except DatabaseError:
                raise
            except Exception:  # one broken duty must not stop the mail of all others
                log.exception("reminders of milestone %s cannot be planned", milestone.pk)
                come, remind_at = {}, self.now + LATER
            looks[remind_at].append(milestone.pk)
            for person_id, occasions in come.items():
                self.choose(milestone, person_id, occasions, known[milestone.pk], new, revived)
        desk.insert(new)
        Reminder.objects.bulk_update(revived, ["state", "reason", "message", "send_on"], batch_size=200)
        self._look_at(looks)

    def come(self, milestone: Milestone) -> tuple[dict[int, list[_Due]], datetime | None]:
        """By person, what has come and is not too old; and the next instant at which anybody's comes."""
        oldest = self.now - timedelta(days=self.room.policy.reminders.look_back_days)
        come: dict[int, list[_Due]] = defaultdict(list)
        following: datetime | None = None
        occasions = milestone.occasions(self.room.policy, self.room.calendar(milestone))
        for place, occasion in enumerate(occasions):
            on = self.room.speaks_on(milestone, occasion)
            people = self.room.recipients(milestone, occasion, on)
            for person in people:
                leaves = self.room.morning(person, on)
                if leaves > self.now:
                    following = min(leaves, following or leaves)
                elif leaves >= oldest:
                    come[person.pk].append(_Due(place, occasion.name, on))
            repeats = occasion.name not in (PREPARE, DAY)
            ahead = on > (following or self.now).astimezone(UTC).date() + ONE_DAY
            if repeats and ahead and (following or not people):
                break  # the late ones repeat without end
        return come, following

    def choose(
        self,
        milestone: Milestone,
        person_id: int,
        come: list[_Due],
        known: list[Reminder],
        new: list[Reminder],
        revived: list[Reminder],
    ) -> None:
        """MIL-3: of several that are new for one person only the newest is sent, the others superseded."""
        places = {due.name: due.place for due in come}
        mine = [r for r in known if r.recipient_id == person_id and r.ordinal == milestone.ordinal]
        here = {r.occasion: r for r in mine if not _may_revive(r)}
        sleeping = {r.occasion: r for r in mine if _may_revive(r)}
        last_known = max((places.get(name, -1) for name in here), default=-1)
        newest = max((due.place for due in come if due.name not in here), default=-1)
        for due in come:
            if due.name in here:
                continue
            sent = due.place == newest and due.place > last_known
            self.planned += sent
            self.superseded += not sent
            row = sleeping.get(due.name) or Reminder(
                milestone=milestone,
                occasion=due.name,
                ordinal=milestone.ordinal,
                recipient_id=person_id,
                created_at=self.now,
            )
            row.send_on, row.message = due.on, None
            row.state, row.reason = ("planned", "") if sent else ("superseded", NEWER)
            (new if row._state.adding else revived).append(row)

    def _look_at(self, looks: dict[datetime | None, list[int]]) -> None:
        if not looks:
            return
        with change(None, by=None, via="task", now=self.now):
            for remind_at, all_ids in looks.items():  # bookkeeping of ours: no account changes by it
                for ids in _batches(all_ids):
                    Milestone.objects.naming(()).filter(pk__in=ids).update(remind_at=remind_at)

    # - MIL-4: one mail a person and day

    def bundle(self) -> None:
        """Put what waits into its recipient's mail: today's digest, tomorrow's, or one that leaves at once."""
        self._empty_far()
        self._follow_hours()
        self._empty_expired()
        reminders = self._waiting()
        told: dict[int, list[Notice]] = defaultdict(list)
        for notice in Notice.objects.filter(message=None, recipient__is_active=True):
            told[notice.recipient_id].append(notice)
        people = sorted({*reminders, *told})
        self._read_slots(people)
        self.assign(reminders, told, self.causers(r for rows in reminders.values() for r in rows))
        self._write(reminders, told)

    def _empty_far(self) -> None:
        """A mail of a day after tomorrow was made by trying out another instant: what it holds waits for its own
        day again."""
        far = Message.objects.filter(kind__in=(DIGEST, AT_ONCE), state__in=OPEN_STATES, raw=None)
        far = far.filter(not_before__gt=self.now + FAR)
        self._empty(far, "cancelled", FAR_OFF)

    def _follow_hours(self) -> None:
        """MIL-4: a digest that waits leaves at the hour, and in the zone, that its reader has by now."""
        waiting = Message.objects.filter(kind=DIGEST, state="due", attempts=0, not_before__gt=self.now)
        for mail in waiting.only("dedup", "recipient_id", "not_before"):
            before = mail.not_before
            if self.follows_hour(mail):
                unmoved = Message.objects.filter(pk=mail.pk, state="due", not_before=before)
                unmoved.update(not_before=mail.not_before, expires_at=mail.expires_at)

    def follows_hour(self, mail: Message) -> bool:
        """Put a waiting digest right in memory; whether its hour had changed."""
        _, _, day, *again = mail.dedup.split(":")
        person, on = self.room.roster.users[mail.recipient_id], date.fromisoformat(day)
        leaves = self.room.morning(person, on)
        if again or mail.not_before == leaves:
            return False
        mail.not_before, mail.expires_at = leaves, self.room.morning(person, on + ONE_DAY)
        return True

    def _empty_expired(self) -> None:
        """What a mail holds that never left and is too late now waits again, so that today's digest is whole."""
        late = Message.objects.filter(kind__in=(DIGEST, AT_ONCE), state__in=OPEN_STATES, raw=None)
        late = late.filter(not_before__lte=self.now, expires_at__lte=self.now)
        self._empty(late, "expired", TOO_LATE)

    def _empty(self, mails: QuerySet, state: str, reason: str) -> None:
        ids = list(mails.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True))
        for batch in _batches(ids):
            Message.objects.filter(pk__in=batch).update(state=state, reason=reason)
            Reminder.objects.filter(message__in=batch, state="planned").update(message=None)
            Notice.objects.filter(message__in=batch, told_at=None).update(message=None)

    def _waiting(self) -> dict[int, list[Reminder]]:
        """By person, the planned reminders without a mail whose instant has come, the newest of each duty."""
        horizon = self.now.astimezone(UTC).date() + ONE_DAY
        found, gone = self.ready(desk.unbundled(horizon, self.due))
        for reason, listed in gone.items():
            for batch in _batches([row.pk for row in listed]):
                left_out = Reminder.objects.filter(pk__in=batch)
                self.superseded += left_out.update(state="superseded", reason=reason)
        return found

    def ready(self, rows: Iterable[Reminder]) -> tuple[dict[int, list[Reminder]], dict[str, list[Reminder]]]:
        """MIL-3: of the rows that wait for a mail, in order, those whose instant has come, by person, the newest
        of each duty; and, by reason, those that are superseded now."""
        newest: dict[tuple[int, int], Reminder] = {}
        gone: dict[str, list[Reminder]] = {NEWER: [], INACTIVE: []}
        for row in rows:
            person = self.room.roster.users[row.recipient_id]
            if not person.is_active:
                gone[INACTIVE].append(row)
            elif row.at_once or self.room.morning(person, row.send_on) <= self.now:
                duty = (row.milestone_id or id(row.milestone), person.pk)  # a forecast's have no id yet
                before = newest.pop(duty, None)
                gone[NEWER] += [before] if before else []
                newest[duty] = row
        found: dict[int, list[Reminder]] = defaultdict(list)
        for row in newest.values():
            found[row.recipient_id].append(row)
        return found, gone

    def assign(
        self,
        reminders: dict[int, list[Reminder]],
        told: dict[int, list[Notice]],
        causers: dict[int, int | None],
    ) -> None:
        """MIL-4: the mail of each reminder and notice, as the slots stand."""
        for pk in sorted({*reminders, *told}):
            person = self.room.roster.users[pk]
            for reminder in reminders.get(pk, ()):
                caused = reminder.milestone_id in causers and causers[reminder.milestone_id] != pk
                by_hand = reminder.at_once
                reminder.message = self._mail_for(person, at_once=caused or by_hand, early=by_hand)
            for notice in told.get(pk, ()):
                notice.message = self._mail_for(person, only_told=True)

    def causers(self, reminders: Iterable[Reminder]) -> dict[int, int | None]:
        """MIL-4: for duties that may leave at once, who caused them: that person is not told at once."""
        ids = [r.milestone_id for r in reminders if r.occasion == DAY and kind_of(r.milestone.key).at_once]
        if not ids:
            return {}
        caused: dict[int, int | None] = dict.fromkeys(ids)
        events = Event.objects.filter(object_type=Milestone.resource, object_id__in=ids).order_by("pk")
        caused.update(events.values_list("object_id", "actor_id"))
        return caused

    def _read_slots(self, people: list[int]) -> None:
        """The mails that exist already of each person's today and tomorrow, locked until they are joined."""
        keys = [key for pk in people for key in self.keys(self.room.roster.users[pk])]
        for batch in _batches(keys):
            rows = Message.objects.filter(dedup__in=batch).order_by("pk")
            self.slots |= {row.dedup: row for row in rows.select_for_update(no_key=True)}

    def keys(self, person: User) -> list[str]:
        """A person's mails of today: the digest, tomorrow's, and those that leave at once."""
        today = person.today(self.now)
        extra = range(1, self.room.policy.reminders.daily_ceiling)
        return [
            f"{DIGEST}:{person.pk}:{today}",
            f"{DIGEST}:{person.pk}:{today + ONE_DAY}",
            *(f"{AT_ONCE}:{person.pk}:{today}:{n}" for n in extra),
        ]

    def _mail_for(
        self, person: User, *, at_once: bool = False, early: bool = False, only_told: bool = False
    ) -> Message:
        today = person.today(self.now)
        todays, tomorrows, *extra = self.keys(person)
        waits = todays in self.slots and self.slots[todays].is_joinable
        hour_passed = self.room.morning(person, today) <= self.now
        too_late = only_told and not waits and hour_passed
        too_early = early and not hour_passed
        if not too_late and not too_early and self._is_free(todays):
            return self._slot(todays, DIGEST, person, self.room.morning(person, today))
        if at_once:
            for key in extra:
                if self._is_free(key):
                    return self._slot(key, AT_ONCE, person, self.now)
        return self._slot(tomorrows, DIGEST, person, self.room.morning(person, today + ONE_DAY))

    def _is_free(self, key: str) -> bool:
        """Not made yet, waiting still, or cancelled before a word of it left."""
        message = self.slots.get(key)
        if message is None or message.is_joinable:
            return True
        return message.state == "cancelled" and message.raw is None

    def _slot(self, key: str, kind: str, person: User, not_before: datetime) -> Message:
        message = self.slots.get(key)
        if message is None or message.state == "cancelled":
            message = message or Message(dedup=key, kind=kind, recipient=person, created_at=self.now)
            message.address, message.state, message.reason = person.email, "due", ""
            message.not_before, message.attempts = not_before, 0
            message.expires_at = self.room.morning(
                person, not_before.astimezone(person.zone).date() + ONE_DAY
            )
            self.slots[key] = self.fresh[key] = message
        return message

    def _write(self, reminders: dict[int, list[Reminder]], told: dict[int, list[Notice]]) -> None:
        new = [message for message in self.fresh.values() if message._state.adding]
        again = [message for message in self.fresh.values() if not message._state.adding]
        for message in again:
            message.save()
        Message.objects.bulk_create(new, batch_size=500)
        for listed in (reminders, told):
            desk.join(row for rows in listed.values() for row in rows)


def _batches(items: list[Any]) -> Iterator[list[Any]]:
    """Lists short enough for one statement."""
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))


def _may_revive(reminder: Reminder) -> bool:
    return reminder.state == "superseded" and reminder.reason in REVIVABLE
