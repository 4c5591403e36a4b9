"""Accounts in, in bulk: what an import, the bulk API and a single PUT by external id share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, OperationalError, transaction

from accounts.models import Account, User
from lifecycle.change import change_many
from lifecycle.change.reconcile import PlannedMove
from lifecycle.imports import rows
from lifecycle.imports.rows import FieldError

CHUNK = 1000
TRIES = 8
DEADLOCK = "40P01"
GIVEN_BY_LEADS = ("csm", "churned_on")  # security.md: a CSM asks for these, a lead does them


@dataclass(frozen=True, slots=True)
class RowErrors:
    """All that is wrong with one row; `index` is the caller's number of it (place in a list, line of a file)."""

    index: int
    external_id: str
    errors: list[FieldError]


@dataclass(slots=True)
class Outcome:
    """What became of the rows. `moves` are the milestones added, moved or cancelled (of interest in a dry run)."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    errors: list[RowErrors] = field(default_factory=list)
    moves: list[PlannedMove] = field(default_factory=list)

    def fail(self, index: int, external_id: str, errors: list[FieldError]) -> None:
        self.failed += 1
        self.errors.append(RowErrors(index, external_id, errors))

    def add(self, other: Outcome) -> None:
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.failed += other.failed
        self.errors += other.errors
        self.moves += other.moves


Row = tuple[int, Mapping[str, Any]]
Keyed = tuple[int, str, Mapping[str, Any]]


def upsert_accounts(
    incoming: Iterable[Row],
    *,
    by: User | None,
    via: str,
    now: datetime,
    atomic: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Create or update accounts by `external_id`; each row is `(index, dict of the API's writable fields)`.

    A field that a row leaves out keeps its value, or for a new account takes its default. Good rows land and bad
    ones are reported, in chunks that each go through the door once; with `atomic` nothing lands when any row
    fails (then all counts but `failed` are 0). Of several rows with one external id the last wins, the others
    fail as `superseded`. Rows that change nothing write nothing and make no event. `by` limits what may be
    updated to what that person works on; None is the system. Never raises for what a row holds.
    """
    outcome = Outcome()
    todo = _last_of_each(incoming, outcome)
    size = max(len(todo), 1) if atomic else CHUNK
    for start in range(0, len(todo), size):
        chunk = todo[start : start + size]
        outcome.add(_land_or_retry(chunk, by=by, via=via, now=now, atomic=atomic, dry_run=dry_run))
    if atomic and outcome.failed:
        outcome.created = outcome.updated = outcome.unchanged = 0
        outcome.moves = []
    outcome.errors.sort(key=lambda row: row.index)
    return outcome


def _last_of_each(incoming: Iterable[Row], outcome: Outcome) -> list[Keyed]:
    """The rows by their key, the last of each; what has no key or is superseded has failed."""
    last: dict[str, Keyed] = {}
    for index, row in incoming:
        try:
            if "external_id" not in row:
                raise rows.Wrong("required", "every row needs the id it is known by")
            key = rows.external_id(row["external_id"])
        except rows.Wrong as wrong:
            given = row.get("external_id")
            errors = [FieldError("external_id", wrong.code, wrong.detail)]
            outcome.fail(index, given if isinstance(given, str) else "", errors)
            continue
        if key in last:
            text = f"replaced by a later row with the same id ({index})"
            outcome.fail(last[key][0], key, [FieldError("external_id", "superseded", text)])
        last[key] = (index, key, row)
    return list(last.values())


def _land_or_retry(chunk: list[Keyed], *, atomic: bool, dry_run: bool, **door: Any) -> Outcome:
    """Another writer may create an account between our look and our insert: the unique constraint decides, and
    the loser looks again."""
    for attempt in range(1, TRIES + 1):
        try:
            with transaction.atomic():
                outcome = _land(chunk, **door)
                if dry_run or (atomic and outcome.failed):
                    transaction.set_rollback(True)
            return outcome
        except (IntegrityError, OperationalError) as problem:
            deadlock = getattr(problem.__cause__, "sqlstate", "") == DEADLOCK
            if attempt == TRIES or not (deadlock or isinstance(problem, IntegrityError)):
                raise
    raise AssertionError("unreachable")


def _land(chunk: list[Keyed], *, by: User | None, via: str, now: datetime) -> Outcome:
    outcome = Outcome()
    csms = rows.active_csms()
    here = Account.objects.filter(external_id__in=[key for _, key, _ in chunk])
    known = {account.external_id: account for account in here}
    mine = None if by is None else set(here.worked_by(by, today=by.today(now)).values_list("pk", flat=True))
    new, moved = [], []
    for index, key, row in chunk:
        account = known.get(key) or Account()
        values, errors = rows.read(row, csms)
        if account.pk and mine is not None and account.pk not in mine:
            errors = [FieldError("external_id", "not_found", "this account is not among those you work on")]
        else:
            errors += _objections(account, row, values, by)
        if errors:
            outcome.fail(index, key, errors)
            continue
        account.take(values)
        if account.pk is None:
            new.append(account)
        elif account.difference():
            moved.append((index, account, values))
        else:  # neither locked nor looked at again: a repeated import costs little and says nothing
            outcome.unchanged += 1
    if new or moved:
        _write(new, moved, outcome, by=by, via=via, now=now)
    return outcome


def _write(
    new: list[Account], moved: list[tuple[int, Account, dict[str, Any]]], outcome: Outcome, **door: Any
) -> None:
    with change_many([account.pk for _, account, _ in moved], **door) as work:
        changed = []
        for index, seen, values in moved:
            account = work.accounts[seen.pk]  # locked and fresh: others may have written meanwhile
            errors = _objections(account, values, values, work.by)
            if errors:
                outcome.fail(index, account.external_id, errors)
                continue
            account.take(values)
            if account.difference():
                changed.append(account)
            else:
                outcome.unchanged += 1
        # In the order of their keys, so that two writers of the same new accounts never wait for each other.
        Account.objects.bulk_create(sorted(new, key=lambda account: account.external_id))
        if changed:
            Account.objects.bulk_update(changed, {name for row in changed for name in row.difference()})
    outcome.created, outcome.updated = len(new), len(changed)
    outcome.moves = work.moves


def _objections(
    account: Account, row: Mapping[str, Any], values: dict[str, Any], by: User | None
) -> list[FieldError]:
    """What a row asks that this account, or this person, does not allow."""
    if account.archived:
        return [FieldError("", "archived", "this account is archived; restore it first")]
    if "csm" in values and values["csm"] is None:
        if account.csm_id is not None:
            return [FieldError("csm", "invalid", "an account is given to another CSM, not taken away")]
        del values["csm"]
    errors = rows.missing(row) if account.pk is None else []
    if by is not None and by.role == "csm":
        errors += [
            FieldError(name, "forbidden", "a team lead or CS Ops changes this")
            for name in GIVEN_BY_LEADS
            if name in values
            and values[name] not in (getattr(account, name), by if account.pk is None else None)
        ]
    return errors
