"""MIL-2: make the milestones of some accounts equal to what is owed now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Q

from accounts.models import Account
from lifecycle.change.book import Book
from lifecycle.milestones.models import REVIVABLE, Milestone, Reminder
from lifecycle.rules.cadence import Span
from lifecycle.rules.duties import Duty, duties, is_done, kind_of, lapsed
from lifecycle.rules.facts import AccountFacts, Key
from lifecycle.words import day_words


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """What a change does to one milestone: `action` is add, move, done or cancel."""

    action: str
    account_id: int
    kind: str
    day: int
    title: str
    due_on: date
    was_due_on: date | None = None


def reconcile(book: Book) -> list[PlannedMove]:
    """MIL-2: add what is missing, reopen what was cancelled, close or cancel what is no longer owed, move the
    rest; store when each account must be looked at again."""
    turn = _Reconciliation(book)
    rechecks: dict[datetime | None, list[int]] = {}
    for account in book.accounts.values():
        recheck_at = turn.account(account, book.facts(account))
        if account.recheck_at != recheck_at:
            rechecks.setdefault(recheck_at, []).append(account.pk)
    turn.write()
    for recheck_at, ids in rechecks.items():
        Account.objects.naming(ids).filter(pk__in=ids).update(recheck_at=recheck_at)
        for pk in ids:
            book.accounts[pk].recheck_at = recheck_at
    return turn.moves


class Foresight:
    """MIL-2 without a write: what would be owed as time goes by while nobody does anything. The book's rows are
    changed in memory alone."""

    def __init__(self, book: Book) -> None:
        self._turn = _Reconciliation(book)

    def at(
        self, instant: datetime, accounts: Iterable[Account]
    ) -> tuple[list[Milestone], dict[int, datetime | None]]:
        """The milestones that open at that instant, and when each of the accounts must be looked at again."""
        self._turn.book.now, self._turn.opened = instant, []
        rechecks = {row.pk: self._turn.account(row, self._turn.book.facts(row)) for row in accounts}
        for row in self._turn.opened:
            self._turn.book.milestones[row.account_id].append(row)
        return self._turn.opened, rechecks


class _Reconciliation:
    def __init__(self, book: Book) -> None:
        self.book = book
        self.moves: list[PlannedMove] = []
        self.new: list[Milestone] = []
        self.opened: list[Milestone] = []
        self.told: list[tuple[Account, str]] = []
        self.changed: list[Milestone] = []
        self.rearm: list[Milestone] = []
        self.lapsed: list[int] = []
        self.cancelled: dict[tuple[int, Key], Milestone] | None = None

    def account(self, account: Account, facts: AccountFacts) -> datetime | None:
        owed, recheck_at = duties(facts, self.book.policy, self.book.now)
        here = {row.key: row for row in self.book.milestones[account.pk] if row.status == "open"}
        for duty in owed:
            row = here.pop(duty.key, None)
            if row is None:
                self._open(account, facts, duty)
            else:
                self._move(account, facts, duty, row)
        for row in here.values():
            self._close(account, facts, row)
        gone = lapsed(facts, self.book.policy)
        self.lapsed += [row.pk for row in self.book.milestones[account.pk] if row.by_hand and row.key in gone]
        return recheck_at

    def _open(self, account: Account, facts: AccountFacts, duty: Duty) -> None:
        row = self._once_cancelled(account, duty.key)
        today = self.book.today(account)
        due = duty.due.from_day(today, facts.calendar) if isinstance(duty.due, Span) else duty.due
        if row is None:
            row = Milestone(account=account, **duty.key._asdict())
            self.new.append(row)
        else:
            row.status, row.reason, row.done_at, row.done_by = "open", "", None, None
            self.changed.append(row)
        was_due = None if row._state.adding else row.due_on
        self._set(account, facts, duty, row, due)
        self._follow(row, was_due)
        self.opened.append(row)
        self.moves.append(PlannedMove("add", account.pk, row.kind, row.day, row.title, row.due_on))
        if kind_of(row.key).tells_lead:
            self.told.append(
                (account, f"{account.name}: “{row.title}” is due {day_words(row.due_on, today)}.")
            )

    def _once_cancelled(self, account: Account, key: Key) -> Milestone | None:
        if self.cancelled is None:
            known = [pk for pk in self.book.accounts if pk not in self.book.made]
            rows = Milestone.objects.filter(account_id__in=known, status="cancelled").order_by("pk")
            self.cancelled = {(row.account_id, row.key): row for row in rows}
        return self.cancelled.get((account.pk, key))

    def _move(self, account: Account, facts: AccountFacts, duty: Duty, row: Milestone) -> None:
        was_due, was = row.due_on, (row.owner_id, row.team_id)
        due = row.due_on if isinstance(duty.due, Span) else duty.due
        was_act_by, remind_at = row.act_by, row.remind_at
        self._set(account, facts, duty, row, due)
        stays = (row.due_on, row.act_by, row.owner_id, row.team_id) == (was_due, was_act_by, *was)
        if stays and not self.book.people_changed:
            row.remind_at = remind_at
        if row.difference() or row.remind_at != remind_at:
            self.changed.append(row)
        if row.due_on != was_due:
            self.moves.append(
                PlannedMove("move", account.pk, row.kind, row.day, row.title, row.due_on, was_due)
            )
            self._follow(row, was_due)

    def _follow(self, row: Milestone, was_due: date | None) -> None:
        """MIL-5: a row that moved far, open or while it was cancelled, reminds again."""
        far = timedelta(days=self.book.policy.reminders.rearm_days)
        if was_due is not None and abs(row.due_on - was_due) > far:
            self.rearm.append(row)

    def _set(self, account: Account, facts: AccountFacts, duty: Duty, row: Milestone, due: date) -> None:
        team = self.book.roster.team_of(account.csm_id)
        row.title, row.owner_id, row.team_id = duty.title, duty.owner, team.pk if team else None
        row.due_on = due
        row.act_by = due if kind_of(row.key).acts_on_the_day else facts.calendar.last_on_or_before(due)
        first_day = self.book.today(account) - timedelta(days=self.book.policy.reminders.look_back_days)
        row.plan_reminder(
            self.book.roster, self.book.policy, facts.calendar, csm_id=account.csm_id, from_day=first_day
        )

    def _close(self, account: Account, facts: AccountFacts, row: Milestone) -> None:
        done = is_done(facts, row.key)
        row.remind_at = None
        if done:
            row.status, row.done_at, row.done_by = "done", self.book.now, self.book.by
        else:
            row.status, row.reason = "cancelled", _why(facts, row)
        self.changed.append(row)
        action = "done" if done else "cancel"
        self.moves.append(PlannedMove(action, account.pk, row.kind, row.day, row.title, row.due_on))

    def write(self) -> None:
        if self.rearm:
            self._rearm()
        for account, text in self.told:
            self.book.tell_lead(account, text)
        Milestone.objects.bulk_create(self.new)
        Milestone.objects.bulk_update(self.changed, WRITTEN)
        # The next reminder is no news to the log: written apart, whether or not anything else moved.
        of_ours = Milestone.objects.naming(self.book.accounts)
        looks: dict[datetime | None, list[int]] = {}
        for row in self.changed:
            if row.remind_at != row.remembered("remind_at"):
                looks.setdefault(row.remind_at, []).append(row.pk)
        for remind_at, ids in looks.items():
            of_ours.filter(pk__in=ids).update(remind_at=remind_at)
        if self.lapsed:
            of_ours.filter(pk__in=self.lapsed).update(lapsed_at=self.book.now)

    def _rearm(self) -> None:
        """MIL-5: a move of more than seven days re-arms occasions that are over already: sent, failed, decided by
        hand, or given up for a newer one."""
        waits = Q(state="planned") | Q(state="superseded", reason__in=REVIVABLE)
        over = Reminder.objects.exclude(waits & Q(decided_by=None)).filter(milestone__in=self.rearm)
        reminded = set(over.values_list("milestone_id", "ordinal"))
        for row in self.rearm:
            if (row.pk, row.ordinal) in reminded:
                row.ordinal += 1


WRITTEN = (
    "title",
    "owner",
    "team",
    "due_on",
    "act_by",
    "status",
    "reason",
    "done_at",
    "done_by",
    "ordinal",
    "remind_at",
)


def _why(facts: AccountFacts, row: Milestone) -> str:
    if facts.archived:
        return "The account was archived."
    if facts.churned:
        return "The account churned."
    if row.source_type in ("stage", "check_in") and facts.adoption and facts.adoption.withdrawn:
        return "The adoption was withdrawn."
    if kind_of(row.key).until_day_zero and facts.onboarded:
        return "Onboarding was completed."
    return "No longer applies."
