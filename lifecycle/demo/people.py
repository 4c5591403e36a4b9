"""Who works here: two teams, and one of every role."""

from __future__ import annotations

from datetime import datetime, time

from django.contrib.auth.hashers import make_password

from accounts.models import Team, User
from lifecycle.change import change
from lifecycle.mail.models import Link
from onboarding.models import Forum

PASSWORD = "waymark demo 2026"  # noqa: S105 - public on purpose: invented data only
EAST, WEST = "East", "West"
NEW_YORK, CHICAGO, DENVER, LOS_ANGELES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
)
# first part of the address, name, role, pool, team, zone
PEOPLE = (
    ("imani", "Imani Castellan", "csm", "core", EAST, NEW_YORK),
    ("luz", "Luz Amberly", "csm", "core", EAST, NEW_YORK),
    ("reza", "Reza Thorncroft", "csm", "core", EAST, CHICAGO),
    ("kofi", "Kofi Strand", "csm", "digital", EAST, CHICAGO),
    ("noor", "Noor Ellery", "csm", "digital", EAST, NEW_YORK),
    ("sunniva", "Sunniva Hale", "csm", "strategic", EAST, NEW_YORK),
    ("tobias", "Tobias Fenn", "csm", "core", WEST, LOS_ANGELES),
    ("ines", "Ines Marlow", "csm", "digital", WEST, DENVER),
    ("joss", "Joss Vandermeer", "team_lead", "", EAST, NEW_YORK),
    ("maren", "Maren Holloway", "team_lead", "", WEST, LOS_ANGELES),
    ("manager", "Adaeze Whitcombe", "manager", "", None, NEW_YORK),
    ("ops", "Priya Lindgren", "cs_ops", "", None, NEW_YORK),
    ("viewer", "Casper Dahl", "viewer", "", None, NEW_YORK),
    ("admin", "Rowan Achterberg", "admin", "", None, NEW_YORK),
)
LINKS = {
    "presentation_link": "https://library.example.com/smb-presentation",
    "launch_kit_link": "https://library.example.com/launch-kit",
    "policy_manuals_link": "https://library.example.com/policy-manuals",
    "overview_videos_link": "https://library.example.com/overview-videos",
    "forum_link": "https://meet.example.com/open-forum",
    "support_email": "support@example.com",
    "support_phone": "+1 555 010 0199",
    "support_hours": "Mon to Fri, 8 AM to 6 PM Central",
}
LEADS = {EAST: "joss", WEST: "maren"}


def make_people(*, now: datetime) -> dict[str, User]:
    """Everybody, by the first part of their address; whoever is there already is brought into shape."""
    password = make_password(PASSWORD)  # hashed once: fourteen times would be most of the wait
    people: dict[str, User] = {}
    with change(None, by=None, via="task", now=now):
        teams = {name: Team.objects.get_or_create(name=name)[0] for name in LEADS}
        for key, name, role, pool, team, zone in PEOPLE:
            email = f"{key}@example.com"
            user = User.objects.filter(email=email).first() or User(email=email)
            user.name, user.role, user.pool, user.time_zone = name, role, pool, zone
            user.team, user.password = teams.get(team), password
            user.booking_url = f"https://book.example.com/{key}" if role == "csm" else ""
            user.save()
            people[key] = user
        for name, team in teams.items():
            team.lead, team.manager, team.country = people[LEADS[name]], people["manager"], "US"
            team.save()
    return people


def furnish(people: dict[str, User], *, now: datetime) -> None:
    """What CS Ops keep for everybody: the links that letters mention, and a year of Open Forums."""
    with change(None, by=people["ops"], via="page", now=now):
        for key, value in LINKS.items():
            link = Link.objects.filter(key=key).first() or Link(key=key)
            link.value = value
            link.save()
        Forum.plan_series(people["kofi"], time(11), today=now.date())
