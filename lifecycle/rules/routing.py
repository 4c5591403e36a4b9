"""SEG-1, ROUTE-1..6: which pool serves an account, and why."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lifecycle.rules.facts import AccountFacts
from lifecycle.rules.policy import Policy

POOLS = ("digital", "core", "strategic")


@dataclass(frozen=True, slots=True)
class Reason:
    """A trigger that fired (ROUTE-5)."""

    rule: str
    fact: str
    value: Any
    threshold: Any
    text: str

    def as_json(self) -> dict[str, Any]:
        """As the API shows it: money as decimal strings."""
        plain = {name: str(v) if isinstance(v, Decimal) else v for name, v in self.values()}
        return {"rule": self.rule, "fact": self.fact, **plain, "text": self.text}

    def values(self) -> tuple[tuple[str, Any], ...]:
        return (("value", self.value), ("threshold", self.threshold))


@dataclass(frozen=True, slots=True)
class Check:
    """One trigger and how it came out: what "Why?" lists, fired or not (ROUTE-5)."""

    rule: str
    fact: str
    value: Any
    threshold: Any
    fired: bool
    text: str
    near: bool = False

    def reason(self) -> Reason:
        return Reason(self.rule, self.fact, self.value, self.threshold, self.text)


@dataclass(frozen=True, slots=True)
class Routed:
    """ROUTE-1..5: the pool that serves the account, what the rules alone say, and why."""

    pool: str
    rules_pool: str
    reasons: tuple[Reason, ...]
    checks: tuple[Check, ...]
    overridden: bool
    policy: int


# One definition of each trigger: (rule, fact, operator, threshold of the policy). Python and SQL read this table.
TRIGGERS = (
    ("ROUTE-2", "contracted_users", ">", "core_over_users"),
    ("ROUTE-2", "mrr", ">", "core_over_mrr"),
    ("ROUTE-2", "service_level", "in", "core_levels"),
    ("ROUTE-3", "segment", "is_regular", "regular_to_core"),
)


def route(facts: AccountFacts, policy: Policy) -> Routed:
    """ROUTE-1..5: Digital unless a trigger fires; a hand-set pool stands until released (ROUTE-4).

    Every trigger that fired is among the reasons with its fact and threshold; Digital has none.
    """
    checks = tuple(_check(trigger, facts, policy) for trigger in TRIGGERS if _applies(trigger, policy))
    reasons = tuple(check.reason() for check in checks if check.fired)
    rules_pool = "core" if reasons else "digital"
    return Routed(
        pool=facts.override_pool or rules_pool,
        rules_pool=rules_pool,
        reasons=reasons,
        checks=checks,
        overridden=bool(facts.override_pool),
        policy=policy.number,
    )


def _applies(trigger: tuple[str, str, str, str], policy: Policy) -> bool:
    return trigger[2] != "is_regular" or policy.routing.regular_to_core


def _check(trigger: tuple[str, str, str, str], facts: AccountFacts, policy: Policy) -> Check:
    rule, fact, operator, name = trigger
    threshold = getattr(policy.routing, name)
    value = ("smb" if facts.smb else "regular") if fact == "segment" else getattr(facts, fact)
    if operator == ">":
        near = not value > threshold and 100 * value >= threshold * (100 - policy.routing.near_percent)
        return Check(rule, fact, value, threshold, value > threshold, _text(fact, value, threshold), near)
    if operator == "in":
        listed = list(threshold)
        return Check(rule, fact, value, listed, value in threshold, _text(fact, value, listed))
    return Check(rule, fact, value, "regular", value == "regular", "not an SMB account")


def _text(fact: str, value: Any, threshold: Any) -> str:
    if fact == "contracted_users":
        return f"{value} contracted users {'>' if value > threshold else '<='} {threshold}"
    if fact == "mrr":
        return f"MRR ${value:,.2f} {'>' if value > threshold else '<='} ${threshold:,.2f}"
    allowed = " or ".join(level.capitalize() for level in threshold)
    return f"service level {value.capitalize()} {'is' if value in threshold else 'is not'} {allowed}"


def signature(facts: AccountFacts, policy: Policy) -> str:
    """ROUTE-6: what a TL's "keep" was about; it asks again only when this changes."""
    segment = "smb" if facts.smb else "regular"
    parts = (
        facts.contracted_users,
        f"{facts.mrr:.2f}",
        facts.service_level,
        segment,
        facts.override_pool,
        policy.number,
    )
    return "|".join(str(part) for part in parts)
