"""Duties as rows (MIL-1), the reminders they send (MIL-5), and notices told without a duty (MIL-4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from accounts.models import Account, Activity, Opportunity, Roster, Team, User
from accounts.models.account import VisibleQuerySet
from adoption.models import Stage
from lifecycle.guard import DomainModel
from lifecycle.mail.models import Message
from lifecycle.rules.cadence import WorkCalendar, start_of_day
from lifecycle.rules.duties import kind_of
from lifecycle.rules.facts import Key
from lifecycle.rules.policy import Policy
from lifecycle.rules.refused import Refused
from lifecycle.rules.reminders import DAY, PREPARE, Occasion, occasions
from onboarding.models import Forum, Onboarding, TrainingSession

SOURCES: dict[str, type[DomainModel]] = {
    "onboarding": Onboarding,
    "training_session": TrainingSession,
    "stage": Stage,
    "bug": Activity,
    "opportunity": Opportunity,
    "forum": Forum,
}
FIRST_ZONE = ZoneInfo("Pacific/Kiritimati")  # where each day begins first
STATUSES = ("open", "done", "cancelled")

# Why a reminder was given up before it left, where that may become untrue again (MIL-5).
CLOSED = "Done or cancelled before it left."
NOT_THEIRS = "Somebody else looks after it now."
INACTIVE = "The recipient no longer works here."
REVIVABLE = (CLOSED, NOT_THEIRS, INACTIVE)


class MilestoneQuerySet(VisibleQuerySet):
    def visible_to(self, user: User, *, today: date | None = None) -> MilestoneQuerySet:
        """As rows of accounts are; a duty of no account is its owner's, and of those who see all."""
        found = super().visible_to(user, today=today)
        if user.sees_all or not user.is_active:
            return found
        return self.filter(Q(account=None, owner=user) | Q(account__isnull=False, pk__in=found.values("pk")))

    def worked_by(self, user: User, *, today: date | None = None) -> MilestoneQuerySet:
        """As rows of accounts are; a duty of no account is done by its owner too."""
        found = super().worked_by(user, today=today)
        if user.role != "csm" or not user.is_active:
            return found
        return self.filter(Q(account=None, owner=user) | Q(account__isnull=False, pk__in=found.values("pk")))

    def open(self) -> MilestoneQuerySet:
        return self.filter(status="open")

    def queued(self) -> MilestoneQuerySet:
        """MIL-1: what queues show: a stage waits behind its open steps."""
        step = self.model.objects.filter(
            status="open",
            source_type="stage",
            source_id=OuterRef("source_id"),
            account_id=OuterRef("account_id"),
        ).exclude(kind="stage")
        return self.open().exclude(Q(kind="stage") & Exists(step))


