"""What the KYC checklist shows (ONB-1): the questions of this account, and what is known."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.urls import reverse

from accounts.models import User
from adoption.models import Answer, Checklist, ChecklistTemplate
from lifecycle.dashboards.access import may_work
from lifecycle.rules.refused import Refused
from onboarding.models import Onboarding

WORDS = {"yes": "Yes", "no": "No", "na": "Not applicable"}


def kyc_context(
    onboarding: Onboarding,
    user: User,
    *,
    now: datetime,
    only: str = "",
    trouble: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The page; `only` names the item just answered, `trouble` why it was not kept."""
    account = onboarding.account
    sections = known_of(onboarding)
    for section in sections:
        for item in section["items"]:
            item["trouble"] = trouble if item["key"] == only else None
    items = [item for section in sections for item in section["items"]]
    newest = Answer.objects.filter(checklist__onboarding=onboarding).order_by("-updated_at").first()
    return {
        "account": account,
        "onboarding": onboarding,
        "sections": sections,
        "answers_url": reverse("adoption:kyc", args=[account.pk]),
        "answered": next(((s, i) for s in sections for i in s["items"] if i["key"] == only), None),
        "done": sum(item["answered"] for item in items),
        "total": len(items),
        "saved_at": newest.updated_at if newest else None,
        "works": may_work(onboarding, user, now=now) and not account.archived,
        "trouble": trouble,
        "today": user.today(now),
        "zone": user.zone,
    }


def known_of(onboarding: Onboarding) -> list[dict[str, Any]]:
    """CHK-1: the sections of this account with their answers; those of a checklist that has not begun are empty."""
    checklist = Checklist.objects.filter(onboarding=onboarding).select_related("template").first()
    template = checklist.template if checklist else ChecklistTemplate.newest("kyc")
    answers = {row.item: row for row in checklist.answers.all()} if checklist else {}
    found = []
    for section in template.sections_for(onboarding.account):
        items = [_item(item, answers.get(item["key"])) for item in section["items"]]
        found.append({**section, "items": items, "answered": sum(item["answered"] for item in items)})
    return found


def _item(item: dict[str, Any], answer: Answer | None) -> dict[str, Any]:
    value = answer.value if answer else ""
    return item | {
        "value": value,
        "said": WORDS.get(value, value),
        "comment": answer.comment if answer else "",
        "version": answer.version if answer else 0,
        "answered": bool(value),
    }


def conflict_of(onboarding: Onboarding, item: str, no: Refused, given: dict[str, Any]) -> dict[str, Any]:
    """CHK-3: both values of an answer that somebody else changed meanwhile."""
    rows = Answer.objects.filter(checklist__onboarding=onboarding, item=item)
    theirs = rows.select_related("answered_by").first()
    if theirs is None or no.code != "changed":
        return {"text": no.text}
    both = {"mine": given["value"], "theirs": theirs.value}
    words = {f"{whose}_word": WORDS.get(value, value) or "No answer" for whose, value in both.items()}
    return {"text": no.text, "mine": given, "theirs": theirs, **words}
