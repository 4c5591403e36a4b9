"""An account on which facts are recorded by page, REST, import, or by saying "done": what `test_kinds` walks through.

A Fact is a dict from the way it can be recorded to the act. Everything happens in June 2026: Tuesday the 16th
is today, 11 AM in New York; Friday the 19th is a day off of the team.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import Account, Activity, Opportunity, UsageSnapshot, User
from accounts.tests.factories import make_csm, make_lead, make_team
from adoption.models import CheckIn, Checklist, Stage, Survey
from lifecycle import clock
from lifecycle.api.models import ApiToken
from lifecycle.change import change
from lifecycle.mail.models import Link
from lifecycle.milestones import planner
from lifecycle.milestones.models import Milestone
from onboarding.models import Forum, Onboarding, TrainingSession

NOW = datetime(2026, 6, 16, 15, tzinfo=UTC)
TODAY = "2026-06-16"
CEDAR = {
    "external_id": "C-1",
    "name": "Cedar Family Practice",
    "contracted_users": 10,
    "mrr": "250.00",
    "time_zone": "America/Chicago",
    "products": ["learning", "compliance"],
    "csm": "alice@example.com",
}
EMPTY = {"service_level": "basic", "close_date": "", "traits": [], "rsm_name": "", "rsm_email": ""}

Fact = dict[str, Callable[["World"], None]]


class World:
    """One account, its CSM Alice and her lead Joss; `row` is the milestone at hand, `now` the instant."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, NOW
        self.known: dict[str, Any] = {}
        self.row: Milestone | None = None
        with clock.at(NOW):
            team = make_team("East", extra_days=["2026-06-19"])
            zone = {"time_zone": "America/New_York"}
            self.people = {
                "joss": make_lead("joss@example.com", team=team, **zone),
                "alice": make_csm("alice@example.com", team=team, **zone),
            }

    @property
    def account(self) -> Account:
        return Account.objects.get(external_id="C-1")

    @property
    def onboarding(self) -> Onboarding:
        return Onboarding.objects.get(account=self.account)

    @property
    def stage(self) -> Stage:
        return Stage.objects.get(account=self.account, day=60)

    @property
    def survey(self) -> Survey:
        return Survey.objects.get(stage=self.stage)

    @property
    def entry(self) -> Activity:
        return Activity.objects.get(account=self.account, about=None)

    @property
    def opportunity(self) -> Opportunity:
        return Opportunity.objects.get(account=self.account)

    def session(self, product: str) -> TrainingSession:
        return TrainingSession.objects.get(account=self.account, product=product)

    def owner(self) -> str:
        return next(name for name, user in self.people.items() if user == self.row.owner)

    def do(self, fact: Fact, way: str = "") -> None:
        """Record a fact that way, else in the first way there is."""
        with clock.at(self.now):
            fact[way or next(iter(fact))](self)

    def look(self, instant: datetime) -> None:
        """Let time pass up to an instant, and the planner run then."""
        self.now = instant
        with clock.at(instant):
            planner.plan(instant)

    def post(self, who: str, view: str, /, *args: Any, **data: Any) -> None:
        client = Client()
        client.force_login(self.people[who])
        answer = client.post(reverse(view, args=args), data)
        assert answer.status_code == 302, (answer.status_code, errors_of(answer))

    def call(self, who: str, method: str, path: str, /, **body: Any) -> None:
        client = APIClient()
        token = ApiToken.issue(self.people[who], "write", now=self.now, days=1)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        answer = getattr(client, method)(f"/api/v1/{path}", body or None, format="json")
        assert answer.status_code in (200, 201, 204), answer.content.decode()

    def door(self, act: Callable[[Account], None]) -> None:
        """For what no page or client records yet."""
        with change(self.account, by=self.people["alice"], via="task", now=self.now) as work:
            act(work.account)


def errors_of(answer: Any) -> list[Any]:
    """What the forms of a page that was shown again say."""
    layers = answer.context if isinstance(answer.context, list) else ()
    shown = [value for layer in layers for part in layer for value in part.values()]
    return [dict(value.errors) for value in shown if getattr(value, "errors", None)]


