"""The sentences of the pages about reminders: one for each answer of the rules."""

from __future__ import annotations

from datetime import date, datetime

from accounts.models import User
from lifecycle.rules.reminders import DAY, PREPARE
from lifecycle.words import day_words, place_words, time_words

# What a line says first: a shape and a word, by answer.
SENT, COMING, STOPPED, FAILED, OUT = (
    ("done", "Sent"),
    ("wait", "Coming"),
    ("today", "Held"),
    ("overdue", "Failed"),
    ("skip", "Not sent"),
)
STATES = {
    **dict.fromkeys(("sent", "sent_next_day", "sent_at_once", "sent_early", "marked"), SENT),
    **dict.fromkeys(("in_digest", "next_day", "caused_it", "ceiling", "tried_again", "leaving"), COMING),
    **dict.fromkeys(("next_look", "expired", "not_due", "snoozed"), COMING),
    **dict.fromkeys(("held", "mail_held"), STOPPED),
    "mail_failed": FAILED,
}
WHY = {
    "sent": "Left at {left}, in the digest of that day.",
    "sent_next_day": "Left at {left}, in the digest: that of {came_on} had left before this came up.",
    "sent_at_once": "Left at {left} in a mail of its own, because it could not wait for the morning.",
    "sent_early": "{decider} sent it early; it left at {left}.",
    "marked": "The mail was copied and marked as sent by hand.",
    "in_digest": "Leaves with the digest at {mail}.",
    "next_day": "Waits for the digest at {mail}: that of {came_on} had left before this came up.",
    "caused_it": "Waits for the digest at {mail}: {name} recorded what caused it, so no mail leaves at once.",
    "ceiling": "Waits for the digest at {mail}: {name} had the most mails a day, {most}, on {came_on}.",
    "tried_again": "Its mail could not be handed over yet and is tried again at {mail}.",
    "leaving": "Leaves within a minute.",
    "next_look": "Due. The planner takes it up with its next look, within a minute.",
    "expired": "The digest of {came_on} could not leave before the next morning, so this goes with the next one.",
    "held": "{reason} It stays until somebody releases it.",
    "mail_held": "Its mail is held: {reason}",
    "mail_failed": "Its mail failed: {reason}",
    "skipped": "{reason}",
    "newer": "A newer reminder of the same thing took its place: of several due at once only the newest is sent.",
    "closed": "The duty was done or cancelled before the mail left.",
    "not_theirs": "Somebody else looked after it when the mail left.",
    "inactive": "{name} no longer works here.",
    "moved": "The date moved by more than a week, and a new reminder took its place.",
    "mail_stopped": "Left out with its mail: {reason}",
    "not_due": "Leaves at {leaves}.",
    "snoozed": "Snoozed until {until}; leaves at {leaves}.",
    "done_first": "Done on {closed}, before it was due.",
    "cancelled_first": "No longer needed since {closed}, before it was due.",
    "too_old": "Its day was more than {back} days gone before the planner could take it up.",
    "missed": "It came up while no planner ran, and the duty was over before one did.",
    "gone": "{name} no longer works here, so no mail goes out.",
    "nobody": "Nobody serves this account, so nobody is reminded.",
    "covered": "{cover} covers for {name} and gets it instead.",
    "other_part": "Reminders of this go to {others}; as {part} {name} gets none.",
    "not_involved": "Reminders of this go to {others}.",
}
PARTS = {"owner": "the owner", "csm": "the CSM", "lead": "the TL"}


def state(code: str) -> tuple[str, str]:
    """The shape and the word of an answer."""
    return STATES.get(code, OUT)


def occasion(name: str, on: date, due_on: date) -> str:
    """A day on which a duty speaks, as people count it."""
    days = (on - due_on).days
    if name == PREPARE:
        return f"{_count(-days)} before" if days < 0 else "To prepare"
    if name == DAY:
        return "On the day"
    return f"{_count(days)} late" if days > 0 else "Late"


def _count(days: int) -> str:
    return f"{days} day{'' if days == 1 else 's'}"


def there(person: User) -> str:
    """Where somebody's mornings are: "in Chicago"."""
    if person.time_zone == "UTC":
        return "UTC"
    return f"in {place_words(person.time_zone.partition('/')[2] or person.time_zone)}"


def moment(at: datetime, person: User, today: date) -> str:
    """An instant where somebody is: "8:00 AM in Chicago on Sun, Feb 15"."""
    local = at.astimezone(person.zone)
    return f"{time_words(local)} {there(person)} on {day_words(local.date(), today)}"


def both(names: list[str]) -> str:
    """A list of people in words: "Imani and Joss"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "nobody"
