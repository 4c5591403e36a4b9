"""The outbox: a row is the queue, its state is the truth (reliability.md). Not domain rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from accounts.models import Account, User
from lifecycle.mail.models.letters import Draft

OPEN_STATES = ("due", "retry")
STATES = (
    *OPEN_STATES,
    "claimed",
    "sending",
    "sent",
    "held",
    "dead",
    "cancelled",
    "expired",
    "suppressed",
    "marked",
)
CHANNELS = ("mail", "webhook")
AUDIENCES = ("staff", "customer")


class MessageQuerySet(models.QuerySet):
    def visible_to(self, user: User, *, today: date | None = None) -> MessageQuerySet:
        """security.md: staff mail belongs to its recipient, customers' mail and letters to their account. A lead sees that of
        the team's people and accounts, a manager that of every team, CS Ops and administrators all."""
        if not user.is_active or user.role == "viewer":
            return self.none()
        if user.role in ("cs_ops", "admin"):
            return self.all()
        led = {"team_lead": Q(team__lead=user), "manager": Q(team__isnull=False)}
        people = User.objects.filter(Q(pk=user.pk) | led.get(user.role, Q()))
        accounts = Account.objects.visible_to(user, today=today)
        staff = Q(audience="staff", recipient__in=people.values("pk"))
        of_accounts = Q(audience="customer") | Q(draft__isnull=False)
        return self.filter(staff | (of_accounts & Q(account__in=accounts.values("pk"))))

    def worked_by(self, user: User, *, today: date | None = None) -> MessageQuerySet:
        """security.md: leads, managers and CS Ops act on what they see; the others read."""
        return self.visible_to(user, today=today) if user.decides else self.none()


