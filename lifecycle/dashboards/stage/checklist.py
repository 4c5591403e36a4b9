"""What the page of a stage's checklist shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.urls import reverse

from accounts.models import User
from adoption import pdfs
from adoption.models import Answer, Stage
from lifecycle.dashboards.access import may_work
from lifecycle.dashboards.stage.frame import frame, shut
from lifecycle.rules.refused import Refused


def checklist_context(
    stage: Stage, user: User, *, now: datetime, only: str = "", trouble: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The checklist page; `only` names the item just answered, `trouble` why it was not kept."""
    sheet = pdfs.sheet(stage)
    for section in sheet["sections"]:
        for item in section["items"]:
            item["trouble"] = trouble if item["key"] == only else None
    answered = [
        (section, item) for section in sheet["sections"] for item in section["items"] if item["key"] == only
    ]
    return frame(stage, sheet, stage.lacking(), user, now=now) | {
        "works": may_work(stage, user, now=now) and not shut(stage),
        "current": "checklist",
        "answers_url": reverse("adoption:checklist", args=[stage.account_id, stage.day]),
        "answered": answered[0] if answered else None,
        "trouble": trouble,
        "next_open": next(
            (
                i["key"]
                for s in sheet["sections"]
                for i in s["items"]
                if not i["answered"] and not i["meeting"]
            ),
            "",
        ),
    }


def conflict_of(stage: Stage, item: str, no: Refused, given: dict[str, Any]) -> dict[str, Any]:
    """CHK-3: both values of an answer that somebody else changed meanwhile."""
    theirs = Answer.objects.filter(checklist__stage=stage, item=item).select_related("answered_by").first()
    if theirs is None or no.code != "changed":
        return {"text": no.text}
    both = {"mine": given["value"], "theirs": theirs.value}
    words = {f"{whose}_word": pdfs.WORDS.get(value, value) or "No answer" for whose, value in both.items()}
    return {"text": no.text, "mine": given, "theirs": theirs, **words}
