"""Several numbers in one query."""

from __future__ import annotations

from django.db.models import Count, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from accounts.models import User


def numbers_of(counted: dict[str, QuerySet], user: User, *, most: int | None = None) -> dict[str, int]:
    """How many rows each of these has, asked at once; beyond `most` nobody counts on."""
    if not counted:
        return {}
    one_row = User.objects.filter(pk=user.pk)
    numbers = one_row.values_list(*(_number_of(rows, most) for rows in counted.values())).get()
    return dict(zip(counted, numbers, strict=True))


def _number_of(rows: QuerySet, most: int | None) -> Coalesce:
    """A number inside another query; no rows make no group, so say 0."""
    if most is not None:
        rows = rows.model.objects.filter(pk__in=rows.order_by().values("pk")[: most + 1])
    alone = rows.order_by().annotate(together=Value(1)).values("together")
    return Coalesce(Subquery(alone.annotate(number=Count("pk")).values("number")), 0)
