"""Onboardings and training sessions over REST."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from lifecycle.api import fields, filters
from lifecycle.api.serializers import RowSerializer
from lifecycle.api.views import Patched, Resource
from lifecycle.change import Work
from lifecycle.rules.facts import PRODUCTS
from onboarding.models import Objective, Onboarding, TrainingSession

MOST_OBJECTIVES = 50


class ObjectiveSerializer(RowSerializer):
    id = fields.Id(required=False)
    text = fields.Line(max_length=1000, required=False)

    class Meta:
        model = Objective
        fields = ("id", "text", "judgement")

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if "id" not in values and not values.get("text"):
            raise ValidationError({"text": [ErrorDetail("A new objective needs a text.", "required")]})
        return values


class OnboardingSerializer(RowSerializer):
    csm = fields.Person(source="account.csm", read_only=True, allow_null=True)
    objectives = ObjectiveSerializer(many=True, required=False, max_length=MOST_OBJECTIVES)
    adoption = serializers.SerializerMethodField()

    class Meta:
        model = Onboarding
        fields = (
            *(
                "id",
                "account",
                "csm",
                "call_scheduled_at",
                "call_completed_on",
                "discovery_notes",
                "objectives",
            ),
            *(
                "training_completed_on",
                "recap_sent_at",
                "completed_mail_sent_at",
                "manuals_told_on",
                "adoption",
            ),
        )
        related = ("account__csm", "adoption")
        fetched = ("objectives",)

    @extend_schema_field({"type": ["integer", "null"]})
    def get_adoption(self, onboarding: Onboarding) -> int | None:
        adoption = getattr(onboarding, "adoption", None)
        return adoption.pk if adoption and adoption.withdrawn_at is None else None


class OnboardingViewSet(Patched, Resource):
    """From the first call to the Training Completed Date, which creates the adoption (CAD-1)."""

    model = Onboarding
    serializer_class = OnboardingSerializer
    search = ("account__name", "account__external_id")
    ordering = ("id", "call_completed_on", "updated_at", "training_completed_on", "call_scheduled_at")
    filters = {
        "id": filters.identity(),
        "account": filters.identity("account"),
        "csm": filters.person("account__csm"),
        "call_scheduled_at": filters.instant("call_scheduled_at"),
        "call_completed_on": filters.day("call_completed_on"),
        "training_completed_on": filters.day("training_completed_on"),
        "updated_at": filters.instant("updated_at"),
    }

    def record(self, onboarding: Onboarding, values: dict[str, Any], work: Work) -> None:
        objectives = values.pop("objectives", None)
        onboarding.record(values, today=work.today(work.account), now=work.now)
        if objectives is not None:
            onboarding.set_objectives(objectives)


class TrainingSessionSerializer(RowSerializer):
    class Meta:
        model = TrainingSession
        fields = (
            *("id", "onboarding", "product", "scheduled_at", "completed_on", "participants", "modules"),
            *("pending_subjects", "relevant_links", "recording_confirmed", "recap_sent_at"),
        )
        read_only_fields = ("product",)


class TrainingSessionViewSet(Patched, Resource):
    """One training of one product (ONB-3)."""

    model = TrainingSession
    serializer_class = TrainingSessionSerializer
    search = ("account__name", "account__external_id")
    ordering = ("id", "scheduled_at", "completed_on", "updated_at")
    filters = {
        "id": filters.identity(),
        "onboarding": filters.identity("onboarding"),
        "account": filters.identity("account"),
        "product": filters.choice("product", PRODUCTS),
        "recording_confirmed": filters.flag("recording_confirmed"),
        "scheduled_at": filters.instant("scheduled_at"),
        "completed_on": filters.day("completed_on"),
        "updated_at": filters.instant("updated_at"),
    }

    def record(self, session: TrainingSession, values: dict[str, Any], work: Work) -> None:
        session.record(values, today=work.today(work.account), now=work.now)
