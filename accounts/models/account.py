"""Who we serve: customers' accounts, their contacts and usage, and the question of another pool."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import OuterRef, Q, Subquery

from accounts.models.people import Roster, User, validate_zone
from lifecycle.guard import DomainModel, DomainQuerySet
from lifecycle.rules.facts import PRODUCTS, SMB_TRAITS, AccountFacts, RerouteFacts, UsageFacts, is_smb
from lifecycle.rules.policy import LEVELS, Policy
from lifecycle.rules.refused import Refused
from lifecycle.rules.routing import POOLS, signature

MAX_USERS = 1_000_000
MAX_MRR_CENTS = 999_999_999
PHASES = ("new", "onboarding", "adoption", "adopted", "churned")
SEGMENTS = ("smb", "regular")
CENT = Decimal("0.01")


def _choices(names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, name.replace("_", " ").capitalize()) for name in names]


class VisibleQuerySet(DomainQuerySet):
    """Rows of accounts, scoped to who asks (security.md). `to_account` is the path to the account."""

    to_account = "account__"

    def visible_to(self, user: User, *, today: date | None = None) -> VisibleQuerySet:
        """What this person may see: a CSM their own accounts and those they cover today, a lead the
        team's and the unroutable, the others all. Everything else does not exist for them."""
        if not user.is_active:
            return self.none()
        if user.sees_all:
            return self.all()
        at = self.to_account
        if user.role == "team_lead":
            return self.filter(
                Q(**{f"{at}csm__team__lead": user}) | Q(**{f"{at}csm": None}) | Q(**{f"{at}csm": user})
            )
        mine = Q(**{f"{at}csm": user}) | Q(**{f"{at}onboarded_by": user})
        if today is not None:
            covered = User.objects.filter(
                covers__substitute=user, covers__from_on__lte=today, covers__to_on__gte=today
            ).values("pk")
            mine |= Q(**{f"{at}csm__in": covered})
        return self.filter(mine)

    def worked_by(self, user: User, *, today: date | None = None) -> VisibleQuerySet:
        """What this person may change: as `visible_to`, without the accounts one only onboarded (SEG-5),
        and nothing for viewers and admins."""
        if user.role in ("viewer", "admin"):
            return self.none()
        found = self.visible_to(user, today=today)
        if user.role != "csm":
            return found
        at = self.to_account
        covered = User.objects.none()
        if today is not None:
            covered = User.objects.filter(
                covers__substitute=user, covers__from_on__lte=today, covers__to_on__gte=today
            )
        return found.filter(Q(**{f"{at}csm": user}) | Q(**{f"{at}csm__in": covered.values("pk")}))

    def noted_by(self, user: User, *, today: date | None = None) -> VisibleQuerySet:
        """SEG-5: what this person may write a note on: what they work, and the accounts they onboarded."""
        if user.role in ("viewer", "admin"):
            return self.none()
        return self.visible_to(user, today=today)


class AccountQuerySet(VisibleQuerySet):
    to_account = ""

    def open(self) -> AccountQuerySet:
        """Not archived, not churned (ROUTE-6)."""
        return self.filter(archived_at=None, churned_on=None)


