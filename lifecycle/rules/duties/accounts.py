"""Duties of the account itself: its price, its level, its pool, and what the contact log asks for (SEG, ACT)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from lifecycle.rules.cadence import Span, start_of_day
from lifecycle.rules.duties.kind import Kind, Source
from lifecycle.rules.facts import AccountFacts, ActivityFacts
from lifecycle.rules.package import billing
from lifecycle.rules.policy import Policy

LEAD_REVIEWS = {"workflow": "a workflow error", "improvement": "an improvement wish"}

ACCOUNT = Source("account", lambda facts: (facts,))
REROUTE = Source("reroute", lambda facts: facts.reroutes)
ACTIVITY = Source("activity", lambda facts: facts.activities)
BUG = Source("bug", lambda facts: tuple(row for row in facts.activities if row.kind == "bug"))
OPPORTUNITY = Source("opportunity", lambda facts: facts.opportunities)


def _over_contract(facts: AccountFacts) -> bool:
    return facts.usage is not None and facts.usage.most_people > facts.contracted_users


def _asked_on(facts: AccountFacts, activity: ActivityFacts, policy: Policy) -> datetime | None:
    return activity.follow_up_on and start_of_day(activity.follow_up_on, facts.zone)


def _silent_since(facts: AccountFacts, bug: ActivityFacts, policy: Policy) -> datetime:
    return bug.noted_at.astimezone(UTC) + timedelta(days=policy.duties.bug_silence_days)


def _asked_day(facts: AccountFacts, activity: ActivityFacts, policy: Policy) -> date | Span:
    return activity.follow_up_on or Span()


KINDS: tuple[Kind, ...] = (
    Kind(
        slug="follow_up",
        source=ACTIVITY,
        title="Follow up",
        owner="author",
        condition=lambda facts, activity, policy: activity.follow_up_on is not None,
        by_hand=True,
        appears=_asked_on,
        due=_asked_day,
    ),
    Kind(
        slug="follow_up",
        source=BUG,
        title="Follow up on an open bug",
        owner="csm",
        condition=lambda facts, bug, policy: bug.open_bug,
        sent="noted_at",
        appears=_silent_since,
        due=lambda facts, bug, policy: Span(working_days=policy.duties.follow_up_working_days),
    ),
    Kind(
        slug="tell_rsm",
        source=ACCOUNT,
        title="Tell the RSM about added users",
        owner="csm",
        condition=lambda facts, account, policy: _over_contract(facts),
        by_hand=True,
        due=lambda facts, account, policy: Span(days=policy.duties.tell_rsm_days),
    ),
    Kind(
        slug="tell_rsm",
        source=OPPORTUNITY,
        title="Tell the RSM about an upsell",
        owner="csm",
        condition=lambda facts, opportunity, policy: opportunity.open,
        evidence=lambda opportunity: opportunity.told,
        sent="rsm_told_at",
        due=lambda facts, opportunity, policy: Span(working_days=policy.duties.tell_rsm_working_days),
    ),
    Kind(
        slug="billing_check",
        source=ACCOUNT,
        title=lambda facts, account, policy: billing(facts, policy),
        owner="csm",
        condition=lambda facts, account, policy: billing(facts, policy) != "",
        by_hand=True,
        due=lambda facts, account, policy: Span(working_days=policy.duties.billing_working_days),
    ),
    Kind(
        slug="lead_review",
        source=ACTIVITY,
        title=lambda facts, activity, policy: f"Review {LEAD_REVIEWS[activity.kind]}",
        owner="lead",
        condition=lambda facts, activity, policy: activity.kind in LEAD_REVIEWS,
        by_hand=True,
        due=lambda facts, activity, policy: Span(working_days=policy.duties.lead_review_working_days),
    ),
    Kind(
        slug="level_review",
        source=ACCOUNT,
        title="Review the plan with your TL",
        owner="csm",
        condition=lambda facts, account, policy: account.smb and account.service_level != "basic",
        by_hand=True,
        due=lambda facts, account, policy: Span(working_days=policy.duties.level_review_working_days),
        tells_lead=True,
    ),
    Kind(
        slug="reroute",
        source=REROUTE,
        title="Move to {pool}?",
        owner="lead",
        condition=lambda facts, reroute, policy: not reroute.decided,
        evidence=lambda reroute: reroute.decided,
        due=lambda facts, reroute, policy: Span(working_days=policy.duties.reroute_working_days),
    ),
)
