"""What every page shows around its content: navigation by role, the person, the theme."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from accounts.models.people import THEMES
from lifecycle import clock
from lifecycle.dashboards.counting import numbers_of
from lifecycle.mail.models import Message
from lifecycle.milestones import planner
from lifecycle.milestones.models import Milestone

RUNS_IT = ("cs_ops", "admin")  # MIL-7: who is told that the planner does not run
TEAM = ("Team queue", "team", "dashboards:team")
DAY = ("My day", "day", "dashboards:day")
ACCOUNTS = ("Accounts", "accounts", "accounts:list")
OUTBOX = ("Outbox", "outbox", "dashboards:outbox")
FORUMS = ("Open Forums", "cal", "onboarding:forums")
# Everybody else finds these beside their profile.
SETTINGS = ("Settings", "gear", "mail:templates", "mail:links")
ITEMS = {
    "csm": (DAY, ACCOUNTS, OUTBOX, FORUMS),
    "team_lead": (TEAM, DAY, ACCOUNTS, OUTBOX, FORUMS),
    "manager": (TEAM, DAY, ACCOUNTS, OUTBOX, FORUMS),
    "cs_ops": (ACCOUNTS, DAY, TEAM, OUTBOX, FORUMS, SETTINGS),
    "viewer": (ACCOUNTS, FORUMS),
    "admin": (ACCOUNTS, OUTBOX, SETTINGS),
}


def page(request: HttpRequest) -> dict[str, Any]:
    """The frame of a page. What costs a query is asked for only where it is shown."""
    return {
        "site_name": settings.SITE_NAME,
        "theme": lambda: theme_of(request),
        "nav": SimpleLazyObject(lambda: _nav(request)),
        "planner_is_late": lambda: _planner_is_late(request),
    }


def theme_of(request: HttpRequest) -> str:
    """Light, dark, or "" for what the system has: as the person chose, and before sign-in as this browser last had it."""
    theme = request.user.theme if request.user.is_authenticated else request.COOKIES.get("theme", "")
    return theme if theme in THEMES else ""


def home_of(user: User) -> str:
    """`/` goes to the role's first navigation item."""
    return reverse(ITEMS[user.role][0][2])


def _planner_is_late(request: HttpRequest) -> bool:
    """MIL-7: one query, for those alone who can do something about it."""
    user = request.user
    return user.is_authenticated and user.role in RUNS_IT and planner.is_late(clock.now())


def _nav(request: HttpRequest) -> dict[str, Any]:
    user = request.user
    if not user.is_authenticated:
        return {"items": []}
    counts = _counts(user)
    items = [
        {
            "label": label,
            "icon": icon,
            "url": reverse(name),
            "count": counts.get(icon),
            "stuck": icon == "outbox",
            "current": request.path.startswith((reverse(name), *map(reverse, more))),
        }
        for label, icon, name, *more in ITEMS[user.role]
    ]
    title = " ".join(part for part in (user.get_pool_display(), user.get_role_display()) if part)
    return {"items": items, "person": user, "title": title.replace("Csm", "CSM").replace("Cs ops", "CS Ops")}


def _counts(user: User) -> dict[str, Any]:
    """Overdue plus today, and mail that waits for a person: one query for all items."""
    today = user.today(clock.now())
    awake = Q(snoozed_until=None) | Q(snoozed_until__lte=today)
    due = Milestone.objects.visible_to(user, today=today).queued().filter(awake, act_by__lte=today)
    mails = Message.objects.visible_to(user, today=today).filter(channel="mail")
    countable = {
        "day": {"day": due.filter(owner=user)},
        "team": {"team": due},
        "outbox": {"failed": mails.filter(state="dead"), "held": mails.filter(state="held")},
    }
    counted = {
        name: rows for _, icon, *_ in ITEMS[user.role] for name, rows in countable.get(icon, {}).items()
    }
    found = numbers_of(counted, user)
    stuck = [f"{found[name]} {name}" for name in ("failed", "held") if found.get(name)]
    return {**found, "outbox": ", ".join(stuck) or None}
