"""MIL-1, MIL-2: which milestones an account should have."""

from __future__ import annotations

from datetime import UTC, datetime

from lifecycle.rules.cadence import Span
from lifecycle.rules.duties import accounts, forums, onboarding, stages, surveys
from lifecycle.rules.duties.kind import Duty, Kind
from lifecycle.rules.facts import AccountFacts, Key
from lifecycle.rules.policy import Policy

__all__ = ["KIND", "KINDS", "Duty", "Kind", "duties", "is_done", "kind_of", "lapsed"]

KINDS: tuple[Kind, ...] = (
    *stages.KINDS,
    *onboarding.KINDS,
    *accounts.KINDS,
    *surveys.KINDS,
    *forums.KINDS,
)
KIND = {kind.slug: kind for kind in reversed(KINDS)}
BY_KEY = {(kind.slug, kind.source.type): kind for kind in KINDS}


def kind_of(key: Key) -> Kind:
    """The row of the table that a milestone came from; KeyError for an unknown one."""
    return BY_KEY[key.kind, key.source_type]


def duties(facts: AccountFacts, policy: Policy, now: datetime) -> tuple[tuple[Duty, ...], datetime | None]:
    """MIL-2: what is owed on this account at `now`, and the next instant at which that changes by time alone.

    Pure and total: the same facts, policy and instant give the same answer; None when time changes nothing.
    """
    now = now.astimezone(UTC)  # within one zone Python compares wall clocks, wrong in a doubled hour
    owed: list[Duty] = []
    recheck_at: datetime | None = None
    if facts.open:
        for kind in KINDS:
            for row in kind.source.rows(facts):
                if not kind.applies(facts, row, policy) or (kind.evidence and kind.evidence(row)):
                    continue
                duty = kind.duty(row, facts, policy)
                if _declared_done(facts, duty):
                    continue
                if duty.appears_at <= now:
                    owed.append(duty)
                else:
                    recheck_at = min(duty.appears_at, recheck_at or duty.appears_at)
    return tuple(owed), recheck_at


def is_done(facts: AccountFacts, key: Key) -> bool:
    """MIL-2: whether a milestone that is no longer owed was done (its fact is there) or merely lapsed."""
    kind = kind_of(key)
    if kind.by_hand:
        return key in facts.by_hand
    rows = [row for row in kind.source.rows(facts) if row.id == key.source_id]
    if kind.evidence is None:  # put off to later: there, and not owed
        return facts.open and bool(rows)
    return any(kind.evidence(row) for row in rows)


def lapsed(facts: AccountFacts, policy: Policy) -> frozenset[Key]:
    """MIL-2: keys declared done by hand whose condition no longer holds, or which are due on another day since,
    so that the duty may arise anew."""
    return frozenset(key for key in facts.by_hand if not _still_holds(facts, key, policy))


def _still_holds(facts: AccountFacts, key: Key, policy: Policy) -> bool:
    kind = kind_of(key)
    rows = [row for row in kind.source.rows(facts) if row.id == key.source_id]
    return any(
        _declared_done(facts, kind.duty(row, facts, policy))
        for row in rows
        if kind.applies(facts, row, policy)
    )


def _declared_done(facts: AccountFacts, duty: Duty) -> bool:
    """Done by hand for the day it is due; a Span names no day of its own."""
    done_for = facts.by_hand.get(duty.key)
    return done_for is not None and (isinstance(duty.due, Span) or duty.due == done_for)
