"""The policy over REST: its versions, the one in force, and what another routing would move."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account, Roster
from accounts.models.people import DECIDING_ROLES
from lifecycle.api import fields, filters
from lifecycle.api.serializers import RowSerializer
from lifecycle.api.views import Resource
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.policy import Policy, PolicyError
from lifecycle.rules.refused import Refused
from lifecycle.rules.routing import Reason, route

SAMPLE = 50


class PolicySerializer(RowSerializer):
    author = fields.Person(read_only=True, allow_null=True)
    body = serializers.DictField(read_only=True)

    class Meta:
        model = PolicyVersion
        fields = ("id", "number", "body", "author", "note", "effective_on", "created_at")
        read_only_fields = fields
        related = ("author",)


class MoveSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    external_id = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    before = serializers.DictField()
    after = serializers.DictField()


class PreviewSerializer(serializers.Serializer):
    accounts = serializers.IntegerField()
    moves = serializers.DictField(child=serializers.IntegerField())
    sample = MoveSerializer(many=True)


class PolicyViewSet(Resource):
    """Published versions. None ever changes."""

    model = PolicyVersion
    serializer_class = PolicySerializer
    ordering = ("id", "number", "effective_on")
    filters = {
        "id": filters.identity(),
        "number": filters.whole("number"),
        "effective_on": filters.day("effective_on"),
    }
    functions = {"preview": DECIDING_ROLES}
    scopes = {"preview": "read"}  # it asks, it changes nothing

    def visible(self) -> QuerySet:
        return PolicyVersion.objects.all()  # everybody works by it

    @action(detail=False, filter_backends=(), pagination_class=None)
    def current(self, request: Request) -> Response:
        """The version in force today."""
        rows = self.get_queryset().filter(effective_on__lte=self.now.date()).order_by("-number")
        return self.answer(self.shown(rows[0]))

    @extend_schema(request={"application/json": {"type": "object"}}, responses=PreviewSerializer)
    @action(detail=False, methods=["post"], filter_backends=(), pagination_class=None)
    def preview(self, request: Request) -> Response:
        """How many accounts a changed policy would move, and which; nothing is saved (ROUTE-7)."""
        now = PolicyVersion.in_force(self.now.date())
        if not isinstance(request.data, dict):
            raise Refused("", "invalid", "Expected an object with the settings to change.")
        try:
            then = now.merged(request.data)
        except PolicyError as wrong:
            detail: Any = [ErrorDetail(wrong.text, "invalid")]
            for part in reversed(wrong.field.split(".")):
                detail = {part: detail}
            raise ValidationError(detail) from None
        return Response(self._moves(now, then))

    def _moves(self, now: Policy, then: Policy) -> dict[str, Any]:
        roster = Roster(users={}, teams={})  # routing asks for nobody
        accounts = Account.objects.visible_to(self.request.user, today=self.today).open()
        moves: Counter[str] = Counter({"digital->core": 0, "core->digital": 0})
        sample: list[dict[str, Any]] = []
        for account in accounts.filter(override_pool="").order_by("pk").iterator(chunk_size=2000):
            facts = account.facts(roster, now=self.now)
            before, after = route(facts, now), route(facts, then)
            if before.pool == after.pool:
                continue
            moves[f"{before.pool}->{after.pool}"] += 1
            if len(sample) < SAMPLE:
                shown = {name: getattr(account, name) for name in ("id", "external_id", "name")}
                sample.append({**shown, "before": _shown(before), "after": _shown(after)})
        return {"accounts": moves.total(), "moves": dict(moves), "sample": sample}


def _shown(routed: Any) -> dict[str, Any]:
    reasons: tuple[Reason, ...] = routed.reasons
    return {"pool": routed.pool, "reasons": [reason.as_json() for reason in reasons]}
