"""What people decide about a reminder that has not left: hold it, skip it, let it go again, send it now (MIL-5).

Each locks the duty and the mail the reminder is in, so that neither a planner nor a dispatcher is in between, and
writes an event in the same transaction. Asked for twice, each happens once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import PermissionDenied

from accounts.models import User
from lifecycle.change import Work, change, log
from lifecycle.mail.models import Message
from lifecycle.milestones.models import Milestone, Reminder
from lifecycle.milestones.planner.bundling import NEWER
from lifecycle.milestones.planner.forecast import DAYS
from lifecycle.milestones.planner.postroom import Postroom
from lifecycle.rules.refused import Refused
from lifecycle.rules.reminders import (
    HOLD,
    LATE,
    LEAD,
    RELEASE,
    SEND_NOW,
    SKIP,
    Occasion,
    may_decide,
    occasion_named,
)

RESOURCE = "reminder"
OVER = "This is over: the duty was done or cancelled meanwhile."
MOVED = "The date moved meanwhile. Look again at what is planned now."
NO_SUCH = "Nothing of the kind is planned within the next 30 days."
LEAVING = "It is leaving just now."
GONE = {
    "sent": "It was sent already.",
    "superseded": "It was left out already: a newer reminder took its place, or nobody needed it any more.",
    "held": "The mail it is in was held. The Outbox has it.",
    "failed": "The mail it is in failed. The Outbox has it.",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """One reminder by its key, whether it has a row or not."""

    milestone: int
    occasion: str
    ordinal: int
    recipient: int


def hold(chosen: Chosen, *, by: User, now: datetime, via: str = "page") -> Reminder:
    """It stays until somebody lets it go. Raises Refused for what left or is over, PermissionDenied for others'."""
    with _deciding(HOLD, chosen, by=by, now=now, via=via) as turn:
        if turn.row.state != "held":
            turn.end("held", f"Held by {by.name} on {turn.today}.", "reminder.held")
    return turn.row


def skip(chosen: Chosen, *, by: User, now: datetime, via: str = "page") -> Reminder:
    """This one is left out; the next of the duty comes when it is due. Raises as `hold`."""
    with _deciding(SKIP, chosen, by=by, now=now, via=via) as turn:
        if turn.row.state != "superseded":
            turn.end("superseded", f"Skipped by {by.name} on {turn.today}.", "reminder.skipped")
    return turn.row


def release(chosen: Chosen, *, by: User, now: datetime, via: str = "page") -> Reminder:
    """Take back what was decided: ahead of its day it is forgotten, so that the planner plans it as ever; after
    it, it goes with the next mail. Raises as `hold`."""
    with _deciding(RELEASE, chosen, by=by, now=now, via=via) as turn:
        if turn.row.decided_by_id:
            turn.take_back()
    return turn.row


def send_now(chosen: Chosen, *, by: User, now: datetime, via: str = "page") -> Reminder:
    """MIL-4: it leaves with the next look of the planner, in a mail of its own or today's digest, or with
    tomorrow's where this person had five mails today. Raises as `hold`."""
    with _deciding(SEND_NOW, chosen, by=by, now=now, via=via) as turn:
        if not turn.row.at_once:
            turn.row.send_on = turn.recipient.today(now)
            turn.end("planned", f"Sent now by {by.name}.", "reminder.sent_now")
    return turn.row


VERBS = {HOLD: hold, SKIP: skip, RELEASE: release, SEND_NOW: send_now}


def permits(
    verb: str,
    milestone: Milestone,
    occasion: Occasion,
    recipient: int,
    *,
    by: User,
    leads: bool,
    room: Postroom,
) -> bool:
    """Whether somebody may decide that; `leads`: they lead the people of the duty's account."""
    if leads or recipient != by.pk:
        return leads
    parts = room.parts(milestone, occasion, room.speaks_on(milestone, occasion)).get(recipient, frozenset())
    csm_id = milestone.account.csm_id if milestone.account else milestone.owner_id
    as_lead = parts == LEAD and milestone.owner_id != room.roster.lead_of(csm_id)
    return may_decide(verb, leads=leads, own=True, late=occasion.name.startswith(LATE), as_lead=as_lead)