# --- the account's own facts


def account(**values: Any) -> Fact:
    """The account reads so; it is made when it is not there yet."""

    def recording(record: Callable[[World], None]) -> Callable[[World], None]:
        def act(world: World) -> None:
            world.known = {**CEDAR, **world.known, **values}
            record(world)

        return act

    ways = {"api": _put, "page": _submit, "import": _import}
    return {way: recording(record) for way, record in ways.items()}


def _put(world: World) -> None:
    body = {name: value for name, value in world.known.items() if name != "external_id"}
    world.call("joss", "put", f"accounts/external/{world.known['external_id']}/", **body)


def _submit(world: World) -> None:
    csm = User.objects.get(email=world.known["csm"])
    data = {**EMPTY, **world.known, "csm": csm.pk}
    if not data.pop("starter_package", False):
        data.pop("starter_package", None)
    else:
        data["starter_package"] = "on"
    here = Account.objects.filter(external_id=world.known["external_id"]).first()
    if here:
        data["initial-traits"] = here.traits
    world.post("joss", *(("accounts:edit", here.pk) if here else ("accounts:create",)), **data)


def _import(world: World) -> None:
    cells = {n: ";".join(v) if isinstance(v, list) else v for n, v in world.known.items()}
    path = world.folder / "accounts.csv"
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(cells))
        table.writeheader()
        table.writerow(cells)
    call_command("import_accounts", str(path), verbosity=0, stdout=StringIO())


def used_by(people: int) -> Fact:
    return {
        "task": lambda world: world.door(
            lambda row: UsageSnapshot.objects.create(account=row, taken_on=TODAY, active_users=people)
        )
    }


ARCHIVED: Fact = {"api": lambda world: world.call("joss", "delete", f"accounts/{world.account.pk}/")}


# --- what clears a row by hand or by a letter


def _complete(world: World) -> None:
    world.post(world.owner(), "dashboards:complete", world.row.pk)


def _complete_by_rest(world: World) -> None:
    world.call(world.owner(), "post", f"milestones/{world.row.pk}/complete/")


SAID_DONE: Fact = {"page": _complete, "api": _complete_by_rest}


def letter(kind: str) -> Fact:
    """The letter was copied out and sent by hand."""

    def act(world: World) -> None:
        words = {"to": "dana@example.com", "subject": "Hello", "body": "As we said.", "copied": "1"}
        world.post("alice", "mail:letter", world.account.pk, kind, world.row.source_id, seen="0", **words)

    return {"letter": act}


# --- the onboarding


def onboarding(part: str, **values: Any) -> Fact:
    """A part of the onboarding page, with the names and values of the API."""
    typed = {name: value[:16] if name.endswith("_at") else value for name, value in values.items()}
    return {
        "page": lambda world: world.post("alice", f"onboarding:{part}", world.account.pk, **typed),
        "api": lambda world: world.call("alice", "patch", f"onboardings/{world.onboarding.pk}/", **values),
    }


def onboarding_sent(part: str, field: str) -> Fact:
    return {
        "page": lambda world: world.post("alice", f"onboarding:{part}", world.account.pk),
        "api": lambda world: world.call(
            "alice", "patch", f"onboardings/{world.onboarding.pk}/", **{field: "2026-06-16T14:00:00Z"}
        ),
    }


def _clear_by_page(world: World) -> None:
    seen = world.onboarding.training_completed_on.isoformat()
    world.post(
        "alice",
        "onboarding:complete",
        world.account.pk,
        **{"initial-training_completed_on": seen, "training_completed_on": ""},
    )


DAY_ZERO_CLEARED: Fact = {
    "page": _clear_by_page,
    "api": lambda world: world.call(
        "alice", "patch", f"onboardings/{world.onboarding.pk}/", training_completed_on=None
    ),
}