class Message(models.Model):
    """One mail (or webhook delivery) to one recipient. `dedup` makes it one, whoever plans it."""

    dedup = models.CharField(max_length=200)
    kind = models.CharField(max_length=30)
    channel = models.CharField(max_length=7, choices=[(c, c) for c in CHANNELS], default="mail")
    audience = models.CharField(max_length=8, choices=[(a, a) for a in AUDIENCES], default="staff")
    # Each index is written three times a mail, so there is none that another one covers.
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="messages",
        db_index=False,
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, null=True, blank=True, related_name="messages", db_index=False
    )
    draft = models.ForeignKey(
        Draft, on_delete=models.PROTECT, null=True, blank=True, related_name="messages", db_index=False
    )
    address = models.CharField(max_length=254)
    subject = models.CharField(max_length=300, blank=True)
    payload = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=[(s, s) for s in STATES], default="due")
    reason = models.CharField(max_length=500, blank=True)
    not_before = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    claim = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    uncertain = models.BooleanField(default=False)
    last_error = models.CharField(max_length=500, blank=True)
    message_id = models.CharField(max_length=200, blank=True)
    sent_date = models.CharField(max_length=60, blank=True)
    raw = models.BinaryField(null=True, blank=True)
    raw_sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=("not_before", "id"), name="message_due", condition=Q(state__in=OPEN_STATES)),
            models.Index(
                fields=("lease_until",), name="message_leased", condition=Q(state__in=("claimed", "sending"))
            ),
            models.Index(
                fields=("recipient", "-id"), name="message_by_recipient", condition=~Q(recipient=None)
            ),
            models.Index(fields=("account", "-id"), name="message_by_account", condition=~Q(account=None)),
            models.Index(fields=("draft",), name="message_by_draft", condition=~Q(draft=None)),
            models.Index(fields=("state", "-sent_at", "-id"), name="message_by_state"),
            models.Index(fields=("sent_at",), name="message_uncertain", condition=Q(uncertain=True)),
        ]
        constraints = [
            models.UniqueConstraint(fields=("dedup",), name="one_message_a_key"),
            models.CheckConstraint(condition=Q(state__in=STATES), name="message_state"),
            models.CheckConstraint(
                condition=~Q(state="claimed") | (~Q(claim="") & Q(lease_until__isnull=False)),
                name="claimed_has_lease",
            ),
            models.CheckConstraint(
                condition=~Q(state="sent") | Q(sent_at__isnull=False), name="sent_has_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dedup} ({self.state})"

    @property
    def is_by_hand(self) -> bool:
        """To an address that is no colleague's here: a customer's mail, or a letter, of which one goes to the RSM."""
        return self.audience == "customer" or self.draft_id is not None

    @property
    def is_joinable(self) -> bool:
        """MIL-5: still waiting and not yet handed over, so what it says is not fixed."""
        return self.state in OPEN_STATES and self.raw is None


class Attempt(models.Model):
    """One try to hand a message over: insert only, the history people read."""

    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="history")
    n = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    phase = models.CharField(max_length=20)
    outcome = models.CharField(max_length=20)
    smtp_code = models.PositiveSmallIntegerField(null=True, blank=True)
    reply = models.CharField(max_length=500, blank=True)
    host = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ("id",)
        indexes = [
            models.Index(
                fields=("started_at",),
                name="attempt_broken_off",
                condition=Q(outcome__in=("interrupted", "unknown")),
            )
        ]


class Circuit(models.Model):
    """Whether a mail server is failing. While open, one message a minute probes it and no try is counted."""

    PROBE_SECONDS = 60
    FREELY, PROBE = "freely", "probe"

    name = models.CharField(max_length=40, unique=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    probe_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)

    @classmethod
    def admits(cls, name: str, *, now: datetime) -> str:
        """How a message may be tried now: FREELY, as the PROBE of an open circuit (one asker a minute), or ""."""
        circuit = cls.objects.filter(name=name).first()
        if circuit is None or circuit.opened_at is None:
            return cls.FREELY
        next_probe = now + timedelta(seconds=cls.PROBE_SECONDS)
        turn = cls.objects.filter(name=name, opened_at__isnull=False, probe_at__lte=now)
        return cls.PROBE if turn.update(probe_at=next_probe) == 1 else ""

    @classmethod
    def trip(cls, name: str, reason: str, *, now: datetime) -> bool:
        """The server failed: open the circuit, or note why a probe failed. True when it was closed before."""
        cls.objects.get_or_create(name=name)
        values = {"probe_at": now + timedelta(seconds=cls.PROBE_SECONDS), "reason": reason[:500]}
        if cls.objects.filter(name=name, opened_at=None).update(opened_at=now, **values):
            return True
        cls.objects.filter(name=name).update(**values)
        return False

    @classmethod
    def close(cls, name: str) -> None:
        """The server took a message: every other one may follow."""
        cls.objects.filter(name=name, opened_at__isnull=False).update(
            opened_at=None, probe_at=None, reason=""
        )


class Bounce(models.Model):
    """An address that mail servers refuse: how often since they last took a mail for it. Whoever corrects an
    address writes another one, which has no row here; one that works again is forgiven."""

    MOST = 3  # then nothing is sent to it

    address = models.CharField(max_length=254, unique=True)
    times = models.PositiveIntegerField(default=0)
    reply = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(address=Lower("address")), name="bounce_lower")]

    def __str__(self) -> str:
        return f"{self.address} ({self.times})"

    @classmethod
    def note(cls, address: str, reply: str, *, now: datetime) -> None:
        """A mail server refused this address, in these words."""
        key = address.lower()
        cls.objects.get_or_create(address=key, defaults={"at": now})
        cls.objects.filter(address=key).update(times=F("times") + 1, reply=reply[:500], at=now)

    @classmethod
    def forgive(cls, address: str) -> None:
        """A mail for it was taken, or a person says that the address is right."""
        cls.objects.filter(address=address.lower()).delete()

    @classmethod
    def of(cls, addresses: Iterable[str]) -> dict[str, int]:
        """How often in a row each of these addresses was refused; those that never were are left out."""
        wanted = {address.lower(): address for address in addresses}
        found = cls.objects.filter(address__in=wanted).values_list("address", "times")
        return {wanted[key]: times for key, times in found}


class ServiceBeat(models.Model):
    """When a service last ran, and how far the wall clock had drifted from the machine's by then (seconds)."""

    name = models.CharField(max_length=40, unique=True)
    at = models.DateTimeField()
    wall_minus_mono = models.FloatField(default=0)

    @classmethod
    def mark(cls, name: str, *, now: datetime, drift: float = 0.0) -> None:
        """This service ran just now, and saw the clocks that far apart."""
        values = {"at": now, "wall_minus_mono": drift}
        if not cls.objects.filter(name=name).update(**values):
            cls.objects.get_or_create(name=name, defaults=values)

    @classmethod
    def age(cls, name: str, *, now: datetime) -> timedelta | None:
        """How long ago it last ran; None when it never did."""
        last = cls.objects.filter(name=name).values_list("at", flat=True).first()
        return None if last is None else now - last
