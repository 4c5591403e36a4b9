"""Colleagues by REST: everybody reads names; the admin scope of an administrator or CS Ops writes."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Team, User
from accounts.models.people import ROLES
from lifecycle.api import fields, filters
from lifecycle.api.serializers import RowSerializer
from lifecycle.api.views import Patched, Resource, writes
from lifecycle.change import Work
from lifecycle.rules.refused import Refused


class TeamName(serializers.SlugRelatedField):
    """A team by its name; null for none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(slug_field="name", queryset=Team.objects.all(), **kwargs)


class UserSerializer(RowSerializer):
    """`pool`, `time_zone` and `is_active` are written, not shown: all may read names, not working arrangements."""

    team = TeamName(required=False, allow_null=True)
    pool = fields.Choice(choices=User._meta.get_field("pool").choices, required=False, write_only=True)
    is_active = fields.Flag(required=False, write_only=True)

    class Meta:
        model = User
        fields = ("id", "name", "email", "role", "team", "pool", "time_zone", "is_active")
        extra_kwargs = {"time_zone": {"write_only": True, "required": False}, "email": {"validators": []}}
        related = ("team",)


class UserViewSet(Patched, Resource):
    """Colleagues."""

    model = User
    serializer_class = UserSerializer
    search = ("name", "email")
    ordering = ("id", "name", "email")
    writers = ("admin", "cs_ops")
    scopes = {"create": "admin", "partial_update": "admin"}
    filters = {
        "id": filters.identity(),
        "name": filters.text("name"),
        "email": filters.text("email"),
        "role": filters.choice("role", ROLES),
        "team": filters.named("team"),
    }

    def visible(self) -> QuerySet:
        return User.objects.all()  # names are for all (security.md)

    def workable(self) -> QuerySet:
        everybody = User.objects.all()
        return everybody if self.request.user.role == "admin" else everybody.exclude(role="admin")

    def record(self, user: User, values: dict[str, Any], work: Work) -> None:
        if values.get("role") == "admin" and self.request.user.role != "admin":
            raise PermissionDenied  # nobody makes somebody mightier than themselves
        email = values.get("email", user.email).lower()
        if User.objects.filter(email=email).exclude(pk=user.pk).exists():
            raise Refused("email", "unique", "Somebody else has this e-mail address.")
        user.record({**values, "email": email})

    @writes
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        values = self.values(None, partial=False)
        with transaction.atomic():
            with self.door(None) as work:
                user = User()
                user.set_unusable_password()
                self.record(user, values, work)
            return self.written(user.pk, work, status=201)