class Milestone(DomainModel):
    """MIL-1: one dated duty of one owner on one account. Made, moved and closed by the door alone."""

    resource = "milestone"
    quiet = DomainModel.quiet | {"remind_at", "lapsed_at"}

    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="milestones")
    kind = models.CharField(max_length=24)
    source_type = models.CharField(max_length=24)
    source_id = models.BigIntegerField()
    day = models.PositiveSmallIntegerField(default=0)
    title = models.CharField(max_length=120)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="milestones")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, related_name="milestones")
    due_on = models.DateField()
    act_by = models.DateField()
    status = models.CharField(max_length=9, choices=[(s, s) for s in STATUSES], default="open")
    reason = models.CharField(max_length=200, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    lapsed_at = models.DateTimeField(null=True, editable=False)
    remind_at = models.DateTimeField(null=True, editable=False)
    ordinal = models.PositiveSmallIntegerField(default=0, editable=False)
    snoozed_until = models.DateField(null=True, blank=True)
    snooze_reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    objects = MilestoneQuerySet.as_manager()

    class Meta(DomainModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=("account", "kind", "source_type", "source_id", "day"),
                condition=Q(status="open"),
                name="one_open_milestone",
            ),
            models.UniqueConstraint(
                fields=("kind", "source_type", "source_id", "day"),
                condition=Q(status="open", account=None),
                name="one_open_milestone_of_no_account",
            ),
            models.CheckConstraint(
                condition=~Q(status="done") | Q(done_at__isnull=False), name="done_has_time"
            ),
        ]
        indexes = [
            models.Index(fields=("owner", "act_by", "id"), name="open_by_owner", condition=Q(status="open")),
            models.Index(fields=("team", "act_by", "id"), name="open_by_team", condition=Q(status="open")),
            models.Index(fields=("remind_at",), name="open_to_remind", condition=Q(status="open")),
            models.Index(fields=("account", "status"), name="milestone_by_account"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def key(self) -> Key:
        return Key(self.kind, self.source_type, self.source_id, self.day)

    @property
    def by_hand(self) -> bool:
        """Whether a person declares it done, because no fact clears it."""
        return kind_of(self.key).by_hand

    def occasions(self, policy: Policy, calendar: WorkCalendar) -> Iterator[Occasion]:
        """MIL-3: when this milestone reminds."""
        return occasions(self.kind, due_on=self.due_on, act_by=self.act_by, policy=policy, calendar=calendar)

    def audience(self, occasion: Occasion, roster: Roster, *, csm_id: int | None) -> list[User]:
        """MIL-3: who is reminded on that occasion, each once, active people only."""
        ids = {"owner": self.owner_id, "csm": csm_id}
        if "lead" in occasion.to:
            ids["lead"] = roster.lead_of(csm_id)
        wanted = {ids[role] for role in occasion.to} - {None}
        return [roster.users[pk] for pk in sorted(wanted) if roster.users[pk].is_active]

    def plan_reminder(
        self, roster: Roster, policy: Policy, calendar: WorkCalendar, *, csm_id: int | None, from_day: date
    ) -> None:
        """Set `remind_at`: when the first day from that one on which somebody is to be reminded begins anywhere,
        for who covers may live anywhere. The planner looks then, and sets the very hour (MIL-6)."""
        self.remind_at = None
        for occasion in self.occasions(policy, calendar):
            if occasion.on < from_day:
                continue
            if self.audience(occasion, roster, csm_id=csm_id):
                self.remind_at = start_of_day(occasion.on, FIRST_ZONE)
                return
            if occasion.name not in (PREPARE, DAY):  # the late ones repeat without end
                return

    def complete(self, *, by: User, now: datetime) -> None:
        """MIL-2: declare a duty done that no fact clears, or its mail sent outside the app.

        Refused (409) for kinds that another fact clears.
        """
        kind = kind_of(self.key)
        if self.status == "done":
            return
        if not (kind.by_hand or kind.sent):
            text = f"{self.title} is done when its fact is recorded, not by hand."
            raise Refused("", "not_by_hand", text, rule="MIL-2", conflict=True)
        if self.status == "cancelled":
            raise Refused("", "cancelled", "This was cancelled meanwhile.", rule="MIL-2", conflict=True)
        if kind.sent:
            return self._note_as_sent(kind.sent, now=now)
        self.status, self.done_at, self.done_by, self.remind_at = "done", now, by, None
        self.save()

    def _note_as_sent(self, field: str, *, now: datetime) -> None:
        """The fact is recorded where it belongs; the door then clears the row."""
        row = SOURCES[self.source_type].objects.get(pk=self.source_id)
        if field == "survey.sent_at":
            return row.survey.mark_sent(now=now)
        setattr(row, field, now)
        row.save()


class Reminder(models.Model):
    """MIL-5: one reminder, planned exactly once; the date is data, not key. Not a domain row."""

    STATES = ("planned", "sent", "superseded", "held", "failed")

    milestone = models.ForeignKey(Milestone, on_delete=models.PROTECT, related_name="reminders")
    occasion = models.CharField(max_length=10)
    ordinal = models.PositiveSmallIntegerField(default=0)
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reminders"
    )
    send_on = models.DateField()
    state = models.CharField(max_length=10, choices=[(s, s) for s in STATES], default="planned")
    reason = models.CharField(max_length=200, blank=True)
    message = models.ForeignKey(Message, on_delete=models.PROTECT, null=True, related_name="reminders")
    # Who held it, skipped it or sent it early; nobody where it went by the schedule.
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=("milestone", "occasion", "ordinal", "recipient"), name="one_reminder_an_occasion"
            )
        ]
        indexes = [
            models.Index(
                fields=("send_on", "recipient"),
                name="reminder_to_bundle",
                condition=Q(state="planned", message=None),
            )
        ]

    @property
    def account_id(self) -> int | None:
        """The account it is about."""
        return self.milestone.account_id

    @property
    def at_once(self) -> bool:
        """Whether a person sends it now: it waits neither for its day nor for the digest's hour."""
        return self.state == "planned" and self.decided_by_id is not None


class Notice(models.Model):
    """MIL-4: something told without a duty; joins the recipient's next digest. Not a domain row."""

    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="notices")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="+")
    text = models.CharField(max_length=500)
    created_at = models.DateTimeField()
    message = models.ForeignKey(Message, on_delete=models.PROTECT, null=True, related_name="notices")
    told_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        indexes = [models.Index(fields=("recipient",), name="notice_to_tell", condition=Q(message=None))]
