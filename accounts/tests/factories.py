"""Plain functions that make people and accounts through the door, with as little said as a test needs to say.

Every function takes `now=` (default: the clock's, which `clock.at` moves) and returns fresh rows.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from accounts.models import Account, Activity, Contact, Opportunity, Team, User
from lifecycle import clock
from lifecycle.change import change
from onboarding.models import Onboarding, TrainingSession

PASSWORD = "a long enough password"
_numbers = count(1)


def make_team(
    name: str = "",
    *,
    lead: User | None = None,
    manager: User | None = None,
    now: datetime | None = None,
    **more: Any,
) -> Team:
    """A team; its lead, when given, becomes a member too."""
    with change(None, by=None, via="task", now=now or clock.now()):
        team = Team.objects.create(name=name or f"Team {next(_numbers)}", lead=lead, manager=manager, **more)
        if lead is not None and lead.team_id is None:
            lead.team = team
            lead.save()
    return team


def make_user(
    email: str = "",
    *,
    role: str = "csm",
    pool: str = "",
    team: Team | None = None,
    password: str = "",
    now: datetime | None = None,
    **more: Any,
) -> User:
    """A colleague of any role; a CSM is Digital unless said otherwise. No password: cannot sign in."""
    email = email or f"{role.replace('_', '-')}{next(_numbers)}@example.com"
    values = {"name": email.partition("@")[0].replace(".", " ").title(), **more}
    user = User(
        email=email, role=role, pool=pool or ("digital" if role == "csm" else ""), team=team, **values
    )
    user.set_password(password or None)
    with change(None, by=None, via="task", now=now or clock.now()):
        user.save()
    return user


def make_csm(email: str = "", *, pool: str = "digital", team: Team | None = None, **more: Any) -> User:
    """A CSM of a pool."""
    return make_user(email, role="csm", pool=pool, team=team, **more)


def make_lead(email: str = "", *, team: Team | None = None, now: datetime | None = None, **more: Any) -> User:
    """A team lead; leads `team`, when given."""
    lead = make_user(email, role="team_lead", team=team, now=now, **more)
    if team is not None:
        with change(None, by=None, via="task", now=now or clock.now()):
            team = Team.objects.get(pk=team.pk)
            team.lead = lead
            team.save()
    return lead


def make_account(
    name: str = "", *, now: datetime | None = None, by: User | None = None, via: str = "task", **facts: Any
) -> Account:
    """An account of ten users at $250.00 on Basic, so Digital, unless `facts` say otherwise; freshly read."""
    number = next(_numbers)
    values = {"external_id": f"X-{number}", "contracted_users": 10, "mrr": Decimal("250.00"), **facts}
    account = Account(name=name or f"Account {number}")
    with change(None, by=by, via=via, now=now or clock.now()):
        account.record(values)
    return Account.objects.get(pk=account.pk)


def make_accounts(number: int, *, now: datetime | None = None, **facts: Any) -> list[Account]:
    """That many accounts in one change, for tests of lists and query counts."""
    rows = []
    with change(None, by=None, via="task", now=now or clock.now()):
        for _ in range(number):
            n = next(_numbers)
            values = {"external_id": f"X-{n}", "contracted_users": 10, "mrr": Decimal("250.00"), **facts}
            row = Account(name=f"Account {n}")
            row.record(values)
            rows.append(row)
    return list(Account.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk"))


def make_contact(account: Account, name: str = "Dana Whitfield", **more: Any) -> Contact:
    """An admin of the customer."""
    now, by = more.pop("now", None) or clock.now(), more.pop("by", None)
    with change(account, by=by, via="page", now=now) as work:
        contact = Contact(account=work.account)
        values = {"name": name, "email": "dana@customer.example", "is_main": True, **more}
        contact.record(values, today=work.today(work.account))
    return contact


def make_activity(account: Account, text: str = "They like it.", **more: Any) -> Activity:
    """One entry of the contact log, a call of now unless said otherwise; freshly read."""
    now, by = more.pop("now", None) or clock.now(), more.pop("by", None)
    with change(account, by=by, via="page", now=now) as work:
        activity = Activity(account=work.account)
        activity.record({"kind": "call", "happened_at": now, "text": text, **more}, by=by, now=now)
    return Activity.objects.select_related("account").get(pk=activity.pk)


def make_opportunity(account: Account, kind: str = "module", **more: Any) -> Opportunity:
    """Something more the customer might want; freshly read."""
    now, by = more.pop("now", None) or clock.now(), more.pop("by", None)
    with change(account, by=by, via="page", now=now) as work:
        row = Opportunity(account=work.account)
        row.record({"kind": kind, **more}, by=by, now=now, today=work.today(work.account))
    return Opportunity.objects.select_related("account").get(pk=row.pk)


def complete_onboarding(
    account: Account,
    *,
    on: date,
    call_on: date | None = None,
    by: User | None = None,
    now: datetime | None = None,
) -> Account:
    """Enter the Training Completed Date, so that the adoption begins (CAD-1); the account freshly read.

    With `call_on` the call and every training are recorded as held too.
    """
    with change(account, by=by, via="task", now=now or clock.now()) as work:
        today = work.today(work.account)
        onboarding = Onboarding.objects.get(account=work.account, training_completed_on=None)
        values: dict[str, Any] = {"training_completed_on": on}
        if call_on is not None:
            values["call_completed_on"] = call_on
            for session in TrainingSession.objects.filter(onboarding=onboarding):
                session.record({"completed_on": on}, today=today)
        onboarding.record(values, today=today)
    return Account.objects.get(pk=account.pk)
