"""Strict fields: JSON's own types and nothing that merely looks like them. Bodies and filters read with the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.core.validators import URLValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import User
from lifecycle.imports.rows import Wrong, plain_text

MOST_ID = 2**63 - 1
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class Text(serializers.CharField):
    """Free text, kept as sent. NUL and unpaired surrogates are refused."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class Line(Text):
    """One line: names, addresses, ids. No control, bidi or zero-width character; trimmed."""

    def to_internal_value(self, data: Any) -> str:
        try:
            return plain_text(
                super().to_internal_value(data), longest=2**31, what="text", blank=self.allow_blank
            )
        except Wrong as wrong:
            raise serializers.ValidationError(wrong.detail, wrong.code) from None


class Email(Line, serializers.EmailField):
    """An e-mail address."""


class Link(Line, serializers.URLField):
    """A web address, to be opened by a browser."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        others = [check for check in self.validators if not isinstance(check, URLValidator)]
        self.validators = [*others, URLValidator(("https", "http"))]


class Flag(serializers.BooleanField):
    """true or false, never "yes", 1 or "true"."""

    default_error_messages = {"invalid": "Expected true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class Whole(serializers.IntegerField):
    """A whole number; a float, a boolean and a string are none."""

    default_error_messages = {"invalid": "Expected a whole number."}

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


@extend_schema_field({"type": "string", "pattern": r"^[0-9]{1,7}(\.[0-9]{1,2})?$", "examples": ["500.01"]})
class Money(serializers.Field):
    """US dollars as a decimal string; a number is refused."""

    default_error_messages = {"invalid": 'Expected an amount as a string like "500.01".'}
    form = re.compile(r"[0-9]{1,7}(\.[0-9]{1,2})?")

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, str) or not self.form.fullmatch(data):
            self.fail("invalid")
        return Decimal(data)

    def to_representation(self, value: Decimal) -> str:
        return f"{value:.2f}"


class Day(serializers.DateField):
    """A date as YYYY-MM-DD, from 1970 to 2199."""

    default_error_messages = {"invalid": "Expected a date like 2026-01-31, from 1970 to 2199."}

    def to_internal_value(self, data: Any) -> date:
        try:
            if isinstance(data, str) and ISO_DATE.fullmatch(data):
                day = date.fromisoformat(data)
                if FIRST_DAY <= day <= LAST_DAY:
                    return day
        except ValueError:
            pass
        raise serializers.ValidationError(self.error_messages["invalid"], "invalid")


class Instant(serializers.DateTimeField):
    """A time as RFC 3339 with its offset; shown in UTC."""

    default_error_messages = {"invalid": "Expected a time with an offset, like 2026-01-31T09:00:00Z."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"default_timezone": UTC, **kwargs})

    def to_internal_value(self, data: Any) -> datetime:
        try:
            if isinstance(data, str) and RFC_3339.fullmatch(data):
                instant = datetime.fromisoformat(data.upper()).astimezone(UTC)
                if FIRST_DAY <= instant.date() <= LAST_DAY:
                    return instant
        except (ValueError, OverflowError):
            pass
        raise serializers.ValidationError(self.error_messages["invalid"], "invalid")


class Choice(serializers.ChoiceField):
    """One of some words; where the database keeps nothing as an empty string, the API says null."""

    def __init__(self, choices: Any, **kwargs: Any) -> None:
        self.unset = kwargs.pop("allow_blank", False)
        if self.unset:
            kwargs["allow_null"] = True
        super().__init__([c for c in choices if c], **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        value = super().run_validation(data)
        return "" if value is None and self.unset else value

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=type(data).__name__)
        return super().to_internal_value(data)

    def to_representation(self, value: Any) -> Any:
        return value or None


class Several(serializers.ListField):
    """Some of some words, each once, in the order of the words."""

    def __init__(self, names: tuple[str, ...], **kwargs: Any) -> None:
        self.names = names
        super().__init__(child=Choice(list(names)), max_length=100, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        given = set(super().to_internal_value(data))
        return [name for name in self.names if name in given]


class Id(Whole):
    """The id of a row."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": MOST_ID, **kwargs})


@extend_schema_field({"type": ["string", "null"], "format": "email"})
class Person(serializers.Field):
    """A colleague, shown by e-mail."""

    def to_representation(self, value: User) -> str:
        return value.email


class Related(Id):
    """The id of a row of ours: shown without reading it; written, it must be one the caller may work on."""

    default_error_messages = {"does_not_exist": "There is no such object."}

    def __init__(self, find: Callable[..., Any] | None = None, **kwargs: Any) -> None:
        self.find = find
        super().__init__(**kwargs)

    def get_attribute(self, instance: Any) -> int | None:
        return getattr(instance, f"{self.source}_id")

    def to_internal_value(self, data: Any) -> int:
        return super().to_internal_value(data)
