"""What a kind of duty is: a row of a table, not a branch (MIL-1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from lifecycle.rules.cadence import Span
from lifecycle.rules.facts import PRODUCT_NAMES, AccountFacts, Key
from lifecycle.rules.policy import Policy

AT_ONCE = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Duty:
    """What one owner owes on one account. `due` is a date, or a Span counted from the row's appearance."""

    key: Key
    title: str
    owner: int | None
    due: date | Span
    appears_at: datetime


@dataclass(frozen=True, slots=True)
class Source:
    """Where a kind's duties come from: each row of it may owe one."""

    type: str
    rows: Callable[[AccountFacts], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table in `model.md`.

    `condition`: the duty belongs to this source row. `evidence`: the fact that clears it. `by_hand`: no fact does,
    a person says "done". `sent`: the instant on the source that is the fact (its mail was sent, the bug was asked
    after), which "done" fills in; with a dot, on a row of the source. With neither evidence nor `by_hand`, being put off to later is being done.
    `until_day_zero`: it ends when the onboarding is completed (CAD-1).
    `appears`: the instant from which it is owed (None: at once). `due`: date or Span. `tells_lead`: the lead gets a
    notice when it appears. `at_once`: its reminder does not wait for tomorrow's digest (MIL-4).
    `schedule`: when it reminds (`reminders.occasions`). `acts_on_the_day`: due the very day something happened, so `act_by` is that day, weekends too. Rows that
    share a slug differ in source, words and dates only.
    """

    slug: str
    source: Source
    title: str | Callable[[AccountFacts, Any, Policy], str]
    owner: str
    condition: Callable[[AccountFacts, Any, Policy], bool]
    due: Callable[[AccountFacts, Any, Policy], date | Span]
    evidence: Callable[[Any], bool] | None = None
    by_hand: bool = False
    sent: str = ""
    until_day_zero: bool = False
    appears: Callable[[AccountFacts, Any, Policy], datetime | None] = lambda facts, row, policy: None
    acts_on_the_day: bool = False
    schedule: str = "other"
    tells_lead: bool = False
    at_once: bool = False

    def applies(self, facts: AccountFacts, row: Any, policy: Policy) -> bool:
        """Whether this row of the source asks for it, cleared already or not, now or later."""
        return not (self.until_day_zero and facts.onboarded) and self.condition(facts, row, policy)

    def duty(self, row: Any, facts: AccountFacts, policy: Policy) -> Duty:
        """What this row of the source owes, whether or not it is owed now."""
        day = getattr(row, "day", 0)
        return Duty(
            key=Key(self.slug, self.source.type, row.id, day),
            title=self._title(row, facts, policy),
            owner=self._owner(row, facts),
            due=self.due(facts, row, policy),
            appears_at=(self.appears(facts, row, policy) or AT_ONCE).astimezone(UTC),
        )

    def _title(self, row: Any, facts: AccountFacts, policy: Policy) -> str:
        if not isinstance(self.title, str):
            return self.title(facts, row, policy)
        product = PRODUCT_NAMES.get(getattr(row, "product", ""), "")
        pool = getattr(row, "to_pool", "").capitalize()
        return self.title.format(day=getattr(row, "day", 0), pool=pool, product=product)

    def _owner(self, row: Any, facts: AccountFacts) -> int | None:
        if self.owner == "author":
            return row.author or facts.csm
        return facts.csm if self.owner == "csm" else facts.lead
