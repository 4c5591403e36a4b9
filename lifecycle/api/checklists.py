"""The checklists of stages and onboardings over REST (CHK-1..4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from adoption.models import Answer, Checklist, ChecklistExport, ChecklistTemplate, Stage
from adoption.models.checklist import LONGEST
from lifecycle.api import fields, filters
from lifecycle.api.serializers import RowSerializer, StrictSerializer
from lifecycle.api.views import DRY_RUN, Patched, Resource
from lifecycle.change import Work
from lifecycle.rules.refused import Refused

LONGEST_KEY = 60
REQUIRED = "An answer needs its item, its value and the version that was read."
MOST_ANSWERS = 200


class TemplateSerializer(serializers.ModelSerializer):
    """CHK-2: which published version its questions are."""

    class Meta:
        model = ChecklistTemplate
        fields = ("key", "number")
        read_only_fields = fields


class ChecklistAnswerSerializer(RowSerializer):
    """CHK-3: `version` is that of the answer as it was read; 0 where there was none."""

    item = fields.Line(max_length=LONGEST_KEY)
    value = fields.Text(allow_blank=True, max_length=LONGEST)
    comment = fields.Text(allow_blank=True, required=False, max_length=LONGEST)
    version = fields.Whole(min_value=0)
    answered_by = fields.Person(read_only=True, allow_null=True)

    class Meta:
        model = Answer
        fields = ("item", "value", "comment", "version", "answered_by", "updated_at")
        read_only_fields = ("updated_at",)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """A PATCH may leave out answers, never what makes one."""
        needed = ("item", "value", "version") if isinstance(data, Mapping) else ()
        lacking = [name for name in needed if name not in data]
        if lacking:
            raise ValidationError({name: [ErrorDetail(REQUIRED, "required")] for name in lacking})
        return super().to_internal_value(data)


class ExportSerializer(serializers.ModelSerializer):
    """STAGE-8: a PDF that was attached."""

    exported_by = fields.Person(read_only=True, allow_null=True)

    class Meta:
        model = ChecklistExport
        fields = ("file_name", "fillable", "content_hash", "exported_by", "created_at")
        read_only_fields = fields


class ChecklistSerializer(RowSerializer):
    template = TemplateSerializer(read_only=True)
    ready = fields.Flag(write_only=True, required=False, help_text="True marks it ready for the meeting.")
    answers = ChecklistAnswerSerializer(many=True, required=False, max_length=MOST_ANSWERS)
    exports = ExportSerializer(many=True, read_only=True)

    class Meta:
        model = Checklist
        fields = (
            *("id", "account", "stage", "onboarding", "template", "ready", "ready_at", "answers", "exports"),
            *("created_at", "updated_at"),
        )
        read_only_fields = ("ready_at", "created_at", "updated_at")
        related = ("account", "stage", "onboarding", "template")

        @staticmethod
        def fetched() -> tuple[Prefetch, ...]:
            answers = Answer.objects.select_related("answered_by").order_by("item")
            exports = ChecklistExport.objects.select_related("exported_by")
            return (Prefetch("answers", answers), Prefetch("exports", exports))


class BeginSerializer(StrictSerializer):
    stage = fields.Id()


class ChecklistViewSet(Patched, Resource):
    """What is ticked before and in a meeting. Each answer brings the version of it that was read: an answer that
    somebody changed since is a 409 that tells it, and none of the request is kept."""

    model = Checklist
    serializer_class = ChecklistSerializer
    search = ("account__name", "account__external_id")
    ordering = ("id", "ready_at", "updated_at")
    filters = {
        "id": filters.identity(),
        "account": filters.identity("account"),
        "stage": filters.identity("stage"),
        "onboarding": filters.identity("onboarding"),
        "ready_at": filters.instant("ready_at"),
        "updated_at": filters.instant("updated_at"),
    }

    def visible(self) -> QuerySet:
        return super().visible().filter(stage__cancelled_at=None, stage__adoption__withdrawn_at=None)

    @extend_schema(request=BeginSerializer, parameters=[DRY_RUN])
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """CHK-2: begin the checklist of a stage on the newest version of its template; 200 where it has one."""
        given = BeginSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        stages = Stage.objects.worked_by(request.user, today=self.today).filter(cancelled_at=None)
        with transaction.atomic():
            stage = stages.filter(pk=given.validated_data["stage"]).first()
            if stage is None:
                raise Refused("stage", "does_not_exist", "There is no such stage.")
            with self.door(stage.account_id) as work:
                stage = Stage.objects.get(pk=stage.pk)
                begun = Checklist.objects.filter(stage=stage).exists()
                if not begun:
                    stage.refuse_if_shut()
                checklist = Checklist.begin(stage)
            return self.written(checklist.pk, work, status=200 if begun else 201)

    def record(self, checklist: Checklist, values: dict[str, Any], work: Work) -> None:
        for given in values.get("answers", ()):
            row = Checklist.objects.select_related("stage__account", "account").get(pk=checklist.pk)
            seen, comment = given["version"], given.get("comment")
            if comment is None:
                comment = getattr(row.answers.filter(item=given["item"]).first(), "comment", "")
            row.answer(
                given["item"],
                value=given["value"],
                comment=comment,
                by=work.by,
                now=work.now,
                seen_version=seen,
            )
        if values.get("ready"):
            checklist.mark_ready(now=work.now)
        elif "ready" in values and checklist.ready_at is not None:
            raise Refused("ready", "immutable", "What was ready for the meeting stays so.")
