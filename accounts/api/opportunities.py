"""Upsell opportunities over REST (ACT-3)."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account, Opportunity
from accounts.models.contact_log import OPPORTUNITY_KINDS, OPPORTUNITY_STATES
from lifecycle.api import fields, filters
from lifecycle.api.serializers import RowSerializer
from lifecycle.api.views import Resource, Updated, writes
from lifecycle.change import Work
from lifecycle.rules.refused import Refused


class OpportunitySerializer(RowSerializer):
    account = fields.Related()
    author = fields.Person(read_only=True, allow_null=True)
    surfaced_on = fields.Day(required=False, help_text="Today, where it is left out.")

    class Meta:
        model = Opportunity
        fields = (
            *("id", "account", "kind", "state", "text", "demo_on", "surfaced_on", "author", "rsm_told_at"),
            *("created_at", "updated_at"),
        )
        read_only_fields = ("created_at", "updated_at")
        related = ("author",)


class OpportunityViewSet(Updated, Resource):
    """What more a customer might want. The RSM (of the account) is told, with the time."""

    model = Opportunity
    serializer_class = OpportunitySerializer
    search = ("text",)
    ordering = ("id", "surfaced_on", "demo_on", "created_at", "updated_at")
    filters = {
        "id": filters.identity(),
        "account": filters.identity("account"),
        "kind": filters.choice("kind", tuple(OPPORTUNITY_KINDS)),
        "state": filters.choice("state", tuple(OPPORTUNITY_STATES)),
        "author": filters.person("author"),
        "demo_on": filters.day("demo_on"),
        "surfaced_on": filters.day("surfaced_on"),
        "rsm_told_at": filters.instant("rsm_told_at"),
        "created_at": filters.instant("created_at"),
        "updated_at": filters.instant("updated_at"),
    }

    def record(self, opportunity: Opportunity, values: dict[str, Any], work: Work) -> None:
        if values.pop("account", opportunity.account_id) != opportunity.account_id:
            raise Refused("account", "immutable", "An opportunity stays with its account.")
        opportunity.record(values, by=self.request.user, now=work.now, today=self.today)

    @writes
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        values = self.values(None, partial=False)
        accounts = Account.objects.worked_by(request.user, today=self.today)
        with transaction.atomic():
            if not accounts.filter(pk=values["account"]).exists():
                raise Refused("account", "does_not_exist", "There is no such account.")
            with self.door(values["account"]) as work:
                opportunity = Opportunity(account=work.account)
                self.record(opportunity, values, work)
            return self.written(opportunity.pk, work, status=201)

    @writes
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        def delete(opportunity: Opportunity, work: Work) -> None:
            opportunity.refuse_if_archived()
            opportunity.delete()

        return self.write(delete)
