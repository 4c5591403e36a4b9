"""Bulk calls: reading their rows, and telling what became of them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.response import Response

from lifecycle.api.problems import pointer
from lifecycle.api.serializers import UNKNOWN
from lifecycle.api.views import Api, as_plan
from lifecycle.imports.upsert import Outcome, RowErrors
from lifecycle.rules.refused import Refused

MOST_ROWS = 5000
ATOMIC = OpenApiParameter("atomic", OpenApiTypes.BOOL, description="All rows or none.")
COUNTS = ("created", "updated", "unchanged", "failed")


class PointedSerializer(serializers.Serializer):
    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class RowErrorsSerializer(serializers.Serializer):
    index = serializers.IntegerField()
    external_id = serializers.CharField()
    errors = PointedSerializer(many=True)


class OutcomeSerializer(serializers.Serializer):
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    failed = serializers.IntegerField()
    errors = RowErrorsSerializer(many=True)


def rows(body: Any, name: str) -> list[dict[str, Any]]:
    """The rows of a bulk body, JSON or lines; a row that is no object becomes an empty one, which then fails.

    Raises Refused or ValidationError (400) when the body is no list of at most 5,000.
    """
    if isinstance(body, dict):
        unknown = {other: [ErrorDetail(UNKNOWN, "unknown")] for other in body if other != name}
        if unknown:
            raise ValidationError(unknown)
        body = body.get(name)
    if not isinstance(body, list):
        raise Refused(name, "required", "Expected a list of objects.")
    if len(body) > MOST_ROWS:
        raise Refused(name, "max_length", f"Expected at most {MOST_ROWS:,} rows, found {len(body):,}.")
    return [row if isinstance(row, dict) else {} for row in body]


def answer(view: Api, outcome: Outcome) -> Response:
    """200 with the counts and errors; 422 with the same when all or nothing was asked and a row failed."""
    shown: dict[str, Any] = {name: getattr(outcome, name) for name in COUNTS}
    shown["errors"] = [_row_errors(row) for row in outcome.errors]
    if view.flag("dry_run"):
        shown["plan"] = [as_plan(move) for move in outcome.moves]
    return Response(shown, 422 if view.flag("atomic") and outcome.failed else 200)


def _row_errors(row: RowErrors) -> dict[str, Any]:
    errors = [
        {"pointer": pointer([e.field] if e.field else []), "code": e.code, "detail": e.detail}
        for e in row.errors
    ]
    return {"index": row.index, "external_id": row.external_id, "errors": errors}
