"""SEG-2, SEG-3: the starter package's flat price, and whether an account still fits it."""

from __future__ import annotations

from lifecycle.rules.facts import AccountFacts
from lifecycle.rules.policy import Policy

RACK_RATE_DUE = "Rack rate due"
OFF_THE_FLAT_RATE = "Off the flat rate"


def billing(facts: AccountFacts, policy: Policy) -> str:
    """SEG-3: what is wrong with a starter account's price, "" when nothing is. It informs, it never changes MRR."""
    if not facts.starter_package:
        return ""
    if facts.contracted_users > policy.package.flat_users:
        return RACK_RATE_DUE if facts.mrr == policy.package.flat_mrr else ""
    return "" if facts.mrr == policy.package.flat_mrr else OFF_THE_FLAT_RATE


def next_user_moves_it(facts: AccountFacts, policy: Policy) -> bool:
    """SEG-3: the account has exactly as many users as the flat price covers."""
    return facts.starter_package and facts.contracted_users == policy.package.flat_users
