"""How objects look and what may be written to them. Serializers declare fields; strictness is here, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from lifecycle.api import fields

UNKNOWN = "There is no such field."
READ_ONLY = "This field is computed and cannot be written."


class Strict:
    """Refuses fields it does not know (`unknown`) and fields that cannot be written (`read_only`)."""

    fields: Mapping[str, serializers.Field]

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)  # which says what was expected
        refused: dict[Any, Any] = {}
        for name in data:
            if name not in self.fields:
                refused[name] = [ErrorDetail(UNKNOWN, "unknown")]
            elif self.fields[name].read_only:
                refused[name] = [ErrorDetail(READ_ONLY, "read_only")]
        try:
            values = super().to_internal_value(data)
        except ValidationError as wrong:
            raise ValidationError({**wrong.detail, **refused}) from None
        if refused:
            raise ValidationError(refused)
        return values


class StrictSerializer(Strict, serializers.Serializer):
    """An object that is no row."""


class RowSerializer(Strict, serializers.ModelSerializer):
    """A row as the API shows it. `Meta.related` and `Meta.fetched` name what showing it reads beside it."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: fields.Line,
        models.TextField: fields.Text,
        models.EmailField: fields.Email,
        models.URLField: fields.Link,
        models.BooleanField: fields.Flag,
        models.DateField: fields.Day,
        models.DateTimeField: fields.Instant,
        models.PositiveIntegerField: fields.Whole,
        models.PositiveSmallIntegerField: fields.Whole,
        models.BigIntegerField: fields.Whole,
    }
    serializer_choice_field = fields.Choice

    def build_relational_field(self, field_name: str, relation_info: Any) -> tuple[type, dict[str, Any]]:
        return fields.Related, {"read_only": True, "allow_null": relation_info.model_field.null}

    @classmethod
    def with_related(cls, rows: QuerySet) -> QuerySet:
        """The rows with everything that showing them reads: no query a row."""
        related, fetched = getattr(cls.Meta, "related", ()), getattr(cls.Meta, "fetched", ())
        fetched = fetched() if callable(fetched) else fetched
        if related:  # without names, select_related() would join every foreign key
            rows = rows.select_related(*related)
        return rows.prefetch_related(*fetched)
