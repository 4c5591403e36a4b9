"""The door itself: lock, let the caller apply facts, then settle what follows, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q

from accounts.models import Account, Cover, Roster, User
from lifecycle.change import log
from lifecycle.change.book import Book, feeds_accounts
from lifecycle.change.forums import settle_forums
from lifecycle.change.mentions import mention
from lifecycle.change.reconcile import PlannedMove, reconcile
from lifecycle.change.steps import adopt, announce, assign, contacted, onboard, phase, reroute, route
from lifecycle.change.surveys import survey
from lifecycle.guard import Ledger, _ledger
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.policy import Policy
from onboarding.models import Forum


class NestedDoorError(RuntimeError):
    """An inner change() asked for what the outer one cannot give: an account it does not hold, or a dry run."""


@dataclass
class Work:
    """What the caller holds while the door is open. `accounts` are locked and freshly read."""

    now: datetime
    by: User | None
    via: str
    accounts: dict[int, Account]
    ledger: Ledger
    moves: list[PlannedMove] = field(default_factory=list)
    looks_at_forums: bool = False

    @property
    def account(self) -> Account:
        """The one account this change is about."""
        (account,) = self.accounts.values()
        return account

    @cached_property
    def policy(self) -> Policy:
        """The policy in force; its number goes into every decision stored here."""
        return PolicyVersion.in_force(self.now.astimezone(UTC).date())

    def today(self, account: Account) -> date:
        """The account's local day: its CSM's zone, else its own."""
        zone = account.csm.time_zone if account.csm_id else account.time_zone
        return self.now.astimezone(ZoneInfo(zone)).date()


_work: ContextVar[Work | None] = ContextVar("work", default=None)


@contextmanager
def change(
    account: Account | int | None, *, by: User | None, via: str, now: datetime, dry_run: bool = False
) -> Iterator[Work]:
    """Change one account, or with None people, teams, templates, policies, or accounts yet to be made.

    Locks the account's row, yields the Work to apply facts with, then routes, assigns, opens what facts
    open, reconciles milestones and records events, all in one transaction (ROUTE-6, CAD-1, MIL-2).
    `by` None is the system; `via` one of page, api, import, admin, rule, task; `now` comes from the edge.
    With `dry_run` everything happens and is rolled back; `work.moves` tells what it would do.

    Raises Account.DoesNotExist for a missing one, Refused where a rule says no (nothing is kept then), and
    NestedDoorError when opened inside another door that does not hold this account, or as a dry run there.
    """
    ids = [] if account is None else [account if isinstance(account, int) else account.pk]
    with change_many(ids, by=by, via=via, now=now, dry_run=dry_run) as work:
        yield work


@contextmanager
def change_many(
    accounts: Iterable[int], *, by: User | None, via: str, now: datetime, dry_run: bool = False
) -> Iterator[Work]:
    """The same door for many accounts at once, set-based; see `change`. Accounts are locked in id order."""
    ids = sorted(set(accounts))
    outer = _work.get()
    if outer is not None:
        strangers = set(ids) - outer.ledger.held - outer.ledger.accounts
        if strangers:
            raise NestedDoorError(f"the outer change() does not hold account {min(strangers)}")
        if dry_run:
            raise NestedDoorError("an inner change() cannot be a dry run: the outer one would keep it")
        yield Work(now, outer.by, outer.via, _lock(ids), outer.ledger, outer.moves)
        return
    with transaction.atomic():
        ledger = Ledger(now, held=set(ids))
        work = Work(now, by, via, _lock(ids), ledger)
        tokens = _ledger.set(ledger), _work.set(work)
        try:
            yield work
            _settle(work)
        finally:
            _ledger.reset(tokens[0])
            _work.reset(tokens[1])
        if dry_run:
            transaction.set_rollback(True)


def _lock(ids: list[int]) -> dict[int, Account]:
    rows = Account.objects.select_related("csm").filter(pk__in=ids).order_by("pk")
    found = {account.pk: account for account in rows.select_for_update(of=("self",))} if ids else {}
    if len(found) != len(ids):
        raise Account.DoesNotExist(f"no account {min(set(ids) - set(found))}")
    return found


def _settle(work: Work) -> None:
    roster = Roster.load()
    touched = work.ledger.accounts | _fed_by_people(work.ledger)
    _lock(sorted(touched - work.ledger.held - _made(work.ledger)))
    ids = sorted(work.ledger.held | touched)
    if ids:
        book = Book.load(ids, roster=roster, policy=work.policy, now=work.now, by=work.by, ledger=work.ledger)
        for step in (route, assign, reroute, onboard, adopt, survey, announce, mention):
            step(book)
        work.moves += reconcile(book)
        phase(book)
        contacted(book)
        book.save_accounts()
    if work.looks_at_forums or any(isinstance(entry.row, Forum) for entry in work.ledger.written.values()):
        settle_forums(roster, work.policy, by=work.by, now=work.now)
    log.record(work.ledger, by=work.by, via=work.via, policy=work.policy.number)


def _made(ledger: Ledger) -> set[int]:
    """Accounts of this change's own making: nobody else sees them yet."""
    return {
        entry.row.pk for entry in ledger.written.values() if entry.created and isinstance(entry.row, Account)
    }


def _fed_by_people(ledger: Ledger) -> set[int]:
    """Accounts whose facts rest on a changed colleague, team or cover."""
    users, teams = set(), set()
    for entry in list(ledger.written.values()):
        if not feeds_accounts(entry):
            continue
        if isinstance(entry.row, Cover):
            users.add(entry.row.user_id)
        elif not entry.created:
            (users if isinstance(entry.row, User) else teams).add(entry.row.pk)
    if not users and not teams:
        return set()
    users |= set(Cover.objects.filter(substitute__in=users).values_list("user_id", flat=True))
    served = Account.objects.filter(
        Q(csm__in=users)
        | Q(csm__team__in=teams)
        | Q(csm__team__lead__in=users)
        | Q(csm__team__manager__in=users)
    )
    led = Account.objects.filter(milestones__status="open", milestones__owner__in=users)
    return set(served.values_list("pk", flat=True)) | set(led.values_list("pk", flat=True))
