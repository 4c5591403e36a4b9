"""CHK: versioned checklist templates as data, the running checklists, and every export kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Max, Q

from accounts.models import Account, AccountRow, User
from adoption.models.adoption import FEEDBACK, Stage
from lifecycle.guard import DomainModel
from lifecycle.rules.refused import Refused
from onboarding.models import Onboarding

KEYS = ("first", "final", "smb", "kyc")
CHOICES = ("yes", "no", "na")
LONGEST = 5000


class ChecklistTemplate(DomainModel):
    """CHK-1, CHK-2: one published version. `sections` is a list of
    {"key", "title", "product" (or null), "items": [{"key", "text", "kind": choice|number|text, "meeting": bool}]}."""

    resource = "checklist-template"

    key = models.CharField(max_length=8, choices=[(key, key) for key in KEYS])
    number = models.PositiveIntegerField()
    sections = models.JSONField()
    created_at = models.DateTimeField(null=True, editable=False)

    class Meta(DomainModel.Meta):
        ordering = ("key", "-number")
        constraints = [models.UniqueConstraint(fields=("key", "number"), name="one_template_version")]

    def __str__(self) -> str:
        return f"{self.key} checklist, version {self.number}"

    @classmethod
    def newest(cls, key: str) -> ChecklistTemplate:
        """The version in force; DoesNotExist when none was ever published."""
        return cls.objects.filter(key=key).order_by("-number")[0:1].get()

    def sections_for(self, account: Account) -> list[dict[str, Any]]:
        """CHK-1: the sections of this account: general ones, and those of the products it bought."""
        return [s for s in self.sections if not s.get("product") or s["product"] in account.products]


def template_key(stage: Stage) -> str:
    """CHK-1, CAD-3: which checklist a stage works with."""
    if not stage.final:
        return "first"
    return "smb" if stage.takes_smb_checklist else "final"


class Checklist(AccountRow):
    """The checklist of one stage, on the template version it began with (CHK-2)."""

    resource = "checklist"

    stage = models.OneToOneField(
        Stage, on_delete=models.PROTECT, related_name="checklist", null=True, blank=True
    )
    onboarding = models.OneToOneField(
        Onboarding, on_delete=models.PROTECT, related_name="kyc", null=True, blank=True
    )
    template = models.ForeignKey(ChecklistTemplate, on_delete=models.PROTECT, related_name="+")
    ready_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta(AccountRow.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(stage=None, onboarding__isnull=False) | Q(stage__isnull=False, onboarding=None),
                name="checklist_of_a_stage_or_an_onboarding",
            )
        ]

    @classmethod
    def begin(cls, stage: Stage) -> Checklist:
        """The stage's checklist; made on first use, once."""
        found = cls.objects.filter(stage=stage).first()
        if found is None:
            template = ChecklistTemplate.newest(template_key(stage))
            found = cls.objects.create(account=stage.account, stage=stage, template=template)
        return found

    @classmethod
    def begin_kyc(cls, onboarding: Onboarding) -> Checklist:
        """ONB-1: what to know of a new customer; made on first use, once."""
        found = cls.objects.filter(onboarding=onboarding).first()
        if found is None:
            template = ChecklistTemplate.newest("kyc")
            found = cls.objects.create(account=onboarding.account, onboarding=onboarding, template=template)
        return found

    @property
    def exported(self) -> bool:
        """STAGE-8: whether a PDF of it is attached; set by a query that counted, else asked."""
        counted = self.__dict__.get("export_count")
        return bool(counted) if counted is not None else self.exports.exists()

    @property
    def exported_at(self) -> datetime | None:
        """STAGE-8: when its newest PDF was made; annotated as `last_export_at`, else asked."""
        if "last_export_at" in self.__dict__:
            return self.__dict__["last_export_at"]
        return self.exports.aggregate(Max("created_at"))["created_at__max"]

    def items(self) -> dict[str, dict[str, Any]]:
        """The items that this account sees, by key, in order."""
        sections = self.template.sections_for(self.account)
        return {item["key"]: item for section in sections for item in section["items"]}

    def mark_ready(self, *, now: datetime) -> None:
        """CHK: ready for the meeting; clears the duty to prepare it."""
        self._refuse_if_shut()
        if self.ready_at is None:
            self.ready_at = now
            self.save()

    def answer(
        self,
        item: str,
        *,
        value: str,
        comment: str,
        by: User,
        now: datetime,
        seen_version: int | None = None,
        seen_template: int | None = None,
    ) -> Answer:
        """CHK-2, CHK-3: keep one answer. `seen_version` is the version of it that the person looked at (0: none yet),
        `seen_template` the id of the template they saw; raises Refused (409) when somebody else changed the answer
        since, and for another template; Refused (422) for an item that is not on the list."""
        self._refuse_if_shut()
        if seen_template not in (None, self.template_id):
            text = "This checklist has other questions than the page you answered on. Load it again, then answer."
            raise Refused(item, "other_version", text, rule="CHK-2", conflict=True)
        known = self.items().get(item)
        if known is None:
            raise Refused(item, "unknown", "This item is not on the checklist of this account.", rule="CHK-1")
        if known["kind"] == "choice" and value not in ("", *CHOICES):
            raise Refused(item, "invalid", "Answer yes, no or not applicable.", rule="CHK-1")
        if known["kind"] == "number" and value and not (value.isascii() and value.isdigit()):
            raise Refused(item, "invalid", "Enter a whole number.", rule="CHK-1")
        if max(len(value), len(comment)) > LONGEST:
            raise Refused(item, "too_long", f"Keep it to {LONGEST:,} characters.", rule="CHK-1")
        row = self.answers.filter(item=item).first() or Answer(
            account=self.account, checklist=self, item=item
        )
        current = 0 if row._state.adding else row.version
        if (
            seen_version is not None
            and seen_version != current
            and (row.value, row.comment) != (value, comment)
        ):
            text = f"Changed meanwhile: it now reads {row.value or 'no answer'} {row.comment}".strip()
            raise Refused(item, "changed", text, rule="CHK-3", conflict=True)
        row.value, row.comment, row.answered_by = value, comment, by
        row.save()
        if self.stage is not None:
            if item in FEEDBACK:
                self.stage.hear({FEEDBACK[item]: value}, by=by, now=now)
            self.stage.mark_started(now=now)
            self.stage.save()
        return row

    def fill_in(self, *, by: User, now: datetime) -> int:
        """STAGE-1: keep what the app knows of the account where nobody answered yet; how many answers that were."""
        self._refuse_if_shut()
        answered = set(self.answers.exclude(value="").values_list("item", flat=True))
        known = self.stage.prefill().answers if self.stage else {}
        open_ones = [item for item in self.items() if item in known and item not in answered]
        for item in open_ones:
            row = self.answers.filter(item=item).first()
            self.answer(item, value=known[item], comment=row.comment if row else "", by=by, now=now)
        return len(open_ones)

    def _refuse_if_shut(self) -> None:
        if self.stage is not None:
            self.stage.refuse_if_shut()
        else:
            self.refuse_if_archived()

    def attach(
        self, *, content_hash: str, file_name: str, by: User | None, fillable: bool
    ) -> ChecklistExport:
        """STAGE-8: note one exported PDF; the same content again is the same export."""
        self.refuse_if_archived()
        given = {"file_name": file_name, "exported_by": by, "fillable": fillable, "account": self.account}
        return self.exports.get_or_create(content_hash=content_hash, defaults=given)[0]


class Answer(AccountRow):
    """CHK-1: one statement answered yes, no or not applicable, a number or a short text, with a comment."""

    resource = "answer"

    checklist = models.ForeignKey(Checklist, on_delete=models.PROTECT, related_name="answers")
    item = models.CharField(max_length=60)
    value = models.CharField(max_length=LONGEST, blank=True)
    comment = models.TextField(blank=True, max_length=LONGEST)
    answered_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta(AccountRow.Meta):
        constraints = [models.UniqueConstraint(fields=("checklist", "item"), name="one_answer_an_item")]


class ChecklistExport(AccountRow):
    """STAGE-8: one exported PDF; the file lies under its content's hash, so the same content is one file."""

    resource = "checklist-export"

    checklist = models.ForeignKey(Checklist, on_delete=models.PROTECT, related_name="exports")
    content_hash = models.CharField(max_length=64)
    file_name = models.CharField(max_length=300)
    fillable = models.BooleanField(default=False)
    exported_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(null=True, editable=False)

    class Meta(AccountRow.Meta):
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=("checklist", "content_hash"), name="one_export_a_content"),
            models.CheckConstraint(condition=~Q(content_hash=""), name="export_has_hash"),
        ]
