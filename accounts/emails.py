"""Letters to the RSM: an account that outgrew its contract, or spoke about more (ACT-3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.urls import reverse

from accounts.models import Account, Opportunity, UsageSnapshot, User
from lifecycle.mail.drafts import Letter, register_letter
from lifecycle.mail.drafts.letters import reader_of
from lifecycle.words import letter_day

RSM_FIELDS = {"rsm_name": "Name of the RSM", "contact_name": "Name of the contact"}
USERS_FIELDS = RSM_FIELDS | {
    "people": "Active users or employees, as last measured",
    "contracted_users": "Contracted users",
    "service_level": "Service level",
    "mrr": "MRR",
}
UPSELL_FIELDS = RSM_FIELDS | {
    "topic": "What it is about",
    "surfaced_on": "Day it came up",
    "details": "What was said",
    "demo": "Day of the demo",
}


def register() -> None:
    """Tell the letters about those of this app; called by `LifecycleConfig.ready()`."""
    register_letter(
        Letter(
            "rsm_added_users",
            "Note to the RSM: added users",
            Account,
            back=lambda account: reverse("accounts:detail", args=[account.pk]),
            fields=USERS_FIELDS,
            values=_of_users,
            completes="tell_rsm",
            to=lambda account: [account.rsm_email] if account.rsm_email else [],
            to_colleague=True,
        )
    )
    register_letter(
        Letter(
            "rsm_upsell",
            "Note to the RSM: an upsell",
            Opportunity,
            back=lambda row: reverse("accounts:detail", args=[row.account_id]),
            fields=UPSELL_FIELDS,
            values=_of_upsell,
            sent="rsm_told_at",
            to=lambda row: [row.account.rsm_email] if row.account.rsm_email else [],
            to_colleague=True,
        )
    )


def _shared(account: Account) -> dict[str, str]:
    reader = reader_of(account)
    return {"rsm_name": account.rsm_name, "contact_name": reader.name if reader else ""}


def _of_users(account: Account, writer: User, now: datetime) -> dict[str, str]:
    usage = UsageSnapshot.objects.filter(account=account).order_by("-taken_on").first()
    return _shared(account) | {
        "people": _people(usage),
        "contracted_users": f"{account.contracted_users:,}",
        "service_level": account.get_service_level_display(),
        "mrr": f"${account.mrr:,.2f}",
    }


def _people(usage: UsageSnapshot | None) -> str:
    counted: list[Any] = [
        (usage and usage.active_users, "active users"),
        (usage and usage.employees, "employees"),
    ]
    return " and ".join(f"{number:,} {words}" for number, words in counted if number)


def _of_upsell(opportunity: Opportunity, writer: User, now: datetime) -> dict[str, str]:
    return _shared(opportunity.account) | {
        "topic": opportunity.get_kind_display().lower(),
        "surfaced_on": letter_day(opportunity.surfaced_on),
        "details": opportunity.text.strip(),
        "demo": letter_day(opportunity.demo_on) if opportunity.demo_on else "no date yet",
    }
