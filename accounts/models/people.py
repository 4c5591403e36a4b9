"""Who serves accounts: colleagues, their teams, and leave cover. A User is a colleague, never a customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import holidays
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from lifecycle.guard import DomainModel, DomainQuerySet
from lifecycle.rules.cadence import WorkCalendar
from lifecycle.rules.policy import Policy
from lifecycle.rules.refused import Refused
from lifecycle.rules.routing import POOLS

ROLES = ("csm", "team_lead", "manager", "cs_ops", "viewer", "admin")
LEAD_ROLES = ("team_lead", "manager")
DECIDING_ROLES = (*LEAD_ROLES, "cs_ops")
SEES_ALL_ROLES = ("manager", "cs_ops", "viewer", "admin")
THEMES = ("light", "dark")


def _choices(names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, name.replace("_", " ").capitalize()) for name in names]


def validate_zone(name: str) -> None:
    """ValidationError unless `name` is an IANA time zone of this machine's database."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValidationError(
            f"{name!r} is not a time zone. Use an IANA name like America/Chicago.", "zone"
        ) from None


@lru_cache(maxsize=64)
def _calendar(country: str, extra_days: tuple[str, ...], year: int) -> WorkCalendar:
    years = range(year - 2, year + 4)
    public = holidays.country_holidays(country, years=years) if country else ()
    return WorkCalendar(frozenset(public) | frozenset(date.fromisoformat(day) for day in extra_days))


class Team(DomainModel):
    """CSMs under one lead; its calendar says which days are working days (CAD-5)."""

    resource = "team"

    name = models.CharField(max_length=120, unique=True)
    lead = models.ForeignKey(
        "accounts.User", on_delete=models.PROTECT, null=True, blank=True, related_name="leads"
    )
    manager = models.ForeignKey(
        "accounts.User", on_delete=models.PROTECT, null=True, blank=True, related_name="manages"
    )
    country = models.CharField(
        max_length=2, blank=True, help_text="ISO code whose public holidays the team keeps"
    )
    extra_days = models.JSONField(default=list, blank=True, help_text="Further days off, as YYYY-MM-DD")
    version = models.PositiveIntegerField(default=1)

    class Meta(DomainModel.Meta):
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def calendar(self, *, today: date) -> WorkCalendar:
        """The team's working days from two years before to three years after `today`."""
        return _calendar(self.country, tuple(self.extra_days), today.year)


class UserManager(BaseUserManager.from_queryset(DomainQuerySet)):
    """Users are found by email, whatever its case."""

    def get_by_natural_key(self, email: str) -> User:
        return self.get(email=email.lower())

    def csms(self, pool: str = "") -> models.QuerySet:
        """Active CSMs, of one pool if named."""
        found = self.filter(role="csm", is_active=True)
        return found.filter(pool=pool) if pool else found


