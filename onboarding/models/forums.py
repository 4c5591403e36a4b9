"""ONB-6: the monthly Open Forum with other customers, and who was invited and came."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import Q

from accounts.models import Account, AccountRow, User
from lifecycle.guard import DomainModel, DomainQuerySet
from lifecycle.mail.models import Draft
from lifecycle.rules.cadence import first_thursdays
from lifecycle.rules.facts import ForumFacts
from lifecycle.rules.refused import Refused

MONTHS_AHEAD = 12
INVITATION = "forum_invitation"  # the kind of letter


class ForumQuerySet(DomainQuerySet):
    def near(self, today: date, days: int) -> ForumQuerySet:
        """Those whose invitations may be owed, or were until yesterday: within so many days of today."""
        return self.filter(
            held_on__gte=today - timedelta(days=2), held_on__lte=today + timedelta(days=days + 1)
        )

    def coming(self, today: date) -> ForumQuerySet:
        """Those still to be held."""
        return self.filter(held_on__gte=today, skipped_at=None)


class Forum(DomainModel):
    """One Open Forum. `held_on` is its key; the time of day is the host's."""

    resource = "forum"

    held_on = models.DateField(unique=True)
    starts_at = models.TimeField(default=time(11, 0))
    host = models.ForeignKey(User, on_delete=models.PROTECT, related_name="forums")
    topic = models.CharField(max_length=200, blank=True)
    note = models.CharField(max_length=500, blank=True)
    moved_from = models.DateField(null=True, blank=True)
    skipped_at = models.DateTimeField(null=True, blank=True)
    invited_at = models.DateTimeField(null=True, blank=True)
    questions = models.TextField(max_length=20_000, blank=True)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    objects = ForumQuerySet.as_manager()

    class Meta(DomainModel.Meta):
        ordering = ("held_on",)
        constraints = [
            models.CheckConstraint(condition=Q(skipped_at=None) | ~Q(note=""), name="skipping_says_why"),
        ]

    def __str__(self) -> str:
        return f"Open Forum of {self.held_on:%B} {self.held_on.day}, {self.held_on.year}"

    @property
    def begins_at(self) -> datetime:
        """The instant it begins."""
        return datetime.combine(self.held_on, self.starts_at, tzinfo=ZoneInfo(self.host.time_zone))

    def facts(self) -> ForumFacts:
        return ForumFacts(
            id=self.pk,
            held_on=self.held_on,
            host=self.host_id,
            zone=ZoneInfo(self.host.time_zone),
            skipped=self.skipped_at is not None,
            invited=self.invited_at is not None,
        )

    @classmethod
    def plan_series(cls, host: User, starts_at: time, *, today: date) -> list[Forum]:
        """ONB-6: a forum on each first Thursday of the coming year that has none yet, moved ones included."""
        here = set(cls.objects.values_list("held_on", flat=True))
        here |= set(cls.objects.exclude(moved_from=None).values_list("moved_from", flat=True))
        days = [day for day in first_thursdays(today, MONTHS_AHEAD) if day not in here]
        return cls.objects.bulk_create([cls(held_on=day, starts_at=starts_at, host=host) for day in days])

    def record(self, values: dict[str, Any]) -> None:
        """Take topic, time, host, note or questions; where it then begins at another time, whoever was invited
        is to be invited anew."""
        began = self.begins_at
        for name, value in values.items():
            setattr(self, name, value)
        if self.begins_at != began:
            self._invite_anew()
        self.save()

    def move(self, to: date, *, note: str, today: date) -> None:
        """Hold it on another day, with a word why; whoever was invited is to be invited anew.

        Raises Refused for a day gone by or taken, or once it was held.
        """
        self.refuse_if_over(today)
        if to == self.held_on:
            return
        if to < today:
            raise Refused("held_on", "past", "That day has gone by. Enter today or later.", rule="ONB-6")
        if type(self).objects.filter(held_on=to).exists():
            raise Refused("held_on", "taken", "There is a forum on that day already.", rule="ONB-6")
        if not note.strip():
            raise Refused("note", "required", "Say why it moves; the note goes with the invitation.")
        self.moved_from = None if to == self.moved_from else self.moved_from or self.held_on
        self.held_on, self.note = to, note.strip()
        self._invite_anew()
        self.save()

    def _invite_anew(self) -> None:
        """Those invited know another time: the new one is owed to them."""
        self.invited_at = None
        for guest in self.guests.exclude(invited_at=None):
            guest.invited_at = None
            guest.save()
        self._drop_letters()

    def skip(self, *, note: str, today: date, now: datetime) -> None:
        """Leave this month out, with a word why. Raises Refused once it was held."""
        self.refuse_if_over(today)
        if not note.strip():
            raise Refused("note", "required", "Say why there is none this month.", rule="ONB-6")
        if self.skipped_at is None:
            self.skipped_at, self.note = now, note.strip()
            self.save()
            self._drop_letters()

    def unskip(self, *, today: date) -> None:
        """Hold it after all."""
        self.refuse_if_over(today)
        self.skipped_at = None
        self.save()

    def refuse_unless_coming(self, *, today: date) -> None:
        """Refused for a forum that nobody can be invited to any more."""
        self.refuse_if_over(today)
        if self.skipped_at is not None:
            raise Refused("", "skipped", "There is no forum this month.", rule="ONB-6", conflict=True)

    def _drop_letters(self) -> None:
        """Invitations that are being written name another day or time than that which is kept."""
        guests = self.guests.values("pk")
        Draft.objects.filter(kind=INVITATION, source_id__in=guests).drop()

    def has_come(self, now: datetime) -> bool:
        """Whether its day has come, where the host is, and it was not left out."""
        return self.skipped_at is None and now.astimezone(self.begins_at.tzinfo).date() >= self.held_on

    def refuse_before_its_day(self, *, now: datetime) -> None:
        """Refused while nobody can have come."""
        if not self.has_come(now):
            text = "There was no forum yet. Note who came once it is held."
            raise Refused("", "not_held", text, rule="ONB-6", conflict=True)

    def refuse_if_over(self, today: date) -> None:
        """Refused for a forum whose day has gone by."""
        if self.held_on < today:
            raise Refused("", "over", "This forum is over.", rule="ONB-6", conflict=True)


class ForumGuest(AccountRow):
    """An account that was invited to a forum, and whether somebody of it came."""

    resource = "forum-guest"

    forum = models.ForeignKey(Forum, on_delete=models.PROTECT, related_name="guests")
    invited_at = models.DateTimeField(null=True, blank=True)
    attended = models.BooleanField(null=True, blank=True)

    class Meta(AccountRow.Meta):
        constraints = [models.UniqueConstraint(fields=("forum", "account"), name="invited_once")]

    @classmethod
    def candidates(cls) -> Any:
        """ONB-6: open SMB accounts, by name."""
        return Account.objects.open().filter(segment="smb").order_by("name", "pk")

    def note_attendance(self, attended: bool) -> None:
        """Whether somebody of this account came. Raises Refused on an archived account."""
        if self.attended is not attended:
            self.refuse_if_archived()
            self.attended = attended
            self.save()
