"""The digest and its immediate twin (MIL-4): checked again at sending time, then written as My day reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import User
from lifecycle.dashboards.rows import meetings_of, order
from lifecycle.dashboards.scene import RECAPS as RECAP_KINDS
from lifecycle.dashboards.shown import path_of
from lifecycle.mail.dispatch import Mail, register_kind, shared
from lifecycle.mail.models import Message
from lifecycle.milestones.models import Milestone, Notice, Reminder
from lifecycle.milestones.planner import desk
from lifecycle.milestones.planner.bundling import AT_ONCE, DIGEST, LastLook, last_look
from lifecycle.milestones.planner.postroom import Postroom
from lifecycle.words import day_words

NOTHING_LEFT = "Nothing was left to say when it was about to leave."
ENDS = {"held": "held", "dead": "failed"}
RECAPS, LATE, TODAY, COMING = "Recaps to send", "Overdue", "Due today", "Coming up"
GROUPS = (RECAPS, LATE, TODAY, COMING)


def register() -> None:
    """Tell the outbox about digests and immediate mails; called by `LifecycleConfig.ready()`."""
    for kind in (DIGEST, AT_ONCE):
        register_kind(kind, wanted=still_wanted, render=render, settled=settle, again=carry_over)


# --- still wanted?


def still_wanted(message: Message, now: datetime) -> str:
    """MIL-5: look at each reminder again: what closed, moved or changed hands before it left is taken out.

    Answers why the mail is not wanted any more, "" while something is left to say.
    """
    room = shared()["room"] = _room(now)
    person = message.recipient = room.roster.users[message.recipient_id]
    found = desk.contents(message)
    looks = [(reminder, last_look(reminder, person, room)) for reminder in found.reminders]
    left = [reminder for reminder, look in looks if look == LastLook()]
    if len(left) < len(looks):
        with transaction.atomic():
            for reminder, look in looks:
                _take_out(reminder, look)
    if not left and not found.notices:
        return NOTHING_LEFT
    shared()["contents", message.pk] = found._replace(reminders=left)
    return ""


def _room(now: datetime) -> Postroom:
    kept = shared().get("room")
    return kept.at(now) if kept else Postroom.load(now)


def _take_out(reminder: Reminder, look: LastLook) -> None:
    mine = Reminder.objects.filter(pk=reminder.pk, state="planned")
    if look.wait_until:
        mine.update(send_on=look.wait_until, message=None)
    elif look.reason:
        _pass_on(reminder, look.people)
        mine.update(state="superseded", reason=look.reason)


def _pass_on(reminder: Reminder, people: Iterable[User]) -> None:
    """MIL-6: the owner or the cover changed after it was planned: whoever looks after it now gets it."""
    Reminder.objects.bulk_create(
        [
            Reminder(
                milestone=reminder.milestone,
                occasion=reminder.occasion,
                ordinal=reminder.ordinal,
                recipient=person,
                send_on=reminder.send_on,
                created_at=reminder.created_at,
            )
            for person in people
        ],
        ignore_conflicts=True,
    )


def settle(message: Message, now: datetime) -> None:
    """MIL-5: each reminder ends as its mail did; those of a mail that expired wait for the next digest."""
    if message.state in ("sent", "marked"):
        return desk.mark_sent(message, now=now)
    waiting = message.reminders.filter(state="planned")
    if message.state in ENDS:
        waiting.update(state=ENDS[message.state], reason=message.reason[:200])
    elif message.state == "expired":
        waiting.update(message=None)
        message.notices.filter(told_at=None).update(message=None)
    else:
        waiting.update(state="superseded", reason=message.reason[:200])


def carry_over(old: Message, new: Message, now: datetime) -> None:
    """MIL-5: what ended unsent with its mail is planned again, in the mail that a person sends in its place; what
    a person held or skipped stays so."""
    undecided = Q(state__in=("held", "superseded"), decided_by=None)
    unsent = old.reminders.filter(Q(state__in=("planned", "failed")) | undecided)
    unsent.update(state="planned", reason="", message=new)
    old.notices.filter(told_at=None).update(message=new)


# --- what it says


@dataclass(frozen=True, slots=True)
class Line:
    """One duty as the mail shows it."""

    group: str
    title: str
    account: str
    when: str
    url: str


def render(message: Message, now: datetime) -> Mail:
    """MIL-4: one mail, ordered as My day, in plain text and HTML made of the same context."""
    today = message.recipient.today(now)
    found = shared().pop(("contents", message.pk), None) or desk.contents(message)
    duties = [reminder.milestone for reminder in found.reminders]
    meetings = meetings_of(duties)
    duties.sort(key=lambda row: order(row, meetings.get(row.source_id)))
    groups: dict[str, list[Line]] = defaultdict(list)
    for duty in duties:
        line = _line(duty, today)
        groups[line.group].append(line)
    notices = found.notices
    context = {
        "site": settings.SITE_NAME,
        "name": _flat(message.recipient.name),
        "today": day_words(today, today),
        "groups": [(name, groups[name]) for name in GROUPS if groups[name]],
        "notices": [_told(notice) for notice in notices],
        "my_day": settings.BASE_URL + reverse("dashboards:day"),
    }
    return Mail(
        subject=_subject(groups, len(notices)),
        text=render_to_string("mail/digest.txt", context),
        html=render_to_string("mail/digest.html", context),
    )


def _group(milestone: Milestone, today: date) -> str:
    """The headings of My day: by the day to act by (CAD-5), recaps that are due apart."""
    if milestone.act_by > today:
        return COMING
    if milestone.kind in RECAP_KINDS:
        return RECAPS
    return LATE if milestone.act_by < today else TODAY


def _line(milestone: Milestone, today: date) -> Line:
    return Line(
        group=_group(milestone, today),
        title=_flat(milestone.title),
        account=_flat(milestone.account.name) if milestone.account else "",
        when=_when(milestone, today),
        url=settings.BASE_URL + path_of(milestone),
    )


def _when(milestone: Milestone, today: date) -> str:
    """CAD-5: the day to act by, and the day itself where they differ."""
    late = (today - milestone.act_by).days
    said = f"due {day_words(milestone.act_by, today)}"
    if late > 0:
        said = f"was {said}, {late} day{'s' if late > 1 else ''} ago"
    if milestone.act_by == milestone.due_on:
        return said
    name = f"day {milestone.day}" if milestone.day else "the day itself"
    return (
        f"{said}; {name} {'was' if milestone.due_on < today else 'is'} {day_words(milestone.due_on, today)}"
    )


def _told(notice: Notice) -> dict[str, str]:
    page = reverse("accounts:detail", args=[notice.account_id]) if notice.account_id else ""
    return {"text": _flat(notice.text), "url": page and settings.BASE_URL + page}


def _subject(groups: dict[str, list[Line]], told: int) -> str:
    due = len(groups[RECAPS]) + len(groups[TODAY])
    counted = ((due, "due today"), (len(groups[LATE]), "overdue"), (len(groups[COMING]), "coming up"))
    parts = [f"{number} {words}" for number, words in counted if number]
    if told and not parts:
        parts = [f"{told} notice{'s' if told > 1 else ''}"]
    return f"{settings.SITE_NAME}: {', '.join(parts)}"


def _flat(words: str) -> str:
    return " ".join(words.split())
