"""What an SMB account bought, and whether its price still fits (SEG-2..5)."""

from __future__ import annotations

from typing import Any

from accounts.models import Account
from lifecycle.rules.facts import AccountFacts
from lifecycle.rules.package import OFF_THE_FLAT_RATE, RACK_RATE_DUE, billing, next_user_moves_it
from lifecycle.rules.policy import Policy

INCLUDED = (
    "Learning and Compliance",
    "Onboarding call",
    "Learning and Compliance training",
    "Policy manuals",
    "Monthly Open Forums",
)
NOT_INCLUDED = (
    "Consulting",
    "Customized documents",
    "Document upload",
    "Course development (at extra cost)",
    "An account manager of their own",
)


def package_context(account: Account, facts: AccountFacts, policy: Policy) -> dict[str, Any]:
    """SEG-3, SEG-4, SEG-5: the panel of an SMB account; empty for any other."""
    if not facts.smb:
        return {}
    return {
        "included": INCLUDED,
        "not_included": NOT_INCLUDED,
        "onboarded_by": account.onboarded_by,
        "billing": _billing(facts, policy),
    }


def _billing(facts: AccountFacts, policy: Policy) -> dict[str, str]:
    flat, users = policy.package.flat_mrr, policy.package.flat_users
    found = billing(facts, policy)
    if found == RACK_RATE_DUE:
        text = f"{facts.contracted_users:,} users at ${facts.mrr:,.2f}: the flat price covers {users}."
        return {"state": "amber", "title": found, "text": text}
    if found == OFF_THE_FLAT_RATE:
        text = f"${facts.mrr:,.2f} a month instead of ${flat:,.2f} for up to {users} users."
        return {"state": "amber", "title": found, "text": text}
    if next_user_moves_it(facts, policy):
        return {"state": "plain", "title": "The next user moves them to the standard rate", "text": ""}
    return {}
