"""Milestones over REST: read, and declared done where no fact tells."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import fields, filters
from lifecycle.api.serializers import RowSerializer
from lifecycle.api.views import DRY_RUN, Resource
from lifecycle.change import Work
from lifecycle.milestones.models import STATUSES, Milestone
from lifecycle.rules.duties import KIND
from lifecycle.rules.refused import Refused

# What clears a kind that nobody can declare done, as a client would name it.
FACTS = {
    "stage": "closed_at of the stage",
    "check_in": "done_on of the check-in",
    "book_call": "call_scheduled_at of the onboarding",
    "record_call": "call_completed_on of the onboarding",
    "book_training": "scheduled_at of the training session",
    "record_training": "completed_on of the training session",
    "complete_onboarding": "training_completed_on of the onboarding",
    "prepare_checklist": "the checklist of the stage, ready or exported",
    "book_meeting": "meeting_scheduled_at of the stage",
    "record_meeting": "meeting_held of the stage",
    "explain_no_meeting": "no_meeting_reason of the stage",
    "close_gap": "gap_decision of the stage",
    "close_stage": "closed_at of the stage",
    "survey_reminder": "answered_at or waived_at of the survey",
    "reroute": "the team lead's decision to move or keep the account",
}


class SourceSerializer(serializers.Serializer):
    type = serializers.CharField()
    id = serializers.IntegerField()


class MilestoneSerializer(RowSerializer):
    day = serializers.SerializerMethodField()
    owner = fields.Person(read_only=True, allow_null=True)
    source = serializers.SerializerMethodField()

    class Meta:
        model = Milestone
        fields = (
            *("id", "account", "kind", "day", "title", "owner", "due_on", "act_by", "status", "done_at"),
            "source",
        )
        read_only_fields = fields
        related = ("owner",)

    @extend_schema_field({"type": ["integer", "null"]})
    def get_day(self, milestone: Milestone) -> int | None:
        return milestone.day or None

    @extend_schema_field(SourceSerializer)
    def get_source(self, milestone: Milestone) -> dict[str, Any]:
        return {"type": milestone.source_type, "id": milestone.source_id}


def _overdue(value: bool, view: Any) -> Q:
    late = Q(status="open", act_by__lt=view.today)
    return late if value else ~late


class MilestoneViewSet(Resource):
    """Dated duties. They follow from the facts; those that no fact clears can be completed."""

    model = Milestone
    serializer_class = MilestoneSerializer
    search = ("title", "account__name", "account__external_id")
    ordering = ("id", "due_on", "act_by", "updated_at")
    filters = {
        "id": filters.identity(),
        "account": filters.identity("account"),
        "owner": filters.person("owner"),
        "team": filters.named("team"),
        "kind": filters.choice("kind", tuple(KIND)),
        "day": filters.whole("day"),
        "status": filters.choice("status", STATUSES),
        "due_on": filters.day("due_on"),
        "act_by": filters.day("act_by"),
        "done_at": filters.instant("done_at"),
        "overdue": filters.flag("status", _overdue),
        "updated_at": filters.instant("updated_at"),
    }

    @extend_schema(request=None, parameters=[DRY_RUN])
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Declares a duty done that is done by hand, or a mail as sent outside the app; 409 for any other."""
        self.refuse_body()
        return self.write(_complete)


def _complete(milestone: Milestone, work: Work) -> None:
    try:
        milestone.complete(by=work.by, now=work.now)
    except Refused as refused:
        if refused.code != "not_by_hand":
            raise
        text = f"{refused.text} Missing: {FACTS[milestone.kind]}."
        raise Refused("", refused.code, text, rule=refused.rule, conflict=True) from None
