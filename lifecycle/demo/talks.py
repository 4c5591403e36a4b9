"""What was said with the customers of the demo lately, and what could come of it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from accounts.models import Account, Activity, Contact, Opportunity
from lifecycle.demo.stories import Story

SILENT = ("new", "call_booked", "churned", "archived")
LONGEST_AGO = 12  # days, weekends before them included
CALLS = (
    "Asked how the first month went. They like the reminders; reports still take too many clicks.",
    "Went through the pending actions together. Two of five are done already.",
    "They are hiring two nurses in spring and want the courses ready before that.",
)
BUG = "The license report shows providers that were archived."
TICKET = "https://tickets.example/4711"
WISH = "Would like the course report by location, not by person."
UPSELL = "Their credentialing is done in a spreadsheet; asked what ours costs."
FIRST_WORDS = "Write to the office manager, she forwards nothing that goes to the info address."


def talk(s: Story) -> None:
    """A call for everybody, and here and there a bug, a wish, an upsell or a note worth keeping on top."""
    if s.customer.story in SILENT or s.customer.day < LONGEST_AGO:
        return
    _log(s, 4 + s.number % 6, "call", CALLS[s.number % len(CALLS)])
    if s.number % 4 == 1:
        _log(s, 9, "bug", BUG, ticket_url=TICKET)
    if s.number % 5 == 2:
        _log(s, 2, "improvement", WISH)
    if s.number % 4 == 2:
        _log(s, 8, "note", FIRST_WORDS, pinned_at=s.at(s.workday(s.ago(8)), 9))
    if s.number % 6 == 3:
        s.do(s.at(s.workday(s.ago(5)), 12), _upsell_told)
    if s.number % 16 == 4:
        s.do(s.at(s.workday(s.ago(1)), 12), _upsell)


def _log(s: Story, days: int, kind: str, text: str, **more: Any) -> None:
    def act(account: Account, now: datetime, today: date) -> None:
        contact = Contact.objects.filter(account=account).first() if kind == "call" else None
        values = {"kind": kind, "happened_at": now, "text": text, "contact": contact, **more}
        Activity(account=account).record(values, by=s.csm, now=now)

    s.do(s.at(s.workday(s.ago(days)), 9 + s.number % 7), act)


def _upsell(account: Account, now: datetime, today: date, **more: Any) -> None:
    values = {"kind": "module", "text": UPSELL, **more}
    Opportunity(account=account).record(values, by=account.csm, now=now, today=today)


def _upsell_told(account: Account, now: datetime, today: date) -> None:
    _upsell(account, now, today, rsm_told_at=now)
