"""The mails of the product itself, due at once: letters, whose leaving is a fact, and digests of reminders."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from accounts.models import Account, Activity, Team, User
from accounts.tests.factories import make_accounts, make_csm, make_team
from lifecycle.change import change, change_many
from lifecycle.mail import drafts
from lifecycle.mail.models import Draft, Message
from lifecycle.mail.outbox import UNDO
from lifecycle.milestones.models import Reminder
from lifecycle.milestones.planner import plan
from lifecycle.rules.facts import PRODUCTS
from onboarding.models import Onboarding, TrainingSession

LETTER = "training_recap"
PREPARING = 46  # days after day 0 a 60-day stage asks to be prepared
LEFT = ("sent", "marked")
ENDS = {"sent": "sent", "marked": "sent", "held": "held", "dead": "failed"}


def make_letters(addresses: list[str], *, now: datetime) -> None:
    """Letters to so many addresses, one and two in turns, as a CSM sends them; the time for an undo is over."""
    csm = User.objects.filter(role="csm").first() or make_csm(team=make_team())
    letter = drafts.LETTERS[LETTER]
    accounts = make_accounts(-(-len(addresses) // len(PRODUCTS)), products=list(PRODUCTS), csm=csm)
    sessions = TrainingSession.objects.filter(account__in=accounts).order_by("product", "pk")
    begun = now - UNDO - timedelta(seconds=1)
    waiting = list(addresses)
    for number, session in enumerate(sessions.select_related("account")):
        if not waiting:
            break
        to, cc = waiting[:1], waiting[1:2] if number % 2 else []
        del waiting[: len(to + cc)]
        draft = Draft.objects.create(
            account=session.account,
            kind=letter.key,
            source_id=session.pk,
            to=to,
            cc=cc,
            subject=f"Recap for {to[0]}",
            body="Hello,\n.\nthis is what we covered.\n",
            author=csm,
            created_at=begun,
            updated_at=begun,
        )
        drafts.send(draft, by=csm, now=begun)
    assert not waiting


def make_digests(addresses: list[str], *, now: datetime) -> None:
    """A digest for a colleague at each of these addresses: two stages ask to be prepared today."""
    team = Team.objects.first() or make_team()
    values = {"role": "csm", "pool": "digital", "team": team, "digest_hour": 0}
    people = [User(email=address, name=address.partition("@")[0], **values) for address in addresses]
    size = {"contracted_users": 10, "mrr": Decimal("250.00")}
    accounts = []
    with change(None, by=None, via="task", now=now):
        for person in people:
            person.set_unusable_password()
            person.save()
    with change(None, by=None, via="task", now=now):
        for name, person in ((f"{person.name}, {n}", person) for person in people for n in range(2)):
            accounts.append(Account(name=name))
            accounts[-1].record(size | {"external_id": name, "csm": person})
    with change_many([account.pk for account in accounts], by=None, via="task", now=now):
        done_on = now.date() - timedelta(days=PREPARING)
        for onboarding in Onboarding.objects.filter(account__in=accounts):
            onboarding.record({"training_completed_on": done_on}, today=now.date())
    plan(now)
    planned = Message.objects.filter(recipient__in=people, state="due", not_before__lte=now)
    assert planned.count() == len(people)


def facts() -> dict[str, int]:
    """What letters recorded and how reminders ended; fails where a fact and its mail do not agree."""
    told = {}
    if found := list(Draft.objects.exclude(sent_at=None).prefetch_related("messages")):
        told |= _of_letters(found)
    reminders = Reminder.objects.exclude(message=None).values_list("message__state", "state")
    if ends := Counter(reminders):
        wrong = {pair: times for pair, times in ends.items() if ENDS.get(pair[0]) != pair[1]}
        assert not wrong, f"reminders that did not end as their mail: {wrong}"
        told["reminders_sent"] = ends["sent", "sent"]
    return told


def _of_letters(found: Iterable[Draft]) -> dict[str, int]:
    texts = Activity.objects.filter(kind="email").values_list("text", flat=True)
    logged = Counter(re.match("“(.*)”", text)[1] for text in texts)
    noted = set(TrainingSession.objects.exclude(recap_sent_at=None).values_list("pk", flat=True))
    told = Counter(letters=0, recorded=0, held_letters=0)
    for draft in found:
        states = {message.state for message in draft.messages.all()}
        left = bool(states.intersection(LEFT))
        seen = (draft.recorded_at is not None, draft.source_id in noted, logged[draft.subject])
        assert seen == (left, left, int(left)), f"{draft.subject}: {states}, but (recorded, fact, log) {seen}"
        told.update(letters=1, recorded=int(left), held_letters=int(states == {"held"}))
    return dict(told)