class User(DomainModel, AbstractBaseUser):
    """A colleague: signs in by email, has one role, and as a CSM serves one pool."""

    resource = "user"
    signs_in = True
    quiet = DomainModel.quiet | {"last_login", "password", "theme"}
    # What, when it changes, changes who owes what or when mail leaves; a name or a theme does not.
    feeds = frozenset({"role", "pool", "team_id", "time_zone", "digest_hour", "is_active"})

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=150)
    role = models.CharField(max_length=12, choices=_choices(ROLES))
    pool = models.CharField(max_length=12, choices=_choices(POOLS), blank=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="members")
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_zone])
    digest_hour = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Empty: the policy's hour"
    )
    booking_url = models.URLField(blank=True)
    signature = models.CharField(max_length=500, blank=True)
    stage_mail = models.BooleanField(default=True, help_text="Tell a lead of stages that were closed")
    theme = models.CharField(
        max_length=5, choices=_choices(THEMES), blank=True, help_text="Empty: as the system has it"
    )
    weekly_load = models.PositiveSmallIntegerField(default=20)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1)

    objects = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ("name", "role")

    class Meta(DomainModel.Meta):
        ordering = ("name", "id")
        constraints = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower"),
            models.CheckConstraint(condition=~Q(role="csm") | ~Q(pool=""), name="csm_has_pool"),
            models.CheckConstraint(condition=Q(role="csm") | Q(pool=""), name="only_csm_has_pool"),
            models.CheckConstraint(
                condition=Q(digest_hour__lte=23) | Q(digest_hour=None), name="digest_hour_range"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def decides(self) -> bool:
        """security.md: flow decisions, other owners and pools, check-ins."""
        return self.role in DECIDING_ROLES

    @property
    def sees_all(self) -> bool:
        return self.role in SEES_ALL_ROLES

    def get_full_name(self) -> str:
        return self.name

    def mail_hour(self, policy: Policy) -> int:
        """MIL-4: the local hour of the morning digest: personal, else the policy's."""
        return policy.reminders.digest_hour if self.digest_hour is None else self.digest_hour

    def today(self, now: datetime) -> date:
        """The date where this person is."""
        return now.astimezone(self.zone).date()

    def record(self, values: dict[str, Any]) -> None:
        """Take what an administrator entered. A CSM is Digital unless said otherwise; nobody else has a pool.

        Raises Refused (409) for a CSM who would leave open accounts behind (MIL-6).
        """
        was_serving = self.pk is not None and self.role == "csm" and self.is_active
        for name, value in values.items():
            setattr(self, name, value)
        self.pool = (self.pool or "digital") if self.role == "csm" else ""
        if was_serving and not (self.role == "csm" and self.is_active):
            self._refuse_to_strand("is_active" if self.role == "csm" else "role")
        self.save()

    def _refuse_to_strand(self, field: str) -> None:
        served = self.accounts.open().count()
        if served:
            text = f"{self.email} serves {served} accounts as CSM; hand them over first."
            raise Refused(field, "has_accounts", text, rule="MIL-6", conflict=True)

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Django's own permissions are not used: roles decide (security.md)."""
        return False

    has_module_perms = has_perm


class Cover(DomainModel):
    """Leave cover: from one date to another the substitute gets the mail and sees the accounts (MIL-6)."""

    resource = "cover"

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="covers")
    substitute = models.ForeignKey(User, on_delete=models.PROTECT, related_name="covering")
    from_on = models.DateField()
    to_on = models.DateField()

    class Meta(DomainModel.Meta):
        constraints = [
            models.CheckConstraint(condition=Q(from_on__lte=models.F("to_on")), name="cover_dates_in_order"),
            models.CheckConstraint(condition=~Q(user=models.F("substitute")), name="cover_by_another"),
        ]


@dataclass(frozen=True, slots=True)
class Roster:
    """All people and teams at once: who leads whom, for set-based work (MIL-6)."""

    users: dict[int, User]
    teams: dict[int, Team]

    @classmethod
    def load(cls) -> Roster:
        return cls(
            {user.pk: user for user in User.objects.all()},
            {team.pk: team for team in Team.objects.all()},
        )

    def team_of(self, csm_id: int | None) -> Team | None:
        user = self.users.get(csm_id) if csm_id else None
        return self.teams.get(user.team_id) if user and user.team_id else None

    def works(self, user_id: int | None, csm_id: int | None) -> bool:
        """security.md: whether somebody works the accounts of a CSM, in person: leave cover does not count."""
        user = self.users.get(user_id) if user_id else None
        if user is None or not user.is_active:
            return False
        if user.pk == csm_id or user.role in ("manager", "cs_ops"):
            return True
        team = self.team_of(csm_id)
        return user.role == "team_lead" and (csm_id is None or (team is not None and team.lead_id == user.pk))

    def lead_of(self, csm_id: int | None) -> int | None:
        """MIL-6: the team's lead, else its manager, else the first active manager, else the first of CS Ops.

        None only where nobody serves the account (ROUTE-6's unroutable ones), or nobody could lead.
        """
        if csm_id is None:
            return None
        team = self.team_of(csm_id)
        for user_id in (team.lead_id, team.manager_id) if team else ():
            if user_id and self.users[user_id].is_active:
                return user_id
        for role in ("manager", "cs_ops"):
            found = [user.pk for user in self.users.values() if user.role == role and user.is_active]
            if found:
                return min(found)
        return None
