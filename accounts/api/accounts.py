"""Accounts over REST: one by one, by the id a client gave them, and in bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from accounts.models import Account
from accounts.models.account import MAX_USERS, PHASES, SEGMENTS
from accounts.models.people import DECIDING_ROLES
from lifecycle.api import bulk, fields, filters
from lifecycle.api.etags import wants_one
from lifecycle.api.parsers import JSONParser, LinesParser
from lifecycle.api.problems import Stale
from lifecycle.api.serializers import RowSerializer, StrictSerializer
from lifecycle.api.views import DRY_RUN, Resource, Updated, writes
from lifecycle.change import Work
from lifecycle.imports import rows
from lifecycle.imports.upsert import upsert_accounts
from lifecycle.rules.facts import PRODUCTS, SMB_TRAITS
from lifecycle.rules.policy import LEVELS
from lifecycle.rules.refused import Refused
from lifecycle.rules.routing import POOLS


class ReasonSerializer(StrictSerializer):
    rule = serializers.CharField()
    fact = serializers.CharField()
    value = serializers.JSONField()
    threshold = serializers.JSONField()
    text = serializers.CharField()


class RoutingSerializer(StrictSerializer):
    """What the rules, or whoever set the pool by hand, say now (ROUTE-1..5)."""

    pool = serializers.ChoiceField(POOLS)
    reasons = ReasonSerializer(many=True)
    policy = serializers.IntegerField()
    overridden = serializers.BooleanField(source="override_pool")

    def to_representation(self, account: Account) -> dict[str, Any]:
        return {
            "pool": account.pool,
            "reasons": account.reasons,
            "policy": account.policy,
            "overridden": bool(account.override_pool),
        }


@extend_schema_field({"type": ["string", "null"], "format": "email"})
class CsmField(fields.Person):
    """The e-mail of an active CSM. Null leaves the choice to the routing."""


class AccountSerializer(RowSerializer):
    external_id = fields.Line(max_length=255, required=False, allow_null=True)
    traits = fields.Several(SMB_TRAITS, required=False)
    products = fields.Several(PRODUCTS, required=False)
    contracted_users = fields.Whole(min_value=0, max_value=MAX_USERS)
    mrr = fields.Money()
    routing = RoutingSerializer(source="*", read_only=True)
    csm = CsmField(required=False, allow_null=True)
    onboarded_by = fields.Person(read_only=True, allow_null=True)
    archived = fields.Flag(read_only=True)

    class Meta:
        model = Account
        fields = (
            *("id", "external_id", "name", "segment", "starter_package", "traits", "service_level"),
            *("contracted_users", "mrr", "close_date", "products", "time_zone", "phase", "routing", "csm"),
            *("rsm_name", "rsm_email", "employee_sync", "onboarded_by", "reference_since"),
            *("domain_allowlisted", "churned_on", "churn_cause", "archived", "created_at", "updated_at"),
        )
        read_only_fields = ("segment", "phase", "reference_since", "churn_cause", "created_at", "updated_at")
        related = ("csm", "onboarded_by")

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """The checkers that imports use too, so that a row means the same wherever it comes in."""
        if not isinstance(data, dict):
            raise ValidationError(
                {api_settings.NON_FIELD_ERRORS_KEY: [ErrorDetail("Expected an object.", "invalid")]}
            )
        given = {name: value for name, value in data.items() if name != "external_id" or value is not None}
        values, wrong = rows.read(given, rows.active_csms() if given.get("csm") is not None else {})
        if not self.partial:
            wrong += rows.missing(given)
        if wrong:
            raise ValidationError({error.field: [ErrorDetail(error.detail, error.code)] for error in wrong})
        return values


class BulkSerializer(serializers.Serializer):
    accounts = AccountSerializer(many=True, max_length=bulk.MOST_ROWS)


class AccountViewSet(Updated, Resource):
    """Customers. What may be written are the facts; segment, phase and routing follow from them."""

    model = Account
    serializer_class = AccountSerializer
    search = ("name", "external_id")
    ordering = ("id", "name", "contracted_users", "mrr", "close_date", "created_at", "updated_at")
    columns = {"mrr": "mrr_cents"}
    filters = {
        "id": filters.identity(),
        "external_id": filters.text("external_id"),
        "name": filters.text("name"),
        "segment": filters.choice("segment", SEGMENTS),
        "phase": filters.choice("phase", PHASES),
        "pool": filters.choice("pool", POOLS),
        "service_level": filters.choice("service_level", LEVELS),
        "starter_package": filters.flag("starter_package"),
        "traits": filters.member("traits", SMB_TRAITS),
        "products": filters.member("products", PRODUCTS),
        "contracted_users": filters.whole("contracted_users"),
        "mrr": filters.money("mrr_cents"),
        "close_date": filters.day("close_date"),
        "time_zone": filters.text("time_zone"),
        "csm": filters.person("csm"),
        "onboarded_by": filters.person("onboarded_by"),
        "rsm_name": filters.text("rsm_name"),
        "rsm_email": filters.text("rsm_email"),
        "employee_sync": filters.flag("employee_sync"),
        "domain_allowlisted": filters.flag("domain_allowlisted"),
        "reference_since": filters.day("reference_since"),
        "churned_on": filters.day("churned_on"),
        "archived": filters.flag("archived_at", lambda value, view: Q(archived_at__isnull=not value)),
        "created_at": filters.instant("created_at"),
        "updated_at": filters.instant("updated_at"),
    }
    functions = {"destroy": DECIDING_ROLES, "restore": DECIDING_ROLES, "bulk": ("cs_ops",)}

    def listed(self, found: QuerySet) -> QuerySet:
        return found if "archived" in self.request.query_params else found.filter(archived_at=None)

    def record(self, account: Account, values: dict[str, Any], work: Work) -> None:
        self._refuse_what_leads_do(account, values)
        if values.get("csm", account) is None:
            if account.csm_id is not None and self.action == "partial_update":
                raise Refused(
                    "csm", "invalid", "An account is given to another CSM, not taken away.", rule="ROUTE-6"
                )
            del values["csm"]
        account.record(values)

    def _refuse_what_leads_do(self, account: Account, values: dict[str, Any]) -> None:
        """security.md: a CSM asks for another owner or for churn; a lead or CS Ops does it."""
        if self.request.user.role in DECIDING_ROLES:
            return
        own = self.request.user if account.pk is None else None
        allowed = {"csm": (account.csm, own, None), "churned_on": (account.churned_on,)}
        if any(values[name] not in allowed[name] for name in allowed if name in values):
            raise PermissionDenied

    @writes
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._create({})

    def _create(self, more: dict[str, Any]) -> Response:
        values = {**self.values(None, partial=False), **more}
        account = Account()
        with unique_external_id(), transaction.atomic():
            with self.door(None) as work:
                self.record(account, values, work)
            return self.written(account.pk, work, status=201)

    def write(self, act: Callable[[Account, Work], None]) -> Response:
        with unique_external_id():
            return super().write(act)

    @writes
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Archives the account; its history stays readable."""

        def archive(account: Account, work: Work) -> None:
            if account.archived:
                raise Refused("", "archived", "This account is archived already.", conflict=True)
            account.archive(now=work.now)

        answer = self.write(archive)
        return answer if self.flag("dry_run") else Response(status=204)

    @extend_schema(request=None, parameters=[DRY_RUN])
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Brings an archived account back; on any other it changes nothing."""
        self.refuse_body()
        return self.write(lambda account, work: account.restore())

    @extend_schema(
        methods=["PUT"], parameters=[DRY_RUN], responses={200: AccountSerializer, 201: AccountSerializer}
    )
    @action(detail=False, methods=["get", "put"], url_path="external/(?P<external_id>.+)", filter_backends=())
    def external(self, request: Request, external_id: str) -> Response:
        """One account by the id that its client gave it. PUT creates it when there is none."""
        account_id = _id_of(external_id)
        if request.method != "PUT":
            if account_id is None:
                raise Http404
            self.kwargs["pk"] = account_id
            return self.retrieve(request)
        self._check_id(external_id)
        if account_id is None:
            if wants_one(request):
                raise Stale
            try:
                return self._create({"external_id": external_id})
            except Refused as refused:  # created by somebody else meanwhile: then this is an update
                account_id = _id_of(external_id)
                if refused.code != "unique" or account_id is None:
                    raise
        self.kwargs["pk"] = account_id
        return self.change_with_body(partial=True)  # as in bulk: what is left out keeps its value

    def _check_id(self, external_id: str) -> None:
        try:
            clean = rows.external_id(external_id)
        except rows.Wrong as wrong:
            raise Refused("external_id", wrong.code, wrong.detail) from None
        body = self.request.data if isinstance(self.request.data, dict) else {}
        if clean != external_id or body.get("external_id", external_id) != external_id:
            raise Refused("external_id", "invalid", "The body names another external id than the address.")

    @extend_schema(
        parameters=[DRY_RUN, bulk.ATOMIC],
        request={"application/json": BulkSerializer, "application/x-ndjson": OpenApiTypes.STR},
        responses={200: bulk.OutcomeSerializer, 422: bulk.OutcomeSerializer},
    )
    @action(
        detail=False,
        methods=["post"],
        parser_classes=(JSONParser, LinesParser),
        other_parameters=("atomic",),
        filter_backends=(),
        pagination_class=None,
    )
    def bulk(self, request: Request) -> Response:
        """Creates or updates up to 5,000 accounts by `external_id`. Good rows land, bad ones are reported."""
        return bulk.answer(
            self,
            upsert_accounts(
                enumerate(map(_without_null_csm, bulk.rows(request.data, "accounts"))),
                by=request.user,
                via="api",
                now=self.now,
                atomic=self.flag("atomic"),
                dry_run=self.flag("dry_run"),
            ),
        )


@contextmanager
def unique_external_id() -> Iterator[None]:
    """The unique constraint decides; its refusal is told as one of the field."""
    try:
        yield
    except IntegrityError as problem:
        if "external_id" not in str(problem):
            raise
        raise Refused("external_id", "unique", "Another account has this external id.") from None


def _id_of(external_id: str) -> int | None:
    if "\0" in external_id:
        return None
    return Account.objects.filter(external_id=external_id).values_list("pk", flat=True).first()


def _without_null_csm(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "csm" or value is not None}
