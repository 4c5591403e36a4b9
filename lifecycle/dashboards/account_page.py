"""The account page: what it is, why, where it stands, what is next. A fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from django.urls import reverse

from accounts.api.contacts import sees_masked
from accounts.models import (
    Account,
    Activity,
    Contact,
    Opportunity,
    Reroute,
    Roster,
    UsageSnapshot,
    User,
)
from accounts.models.contact_log import ACTIVITY_KINDS
from adoption.models import Adoption
from lifecycle.dashboards import timeline
from lifecycle.dashboards.package import package_context
from lifecycle.dashboards.rows import next_step, rows_of
from lifecycle.dashboards.usage import POINTS, usage_chart
from lifecycle.mail.models import Message
from lifecycle.milestones.models import Milestone
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.routing import route
from lifecycle.words import day_words
from onboarding.models import Onboarding

FEW_CONTACTS = 5


class Tab(NamedTuple):
    """One tab of an account; without a page it is not there yet."""

    key: str
    title: str
    url: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One point of the lifecycle track: a shape, a name, a date, and its page."""

    state: str
    name: str
    when: str
    url: str = ""


def head(account: Account, *, viewer: User, now: datetime, tab: str) -> dict[str, Any]:
    """What stands above every tab of an account, in the viewer's zone."""
    today = viewer.today(now)
    figures = list(UsageSnapshot.objects.filter(account=account)[:POINTS])
    roster = Roster.load()
    policy = PolicyVersion.in_force(today)
    onboarding = (
        Onboarding.objects.filter(account=account)
        .select_related("account")
        .prefetch_related("sessions", "objectives")
        .order_by("-pk")
        .first()
    )
    adoption = (
        Adoption.objects.filter(account=account)
        .prefetch_related("stages", "check_ins")
        .order_by("-pk")
        .first()
    )
    return {
        "account": account,
        "tab": tab,
        "tabs": _tabs(account, adoption, viewer, today=today),
        "today": today,
        "now": now,
        "zone": viewer.zone,
        "lead": roster.users.get(roster.lead_of(account.csm_id)),
        "routed": route(facts := account.facts(roster, now=now), policy),
        "package": package_context(account, facts, policy),
        "plan": policy.cadence.plan(account.service_level),
        "phrase": _phrase(account, adoption, today=today),
        "track": _track(account, onboarding, adoption, today=today),
        "next_meeting": _next_meeting(onboarding, adoption, now=now),
        "onboarding": onboarding,
        "masked": sees_masked(viewer),
        "usage": next(iter(figures), None),
        "usage_chart": usage_chart(figures, account.contracted_users),
        "can_work": _can_work(account, viewer, today=today),
        "can_note": not account.archived and viewer.role not in ("viewer", "admin"),  # SEG-5
    }


def overview(account: Account, *, viewer: User, now: datetime) -> dict[str, Any]:
    """Everything the first tab shows."""
    today = viewer.today(now)
    milestones = Milestone.objects.queued().filter(account=account).select_related("account", "owner")
    rows = rows_of(milestones, now=now, zone=viewer.zone)
    return {
        **head(account, viewer=viewer, now=now, tab="overview"),
        "rows": rows,
        "next_step": next_step(rows, today=today),
        "tell_rsm": next(
            (
                row
                for row in rows
                if row.milestone.kind == "tell_rsm" and row.milestone.source_type == "account"
            ),
            None,
        ),
        "contacts": Contact.objects.filter(account=account)[:FEW_CONTACTS],
        "bugs": Activity.objects.filter(account=account, kind="bug", resolved_at=None, removed_at=None),
        "opportunities": Opportunity.objects.filter(account=account),
        "reroute": Reroute.objects.filter(
            account=account, accepted_at=None, kept_at=None, withdrawn_at=None
        ).first(),
        "activity_kinds": ACTIVITY_KINDS.items(),
        "activity": timeline.recent(account, viewer=viewer, now=now),
    }


