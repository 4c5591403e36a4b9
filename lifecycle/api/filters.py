"""Filters named after fields, declared beside the view. What is unknown or cannot be read is refused (400)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from lifecycle.api import fields
from lifecycle.api.pages import PARAMETERS
from lifecycle.api.problems import BadParameter

MOST_VALUES, MOST_LETTERS = 500, 200
DIGITS = frozenset("0123456789")


@dataclass(frozen=True)
class Filter:
    """One filter: the column, how a value is read, what may follow `__`, and its shape in the schema.

    `matches` replaces the column where a value means more than a comparison.
    """

    column: str
    read: Callable[[str], Any]
    schema: dict[str, Any]
    lookups: tuple[str, ...] = ("", "in")
    matches: Callable[[Any, Any], Q] | None = field(default=None)

    def q(self, lookup: str, given: str, view: Any) -> Q:
        if lookup == "in":
            parts = given.split(",")
            if len(parts) > MOST_VALUES:
                raise ValueError(f"at most {MOST_VALUES} values")
            if self.matches is None:
                return Q(**{f"{self.column}__in": [self.read(part) for part in parts]})
            found = Q(pk__in=())
            for part in parts:
                found |= self.matches(self.read(part), view)
            return found
        value = self.read(given)
        if self.matches is not None:
            return self.matches(value, view)
        return Q(**{f"{self.column}__{lookup}" if lookup else self.column: value})


RANGE = ("", "gte", "lte", "in")


def text(column: str) -> Filter:
    return Filter(column, _text, {"type": "string"})


def choice(column: str, names: tuple[str, ...]) -> Filter:
    def read(given: str) -> str:
        if given not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return given

    return Filter(column, read, {"type": "string", "enum": list(names)})


def whole(column: str) -> Filter:
    return Filter(column, _whole, {"type": "integer", "minimum": 0}, RANGE)


def identity(column: str = "pk") -> Filter:
    lookups = RANGE if column == "pk" else ("", "in")
    return Filter(column, _whole, {"type": "integer", "minimum": 1}, lookups)


def money(column: str) -> Filter:
    """`column` holds cents."""
    return Filter(column, _cents, {"type": "string", "pattern": r"^[0-9]{1,7}(\.[0-9]{1,2})?$"}, RANGE)


def day(column: str) -> Filter:
    return Filter(column, fields.Day().run_validation, {"type": "string", "format": "date"}, RANGE)


def instant(column: str, *lookups: str) -> Filter:
    return Filter(column, _instant, {"type": "string", "format": "date-time"}, lookups or ("gte", "lte"))


def flag(column: str, matches: Callable[[Any, Any], Q] | None = None) -> Filter:
    return Filter(column, _flag, {"type": "boolean"}, ("",), matches)


def member(column: str, names: tuple[str, ...]) -> Filter:
    """A list of some words that holds this one; with `__in`, any of these."""

    def matches(value: str, view: Any) -> Q:
        return Q(**{f"{column}__icontains": f'"{value}"'})  # JSON text: SQLite has no other test of it

    return replace(choice(column, names), matches=matches)


def person(column: str) -> Filter:
    """By e-mail or by id."""

    def matches(value: str | int, view: Any) -> Q:
        return Q(**{column: value} if isinstance(value, int) else {f"{column}__email": value.lower()})

    return Filter(column, _id_or_text, {"type": "string"}, matches=matches)


def named(column: str) -> Filter:
    """By name or by id."""

    def matches(value: str | int, view: Any) -> Q:
        return Q(**{column: value} if isinstance(value, int) else {f"{column}__name": value})

    return Filter(column, _id_or_text, {"type": "string"}, matches=matches)


def _text(given: str) -> str:
    if "\0" in given:
        raise ValueError("text")
    return given


def _whole(given: str) -> int:
    if not given or not DIGITS.issuperset(given) or len(given) > 18:
        raise ValueError("a whole number")
    return int(given)


def _id_or_text(given: str) -> str | int:
    return _whole(given) if given and DIGITS.issuperset(given) else _text(given)


def _cents(given: str) -> int:
    return int(fields.Money().run_validation(given) * 100)


def _instant(given: str) -> datetime:
    """In a query a plus not escaped arrives as a space."""
    if len(given) > 6 and given[-6] == " ":
        given = f"{given[:-6]}+{given[-5:]}"
    return fields.Instant().run_validation(given)


def _flag(given: str) -> bool:
    if given not in ("true", "false"):
        raise ValueError("true or false")
    return given == "true"


class DeclaredFilters(BaseFilterBackend):
    """Applies what the view declares: `filters`, `search` (columns), `updated_since`."""

    def filter_queryset(self, request: Request, queryset: QuerySet, view: Any) -> QuerySet:
        for name in request.query_params:
            if name in PARAMETERS:
                continue
            given = request.query_params[name]
            if name == "search" and view.searches(request):
                queryset = queryset.filter(_search(given, view.searches(request)))
                continue
            found, lookup = _find(name, declared(view))
            try:
                queryset = queryset.filter(found.q(lookup, given, view))
            except ValidationError as wrong:
                raise BadParameter(name, "invalid", _first(wrong.detail)) from None
            except ValueError as wrong:
                raise BadParameter(name, "invalid", f"Expected {wrong}.") from None
        return queryset

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        shown = [
            _parameter(f"{name}__{lookup}" if lookup else name, lookup, filter_.schema)
            for name, filter_ in declared(view).items()
            for lookup in filter_.lookups
        ]
        if view.search:
            shown.append(_parameter("search", "", {"type": "string", "maxLength": MOST_LETTERS}))
        return shown


def declared(view: Any) -> dict[str, Filter]:
    """The filters of a view; every list of dated rows also has `updated_since`."""
    since = {
        "updated_since": Filter("updated_at__gte", _instant, {"type": "string", "format": "date-time"}, ("",))
    }
    return {**view.filters, **(since if view.is_dated else {})}


def _find(name: str, filters: dict[str, Filter]) -> tuple[Filter, str]:
    plain, _, lookup = name.partition("__")
    found = filters.get(plain)
    if found is None or lookup not in found.lookups or name.endswith("__"):
        raise BadParameter(name, "unknown", "There is no such parameter here.")
    return found, lookup


def _search(given: str, columns: tuple[str, ...]) -> Q:
    if len(given) > MOST_LETTERS or "\0" in given:
        raise BadParameter("search", "invalid", f"Expected at most {MOST_LETTERS} letters.")
    found = Q()
    for form in {given, unicodedata.normalize("NFC", given), unicodedata.normalize("NFD", given)}:
        for column in columns:
            found |= Q(**{f"{column}__icontains": form})
    return found


def _first(detail: Any) -> str:
    while not isinstance(detail, ErrorDetail):
        detail = next(iter(detail.values() if isinstance(detail, dict) else detail))
    return str(detail)


def _parameter(name: str, lookup: str, schema: dict[str, Any]) -> dict[str, Any]:
    if lookup == "in":
        schema = {"type": "array", "items": schema, "maxItems": MOST_VALUES}
        more = {"style": "form", "explode": False}
    else:
        more = {}
    return {"name": name, "in": "query", "required": False, "schema": schema, **more}
