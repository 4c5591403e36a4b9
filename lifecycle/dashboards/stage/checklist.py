"""What the page of a stage's checklist shows."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from accounts.models import User
from adoption import pdfs
from adoption.models import Answer, Stage
from lifecycle.dashboards.access import may_work
from lifecycle.dashboards.stage.frame import frame, shut
from lifecycle.rules.prefill import Prefill
from lifecycle.rules.refused import Refused
from lifecycle.words import day_words

OF_ACCOUNT = ("roster_matches", "email_arrives")  # the account says so, not its usage
# Beside which item each unusual figure stands.
FLAGGED = {
    "employee_sync": "roster_matches",
    "active_users": "active_users",
    "employees": "users_in_contract",
    "non_admin_active_users": "others_active",
    "pending_actions": "pending_actions",
}


def checklist_context(
    stage: Stage, user: User, *, now: datetime, only: str = "", trouble: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The checklist page; `only` names the item just answered, `trouble` why it was not kept."""
    sheet = pdfs.sheet(stage)
    items = [item for section in sheet["sections"] for item in section["items"]]
    for item in items:
        item["trouble"] = trouble if item["key"] == only else None
    known = _show_known(items, stage.prefill(), user.today(now))
    answered = [
        (section, item) for section in sheet["sections"] for item in section["items"] if item["key"] == only
    ]
    return frame(stage, sheet, stage.lacking(), user, now=now) | {
        "works": may_work(stage, user, now=now) and not shut(stage),
        "current": "checklist",
        "known": known,
        "offers": [item for item in items if item["known"] and not item["answered"]],
        "template_id": sheet["checklist"].template_id,
        "exports": list(sheet["checklist"].exports.all()) if sheet["checklist"].pk else [],
        "answers_url": reverse("adoption:checklist", args=[stage.account_id, stage.day]),
        "answered": answered[0] if answered else None,
        "trouble": trouble,
        "next_open": next((i["key"] for i in items if not i["answered"] and not i["meeting"]), ""),
    }


def _show_known(items: list[dict[str, Any]], known: Prefill, today: date) -> str:
    """STAGE-1: beside each item what the app knows and what is unusual about it; from where the figures are."""
    for item in items:
        value = known.answers.get(item["key"], "")
        item["known"], item["known_word"] = value, pdfs.WORDS.get(value, value)
        item["of_account"] = item["key"] in OF_ACCOUNT
        item["flags"] = [flag.text for flag in known.flags if FLAGGED[flag.figure] == item["key"]]
    return day_words(known.taken_on, today) if known.taken_on else ""


def conflict_of(rows: QuerySet[Answer], no: Refused, given: dict[str, Any]) -> dict[str, Any]:
    """CHK-3: why an answer was not kept, with what was typed; both answers where somebody else changed it meanwhile."""
    mine = {"text": no.text, "mine": given, "mine_word": _word(given["value"])}
    theirs = rows.select_related("answered_by").first()
    if theirs is None or no.code != "changed":
        return mine
    return mine | {"theirs": theirs, "theirs_word": _word(theirs.value)}


def _word(value: str) -> str:
    return pdfs.WORDS.get(value, value) or "No answer"
