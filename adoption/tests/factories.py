"""Stages and their answers, made through the door."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from accounts.models import User
from accounts.tests.factories import complete_onboarding, make_account
from adoption.models import Checklist, Stage
from lifecycle.change import change

DAY_ZERO = date(2026, 6, 18)
NOON = datetime(2026, 6, 18, 18, tzinfo=UTC)
# What a whole meeting brings, at the first stage and at the final one (STAGE-4..6).
SAID_FIRST = {"engaged": True, "investment": "neutral", "summary": "They like it."}
SAID_FINAL = {
    "engagement": "steady",
    "contacts_unchanged": True,
    "reference": "no",
    "investment": "neutral",
    "summary": "They like it.",
}


def make_stages(csm: User | None = None, **facts: Any) -> list[Stage]:
    """The stages of an account whose trainings ended on DAY_ZERO; Standard with Learning and Compliance."""
    values = {"service_level": "standard", "products": ["learning", "compliance"], **facts}
    if csm is not None:
        values["csm"] = csm
    account = make_account(values.pop("name", "Halden Vale Imaging"), now=NOON - timedelta(days=30), **values)
    complete_onboarding(account, on=DAY_ZERO, now=NOON)
    return [fresh(stage) for stage in Stage.objects.filter(account=account).order_by("day")]


def fresh(stage: Stage) -> Stage:
    """The stage as pages read it."""
    return Stage.objects.select_related("account__csm", "adoption").get(pk=stage.pk)


def answer(stage: Stage, answers: dict[str, Any], *, by: User | None = None, now: datetime = NOON) -> Stage:
    """Answers by item: a value, or a value with its comment."""
    with change(stage.account_id, by=by, via="page", now=now):
        checklist = Checklist.begin(Stage.objects.get(pk=stage.pk))
        for item, given in answers.items():
            value, comment = given if isinstance(given, tuple) else (given, "")
            checklist.answer(item, value=value, comment=comment, by=by, now=now)
    return fresh(stage)


def record(stage: Stage, *, now: datetime = NOON, **values: Any) -> Stage:
    """What somebody recorded on the stage."""
    with change(stage.account_id, by=None, via="page", now=now) as work:
        Stage.objects.get(pk=stage.pk).record(values, by=None, now=now, today=work.today(work.account))
    return fresh(stage)