class Account(DomainModel):
    """A customer. Facts are written by people and sync clients; what is computed follows from them."""

    resource = "account"
    quiet = DomainModel.quiet | {"recheck_at", "last_contact_on"}

    external_id = models.CharField(max_length=255, unique=True, null=True, blank=True)
    name = models.CharField(max_length=255)
    starter_package = models.BooleanField(default=False)
    traits = models.JSONField(default=list, blank=True)
    service_level = models.CharField(max_length=8, choices=_choices(LEVELS), default="basic")
    contracted_users = models.PositiveIntegerField(validators=[MaxValueValidator(MAX_USERS)])
    mrr_cents = models.BigIntegerField()
    close_date = models.DateField(null=True, blank=True)
    products = models.JSONField(default=list, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_zone])
    rsm_name = models.CharField(max_length=150, blank=True)
    rsm_email = models.EmailField(blank=True)
    employee_sync = models.BooleanField(null=True, blank=True)
    domain_allowlisted = models.BooleanField(null=True, blank=True)

    segment = models.CharField(max_length=7, choices=_choices(SEGMENTS), default="regular", editable=False)
    pool = models.CharField(max_length=9, choices=_choices(POOLS), default="digital", editable=False)
    reasons = models.JSONField(default=list, editable=False)
    policy = models.PositiveIntegerField(default=1, editable=False)
    phase = models.CharField(max_length=10, choices=_choices(PHASES), default="new", editable=False)
    override_pool = models.CharField(max_length=9, choices=_choices(POOLS), blank=True)
    override_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    override_reason = models.CharField(max_length=500, blank=True)
    override_at = models.DateTimeField(null=True, blank=True)
    csm = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="accounts")
    onboarded_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="onboarded"
    )
    reference_since = models.DateField(null=True, blank=True)
    reference_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    churned_on = models.DateField(null=True, blank=True)
    churn_cause = models.CharField(max_length=500, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    last_contact_on = models.DateField(null=True, editable=False)
    recheck_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    objects = AccountQuerySet.as_manager()

    class Meta(DomainModel.Meta):
        ordering = ("name", "id")
        constraints = [
            models.CheckConstraint(condition=Q(contracted_users__lte=MAX_USERS), name="account_users_range"),
            models.CheckConstraint(
                condition=Q(mrr_cents__gte=0, mrr_cents__lte=MAX_MRR_CENTS), name="account_mrr_range"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="account_has_name"),
            models.CheckConstraint(condition=~Q(external_id=""), name="account_external_id_not_empty"),
            models.CheckConstraint(
                condition=Q(override_pool="", override_by=None, override_reason="")
                | (~Q(override_pool="") & Q(override_by__isnull=False) & ~Q(override_reason="")),
                name="account_override_is_whole",
            ),
        ]
        indexes = [
            models.Index(fields=("name", "id"), name="account_by_name"),
            models.Index(fields=("csm", "name", "id"), name="account_by_csm"),
            models.Index(
                fields=("recheck_at",), name="account_to_recheck", condition=Q(recheck_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def mrr(self) -> Decimal:
        """US dollars a month, two places."""
        return (Decimal(self.mrr_cents) / 100).quantize(CENT)

    @mrr.setter
    def mrr(self, amount: Decimal) -> None:
        self.mrr_cents = int(amount * 100)

    @property
    def archived(self) -> bool:
        return self.archived_at is not None

    @property
    def is_smb(self) -> bool:
        return is_smb(starter_package=self.starter_package, traits=frozenset(self.traits))

    def door_account_id(self) -> int | None:
        return self.pk

    def zone(self, roster: Roster) -> ZoneInfo:
        """The zone of this account's days: its CSM's, else its own."""
        csm = roster.users.get(self.csm_id)
        return ZoneInfo(csm.time_zone if csm else self.time_zone)

    def facts(self, roster: Roster, *, now: datetime, **more: Any) -> AccountFacts:
        """This row as the rules see it; `more` brings onboarding, adoption and what else duties need."""
        zone = self.zone(roster)
        team = roster.team_of(self.csm_id)
        calendar = {"calendar": team.calendar(today=now.astimezone(zone).date())} if team else {}
        return AccountFacts(
            id=self.pk or 0,
            service_level=self.service_level,
            contracted_users=self.contracted_users,
            mrr=self.mrr,
            starter_package=self.starter_package,
            traits=frozenset(self.traits),
            products=tuple(self.products),
            zone=zone,
            csm=self.csm_id,
            lead=roster.lead_of(self.csm_id),
            override_pool=self.override_pool,
            archived=self.archived,
            churned=self.churned_on is not None,
            **calendar,
            **more,
        )

    # --- verbs; each is called inside change() and is safe to repeat

    def record(self, values: dict[str, Any]) -> None:
        """Take facts from a form, an import or a client. Raises Refused for what may not be written."""
        self.take(values)
        self.save()

    def take(self, values: dict[str, Any]) -> None:
        """`record` without the write, for bulk. Raises Refused for what may not be written."""
        self.refuse_if_archived()
        new_id = values.get("external_id", self.external_id)
        if self.pk and self.external_id is not None and new_id != self.external_id:
            raise Refused("external_id", "immutable", "The external id cannot be changed once it is set.")
        for name, value in values.items():
            setattr(self, name, value)
        self.traits = [trait for trait in SMB_TRAITS if trait in set(self.traits)]
        self.products = [product for product in PRODUCTS if product in set(self.products)]

    def refuse_if_archived(self) -> None:
        """Refused (409) on an archived account: nothing of it may be written but its restoration."""
        if self.archived:
            raise Refused("", "archived", "This account is archived. Restore it first.", conflict=True)

    def archive(self, *, now: datetime) -> None:
        """Take the account out of work; it stays readable."""
        if not self.archived:
            self.archived_at = now
            self.save()

    def restore(self) -> None:
        """Bring an archived account back to work."""
        self.archived_at = None
        self.save()

    def set_pool(self, pool: str, *, by: User, reason: str, now: datetime) -> None:
        """ROUTE-4: a lead, manager or CS Ops sets the pool by hand; it stands until released."""
        self.refuse_if_archived()
        if not reason.strip():
            raise Refused("override_reason", "required", "Say why this pool is set by hand.", rule="ROUTE-4")
        self.override_pool, self.override_by = pool, by
        self.override_reason, self.override_at = reason.strip(), now
        self.save()

    def release_pool(self) -> None:
        """ROUTE-4: let the rules decide again."""
        self.refuse_if_archived()
        self.override_pool, self.override_by, self.override_reason, self.override_at = "", None, "", None
        self.save()


class AccountRow(DomainModel):
    """A row that belongs to one account: locked, scoped and settled with it."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="%(class)ss")

    objects = VisibleQuerySet.as_manager()

    class Meta(DomainModel.Meta):
        abstract = True

    def refuse_if_archived(self) -> None:
        """Refused (409) when the account is archived: nothing of it may be written."""
        self.account.refuse_if_archived()


class UsageQuerySet(VisibleQuerySet):
    def latest_each(self) -> UsageQuerySet:
        """The newest snapshot of each account."""
        newest = self.model.objects.filter(account=OuterRef("account")).order_by("-taken_on")
        return self.filter(pk=Subquery(newest.values("pk")[:1]))


class UsageSnapshot(AccountRow):
    """What the product's telemetry said of an account on one day."""

    resource = "usage-snapshot"

    taken_on = models.DateField()
    active_users = models.PositiveIntegerField(null=True, blank=True)
    employees = models.PositiveIntegerField(null=True, blank=True)
    non_admin_active_users = models.PositiveIntegerField(null=True, blank=True)
    courses_assigned = models.PositiveIntegerField(null=True, blank=True)
    courses_completed = models.PositiveIntegerField(null=True, blank=True)
    documents_uploaded = models.PositiveIntegerField(null=True, blank=True)
    documents_assigned = models.PositiveIntegerField(null=True, blank=True)
    pending_actions = models.PositiveIntegerField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)

    objects = UsageQuerySet.as_manager()

    class Meta(AccountRow.Meta):
        ordering = ("-taken_on",)
        constraints = [models.UniqueConstraint(fields=("account", "taken_on"), name="one_snapshot_a_day")]

    def facts(self) -> UsageFacts:
        return UsageFacts(self.pk, self.taken_on, self.active_users, self.employees)


class Reroute(AccountRow):
    """ROUTE-6: the rules name another pool than the one that serves; a lead accepts or keeps."""

    resource = "reroute"

    from_pool = models.CharField(max_length=9, choices=_choices(POOLS))
    to_pool = models.CharField(max_length=9, choices=_choices(POOLS))
    reasons = models.JSONField(default=list)
    policy = models.PositiveIntegerField()
    opened_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    kept_at = models.DateTimeField(null=True, blank=True)
    kept_for = models.CharField(max_length=200, blank=True)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta(AccountRow.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=("account",),
                condition=Q(accepted_at=None, kept_at=None, withdrawn_at=None),
                name="one_open_reroute",
            ),
            models.CheckConstraint(
                condition=Q(kept_at=None, kept_for="") | (Q(kept_at__isnull=False) & ~Q(kept_for="")),
                name="reroute_kept_is_whole",
            ),
        ]

    @property
    def decided(self) -> bool:
        return self.accepted_at is not None or self.kept_at is not None

    @property
    def is_open(self) -> bool:
        return not self.decided and self.withdrawn_at is None

    def facts(self) -> RerouteFacts:
        return RerouteFacts(self.pk, self.to_pool, self.decided)

    def accept(self, csm: User, *, by: User, now: datetime) -> None:
        """ROUTE-6: move the account to a CSM of the new pool. Raises Refused unless they serve it."""
        self._refuse_if_settled()
        if not (csm.is_active and csm.role == "csm" and csm.pool == self.to_pool):
            text = f"{csm.name} does not serve the {self.to_pool.capitalize()} pool."
            raise Refused("csm", "wrong_pool", text, rule="ROUTE-6")
        self.account.csm = csm
        self.account.save()
        self.accepted_at, self.decided_by = now, by
        self.save()

    def keep(self, policy: Policy, *, by: User, now: datetime) -> None:
        """ROUTE-6: leave the account where it is, until its facts or the version of the policy change."""
        self._refuse_if_settled()
        self.kept_at, self.decided_by = now, by
        self.kept_for = signature(self.account.facts(Roster.load(), now=now), policy)
        self.save()

    def _refuse_if_settled(self) -> None:
        self.account.refuse_if_archived()
        if not self.is_open:
            raise Refused("", "decided", "This was decided meanwhile.", rule="ROUTE-6", conflict=True)