def _tabs(account: Account, adoption: Adoption | None, viewer: User, *, today: date) -> list[Tab]:
    """The tabs with their counts; the adoption's leads to the stage that is worked, or the last one."""
    mails = Message.objects.visible_to(viewer, today=today).filter(account=account)
    activities = Activity.objects.filter(account=account, removed_at=None)
    return [
        Tab("overview", "Overview", reverse("accounts:detail", args=[account.pk])),
        Tab("onboarding", "Onboarding", reverse("onboarding:page", args=[account.pk])),
        Tab("adoption", "Adoption", _stage_page(account, adoption)),
        Tab(
            "contacts",
            "Contacts",
            reverse("accounts:contacts", args=[account.pk]),
            Contact.objects.filter(account=account).count(),
        ),
        Tab("activity", "Activity", reverse("accounts:activity", args=[account.pk]), activities.count()),
        Tab("emails", "Emails", reverse("accounts:emails", args=[account.pk]), mails.count()),
    ]


def _stage_page(account: Account, adoption: Adoption | None) -> str:
    if adoption is None or adoption.withdrawn_at is not None:
        return ""
    stages = [stage for stage in adoption.stages.all() if stage.cancelled_at is None]
    worked = next((stage for stage in stages if not stage.finished), stages[-1] if stages else None)
    return reverse("adoption:stage", args=[account.pk, worked.day]) if worked else ""


def _next_meeting(
    onboarding: Onboarding | None, adoption: Adoption | None, *, now: datetime
) -> datetime | None:
    booked = []
    if onboarding is not None:
        booked.append(None if onboarding.call_completed_on else onboarding.call_scheduled_at)
        booked += [row.scheduled_at for row in onboarding.trainings() if row.completed_on is None]
    if adoption is not None and adoption.withdrawn_at is None:
        stages = [row for row in adoption.stages.all() if row.meeting_held is None and not row.cancelled_at]
        booked += [row.meeting_scheduled_at for row in stages]
    return min((at for at in booked if at is not None and at >= now), default=None)


def _can_work(account: Account, viewer: User, *, today: date) -> bool:
    return (
        not account.archived and Account.objects.worked_by(viewer, today=today).filter(pk=account.pk).exists()
    )


def _phrase(account: Account, adoption: Adoption | None, *, today: date) -> str:
    if account.archived:
        return "Archived"
    if account.phase == "adoption" and adoption:
        return f"Adopting, day {(today - adoption.day_zero).days}"
    return {"new": "New", "onboarding": "Onboarding", "adopted": "Adopted", "churned": "Churned"}[
        account.phase
    ]


def _track(
    account: Account, onboarding: Onboarding | None, adoption: Adoption | None, *, today: date
) -> list[Node]:
    page = reverse("onboarding:page", args=[account.pk])
    nodes = []
    if onboarding is not None:
        nodes += _onboarding_nodes(onboarding, page, today=today)
    if adoption is None or adoption.withdrawn_at is not None:
        return nodes
    listed = [*adoption.stages.all(), *adoption.check_ins.all()]
    for row in sorted(listed, key=lambda row: row.day):
        name = f"{row.day}-day" if row.type == "stage" else f"TL {row.day}-day email"
        view = "adoption:stage" if row.type == "stage" else "adoption:check-in"
        url = reverse(view, args=[account.pk, row.day])
        if row.cancelled_at:
            nodes.append(Node("skip", name, "No longer belongs", url))
        elif row.finished:
            done = row.done_on if row.type == "check_in" else row.meeting_held_on or row.closed_at.date()
            nodes.append(Node("done", name, f"Done {day_words(done, today)}", url))
        else:
            state = "overdue" if row.due_on < today else "progress" if row.started_at else "todo"
            nodes.append(Node(state, name, day_words(row.due_on, today), url))
    return nodes


def _onboarding_nodes(onboarding: Onboarding, url: str, *, today: date) -> list[Node]:
    sessions = onboarding.trainings()
    held = [session.completed_on for session in sessions if session.completed_on]
    call, done = onboarding.call_completed_on, onboarding.training_completed_on
    booked = onboarding.call_scheduled_at
    return [
        Node(
            "done" if call else "progress" if booked else "todo",
            "Onboarding call",
            day_words(call, today) if call else "Booked" if booked else "Not booked",
            url,
        ),
        Node(
            "done" if sessions and len(held) == len(sessions) else "progress" if held else "todo",
            "Trainings",
            f"{len(held)} of {len(sessions)}" if sessions else "None required",
            url,
        ),
        Node(
            "done" if done else "todo",
            "Onboarded",
            f"{day_words(done, today)}, day 0" if done else "Day 0",
            url,
        ),
    ]
