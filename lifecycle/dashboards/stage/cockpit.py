"""What the page of a stage shows: every step's form on the values of now, and what the gate misses."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from typing import Any

from django.urls import reverse

from accounts.models import Activity, Opportunity, User
from adoption import pdfs
from adoption.emails import recap_key
from adoption.forms import (
    BookForm,
    FeedbackForm,
    GapForm,
    GoalsForm,
    HoldForm,
    MissedForm,
    ReferenceForm,
    ReopenForm,
    UpsellForm,
)
from adoption.forms.outcome import SUGGESTED
from adoption.models import Checklist, Stage
from adoption.models.outcomes import DISENGAGEMENT_REASONS
from lifecycle.dashboards.access import may_work
from lifecycle.dashboards.onboarding import recap_clock
from lifecycle.dashboards.stage.figures import figures
from lifecycle.dashboards.stage.frame import frame, shut
from lifecycle.dashboards.survey import survey_panel
from lifecycle.rules.gates import Missing

FORMS = {
    "book": BookForm,
    "hold": HoldForm,
    "feedback": FeedbackForm,
    "upsell": UpsellForm,
    "missed": MissedForm,
    "gap": GapForm,
    "reference": ReferenceForm,
    "goals": GoalsForm,
    "reopen": ReopenForm,
}
MOST_OWED = 8
# Where on the page each field of the gate is filled in; any other has its own place in a form.
ANCHORS = {
    "meeting_held": "div_id_meeting_held_on",
    "no_meeting_reason": "missed",
    "gap_decision": "gap",
    "recap_sent_at": "recap",
    "objectives": "goals",
    "feedback": "feedback",
    "checklist": "close",
}


def stage_context(
    stage: Stage, user: User, *, now: datetime, forms: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The stage page; `forms` brings those that were refused, to be shown with their words."""
    sheet, page = pdfs.sheet(stage), reverse("adoption:stage", args=[stage.account_id, stage.day])
    gaps = stage.lacking()
    works = may_work(stage, user, now=now)
    around = frame(stage, sheet, gaps, user, now=now)
    done = {step["key"] for step in around["steps"] if step["state"] == "done"}
    unfinished = [step["key"] for step in around["steps"] if step["state"] not in ("done", "skip", "wait")]
    missed = stage.meeting_held is False
    checklist, today = sheet["checklist"], user.today(now)
    shown = {f"{name}_form": form(instance=copy(stage)) for name, form in FORMS.items() if _asks(name, stage)}
    return around | {
        "works": works and not shut(stage),
        "decides": works and user.decides,
        "current": unfinished[0] if unfinished else "",
        "missing": [{"text": m.text, "rule": m.rule, "anchor": _anchor(m, stage)} for m in gaps],
        **shown,
        **{f"{name}_form": form for name, form in (forms or {}).items()},
        "panel": survey_panel(stage, user, now=now, back=f"{page}#survey"),
        "recap_key": recap_key(stage),
        "clock": recap_clock(stage.meeting_held_on, stage.recap_sent_at, stage.account, now=now),
        "missed": missed,
        "outcome_settled": missed or bool(stage.meeting_held and "hold" in done),
        "outcome_change": "It took place after all" if missed else "Change the outcome",
        "decision": stage.get_gap_decision_display(),
        "exports": list(checklist.exports.all()) if checklist.pk else [],
        "figures": figures(stage, today=today),
        "suggested": _suggested(stage),
        "upsells": list(Opportunity.objects.filter(account=stage.account_id)),
        "owed": _owed(stage),
        "earlier": _earlier(stage),
        "coming": _coming(stage),
        "onboarding": stage.adoption.onboarding,
    }


def _asks(name: str, stage: Stage) -> bool:
    return stage.final or name not in ("reference", "goals")


def _anchor(gap: Missing, stage: Stage) -> str:
    if gap.field == "notes" and stage.meeting_held is False:
        return "gap"
    return ANCHORS.get(gap.field, f"div_id_{gap.field}")


def _suggested(stage: Stage) -> list[dict[str, Any]]:
    """STAGE-4: what each reason suggests, and whether it is a task already."""
    tasks = Activity.objects.asking().filter(account=stage.account_id, kind="note")
    return [
        {
            "reason": name,
            "because": DISENGAGEMENT_REASONS[name],
            "text": SUGGESTED[name][0],
            "days": SUGGESTED[name][1],
        }
        | {"made": tasks.filter(text=SUGGESTED[name][0]).exists()}
        for name in stage.disengagement_reasons
        if stage.engaged is False and name in SUGGESTED
    ]


def _owed(stage: Stage) -> dict[str, Any]:
    """STAGE-5: what we still owe them: open bugs, and follow-ups with a day."""
    rows = Activity.objects.asking().filter(account=stage.account_id).order_by("follow_up_on", "pk")
    owed = [row for row in rows if row.follow_up_on or row.is_open_bug]
    return {
        "shown": [
            {"entry": row, "url": reverse("accounts:entry", args=[stage.account_id, row.pk])}
            for row in owed[:MOST_OWED]
        ],
        "more": max(0, len(owed) - MOST_OWED),
    }


def _earlier(stage: Stage) -> Stage | None:
    """STAGE-9: the stage before this one, where its checklist was begun."""
    begun = Checklist.objects.filter(
        stage__adoption=stage.adoption_id, stage__day__lt=stage.day, stage__cancelled_at=None
    )
    found = begun.select_related("stage").order_by("-stage__day").first()
    return found.stage if found else None


def _coming(stage: Stage) -> Stage | None:
    """The next stage of the adoption; None after the last."""
    later = Stage.objects.filter(adoption=stage.adoption_id, day__gt=stage.day, cancelled_at=None)
    return later.order_by("day").first()
