"""Adoptions, their stages and their team-lead check-ins over REST."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max, Prefetch, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Roster
from accounts.models.people import DECIDING_ROLES
from adoption.models import Adoption, CheckIn, Checklist, Stage
from adoption.models.adoption import LONGEST_REASON
from adoption.models.checklist import LONGEST
from adoption.models.outcomes import DISENGAGEMENT_REASONS, ROOT_CAUSES
from lifecycle.api import fields, filters
from lifecycle.api.problems import as_list
from lifecycle.api.serializers import RowSerializer, StrictSerializer
from lifecycle.api.views import DRY_RUN, Patched, Resource
from lifecycle.change import Work
from lifecycle.rules.policy import LEVELS

MOST_LETTERS = 20_000
MOST_TOPICS = 50


class FeedbackSerializer(StrictSerializer):
    bugs = fields.Text(allow_blank=True, required=False, max_length=LONGEST)
    workflow = fields.Text(allow_blank=True, required=False, max_length=LONGEST)
    suggestions = fields.Text(allow_blank=True, required=False, max_length=LONGEST)


class MissingSerializer(serializers.Serializer):
    field = serializers.CharField()
    rule = serializers.CharField()
    text = serializers.CharField()


def checklists() -> tuple[Prefetch, ...]:
    """The checklists of stages, with whether and when they were exported: what the gate looks at."""
    exports = {"export_count": Count("exports"), "last_export_at": Max("exports__created_at")}
    return (Prefetch("checklist", Checklist.objects.annotate(**exports)),)


class StageSerializer(RowSerializer):
    meeting_type = serializers.CharField(read_only=True)
    disengagement_reasons = fields.Several(tuple(DISENGAGEMENT_REASONS), required=False)
    root_causes = fields.Several(tuple(ROOT_CAUSES), required=False)
    feedback = FeedbackSerializer(required=False)
    missing = serializers.SerializerMethodField()

    class Meta:
        model = Stage
        fields = (
            *("id", "adoption", "account", "day", "final", "due_on", "meeting_scheduled_at", "meeting_type"),
            *("recording_confirmed", "recording_url", "postponements", "meeting_held", "meeting_held_on"),
            *("no_meeting_reason", "gap_decision", "send_reference_email", "engaged", "engagement"),
            *("disengagement_reasons", "reengage_on", "action", "root_causes", "cause_side"),
            *(
                "contacts_unchanged",
                "feedback",
                "investment",
                "summary",
                "expectations",
                "notes",
                "reference",
            ),
            *("recap_sent_at", "missing", "closed_at"),
        )
        read_only_fields = ("day", "final", "due_on", "postponements", "closed_at")
        related = ("account", "survey")
        fetched = checklists

    @classmethod
    def with_related(cls, rows: QuerySet) -> QuerySet:
        return super().with_related(rows).with_objectives()

    @extend_schema_field(MissingSerializer(many=True))
    def get_missing(self, stage: Stage) -> list[dict[str, str]]:
        return [] if stage.closed_at is not None else as_list(stage.lacking())


class ReopenSerializer(StrictSerializer):
    reason = fields.Text(max_length=LONGEST_REASON)


class AnswersField(serializers.DictField):
    """Answers by topic."""

    child = fields.Text(allow_blank=True, max_length=MOST_LETTERS)
    default_error_messages = {
        "topic": "A topic is a word of small letters, digits and underscores, at most 40.",
        "too_many": f"At most {MOST_TOPICS} topics.",
    }

    def to_internal_value(self, data: Any) -> dict[str, str]:
        answers = super().to_internal_value(data)
        if len(answers) > MOST_TOPICS:
            self.fail("too_many")
        if not all(_is_topic(name) for name in answers):
            self.fail("topic")
        return answers


def _is_topic(name: str) -> bool:
    return name.isascii() and name.isidentifier() and name.islower() and len(name) <= 40


class CheckInSerializer(RowSerializer):
    owner = serializers.SerializerMethodField()
    answers = AnswersField(required=False)

    class Meta:
        model = CheckIn
        fields = ("id", "adoption", "account", "day", "owner", "due_on", "answers", "done_on")
        read_only_fields = ("day", "due_on")
        related = ("account",)

    @extend_schema_field({"type": ["string", "null"], "format": "email"})
    def get_owner(self, check_in: CheckIn) -> str | None:
        if "roster" not in self.context:  # read once, however many check-ins are shown
            self.context["roster"] = Roster.load()
        roster = self.context["roster"]
        lead = roster.users.get(roster.lead_of(check_in.account.csm_id))
        return lead and lead.email


class AdoptionSerializer(RowSerializer):
    stages = StageSerializer(many=True, read_only=True)
    check_ins = CheckInSerializer(many=True, read_only=True)

    class Meta:
        model = Adoption
        fields = (
            *("id", "account", "onboarding", "day_zero", "service_level", "policy", "completed_on"),
            *("stages", "check_ins"),
        )
        read_only_fields = fields

        @staticmethod
        def fetched() -> tuple[Prefetch, ...]:
            stages = StageSerializer.with_related(Stage.objects.filter(cancelled_at=None))
            check_ins = CheckInSerializer.with_related(CheckIn.objects.filter(cancelled_at=None))
            return (Prefetch("stages", stages), Prefetch("check_ins", check_ins))


class AdoptionViewSet(Resource):
    """What follows the Training Completed Date: an adoption with its stages and check-ins."""

    model = Adoption
    serializer_class = AdoptionSerializer
    search = ("account__name", "account__external_id")
    ordering = ("id", "day_zero", "completed_on", "updated_at")
    filters = {
        "id": filters.identity(),
        "account": filters.identity("account"),
        "onboarding": filters.identity("onboarding"),
        "day_zero": filters.day("day_zero"),
        "service_level": filters.choice("service_level", LEVELS),
        "completed_on": filters.day("completed_on"),
        "updated_at": filters.instant("updated_at"),
    }

    def visible(self) -> QuerySet:
        return super().visible().filter(withdrawn_at=None)


class Planned(Resource):
    """Rows that a re-planning may cancel: cancelled ones are not there."""

    def visible(self) -> QuerySet:
        return super().visible().filter(cancelled_at=None)


class StageViewSet(Patched, Planned):
    """A follow-up meeting with its preparation, outcome and recap (STAGE-1..10)."""

    model = Stage
    serializer_class = StageSerializer
    search = ("account__name", "account__external_id")
    ordering = ("id", "due_on", "closed_at", "updated_at")
    filters = {
        "id": filters.identity(),
        "account": filters.identity("account"),
        "adoption": filters.identity("adoption"),
        "day": filters.whole("day"),
        "final": filters.flag("final"),
        "due_on": filters.day("due_on"),
        "meeting_scheduled_at": filters.instant("meeting_scheduled_at"),
        "meeting_held": filters.flag("meeting_held"),
        "closed_at": filters.instant("closed_at"),
        "updated_at": filters.instant("updated_at"),
    }

    def record(self, stage: Stage, values: dict[str, Any], work: Work) -> None:
        if values.get("feedback"):
            Checklist.begin(stage)
        stage.record(values, by=work.by, now=work.now, today=work.today(work.account))

    @extend_schema(request=None, parameters=[DRY_RUN])
    @action(detail=True, methods=["post"])
    def close(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """STAGE-10. 409 with `missing` while something is; closing a closed stage changes nothing."""
        self.refuse_body()
        return self.write(lambda stage, work: stage.close(getattr(stage, "checklist", None), now=work.now))

    @extend_schema(request=ReopenSerializer, parameters=[DRY_RUN])
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """STAGE-10: a team lead, manager or CS Ops opens a closed stage again, saying why."""

        def act(stage: Stage, work: Work) -> None:
            given = ReopenSerializer(data=request.data)
            given.is_valid(raise_exception=True)
            stage.reopen(given.validated_data["reason"], by=work.by)

        return self.write(act)


class CheckInViewSet(Patched, Planned):
    """The team lead's own check-in (TLC-1)."""

    model = CheckIn
    serializer_class = CheckInSerializer
    search = ("account__name", "account__external_id")
    writers = DECIDING_ROLES
    ordering = ("id", "due_on", "done_on", "updated_at")
    filters = {
        "id": filters.identity(),
        "account": filters.identity("account"),
        "adoption": filters.identity("adoption"),
        "day": filters.whole("day"),
        "due_on": filters.day("due_on"),
        "done_on": filters.day("done_on"),
        "updated_at": filters.instant("updated_at"),
    }

    def record(self, check_in: CheckIn, values: dict[str, Any], work: Work) -> None:
        if "answers" in values:
            values["answers"] = {**check_in.answers, **values["answers"]}
        check_in.record(values, now=work.now, today=work.today(work.account))
