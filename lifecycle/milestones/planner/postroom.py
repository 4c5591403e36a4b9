"""Who gets a milestone's reminder, and when (MIL-3, MIL-4, MIL-6)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection

from accounts.models import Cover, Roster, Team, User
from lifecycle.milestones.models import Milestone
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.cadence import WorkCalendar
from lifecycle.rules.policy import Policy
from lifecycle.rules.reminders import Occasion, send_at


@dataclass(frozen=True, slots=True)
class Postroom:
    """Everybody's hours, zones and leave: to whom and when a milestone's occasion is sent (MIL-3, MIL-6)."""

    now: datetime
    policy: Policy
    roster: Roster
    covers: dict[int, list[Cover]]
    stamp: tuple[Any, ...] = ()
    mornings: dict[tuple[int, date], datetime] = field(default_factory=dict)  # asked again at every look

    @classmethod
    def load(cls, now: datetime) -> Postroom:
        today = now.astimezone(UTC).date()
        stamp = _stamp(today)
        policy = PolicyVersion.in_force(today)
        covers: dict[int, list[Cover]] = defaultdict(list)
        since = today - timedelta(days=policy.reminders.look_back_days + 1)
        for cover in Cover.objects.filter(to_on__gte=since).order_by("pk"):
            covers[cover.user_id].append(cover)
        return cls(now, policy, Roster.load(), covers, stamp)

    def at(self, now: datetime) -> Postroom:
        """The same of another instant: read anew only when people, teams, cover or policy changed meanwhile."""
        today = now.astimezone(UTC).date()
        if self.stamp == _stamp(today):
            return replace(self, now=now)
        return type(self).load(now)

    def calendar(self, milestone: Milestone) -> WorkCalendar:
        account = milestone.account
        team = self.roster.team_of(account.csm_id if account else milestone.owner_id)
        return team.calendar(today=self.now.astimezone(UTC).date()) if team else WorkCalendar()

    def occasion(self, milestone: Milestone, name: str) -> Occasion:
        """The occasion of that name; the late ones go on for ever, so there is one."""
        found = milestone.occasions(self.policy, self.calendar(milestone))
        return next(occasion for occasion in found if occasion.name == name)

    def speaks_on(self, milestone: Milestone, occasion: Occasion) -> date:
        """The day on which an occasion is sent: its own, or the end of a snooze."""
        return max(occasion.on, milestone.snoozed_until or occasion.on)

    def recipients(self, milestone: Milestone, occasion: Occasion, on: date) -> list[User]:
        """MIL-3, MIL-6: who gets it on that day: those whom the rules name, or who covers for them."""
        csm_id = milestone.account.csm_id if milestone.account else milestone.owner_id
        named = milestone.audience(occasion, self.roster, csm_id=csm_id)
        found = {self._cover_of(person, on).pk: None for person in named}
        return [self.roster.users[pk] for pk in found]

    def parts(self, milestone: Milestone, occasion: Occasion, on: date) -> dict[int, frozenset[str]]:
        """As what each recipient gets it on that day, in person or in somebody's place: "owner", "csm", "lead"."""
        found: dict[int, frozenset[str]] = {}
        for part in sorted(occasion.to):
            alone = Occasion(occasion.name, occasion.on, frozenset({part}))
            for person in self.recipients(milestone, alone, on):
                found[person.pk] = found.get(person.pk, frozenset()) | {part}
        return found

    def _cover_of(self, person: User, on: date) -> User:
        seen = set()
        while person.pk not in seen:
            seen.add(person.pk)
            for cover in self.covers.get(person.pk, ()):
                substitute = self.roster.users[cover.substitute_id]
                if cover.from_on <= on <= cover.to_on and substitute.is_active:
                    person = substitute
                    break
        return person

    def morning(self, person: User, on: date) -> datetime:
        """MIL-4: when that person's mail of that day leaves."""
        key = (person.pk, on)
        if key not in self.mornings:
            self.mornings[key] = send_at(on, hour=person.mail_hour(self.policy), zone=person.zone)
        return self.mornings[key]


# Every change of a person or a team raises its version, and a policy never changes.
STAMP = """
SELECT (SELECT count(*) || ':' || sum(version) || ':' || max(id) FROM {user}),
    (SELECT count(*) || ':' || sum(version) || ':' || max(id) FROM {team}),
    (SELECT max(number) FROM {policyversion} WHERE effective_on <= %s),
    (SELECT {joined} FROM {cover} WHERE to_on >= %s)
"""
ONE_COVER = "id || ':' || user_id || ':' || substitute_id || ':' || from_on || ':' || to_on"


def _stamp(today: date) -> tuple[Any, ...]:
    """What differs when anything that a postroom holds does; far cheaper than reading it."""
    tables = {
        model.__name__.lower(): connection.ops.quote_name(model._meta.db_table)
        for model in (User, Team, Cover, PolicyVersion)
    }
    function = "string_agg({}, ',')" if connection.vendor == "postgresql" else "group_concat({})"
    with connection.cursor() as cursor:
        cursor.execute(STAMP.format(**tables, joined=function.format(ONE_COVER)), [today, today])
        return cursor.fetchone()
