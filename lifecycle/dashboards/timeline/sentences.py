"""Events as sentences: an icon, what happened, and the page it happened on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.urls import reverse

from accounts.forms import product_name
from accounts.models import Account, Contact, Opportunity
from accounts.models.contact_log import OPPORTUNITY_KINDS
from adoption.models import Adoption, CheckIn, Stage
from lifecycle.dashboards.templatetags.waymark import words
from lifecycle.dashboards.timeline.values import LONGEST, Reading, in_words
from lifecycle.events.models import Event
from onboarding.models import Objective, Onboarding, TrainingSession

MAILS = {
    "message.retried": "Email tried again",
    "message.sent_again": "Email sent again",
    "message.marked_sent": "Email marked as sent",
    "message.cancelled": "Email cancelled",
    "message.readdressed": "Email readdressed",
}
REMINDERS = {
    "reminder.held": "Reminder held",
    "reminder.skipped": "Reminder skipped",
    "reminder.released": "Reminder released",
    "reminder.sent_now": "Reminder sent early",
}


# A field of the survey, what it says when it is set, and when it is cleared; the first that changed counts.
SURVEY_NEWS = (
    ("answered_at", "Survey answered", "Survey not answered after all"),
    ("waived_at", "Survey waived", "Survey asked for again"),
    ("renewed_at", "New survey link made", ""),
    ("sent_at", "Survey link sent", "Survey link not sent after all"),
    ("reminded_at", "Survey reminder sent", ""),
    ("withdrawn_at", "Survey no longer asked for", "Survey asked for again"),
)


@dataclass(frozen=True, slots=True)
class Told:
    """One event in words. `rules`: what followed by itself, whoever caused it."""

    icon: str
    text: str
    url: str = ""
    rules: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """What the sentences of one page need beside the events, read once."""

    reading: Reading
    days: Mapping[int, int]  # of the stage of each checklist
    names: Mapping[int, str]  # of each event about a contact, where not erased
    sees_mail: bool

    def page(self, event: Event, view: str, *more: Any, part: str = "") -> str:
        anchor = f"#{part}" if part else ""
        return reverse(view, args=[event.account_id, *more]) + anchor

    def stage(self, event: Event) -> str:
        return self.page(event, "adoption:stage", event.data["day"])


Teller = Callable[[Event, Scene], Told | None]


def tell(event: Event, scene: Scene) -> Told | None:
    """The sentence of an event; None where all that changed is told by another."""
    return TELLERS[event.type](event, scene)


def _plain(icon: str, text: str, *, rules: bool = False) -> Teller:
    return lambda event, scene: Told(icon, text, rules=rules)


def _changed(
    model: type[models.Model],
    icon: str,
    subject: Callable[[Event, Scene], str],
    url: Callable[[Event, Scene], str] = lambda event, scene: "",
    special: Callable[[Event, Scene], tuple[str, bool] | None] = lambda event, scene: None,
) -> Teller:
    """An update: what it is about and each change. `special` puts some changes in words of their own."""

    def told(event: Event, scene: Scene) -> Told | None:
        about, page = subject(event, scene), url(event, scene)
        own = special(event, scene)
        if own is not None:
            return Told(icon, f"{about} {own[0]}", page, rules=own[1])
        parts = in_words(model, event.changed, scene.reading)
        return Told(icon, f"{about}: {', '.join(parts)}", page) if parts else None

    return told


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"


# --- the account, its pool and its people


def _account(event: Event, scene: Scene) -> tuple[str, bool] | None:
    pair = event.changed.get("archived_at")
    return ("brought back", False) if pair and pair[1] is None else None


def _routed(event: Event, scene: Scene) -> Told:
    routing = event.data.get("routing") or {}
    why = ", ".join(reason["text"] for reason in routing.get("reasons", ()))
    text = f"Routed to {words(routing.get('pool', ''))}"
    if routing.get("overridden"):
        text = f"Pool set by hand: {words(routing.get('pool', ''))}"
    return Told("rules", f"{text}: {why}" if why else text, rules=not routing.get("overridden"))


def _asked_pool(event: Event, scene: Scene) -> Told:
    data = event.data
    text = f"Another pool asked for: {words(data['from_pool'])} to {words(data['to_pool'])}"
    return Told("swap", text, rules=True)


def _decided_pool(event: Event, scene: Scene) -> Told | None:
    if event.data.get("withdrawn_at"):
        return Told("swap", "Question of another pool withdrawn", rules=True)
    if event.data.get("accepted_at"):
        return Told("swap", f"Moved to {words(event.data['to_pool'])}")
    return Told("swap", f"Kept in {words(event.data['from_pool'])}") if event.data.get("kept_at") else None


def _contact(verb: str) -> Teller:
    def told(event: Event, scene: Scene) -> Told:
        name = scene.names.get(event.pk)
        return Told("user", f"Contact {verb}: {name}" if name else f"Contact {verb}", _contacts(event, scene))

    return told


def _contacts(event: Event, scene: Scene) -> str:
    return scene.page(event, "accounts:contacts")


def _contact_called(event: Event, scene: Scene) -> str:
    name = scene.names.get(event.pk)
    return f"Contact {name}" if name else "Contact"


def _milestone(event: Event, scene: Scene) -> Told:
    return Told("check", f"Done: {event.data['title']}")


def _mail(event: Event, scene: Scene) -> Told:
    url = reverse("dashboards:outbox-mail", args=[event.object_id]) if scene.sees_mail else ""
    return Told("mail", MAILS[event.type], url)


def _reminder(event: Event, scene: Scene) -> Told:
    return Told("clock", REMINDERS[event.type], scene.page(event, "dashboards:reminders"))


# --- onboarding


def _to_onboarding(part: str) -> Callable[[Event, Scene], str]:
    return lambda event, scene: scene.page(event, "onboarding:page", part=part)


def _onboarding(event: Event, scene: Scene) -> Told | None:
    """Day 0, entered for the first time, is told by an event of its own."""
    changed = dict(event.changed)
    if changed.get("training_completed_on", ["was"])[0] is None:
        del changed["training_completed_on"]
    parts = in_words(Onboarding, changed, scene.reading)
    return (
        Told("book", f"Onboarding: {', '.join(parts)}", _to_onboarding("")(event, scene)) if parts else None
    )


def _completed(event: Event, scene: Scene) -> Told:
    return Told("flag", "Onboarding completed", _to_onboarding("complete")(event, scene))


def _to_training(event: Event, scene: Scene) -> str:
    return scene.page(event, "onboarding:page", part=f"training-{event.object_id}")


def _goal(event: Event, scene: Scene) -> Told:
    text = f"Goal added: “{_short(event.data['text'])}”"
    return Told("star", text, _to_onboarding("goals")(event, scene))


def _goal_called(event: Event, scene: Scene) -> str:
    return f"Goal “{_short(event.data['text'])}”"


def _judged(event: Event, scene: Scene) -> tuple[str, bool] | None:
    if "judgement" not in event.changed:
        return None
    judged = event.data.get("judgement")
    return (words(judged).lower() if judged else "not judged any more", False)


# --- adoption


def _planned(event: Event, scene: Scene) -> tuple[str, bool] | None:
    """A stage or check-in that a change of plan takes away or brings back, or a stage opened again."""
    cancelled, closed = event.changed.get("cancelled_at"), event.changed.get("closed_at")
    if cancelled:
        return ("cancelled: it no longer belongs" if cancelled[1] else "taken up again", True)
    if closed and closed[1] is None:
        why = (event.changed.get("reopen_reason") or ["", ""])[1]
        return (f"opened again: {why}" if why else "opened again"), False
    return None


def _adoption(event: Event, scene: Scene) -> tuple[str, bool] | None:
    withdrawn = event.changed.get("withdrawn_at")
    if withdrawn:
        return ("withdrawn: day 0 was cleared" if withdrawn[1] else "taken up again", True)
    completed = event.changed.get("completed_on")
    return ("open again", True) if completed and completed[1] is None else None


def _started(event: Event, scene: Scene) -> Told:
    data = event.data
    days = [f"{stage['day']}-day" for stage in data.get("stages", ())]
    return Told(
        "flag", f"Adoption started: {' and '.join(days)} planned" if days else "Adoption started", rules=True
    )


def _closed(event: Event, scene: Scene) -> Told:
    return Told("check", f"{event.data['day']}-day stage closed", scene.stage(event))


def _stage_called(event: Event, scene: Scene) -> str:
    return f"{event.data['day']}-day stage"


def _check_in_called(event: Event, scene: Scene) -> str:
    return f"{event.data['day']}-day check-in"


def _to_check_in(event: Event, scene: Scene) -> str:
    return scene.page(event, "adoption:check-in", event.data["day"])


def _checklist(event: Event, scene: Scene) -> Told | None:
    if event.type == "checklist.updated" and not event.changed.get("ready_at", [None, None])[1]:
        return None
    verb = "started" if event.type == "checklist.created" else "ready for the meeting"
    return _of_checklist(event, scene, event.object_id, f"checklist {verb}")


def _answer(event: Event, scene: Scene) -> Told | None:
    return _of_checklist(event, scene, event.data["checklist"], "checklist: 1 answer")


def _export(event: Event, scene: Scene) -> Told:
    return _of_checklist(event, scene, event.data["checklist"], "checklist exported as PDF", "download")


def _of_checklist(event: Event, scene: Scene, checklist: int, what: str, icon: str = "doc") -> Told:
    day = scene.days.get(checklist)
    if day is None:
        return Told(icon, words(what))
    return Told(icon, f"{day}-day {what}", scene.page(event, "adoption:checklist", day))


def _survey(event: Event, scene: Scene) -> Told | None:
    page = scene.page(event, "adoption:survey")
    for name, text, taken_back in SURVEY_NEWS:
        if name in event.changed:
            words = text if event.changed[name][1] else taken_back
            return Told("mail", words, page, rules=name == "withdrawn_at") if words else None
    return Told("mail", "Survey links changed", page)


# --- upsells


def _to_opportunities(event: Event, scene: Scene) -> str:
    return scene.page(event, "accounts:detail", part="opportunities")


def _upsell(event: Event, scene: Scene) -> Told:
    kind = OPPORTUNITY_KINDS[event.data["kind"]].lower()
    return Told("trend-up", f"Upsell came up: {kind}", _to_opportunities(event, scene))


def _upsell_called(event: Event, scene: Scene) -> str:
    return f"Upsell ({OPPORTUNITY_KINDS[event.data['kind']].lower()})"


TELLERS: dict[str, Teller] = {
    "account.created": _plain("plus", "Account created"),
    "account.deleted": _plain("x", "Account archived"),
    "account.updated": _changed(Account, "doc", lambda event, scene: "Account", special=_account),
    "account.routed": _routed,
    "reroute.created": _asked_pool,
    "reroute.updated": _decided_pool,
    "contact.created": _contact("added"),
    "contact.updated": _changed(Contact, "user", _contact_called, _contacts),
    "contact.deleted": _plain("user", "Contact removed"),
    "milestone.updated": _milestone,
    "onboarding.updated": _onboarding,
    "onboarding.completed": _completed,
    "training-session.updated": _changed(
        TrainingSession,
        "book",
        lambda event, scene: f"{product_name(event.data['product'])} training",
        _to_training,
    ),
    "objective.created": _goal,
    "objective.updated": _changed(Objective, "star", _goal_called, _to_onboarding("goals"), _judged),
    "objective.deleted": _plain("star", "Goal taken out"),
    "adoption.created": _started,
    "adoption.updated": _changed(Adoption, "flag", lambda event, scene: "Adoption", special=_adoption),
    "adoption.completed": _plain("flag", "Adoption completed", rules=True),
    "stage.updated": _changed(Stage, "doc", _stage_called, lambda event, scene: scene.stage(event), _planned),
    "stage.closed": _closed,
    "check-in.updated": _changed(CheckIn, "mail", _check_in_called, _to_check_in, _planned),
    "survey.updated": _survey,
    "checklist.created": _checklist,
    "checklist.updated": _checklist,
    "checklist-export.created": _export,
    "answer.created": _answer,
    "answer.updated": _answer,
    "opportunity.created": _upsell,
    "opportunity.updated": _changed(Opportunity, "trend-up", _upsell_called, _to_opportunities),
    "opportunity.deleted": _plain("trend-up", "Upsell taken out"),
    **dict.fromkeys(MAILS, _mail),
    **dict.fromkeys(REMINDERS, _reminder),
}
