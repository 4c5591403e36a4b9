"""What all resources share: who sees what, pages, filters, ETags, and the one way to write: through the door."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import cached_property
from typing import Any

from django.db import models, transaction
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from lifecycle import clock
from lifecycle.api.etags import etag, is_conditional, is_known, refuse_stale
from lifecycle.api.filters import DeclaredFilters, Filter, declared
from lifecycle.api.pages import PARAMETERS, CursorPages
from lifecycle.api.problems import MOST_BYTES, BadParameter, LengthRequired, TooLarge
from lifecycle.api.serializers import StrictSerializer
from lifecycle.change import Work, change

DRY_RUN = OpenApiParameter(
    "dry_run", OpenApiTypes.BOOL, description="Answer as if written, with `plan`; nothing is saved."
)
writes = extend_schema(parameters=[DRY_RUN])


class Api(APIView):
    """What every address under /api/ does: says its limits and refuses parameters it does not know."""

    other_parameters: tuple[str, ...] = ()

    @cached_property
    def now(self) -> datetime:
        return clock.now()

    @cached_property
    def today(self) -> date:
        """The caller's local day."""
        return self.request.user.today(self.now)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES:
            raise TooLarge
        if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
            raise LengthRequired  # else the body would be taken for empty
        super().initial(request, *args, **kwargs)
        self._refuse_unknown_parameters(request)

    def _refuse_unknown_parameters(self, request: Request) -> None:
        known = self.known_parameters(request)
        for name, given in request.query_params.lists():
            if name not in known:
                raise BadParameter(name, "unknown", "There is no such parameter here.")
            if len(given) > 1:
                raise BadParameter(name, "repeated", "This parameter was given more than once.")

    def known_parameters(self, request: Request) -> set[str]:
        dry_run = () if request.method in SAFE_METHODS else ("dry_run",)
        return {*self.other_parameters, *dry_run}

    def flag(self, name: str) -> bool:
        """A true/false parameter; BadParameter for anything else."""
        given = self.request.query_params.get(name, "false")
        if given not in ("true", "false"):
            raise BadParameter(name, "invalid", "Expected true or false.")
        return given == "true"

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(status=status.HTTP_204_NO_CONTENT)


