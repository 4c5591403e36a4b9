"""Rows of models by hand-written SQL, for the few statements that every mail needs: an ORM query costs more to spell
out than to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

from django.db import connection
from django.db.models import Model


class Shape:
    """Some columns of a model: what to select, and the row that Django would make of the answer. Fields that were
    left out are read when they are asked for."""

    def __init__(self, model: type[Model], *names: str) -> None:
        self.model = model
        fields = [model._meta.get_field(name) for name in names] or list(model._meta.concrete_fields)
        self.fields = [field for field in model._meta.concrete_fields if field in fields]
        self.names = [field.attname for field in self.fields]
        self.converters = cache(self._converters)

    def __len__(self) -> int:
        return len(self.fields)

    @property
    def table(self) -> str:
        return connection.ops.quote_name(self.model._meta.db_table)

    def columns(self, alias: str = "") -> str:
        """The list of a SELECT."""
        before = f"{alias}." if alias else ""
        return ", ".join(before + connection.ops.quote_name(field.column) for field in self.fields)

    def row(self, values: Sequence[Any]) -> Any:
        """The instance of these values, as the columns were listed."""
        made = list(values)
        for place, convert in self.converters(connection.vendor):
            made[place] = convert(made[place])
        return self.model.from_db(connection.alias, self.names, made)

    def _converters(self, vendor: str) -> list[tuple[int, Callable[[Any], Any]]]:
        compiler = self.model._base_manager.all().query.get_compiler(connection=connection)
        found = compiler.get_converters([field.get_col(self.model._meta.db_table) for field in self.fields])
        return [(place, partial(_converted, *each)) for place, each in found.items()]


def _converted(chain: list[Callable[..., Any]], column: Any, value: Any) -> Any:
    for convert in chain:
        value = convert(value, column, connection)
    return value
