"""What the KYC checklist shows (ONB-1): the questions of this account, and what is known."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.urls import reverse

from accounts.models import User
from adoption.models import Answer, Checklist, ChecklistTemplate
from lifecycle.dashboards.access import may_work
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
    template, sections = _known_of(onboarding)
    for section in sections:
        for item in section["items"]:
            item["trouble"] = trouble if item["key"] == only else None
    items = [item for section in sections for item in section["items"]]
    newest = Answer.objects.filter(checklist__onboarding=onboarding).order_by("-updated_at").first()
    return {
        "account": account,
        "onboarding": onboarding,
        "sections": sections,
        "template_id": template.pk,
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


def _known_of(onboarding: Onboarding) -> tuple[ChecklistTemplate, list[dict[str, Any]]]:
    """CHK-1: the template and the sections of this account with their answers; those of a checklist that has not begun are empty."""
    checklist = Checklist.objects.filter(onboarding=onboarding).select_related("template").first()
    template = checklist.template if checklist else ChecklistTemplate.newest("kyc")
    answers = {row.item: row for row in checklist.answers.all()} if checklist else {}
    found = []
    for section in template.sections_for(onboarding.account):
        items = [_item(item, answers.get(item["key"])) for item in section["items"]]
        found.append({**section, "items": items, "answered": sum(item["answered"] for item in items)})
    return template, found


def _item(item: dict[str, Any], answer: Answer | None) -> dict[str, Any]:
    value = answer.value if answer else ""
    return item | {
        "value": value,
        "said": WORDS.get(value, value),
        "comment": answer.comment if answer else "",
        "version": answer.version if answer else 0,
        "answered": bool(value),
    }