class Unknown(Api):
    """Every address under /api/ that is none."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise Http404

    def known_parameters(self, request: Request) -> set[str]:
        return set(request.query_params)

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise Http404

    post = put = patch = delete = head = get


class Resource(Api, GenericViewSet):
    """Objects of one model: list and retrieve, scoped to the caller, and the way to write them.

    A resource declares `model`, `serializer_class`, `filters`, `search` (columns), `ordering`
    (names, with `columns` where a column is called otherwise), and
    `record(row, values, work)`, which calls the verb of the model.
    """

    model: type[models.Model]
    filters: dict[str, Filter] = {}
    search: tuple[str, ...] = ()
    ordering: tuple[str, ...] = ("id",)
    columns: dict[str, str] = {}
    pagination_class = CursorPages
    filter_backends = (DeclaredFilters,)
    lookup_value_regex = "[1-9][0-9]{0,17}"

    @property
    def is_dated(self) -> bool:
        return any(field.name == "updated_at" for field in self.model._meta.concrete_fields)

    def searches(self, request: Request) -> tuple[str, ...]:
        """The columns in which this caller may search."""
        return self.search

    def known_parameters(self, request: Request) -> set[str]:
        known = super().known_parameters(request)
        if self.action != "list":
            return known
        filters = {
            f"{name}__{lookup}" if lookup else name
            for name, filter_ in declared(self).items()
            for lookup in filter_.lookups
        }
        return known | filters | set(PARAMETERS) | ({"search"} if self.search else set())

    # --- reading

    def visible(self) -> QuerySet:
        """What the caller may see."""
        return self.model.objects.visible_to(self.request.user, today=self.today)

    def workable(self) -> QuerySet:
        """What the caller may change."""
        return self.model.objects.worked_by(self.request.user, today=self.today)

    def get_queryset(self) -> QuerySet:
        return self.serializer_class.with_related(self.visible())

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        rows = self.paginate_queryset(self.filter_queryset(self.listed(self.get_queryset())))
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)

    def listed(self, rows: QuerySet) -> QuerySet:
        """The rows a list shows, where that is not all."""
        return rows

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.answer(self.shown(self.found(self.get_queryset())))

    def found(self, rows: QuerySet) -> models.Model:
        """The one row that the address names; 404 when it is not among these."""
        row = rows.filter(pk=int(self.kwargs[self.lookup_field])).first()
        if row is None:
            raise Http404
        return row

    def shown(self, row: models.Model) -> dict[str, Any]:
        return dict(self.get_serializer(row).data)

    def answer(self, shown: dict[str, Any], status: int = 200, plan: list[Any] | None = None) -> Response:
        """One object with its ETag; 304 when the caller has it."""
        tag = etag(shown)
        if self.request.method in SAFE_METHODS and is_known(self.request, tag):
            return Response(status=304, headers={"ETag": tag})
        return Response(shown if plan is None else {**shown, "plan": plan}, status, headers={"ETag": tag})

    # --- writing

    def record(self, row: models.Model, values: dict[str, Any], work: Work) -> None:
        """Call the model's verb with what was sent."""
        raise NotImplementedError

    def values(self, row: models.Model | None, *, partial: bool) -> dict[str, Any]:
        """The body, validated."""
        serializer = self.get_serializer(row, data=self.request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def refuse_body(self) -> None:
        """For actions that take none: what is not read must not be sent."""
        if self.request.data:
            StrictSerializer(data=self.request.data).is_valid(raise_exception=True)

    def write(self, act: Callable[[Any, Work], None]) -> Response:
        """Change the row that the address names: found, locked with its account, compared with If-Match, changed."""
        seen = self.found(self.visible())
        with transaction.atomic():
            with self.door(seen.door_account_id()) as work:
                row = self.found(self.get_queryset())
                if not self.workable().filter(pk=row.pk).exists():
                    raise PermissionDenied
                if is_conditional(self.request):
                    refuse_stale(self.request, etag(self.shown(row)))
                if getattr(row, "account_id", None) is not None:
                    row.account = work.account
                act(row, work)
            return self.written(row.pk, work)

    def door(self, account_id: int | None) -> Any:
        """The door, opened by the caller."""
        return change(account_id, by=self.request.user, via="api", now=self.now)

    def written(self, pk: int | None, work: Work, *, status: int = 200) -> Response:
        """The answer to a write, read after everything has settled; in a dry run all of it is then undone."""
        dry_run = self.flag("dry_run")
        plan = [as_plan(move) for move in work.moves] if dry_run else None
        row = self.serializer_class.with_related(self.model.objects.filter(pk=pk)).first() if pk else None
        shown = self.shown(row) if row else None
        if dry_run:
            transaction.set_rollback(True)
        if shown is None:
            return Response({"plan": plan}) if dry_run else Response(status=204)
        if dry_run and status == 201:
            shown["id"] = None
        return self.answer(shown, status, plan)

    def change_with_body(self, *, partial: bool) -> Response:
        return self.write(lambda row, work: self.record(row, self.values(row, partial=partial), work))


class Patched:
    """PATCH."""

    @writes
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.change_with_body(partial=True)


class Updated(Patched):
    """PATCH and PUT."""

    @writes
    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.change_with_body(partial=False)


def as_plan(move: Any) -> dict[str, Any]:
    """One milestone that a change would add, move, finish or cancel."""
    return {
        "action": move.action,
        "account": move.account_id,
        "kind": move.kind,
        "day": move.day or None,
        "title": move.title,
        "due_on": move.due_on.isoformat(),
        "was_due_on": move.was_due_on and move.was_due_on.isoformat(),
    }
