"""Everything from day 0 on: the adoption of an account and its stages."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.core.validators import URLValidator
from django.db import models
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from accounts.models import AccountRow, Activity, User
from accounts.models.account import VisibleQuerySet
from adoption.models.outcomes import ENGAGEMENTS, GAP_DECISIONS, INVESTMENTS, REFERENCES, SIDES
from adoption.models.planned import PlannedAdoptionRow
from lifecycle.rules.cadence import PlannedRow
from lifecycle.rules.facts import AdoptionFacts, StageFacts
from lifecycle.rules.gates import Missing, missing
from lifecycle.rules.policy import LEVELS
from lifecycle.rules.prefill import Figures, Known, Prefill, prefill
from lifecycle.rules.refused import GateClosed, Refused
from onboarding.models import Objective, Onboarding

FEEDBACK = {"bugs": "bugs", "workflow": "workflow", "ideas": "suggestions"}  # by item of the checklist
LOGGED_AS = {"bugs": "bug", "workflow": "workflow", "suggestions": "improvement"}
LONGEST_REASON = 2000
SNAPSHOTS_READ = (
    5  # the newest, and some before it, of which perhaps not all say how many actions were pending
)


def _no_feedback() -> dict[str, str]:
    return dict.fromkeys(FEEDBACK.values(), "")


class Adoption(AccountRow):
    """CAD-1: one adoption per onboarding, made with the entry of its Training Completed Date."""

    resource = "adoption"

    onboarding = models.OneToOneField(Onboarding, on_delete=models.PROTECT, related_name="adoption")
    day_zero = models.DateField()
    service_level = models.CharField(max_length=8, choices=[(level, level.capitalize()) for level in LEVELS])
    policy = models.PositiveIntegerField()
    completed_on = models.DateField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    def __str__(self) -> str:
        return f"Adoption of {self.account}"

    def facts(self, stages: list[Stage], check_ins: list[Any], checklists: dict[int, Any]) -> AdoptionFacts:
        return AdoptionFacts(
            id=self.pk,
            day_zero=self.day_zero,
            service_level=self.service_level,
            completed=self.completed_on is not None,
            withdrawn=self.withdrawn_at is not None,
            stages=tuple(stage.facts(checklists.get(stage.pk)) for stage in stages),
            check_ins=tuple(check_in.facts() for check_in in check_ins),
        )


class StageQuerySet(VisibleQuerySet):
    def with_objectives(self) -> StageQuerySet:
        """With how many objectives nobody judged yet (STAGE-9): what the gate reads beside the row."""
        unjudged = (
            Objective.objects.filter(onboarding__adoption=OuterRef("adoption"), judgement="")
            .order_by()
            .values("onboarding")
            .annotate(found=Count("pk"))
            .values("found")
        )
        return self.annotate(objectives_open=Coalesce(Subquery(unjudged), 0))


class Stage(PlannedAdoptionRow):
    """STAGE-1..10: a follow-up meeting with its preparation, outcome and recap."""

    resource = "stage"
    type = "stage"

    objects = StageQuerySet.as_manager()

    adoption = models.ForeignKey(Adoption, on_delete=models.PROTECT, related_name="stages")
    final = models.BooleanField(default=False)
    meeting_scheduled_at = models.DateTimeField(null=True, blank=True)
    booked_on = models.DateField(null=True, editable=False)
    meeting_url = models.URLField(blank=True, max_length=500, validators=[URLValidator(("https", "http"))])
    recording_confirmed = models.BooleanField(default=False)
    recording_url = models.URLField(blank=True, max_length=500, validators=[URLValidator(("https", "http"))])
    postponements = models.PositiveSmallIntegerField(default=0, editable=False)
    meeting_held = models.BooleanField(null=True, blank=True)
    meeting_held_on = models.DateField(null=True, blank=True)
    held_recorded_at = models.DateTimeField(null=True, editable=False)
    no_meeting_reason = models.TextField(blank=True, max_length=LONGEST_REASON)
    gap_decision = models.CharField(max_length=12, choices=list(GAP_DECISIONS.items()), blank=True)
    send_reference_email = models.BooleanField(default=False)
    engaged = models.BooleanField(null=True, blank=True)
    engagement = models.CharField(max_length=10, choices=list(ENGAGEMENTS.items()), blank=True)
    disengagement_reasons = models.JSONField(default=list, blank=True)
    reengage_on = models.DateField(null=True, blank=True)
    action = models.TextField(blank=True, max_length=20_000)
    root_causes = models.JSONField(default=list, blank=True)
    cause_side = models.CharField(max_length=8, choices=list(SIDES.items()), blank=True)
    contacts_unchanged = models.BooleanField(null=True, blank=True)
    feedback = models.JSONField(default=_no_feedback, blank=True)
    investment = models.CharField(max_length=8, choices=list(INVESTMENTS.items()), blank=True)
    summary = models.TextField(blank=True, max_length=20_000)
    expectations = models.TextField(blank=True, max_length=20_000)
    notes = models.TextField(blank=True, max_length=20_000)
    reference = models.CharField(max_length=9, choices=list(REFERENCES.items()), default="not_asked")
    recap_sent_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    reopen_reason = models.TextField(blank=True, max_length=LONGEST_REASON, editable=False)

    class Meta(PlannedAdoptionRow.Meta):
        constraints = [
            models.UniqueConstraint(fields=("adoption", "day"), name="one_stage_a_day"),
            models.CheckConstraint(
                condition=~Q(meeting_held=True) | Q(meeting_held_on__isnull=False), name="held_on"
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None) | Q(cancelled_at=None), name="closed_not_cancelled"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day}-day adoption"

    @property
    def meeting_type(self) -> str:
        """STAGE-2: the meeting's type, named after the stage's day."""
        return f"Adoption - {self.day}D"

    @property
    def finished(self) -> bool:
        return self.closed_at is not None

    def facts(self, checklist: Any = None) -> StageFacts:
        """This row as the rules see it; `checklist` carries `ready_at` and `exported`."""
        return StageFacts(
            id=self.pk,
            day=self.day,
            final=self.final,
            due_on=self.due_on,
            cancelled=self.cancelled_at is not None,
            started=self.started_at is not None,
            closed=self.closed_at is not None,
            meeting_at=self.meeting_scheduled_at,
            meeting_held=self.meeting_held,
            meeting_held_on=self.meeting_held_on,
            no_meeting_reason=self.no_meeting_reason.strip(),
            gap_decision=self.gap_decision,
            notes=self.notes.strip(),
            recap_sent=self.recap_sent_at is not None,
            checklist_ready=bool(checklist and checklist.ready_at),
            checklist_exported=bool(checklist and checklist.exported),
            engaged=self.engaged,
            disengagement_reasons=tuple(self.disengagement_reasons),
            reengage_on=self.reengage_on,
            action=self.action.strip(),
            engagement=self.engagement,
            root_causes=tuple(self.root_causes),
            cause_side=self.cause_side,
            contacts_unchanged=self.contacts_unchanged,
            investment=self.investment,
            summary=self.summary.strip(),
            expectations=self.expectations.strip(),
            reference=self.reference,
        )

    def plan(self, row: PlannedRow) -> None:
        super().plan(row)
        self.final = row.final

    def short_notice(self, zone: ZoneInfo, *, days: int) -> bool:
        """STAGE-2: whether the meeting was booked fewer than `days` calendar days ahead, in the CSM's zone."""
        if self.meeting_scheduled_at is None or self.booked_on is None:
            return False
        return (self.meeting_scheduled_at.astimezone(zone).date() - self.booked_on).days < days

    def record(self, values: dict[str, Any], *, by: User | None, now: datetime, today: date) -> None:
        """STAGE-2..9: take what a person or client entered; the stage counts as started from then on.

        Another meeting time than the one booked is a postponement. `meeting_held` True is the meeting, on
        `meeting_held_on` or today; False is none, for which `no_meeting_reason` opens the lead's row, whose answer is
        `gap_decision`; a new meeting time makes a missed meeting coming again.
        Raises Refused on a closed or cancelled stage (409), and for a held date in the future or missing;
        PermissionDenied where `by` decides about the gap and is no lead (STAGE-3); `by` None is the system.
        """
        self.refuse_if_shut()
        if by and not by.decides and values.get("gap_decision", self.gap_decision) != self.gap_decision:
            raise PermissionDenied
        booked, held = self.meeting_scheduled_at, self.meeting_held
        for name in values.keys() - {"feedback"}:
            setattr(self, name, values[name])
        self._let_go(values)
        if self.meeting_held is False and held is not False:  # each miss has its own reason and decision
            self.no_meeting_reason = values.get("no_meeting_reason", "")
            self.gap_decision = values.get("gap_decision", "")
        if values.get("recap_sent_at") and values["recap_sent_at"] > now:
            text = "The recap cannot have been sent in the future."
            raise Refused("recap_sent_at", "future", text, rule="STAGE-7")
        if held and not self.meeting_held:  # the recap was of a meeting that was not
            self.recap_sent_at = None
        if "meeting_scheduled_at" in values and self.meeting_scheduled_at != booked:
            self.postponements += bool(booked)
            self.booked_on = today if self.meeting_scheduled_at else None
        self._try_again(values, booked)
        if self.meeting_held is True and self.meeting_held_on is None:
            self.meeting_held_on = today
        if values.get("meeting_held_on") and self.meeting_held is not True:
            text = "Only a meeting that was held has this date: say meeting_held too."
            raise Refused("meeting_held_on", "not_held", text, rule="STAGE-3")
        if self.meeting_held is not True:
            self.meeting_held_on = None
        if self.meeting_held_on and self.meeting_held_on > today:
            text = "Held date is in the future. Enter today or earlier."
            raise Refused("meeting_held_on", "future", text, rule="STAGE-3")
        self.held_recorded_at = (self.held_recorded_at or now) if self.meeting_held else None
        if self.difference():
            self.mark_started(now=now)
        self.save()
        self.hear(values.get("feedback", {}), by=by, now=now)

    def _let_go(self, values: dict[str, Any]) -> None:
        """STAGE-4, STAGE-5: what belongs to the branch not taken goes with the answer that leaves it."""
        if values.get("engaged"):
            self.disengagement_reasons, self.reengage_on = [], None
        if values.get("engagement") in ("increasing", "steady"):
            self.root_causes, self.cause_side = [], ""

    def hear(self, words: dict[str, str], *, by: User | None, now: datetime) -> None:
        """STAGE-6, ACT-2: what they said, typed once: it stands on the stage, as the answer on its checklist once that
        is begun, and in the contact log, where words that change correct their entry. Raises Refused on a closed or
        cancelled stage.
        """
        self.refuse_if_shut()
        before = self.feedback
        changed = {name: said for name, said in words.items() if said != before.get(name, "")}
        if not changed:
            return
        self.feedback = {**before, **changed}
        self.mark_started(now=now)
        self.save()
        checklist = getattr(self, "checklist", None)
        for item, name in FEEDBACK.items():
            if name in changed:
                if checklist:
                    answer = {"account": self.account, "value": changed[name], "answered_by": by}
                    checklist.answers.update_or_create(item=item, defaults=answer)
                self._log(LOGGED_AS[name], before.get(name, ""), changed[name], by=by, now=now)

    def _log(self, kind: str, before: str, said: str, *, by: User | None, now: datetime) -> None:
        entries = Activity.objects.filter(account=self.account_id, kind=kind, removed_at=None)
        if said.strip() and not entries.filter(text=said).exists():
            entry = entries.filter(text=before).first() if before else None
            entry = entry or Activity(account=self.account, kind=kind, happened_at=now)
            entry.record({"text": said}, by=by, now=now)

    def _try_again(self, values: dict[str, Any], booked: datetime | None) -> None:
        """STAGE-3: a lead's "retry" makes the meeting one to book again; booking it closes the old gap,
        so that a second miss asks for its own reason. What was said before stays in the log. An outcome that comes
        along with its meeting time is that meeting's own."""
        rebooked = "meeting_held" not in values and self.meeting_scheduled_at not in (None, booked)
        if rebooked and (self.meeting_held is False or self.gap_decision == "retry"):
            self.meeting_held, self.no_meeting_reason, self.gap_decision = None, "", ""
        elif values.get("gap_decision") == "retry" and self.meeting_held is False:
            self.meeting_held, self.meeting_scheduled_at, self.booked_on = None, None, None

    def lacking(self) -> tuple[Missing, ...]:
        """STAGE-10: what is missing before the stage closes, for the gate, the page and the API alike.

        Reads the checklist with its exports, the survey, the account and the objectives, where the row does not bring
        them.
        """
        checklist = getattr(self, "checklist", None)
        checklist = checklist if checklist and checklist.pk else None
        return self._lacking(checklist)

    def _lacking(self, checklist: Any) -> tuple[Missing, ...]:
        facts = self.facts(checklist)
        if facts.meeting_held is not False and self.final:
            survey = getattr(self, "survey", None)
            facts = replace(
                facts, objectives_open=self._objectives_open(), survey=survey.facts() if survey else None
            )
        if facts.meeting_held and facts.checklist_exported and self.takes_smb_checklist:
            facts = replace(facts, export_outdated=checklist.exported_at < self.held_recorded_at)
        return missing(facts)

    def _objectives_open(self) -> int:
        counted = self.__dict__.get("objectives_open")
        if counted is not None:
            return counted
        return Objective.objects.filter(onboarding__adoption=self.adoption_id, judgement="").count()

    def prefill(self) -> Prefill:
        """STAGE-1: what the app knows before the meeting: answers to offer on the checklist, and unusual figures."""
        account = self.account
        names = [figure.name for figure in fields(Figures)]
        taken = account.usagesnapshots.order_by("-taken_on").values(*names)[:SNAPSHOTS_READ]
        known = Known(account.contracted_users, account.employee_sync, account.domain_allowlisted)
        return prefill(known, [Figures(**row) for row in taken])

    @property
    def takes_smb_checklist(self) -> bool:
        """CHK-1, CAD-3: the final stage of an SMB on Basic; its PDF is made after the meeting (STAGE-8)."""
        return self.final and self.account.is_smb and self.account.service_level == "basic"

    def close(self, checklist: Any, *, now: datetime) -> None:
        """STAGE-10: close the stage, once. Raises GateClosed (409) with what is missing, Refused on a cancelled
        stage or archived account."""
        if self.closed_at is not None:
            return
        self.refuse_if_shut()
        lacking = self._lacking(checklist)
        if lacking:
            raise GateClosed(lacking)
        self.closed_at, self.reopen_reason = now, ""
        self.save()

    def reopen(self, reason: str, *, by: User | None) -> None:
        """STAGE-10: a lead opens a closed stage again, saying why; its duties return, and where it was the final
        one the adoption runs again. An open stage stays as it is.

        Raises PermissionDenied for a CSM, Refused without a reason, on a cancelled stage or an archived account.
        """
        if by and not by.decides:
            raise PermissionDenied
        reason = reason.strip()
        if not reason:
            raise Refused("reason", "required", "Say why the stage is opened again.", rule="STAGE-10")
        if len(reason) > LONGEST_REASON:
            text = f"Keep the reason to {LONGEST_REASON:,} characters."
            raise Refused("reason", "too_long", text, rule="STAGE-10")
        if self.closed_at is None:
            self.refuse_if_shut()
            return
        self.refuse_if_archived()
        self.closed_at, self.reopen_reason = None, reason
        self.save()

    def refuse_if_shut(self) -> None:
        """Refused (409) once the stage is closed or cancelled, or its account archived."""
        self.refuse_if_archived()
        if self.closed_at is not None:
            text = f"The {self.day}-day stage is closed and read-only. A team lead can open it again."
            raise Refused("", "closed", text, rule="STAGE-10", conflict=True)
        if self.cancelled_at is not None:
            text = f"The {self.day}-day stage was cancelled: it no longer belongs to this adoption."
            raise Refused("", "cancelled", text, rule="CAD-7", conflict=True)
