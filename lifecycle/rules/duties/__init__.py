"""MIL-1, MIL-2: which milestones an account should have."""

from __future__ import annotations

from datetime import UTC, datetime

from lifecycle.rules.duties import accounts, onboarding, stages
from lifecycle.rules.duties.kind import Duty, Kind
from lifecycle.rules.facts import AccountFacts, Key
from lifecycle.rules.policy import Policy

__all__ = ["KIND", "KINDS", "Duty", "Kind", "duties", "is_done", "kind_of", "lapsed"]

KINDS: tuple[Kind, ...] = (*stages.KINDS, *onboarding.KINDS, *accounts.KINDS)
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
                if not kind.condition(facts, row, policy) or (
                    kind.evidence is not None and kind.evidence(row)
                ):
                    continue
                duty = kind.duty(row, facts, policy)
                if duty.appears_at > now:
                    recheck_at = min(duty.appears_at, recheck_at or duty.appears_at)
                elif not (kind.by_hand and duty.key in facts.by_hand):
                    owed.append(duty)
    return tuple(owed), recheck_at


def is_done(facts: AccountFacts, key: Key) -> bool:
    """MIL-2: whether a milestone that is no longer owed was done (its fact is there) or merely lapsed."""
    kind = kind_of(key)
    if kind.by_hand and key in facts.by_hand:
        return True
    rows = [row for row in kind.source.rows(facts) if row.id == key.source_id]
    if kind.evidence is None:
        return not kind.by_hand and facts.open and bool(rows)
    return any(kind.evidence(row) for row in rows)


def lapsed(facts: AccountFacts, policy: Policy, now: datetime) -> frozenset[Key]:
    """MIL-2: keys declared done by hand whose condition no longer holds, or which are to appear later,
    so that the duty may arise anew."""
    return frozenset(key for key in facts.by_hand if not _still_holds(facts, key, policy, now))


def _still_holds(facts: AccountFacts, key: Key, policy: Policy, now: datetime) -> bool:
    kind = kind_of(key)
    rows = [row for row in kind.source.rows(facts) if row.id == key.source_id]
    holding = [row for row in rows if kind.condition(facts, row, policy)]
    return any(kind.duty(row, facts, policy).appears_at <= now.astimezone(UTC) for row in holding)
