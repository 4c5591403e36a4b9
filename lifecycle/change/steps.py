"""What follows from changed facts, step by step, for many accounts at once."""

from __future__ import annotations

import heapq
from collections import defaultdict
from textwrap import shorten
from typing import Any

from django.db import connection
from django.db.models import Count, Q

from accounts.models import Account, Reroute, User
from adoption.models import Adoption, CheckIn, Stage
from lifecycle.change.book import Book
from lifecycle.rules.cadence import PlannedRow, due_on, plan, replan
from lifecycle.rules.facts import required_trainings
from lifecycle.rules.policy import Policy
from lifecycle.rules.refused import Refused
from lifecycle.rules.routing import route as route_by_rules
from lifecycle.rules.routing import signature
from lifecycle.words import day_words
from onboarding.models import Onboarding, TrainingSession

LONGEST_TOLD = 150  # of a reason, in a notice
POOL_LOCKS = 0x57415900  # first half of the advisory lock's key; the pool's place is the second


def route(book: Book) -> None:
    """SEG-1, ROUTE-1..5: segment, pool and reasons follow from the facts."""
    for account in book.accounts.values():
        if not account.archived:
            facts = book.plain_facts(account)
            routed = route_by_rules(facts, book.policy)
            account.segment = "smb" if facts.smb else "regular"
            account.pool = routed.pool
            account.reasons = [reason.as_json() for reason in routed.reasons]
            account.policy = routed.policy


def assign(book: Book) -> None:
    """ROUTE-6: a first routing goes to the least loaded active CSM of the pool; one pool at a time."""
    waiting: dict[str, list[Account]] = defaultdict(list)
    for account in book.accounts.values():
        if account.csm_id is None and not account.archived and account.churned_on is None:
            waiting[account.pool].append(account)
    for pool in sorted(waiting):
        _lock_pool(pool)
        is_open = Q(accounts__archived_at=None, accounts__churned_on=None)
        counted = User.objects.csms(pool).annotate(load=Count("accounts", filter=is_open))
        heap = [(load, csm_id) for csm_id, load in counted.values_list("pk", "load")]
        heapq.heapify(heap)
        for account in waiting[pool] if heap else ():
            load, account.csm_id = heap[0]
            heapq.heapreplace(heap, (load + 1, account.csm_id))
        # Written at once, while the pool is locked: the next creator counts these.
        Account.objects.bulk_update(waiting[pool], ("csm", "segment", "pool", "reasons", "policy"))