def training(product: str, **values: Any) -> Fact:
    typed = {name: value[:16] if name.endswith("_at") else value for name, value in values.items()}

    def by_page(world: World) -> None:
        session = world.session(product)
        world.post("alice", "onboarding:training", world.account.pk, session.pk, **typed)

    def by_rest(world: World) -> None:
        world.call("alice", "patch", f"training-sessions/{world.session(product).pk}/", **values)

    return {"page": by_page, "api": by_rest}


def training_told(product: str) -> Fact:
    def by_page(world: World) -> None:
        session = world.session(product)
        world.post("alice", "onboarding:training-recap", world.account.pk, session.pk)

    sent = training(product, recap_sent_at="2026-06-16T14:00:00Z")
    return {"page": by_page, "api": sent["api"]}


# --- the contact log


def logged(kind: str, **values: Any) -> Fact:
    """Joss writes it down, not Alice, so that author and CSM differ."""
    body = {"kind": kind, "text": "As they told us.", **values}
    return {
        "page": lambda world: world.post("joss", "accounts:activity", world.account.pk, **body),
        "api": lambda world: world.call("joss", "post", "activities/", account=world.account.pk, **body),
    }


def _note_by_page(world: World) -> None:
    words = {"kind": "note", "text": "Support is on it.", "about": world.entry.pk}
    world.post("alice", "accounts:activity", world.account.pk, **words)


def _note_by_rest(world: World) -> None:
    words = {"kind": "note", "text": "Support is on it.", "about": world.entry.pk}
    world.call("alice", "post", "activities/", account=world.account.pk, **words)


NOTED: Fact = {"page": _note_by_page, "api": _note_by_rest}
FIXED: Fact = {
    "page": lambda world: world.post(
        "alice", "accounts:resolve-entry", world.account.pk, world.entry.pk, fixed="true"
    ),
    "api": lambda world: world.call(
        "alice", "patch", f"activities/{world.entry.pk}/", resolved_at=world.now.isoformat()
    ),
}
REMOVED: Fact = {
    "page": lambda world: world.post("joss", "accounts:remove-entry", world.account.pk, world.entry.pk),
    "api": lambda world: world.call("joss", "delete", f"activities/{world.entry.pk}/"),
}


def entry_says(**values: Any) -> Fact:
    """The entry is corrected; an empty value takes it out."""

    def by_page(world: World) -> None:
        entry = world.entry
        data = {"kind": entry.kind, "text": entry.text, "initial-follow_up_on": entry.follow_up_on or ""}
        world.post("joss", "accounts:entry", world.account.pk, entry.pk, **{**data, **values})

    def by_rest(world: World) -> None:
        body = {name: value or None for name, value in values.items()}
        world.call("joss", "patch", f"activities/{world.entry.pk}/", **body)

    return {"page": by_page, "api": by_rest}


def opportunity(**values: Any) -> Fact:
    """Something came up, or it now reads so."""

    def by_page(world: World) -> None:
        here = Opportunity.objects.filter(account=world.account).first()
        data = {"kind": "module", "state": "surfaced", **values}
        page = ("accounts:opportunity", world.account.pk, here.pk) if here else None
        world.post("alice", *(page or ("accounts:add-opportunity", world.account.pk)), **data)

    def by_rest(world: World) -> None:
        here = Opportunity.objects.filter(account=world.account).first()
        if here:
            world.call("alice", "patch", f"opportunities/{here.pk}/", **values)
        else:
            body = {"account": world.account.pk, "kind": "module", **values}
            world.call("alice", "post", "opportunities/", **body)

    return {"page": by_page, "api": by_rest}


RSM_TOLD: Fact = {
    "page": lambda world: world.post(
        "alice", "accounts:opportunity-told", world.account.pk, world.opportunity.pk
    ),
    "api": lambda world: world.call(
        "alice", "patch", f"opportunities/{world.opportunity.pk}/", rsm_told_at=world.now.isoformat()
    ),
}


# --- the adoption


def stage(step: str, page: dict[str, Any], body: dict[str, Any], *, who: str = "alice") -> Fact:
    """A step of the 60-day stage: what the page posts, and what a client sends."""
    return {
        "page": lambda world: world.post(who, f"adoption:{step}", world.account.pk, 60, **page),
        "api": lambda world: world.call(who, "patch", f"stages/{world.stage.pk}/", **body),
    }


