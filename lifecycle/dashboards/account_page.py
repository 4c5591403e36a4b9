"""The account page: what it is, why, where it stands, what is next. A fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import OuterRef, Subquery
from django.urls import reverse

from accounts.models import Account, Contact, Reroute, Roster, UsageSnapshot, User
from adoption.models import Adoption
from lifecycle.dashboards.rows import Row, rows_of
from lifecycle.dashboards.templatetags.waymark import day_words
from lifecycle.dashboards.timeline import recent
from lifecycle.milestones.models import Milestone
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.routing import route
from onboarding.models import Onboarding

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Node:
    """One point of the lifecycle track: a shape, a name, a date, and its page."""

    state: str
    name: str
    when: str
    url: str = ""


def page(account: Account, *, viewer: User, now: datetime) -> dict[str, Any]:
    """Everything the account page shows, in the viewer's zone."""
    today = viewer.today(now)
    roster = Roster.load()
    policy = PolicyVersion.in_force(today)
    onboarding = (
        Onboarding.objects.filter(account=account)
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
    milestones = Milestone.objects.queued().filter(account=account).select_related("account", "owner")
    rows = rows_of(milestones, now=now, zone=viewer.zone)
    return {
        "account": account,
        "today": today,
        "now": now,
        "zone": viewer.zone,
        "lead": roster.users.get(roster.lead_of(account.csm_id)),
        "routed": route(account.facts(roster, now=now), policy),
        "plan": policy.cadence.plan(account.service_level),
        "phrase": _phrase(account, adoption, today=today),
        "track": _track(account, onboarding, adoption, today=today),
        "next_step": min(rows, key=lambda row: (row.milestone.act_by, row.order), default=None),
        "rows": rows,
        "onboarding": onboarding,
        "contacts": Contact.objects.filter(account=account),
        "masked": viewer.role in ("viewer", "admin"),  # security.md: they read no personal data
        "usage": UsageSnapshot.objects.filter(account=account).first(),
        "reroute": Reroute.objects.filter(
            account=account, accepted_at=None, kept_at=None, withdrawn_at=None
        ).first(),
        "activity": recent(account, zone=viewer.zone, today=today),
        "can_work": _can_work(account, viewer, today=today),
    }


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
    sessions = list(onboarding.sessions.all())
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


def with_usage(accounts: Any) -> Any:
    """Accounts with their latest active users, for lists."""
    newest = UsageSnapshot.objects.filter(account=OuterRef("pk")).order_by("-taken_on")
    return accounts.annotate(active_users=Subquery(newest.values("active_users")[:1]))


@dataclass(slots=True)
class Line:
    """One line of the accounts list."""

    account: Account
    next_step: Row | None
    day: int | None


def lines(accounts: list[Account], *, now: datetime, viewer: User) -> list[Line]:
    """The accounts of one page with their next steps; the queries do not grow with the page."""
    ids = [account.pk for account in accounts]
    open_rows = Milestone.objects.queued().filter(account__in=ids).select_related("account", "owner")
    first: dict[int, Milestone] = {}
    for milestone in open_rows.order_by("act_by", "pk"):
        first.setdefault(milestone.account_id, milestone)
    steps = {row.milestone.account_id: row for row in rows_of(first.values(), now=now, zone=viewer.zone)}
    adoptions = Adoption.objects.filter(account__in=ids, withdrawn_at=None).values_list(
        "account_id", "day_zero"
    )
    zero = dict(adoptions.order_by("pk"))
    today = viewer.today(now)
    return [
        Line(account, steps.get(account.pk), (today - zero[account.pk]).days if account.pk in zero else None)
        for account in accounts
    ]