def _lock_pool(pool: str) -> None:
    """Serialise the pool's assignments; SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [POOL_LOCKS, pool])


def reroute(book: Book) -> None:
    """ROUTE-6: a later change of pool never moves the account; it asks the lead."""
    for account in book.accounts.values():
        if account.archived or account.churned_on:
            continue
        last = book.reroutes.get(account.pk)
        csm = book.roster.users.get(account.csm_id)
        mismatch = csm is not None and csm.pool != account.pool
        if last is not None and last.is_open and not (mismatch and last.to_pool == account.pool):
            last.withdrawn_at = book.now
            last.save()
        asked_again = last is not None and last.kept_at and last.kept_for != _signature(book, account)
        pool_moved = not _is_new(book, account) and "pool" in _moved(book, account)
        if (
            mismatch
            and not (last and last.is_open)
            and (pool_moved or asked_again or _was_withdrawn_now(book, last))
        ):
            book.reroutes[account.pk] = Reroute.objects.create(
                account=account,
                from_pool=csm.pool,
                to_pool=account.pool,
                reasons=_asked_because(account),
                policy=account.policy,
                opened_at=book.now,
            )


def _asked_because(account: Account) -> list[dict[str, Any]]:
    if account.override_pool:
        return [{"rule": "ROUTE-4", "fact": "override", "text": f"set by hand: {account.override_reason}"}]
    return account.reasons


def _signature(book: Book, account: Account) -> str:
    return signature(book.plain_facts(account), book.policy)


def _is_new(book: Book, account: Account) -> bool:
    entry = book.ledger.written.get((Account, account.pk))
    return entry is not None and entry.created


def _moved(book: Book, account: Account) -> set[str]:
    """The fields of an account that this change has moved so far, written already or not."""
    entry = book.ledger.written.get((Account, account.pk))
    return set(account.difference()) | (set(entry.before) if entry else set())


def _was_withdrawn_now(book: Book, last: Reroute | None) -> bool:
    return last is not None and last.withdrawn_at == book.now


def onboard(book: Book) -> None:
    """ONB-1, ONB-3: every account has an onboarding, and while it is open the trainings its products require."""
    without = [account for pk, account in book.accounts.items() if pk not in book.onboardings]
    for row in Onboarding.objects.bulk_create([Onboarding(account=account) for account in without]):
        book.onboardings[row.account_id] = row
    missing = []
    for account in book.accounts.values():
        onboarding = book.onboardings[account.pk]
        if account.archived or onboarding.training_completed_on:
            continue
        here = {session.product for session in book.sessions[onboarding.pk]}
        wanted = required_trainings(products=tuple(account.products), smb=account.is_smb)
        missing += [
            TrainingSession(account=account, onboarding=onboarding, product=product)
            for product in wanted
            if product not in here
        ]
    for session in TrainingSession.objects.bulk_create(missing):
        book.sessions[session.onboarding_id].append(session)


def adopt(book: Book) -> None:
    """CAD-1, CAD-6, CAD-7: the adoption follows the Training Completed Date and the service level."""
    policies = book.policies_of_adoptions()
    planned: list[Stage | CheckIn] = []
    for account in book.accounts.values():
        onboarding = book.onboardings[account.pk]
        adoption = book.adoptions.get(account.pk)
        if onboarding.training_completed_on is None:
            if adoption is not None and adoption.onboarding_id == onboarding.pk:
                _withdraw(book, account, adoption)
            continue
        if adoption is None or adoption.onboarding_id != onboarding.pk:
            adoption = _begin(book, account, onboarding)
            planned += _new_rows(adoption, plan(adoption.service_level, adoption.day_zero, book.policy))
        elif adoption.withdrawn_at is not None:
            planned += _revive(book, account, adoption, onboarding, policies[adoption.policy])
        else:
            _complete(book, account, adoption)  # opened again, it follows the service level anew
            _correct(book, account, adoption, onboarding)
            planned += _change_level(book, account, adoption, policies[adoption.policy])
        _complete(book, account, adoption)
    for model, listed in ((Stage, book.stages), (CheckIn, book.check_ins)):
        for row in model.objects.bulk_create([row for row in planned if isinstance(row, model)]):
            listed[row.adoption_id].append(row)


def _begin(book: Book, account: Account, onboarding: Onboarding) -> Adoption:
    adoption = Adoption.objects.create(
        account=account,
        onboarding=onboarding,
        day_zero=onboarding.training_completed_on,
        service_level=account.service_level,
        policy=book.policy.number,
    )
    book.adoptions[account.pk] = adoption
    account.onboarded_by_id = account.onboarded_by_id or account.csm_id
    return adoption


def _new_rows(adoption: Adoption, rows: tuple[PlannedRow, ...]) -> list[Stage | CheckIn]:
    made: list[Stage | CheckIn] = []
    for row in rows:
        common = {
            "account_id": adoption.account_id,
            "adoption": adoption,
            "day": row.day,
            "due_on": row.due_on,
        }
        made.append(Stage(**common, final=row.final) if row.type == "stage" else CheckIn(**common))
    return made


def _rows(book: Book, adoption: Adoption) -> list[Stage | CheckIn]:
    return [*book.stages[adoption.pk], *book.check_ins[adoption.pk]]


def _apply(
    book: Book, adoption: Adoption, cancel: tuple[tuple[str, int], ...], add: tuple[PlannedRow, ...]
) -> list[Stage | CheckIn]:
    """Cancel, revive, and return the rows that are quite new."""
    here = {(row.type, row.day): row for row in _rows(book, adoption)}
    for key in cancel:
        here[key].cancelled_at = book.now
        here[key].save()
    for row in add:
        if (row.type, row.day) in here:
            here[row.type, row.day].plan(row)
            here[row.type, row.day].save()
    return _new_rows(adoption, tuple(row for row in add if (row.type, row.day) not in here))


def _withdraw(book: Book, account: Account, adoption: Adoption) -> None:
    """CAD-6: day 0 is cleared only where nothing was recorded in the adoption yet."""
    if adoption.withdrawn_at is not None:
        return
    if any(row.finished or row.started_at for row in _rows(book, adoption) if row.cancelled_at is None):
        text = "The Training Completed Date cannot be cleared: the adoption has been started."
        raise Refused("training_completed_on", "started", text, rule="CAD-6")
    adoption.withdrawn_at = book.now
    adoption.save()
    live = tuple((row.type, row.day) for row in _rows(book, adoption) if row.cancelled_at is None)
    _apply(book, adoption, live, ())
    book.tell(account, f"The adoption of {account.name} was withdrawn: its training date was cleared.")


def _revive(
    book: Book, account: Account, adoption: Adoption, onboarding: Onboarding, policy: Policy
) -> list[Stage | CheckIn]:
    adoption.withdrawn_at = None
    adoption.day_zero, adoption.service_level = onboarding.training_completed_on, account.service_level
    adoption.save()
    return _apply(book, adoption, (), plan(adoption.service_level, adoption.day_zero, policy))


def _correct(book: Book, account: Account, adoption: Adoption, onboarding: Onboarding) -> None:
    """CAD-6: a corrected day 0 moves what is open and leaves what is closed."""
    if adoption.day_zero == onboarding.training_completed_on:
        return
    old, adoption.day_zero = adoption.day_zero, onboarding.training_completed_on
    adoption.save()
    for row in _rows(book, adoption):
        if row.cancelled_at is None and not row.finished:
            row.due_on = due_on(adoption.day_zero, row.day)
            row.save()
    today = book.today(account)
    book.tell(
        account,
        f"Day 0 of {account.name} moved from {day_words(old, today)} to {day_words(adoption.day_zero, today)}; "
        "open dates moved along.",
    )


def _change_level(book: Book, account: Account, adoption: Adoption, policy: Policy) -> list[Stage | CheckIn]:
    """CAD-7: another service level re-plans a running adoption."""
    if adoption.service_level == account.service_level or adoption.completed_on:
        return []
    old, adoption.service_level = adoption.service_level, account.service_level
    adoption.save()
    existing = [row.existing() for row in _rows(book, adoption)]
    today = book.today(account)
    what = replan(account.service_level, adoption.day_zero, existing, policy, today=today)
    made = _apply(book, adoption, what.cancel, what.add)
    parts = dict(what.retype)
    for stage in book.stages[adoption.pk]:
        stage.final = parts.get(stage.day, stage.final)
        stage.save()
    words = [f"{_called(kind, day)} cancelled" for kind, day in what.cancel]
    words += [f"{_called(row.type, row.day)} added, due {day_words(row.due_on, today)}" for row in what.add]
    levels = f"{old.capitalize()} to {account.service_level.capitalize()}"
    book.tell(account, f"{account.name} went from {levels}: {'; '.join(words) or 'no dates change'}.")
    return made


def _called(kind: str, day: int) -> str:
    return f"{day}-day {'stage' if kind == 'stage' else 'check-in'}"


def _complete(book: Book, account: Account, adoption: Adoption) -> None:
    """STAGE-10: closing the final stage completes the adoption; a reopened one takes it back."""
    finals = [stage for stage in book.stages[adoption.pk] if stage.final and stage.cancelled_at is None]
    closed = [stage.closed_at for stage in finals if stage.closed_at]
    is_done = bool(finals) and len(closed) == len(finals)
    if is_done == (adoption.completed_on is not None):
        return  # the day it was completed stays, wherever a later CSM lives
    adoption.completed_on = max(closed).astimezone(account.zone(book.roster)).date() if is_done else None
    adoption.save()


def announce(book: Book) -> None:
    """MIL-4: a stage that was closed, or opened again, is told to the CSM and the lead, without a duty."""
    for stage in (stage for stages in book.stages.values() for stage in stages):
        entry = book.ledger.written.get((Stage, stage.pk))
        if not entry or "closed_at" not in entry.before:
            continue
        account = book.accounts[stage.account_id]
        called = f"The {stage.day}-day stage of {account.name} was"
        if stage.closed_at:
            book.tell_closed(account, f"{called} closed.")
        else:
            book.tell(account, f"{called} opened again: {shorten(stage.reopen_reason, LONGEST_TOLD)}")


def phase(book: Book) -> None:
    """The account's phase, as `api.md` defines it."""
    for account in book.accounts.values():
        onboarding = book.onboardings[account.pk]
        adoption = book.adoptions.get(account.pk)
        running = adoption is not None and adoption.withdrawn_at is None
        if account.churned_on:
            account.phase = "churned"
        elif running and adoption.completed_on:
            account.phase = "adopted"
        elif running:
            account.phase = "adoption"
        else:
            account.phase = "onboarding" if _has_begun(onboarding, book.sessions[onboarding.pk]) else "new"


def contacted(book: Book) -> None:
    """ACT-1: the day of the last call, email or meeting, from the log or recorded where it belongs."""
    for account in book.accounts.values():
        onboarding, adoption = book.onboardings[account.pk], book.adoptions.get(account.pk)
        sessions = book.sessions[onboarding.pk]
        stages = book.stages[adoption.pk] if adoption else []
        check_ins = book.check_ins[adoption.pk] if adoption else []
        sent = [book.touched.get(account.pk), onboarding.recap_sent_at, onboarding.completed_mail_sent_at]
        sent += [row.recap_sent_at for row in (*sessions, *stages)]
        days = [at.astimezone(account.zone(book.roster)).date() for at in sent if at]
        days += [onboarding.call_completed_on, *(session.completed_on for session in sessions)]
        days += [*(stage.meeting_held_on for stage in stages), *(check_in.done_on for check_in in check_ins)]
        account.last_contact_on = max(filter(None, days), default=None)


def _has_begun(onboarding: Onboarding, sessions: list[TrainingSession]) -> bool:
    booked = onboarding.call_scheduled_at or onboarding.call_completed_on
    return bool(booked) or any(session.scheduled_at or session.completed_on for session in sessions)