STAGE_CLOSED: Fact = {
    "page": lambda world: world.post("alice", "adoption:close", world.account.pk, 60),
    "api": lambda world: world.call("alice", "post", f"stages/{world.stage.pk}/close/"),
}
CHECKLIST_READY: Fact = {"page": lambda world: world.post("alice", "adoption:ready", world.account.pk, 60)}


def _attach(world: World) -> None:
    attached = {
        "content_hash": "0" * 64,
        "file_name": "a.pdf",
        "by": world.people["alice"],
        "fillable": False,
    }
    world.door(lambda row: Checklist.begin(world.stage).attach(**attached))


CHECKLIST_EXPORTED: Fact = {"task": _attach}


def _check_in_by_rest(world: World) -> None:
    check_in = CheckIn.objects.get(account=world.account, day=75)
    world.call("joss", "patch", f"check-ins/{check_in.pk}/", done_on=TODAY)


CHECKED_IN: Fact = {
    "page": lambda world: world.post("joss", "adoption:check-in", world.account.pk, 75, done_on=TODAY),
    "api": _check_in_by_rest,
}
POOL_KEPT: Fact = {
    "page": lambda world: world.post("joss", "accounts:reroute", world.account.pk, decision="keep")
}


# --- the survey of the 60-day stage

LOW, HIGH = {"useful": 2}, {"useful": 3, "easy": 5}


def survey(verb: str, page: dict[str, Any], body: dict[str, Any]) -> Fact:
    """A button of the survey's panel, and what a client sends."""
    own = verb in ("waive", "fill")
    name, more = (f"adoption:survey-{verb}", ()) if own else ("adoption:survey-act", (verb,))
    return {
        "page": lambda world: world.post("alice", name, world.account.pk, world.survey.pk, *more, **page),
        "api": lambda world: world.call("alice", "patch", f"surveys/{world.survey.pk}/", **body),
    }


def survey_answered(scores: dict[str, int]) -> Fact:
    """By the customer behind the link, by the CSM together with them, or from another product's form."""

    def by_customer(world: World) -> None:
        answer = Client().post(reverse("adoption:survey-public", args=[world.survey.token]), scores)
        assert answer.status_code == 200, answer.content.decode()

    return {"link": by_customer, **survey("fill", scores, {"answers": {"scores": scores}})}


def _copy_survey_letter(world: World) -> None:
    words = {"to": "dana@example.com", "subject": "Hello", "body": "As we said.", "copied": "1"}
    world.post("alice", "mail:letter", world.account.pk, "survey_link", world.survey.pk, seen="0", **words)


SURVEY_LETTER: Fact = {"letter": _copy_survey_letter}
SURVEY_SENT = survey("sent", {}, {"sent_at": "2026-06-16T14:00:00Z"})
SURVEY_TICKED = survey("answered", {}, {"answered": True})
SURVEY_WAIVED = survey(
    "waive", {"reason": "They are moving house."}, {"waive_reason": "They are moving house."}
)


# --- Open Forums


def forum(name: str, **data: Any) -> Fact:
    """An act on the forum of Thursday, July 2."""
    act = partial(
        lambda world, data: world.post("alice", name, Forum.objects.get(held_on="2026-07-02").pk, **data)
    )
    return {"page": lambda world: act(world, data)}


FORUMS_PLANNED: Fact = {
    "page": lambda world: world.post(
        "joss", "onboarding:forum-series", host=world.people["alice"].pk, starts_at="11:00"
    )
}


def _reachable(world: World) -> None:
    world.post("alice", "accounts:add-contact", world.account.pk, name="Dana", email="dana@customer.example")
    with change(None, by=None, via="task", now=world.now):
        Link.objects.create(key="forum_link", value="https://meet.example.com/forum")


REACHABLE: Fact = {"page": _reachable}
SECOND = timedelta(seconds=1)