@dataclass
class _Turn:
    """A locked reminder, and the open change in which something is decided about it."""

    work: Work
    row: Reminder
    leaves: datetime
    recipient: User

    @property
    def today(self) -> str:
        day = self.work.by.today(self.work.now)
        return f"{day:%a, %b} {day.day}"

    def end(self, state: str, reason: str, event: str) -> None:
        before = "" if self.row._state.adding else self.row.state
        self.row.state, self.row.reason, self.row.message = state, reason, None
        self.row.decided_by = self.work.by
        self.row.save()
        self._tell(event, before)

    def take_back(self) -> None:
        before, pk = self.row.state, self.row.pk
        if self.leaves > self.work.now:
            self.row.delete()
            self.row.pk = pk
        else:
            newer = self._newer()
            self.row.state, self.row.reason = ("superseded", NEWER) if newer else ("planned", "")
            self.row.decided_by = self.row.message = None
            self.row.created_at = self.work.now  # planned anew: until now nobody waited for its mail
            self.row.save()
        self._tell("reminder.released", before)

    def _newer(self) -> bool:
        """Whether a later reminder of the duty went to the same person, or is about to."""
        others = Reminder.objects.filter(
            milestone=self.row.milestone_id, recipient=self.row.recipient_id, ordinal=self.row.ordinal
        )
        return others.filter(send_on__gt=self.row.send_on, state__in=("planned", "sent")).exists()

    def _tell(self, event: str, before: str) -> None:
        changed = {} if before == self.row.state else {"state": [before, self.row.state]}
        log.tell(self.work, event, self.row, resource=RESOURCE, changed=changed)


@contextmanager
def _deciding(verb: str, chosen: Chosen, *, by: User, now: datetime, via: str) -> Iterator[_Turn]:
    account_id = Milestone.objects.values_list("account_id", flat=True).get(pk=chosen.milestone)
    with change(account_id, by=by, via=via, now=now) as work:
        rows = Milestone.objects.select_related("account").select_for_update(of=("self",))
        milestone = rows.get(pk=chosen.milestone)
        _refuse_if_over(milestone, chosen)
        room = Postroom.load(now)
        occasion = _occasion(milestone, chosen, room)
        leads = (
            by.decides
            and Milestone.objects.worked_by(by, today=by.today(now)).filter(pk=milestone.pk).exists()
        )
        if not permits(verb, milestone, occasion, chosen.recipient, by=by, leads=leads, room=room):
            raise PermissionDenied
        row = _row(milestone, chosen) or _fresh(milestone, occasion, chosen, room)
        recipient = room.roster.users[row.recipient_id]
        yield _Turn(work, row, room.morning(recipient, room.speaks_on(milestone, occasion)), recipient)


def _refuse_if_over(milestone: Milestone, chosen: Chosen) -> None:
    if milestone.status != "open" or (milestone.account and milestone.account.archived):
        raise Refused("", "over", OVER, rule="MIL-5", conflict=True)
    if milestone.ordinal != chosen.ordinal:
        raise Refused("", "moved", MOVED, rule="MIL-5", conflict=True)


def _occasion(milestone: Milestone, chosen: Chosen, room: Postroom) -> Occasion:
    found = occasion_named(
        chosen.occasion,
        milestone.kind,
        due_on=milestone.due_on,
        act_by=milestone.act_by,
        policy=room.policy,
        calendar=room.calendar(milestone),
        until=room.now.date() + timedelta(days=DAYS + 1),
    )
    if found is None:
        raise Refused("", "unknown", NO_SUCH, rule="MIL-3", conflict=True)
    return found


def _fresh(milestone: Milestone, occasion: Occasion, chosen: Chosen, room: Postroom) -> Reminder:
    """The row that the planner would make on its day."""
    on = room.speaks_on(milestone, occasion)
    if chosen.recipient not in {person.pk for person in room.recipients(milestone, occasion, on)}:
        raise Refused("", "unknown", NO_SUCH, rule="MIL-3", conflict=True)
    return Reminder(
        milestone=milestone,
        occasion=occasion.name,
        ordinal=milestone.ordinal,
        recipient_id=chosen.recipient,
        send_on=on,
        created_at=room.now,
    )


def _row(milestone: Milestone, chosen: Chosen) -> Reminder | None:
    """The row there is, locked after the mail it is in, as dispatchers and planners lock them. Raises Refused for
    one that no decision can change."""
    rows = Reminder.objects.filter(
        milestone=milestone, occasion=chosen.occasion, ordinal=chosen.ordinal, recipient=chosen.recipient
    )
    mail_id = rows.values_list("message_id", flat=True).first()
    mail = Message.objects.select_for_update(of=("self",)).get(pk=mail_id) if mail_id else None
    row = rows.select_for_update(of=("self",)).first()
    if row is None:
        return None
    if row.message_id != mail_id:  # a planner was faster
        return _row(milestone, chosen)
    row.milestone = milestone
    if row.state != "planned" and not (row.decided_by_id and row.state in ("held", "superseded")):
        raise Refused("", row.state, GONE[row.state], rule="MIL-5", conflict=True)
    if mail and row.state == "planned" and not mail.is_joinable:
        raise Refused("", "leaving", LEAVING, rule="MIL-5", conflict=True)
    return row
