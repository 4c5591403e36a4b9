"""Cursor pages: keyset on one ordering and the id, so that following `next` sees every lasting row exactly once."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F, Model, Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from lifecycle.api.problems import BadParameter

PAGE_SIZE, MOST = 100, 500
PARAMETERS = ("cursor", "page_size", "count", "ordering")
MOST_CURSOR = 2000


class CursorPages(BasePagination):
    """`next`, `previous`, `next_cursor`, `results`, and `count` when asked for; the links as a header too."""

    def paginate_queryset(self, queryset: QuerySet, request: Request, view: Any = None) -> list[Any]:
        self.request = request
        size = self._size(request)
        self.total = queryset.count() if self._wants_count(request) else None
        self.ordering = self._ordering(request, view)
        name = self.ordering.lstrip("-")
        column = {"id": "pk", **view.columns}.get(name, name)
        key = [column] if column == "pk" else [column, "pk"]
        descending = self.ordering.startswith("-")
        position, backward = self._position(request, queryset.model, key)
        turned = descending != backward
        if position is not None:
            queryset = queryset.filter(_after(key, position, descending=turned))
        order = [F(c).desc(nulls_first=True) if turned else F(c).asc(nulls_last=True) for c in key]
        rows = list(queryset.order_by(*order)[: size + 1])
        beyond, rows = len(rows) > size, rows[:size]
        if backward:
            rows.reverse()
        more_after = bool(rows) if backward else beyond
        more_before = beyond if backward else position is not None and bool(rows)
        self.next_cursor = self._cursor(rows[-1], key, "next") if more_after else None
        self.previous_cursor = self._cursor(rows[0], key, "previous") if more_before else None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        links = {"next": self._url(self.next_cursor), "previous": self._url(self.previous_cursor)}
        body = {**links, "next_cursor": self.next_cursor, "results": data}
        if self.total is not None:
            body["count"] = self.total
        header = ", ".join(f'<{url}>; rel="{name}"' for name, url in links.items() if url)
        return Response(body, headers={"Link": header} if header else {})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "next_cursor", "results"],
            "properties": {
                "next": link,
                "previous": link,
                "next_cursor": {"type": ["string", "null"]},
                "results": schema,
                "count": {"type": "integer", "description": "Only with `count=true`."},
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        orders = [sign + name for name in view.ordering for sign in ("", "-")]
        return [
            _parameter("cursor", {"type": "string", "maxLength": MOST_CURSOR}, "From `next_cursor`."),
            _parameter("page_size", {"type": "integer", "minimum": 1, "maximum": MOST, "default": PAGE_SIZE}),
            _parameter("count", {"type": "boolean", "default": False}, "Also count all rows."),
            _parameter("ordering", {"type": "string", "enum": orders, "default": "id"}),
        ]

    # --- reading the request

    def _size(self, request: Request) -> int:
        given = request.query_params.get("page_size", str(PAGE_SIZE))
        if not (given.isascii() and given.isdigit() and len(given) <= 3 and 1 <= int(given) <= MOST):
            raise BadParameter("page_size", "invalid", f"Expected a whole number from 1 to {MOST}.")
        return int(given)

    def _wants_count(self, request: Request) -> bool:
        given = request.query_params.get("count", "false")
        if given not in ("true", "false"):
            raise BadParameter("count", "invalid", "Expected true or false.")
        return given == "true"

    def _ordering(self, request: Request, view: Any) -> str:
        given = request.query_params.get("ordering", "id")
        if given.removeprefix("-") not in view.ordering:
            names = ", ".join(view.ordering)
            raise BadParameter(
                "ordering", "invalid", f"Expected one of {names}, perhaps with a minus before it."
            )
        return given

    def _position(
        self, request: Request, model: type[Model], key: list[str]
    ) -> tuple[list[Any] | None, bool]:
        given = request.query_params.get("cursor")
        if given is None:
            return None, False
        try:
            direction, ordering, values = json.loads(base64.urlsafe_b64decode(given[:MOST_CURSOR].encode()))
            if ordering != self.ordering or direction not in ("next", "previous") or len(values) != len(key):
                raise ValueError("a cursor of another list")
            fields = [model._meta.pk if name == "pk" else model._meta.get_field(name) for name in key]
            position = [
                None if value is None else field.to_python(value)
                for field, value in zip(fields, values, strict=True)
            ]
            if position[-1] is None or not 0 <= position[-1] < 2**63:
                raise ValueError("no row has this id")
        except (ValueError, TypeError, RecursionError, OverflowError, ValidationError) as problem:
            raise BadParameter("cursor", "invalid", "This is not a cursor of this list.") from problem
        return position, direction == "previous"

    # --- writing the answer

    def _cursor(self, row: Model, key: list[str], direction: str) -> str:
        values = [_plain(getattr(row, name)) for name in key]
        text = json.dumps([direction, self.ordering, values], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode()

    def _url(self, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        url = remove_query_param(self.request.build_absolute_uri(), "count")
        return replace_query_param(url, "cursor", cursor)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value


def _after(key: list[str], position: list[Any], *, descending: bool) -> Q:
    """The rows beyond a position. Nulls come last going up, first going down."""
    beyond = "lt" if descending else "gt"
    last = Q(**{f"pk__{beyond}": position[-1]})
    if len(key) == 1:
        return last
    name, value = key[0], position[0]
    if value is None:
        tie = Q(**{f"{name}__isnull": True}) & last
        return tie | Q(**{f"{name}__isnull": False}) if descending else tie
    further = Q(**{f"{name}__{beyond}": value}) | (Q(**{name: value}) & last)
    return further if descending else further | Q(**{f"{name}__isnull": True})


def _parameter(name: str, schema: dict[str, Any], text: str = "") -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}
