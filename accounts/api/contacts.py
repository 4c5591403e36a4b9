"""People at the customers over REST; their addresses are masked for those who only look."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account, Contact, User
from lifecycle.api import fields, filters
from lifecycle.api.serializers import RowSerializer
from lifecycle.api.views import Resource, Updated, writes
from lifecycle.change import Work
from lifecycle.rules.refused import Refused

MASK, MASKED = "***", ("email", "phone")


class ContactSerializer(RowSerializer):
    account = fields.Related()

    class Meta:
        model = Contact
        fields = (
            *("id", "account", "name", "email", "phone", "title", "is_main", "is_billing", "confirmed_on"),
            *("created_at", "updated_at"),
        )
        read_only_fields = ("created_at", "updated_at")

    def to_representation(self, contact: Contact) -> dict[str, Any]:
        shown = super().to_representation(contact)
        request = self.context.get("request")
        return mask(shown) if request is not None and sees_masked(request.user) else shown


def sees_masked(user: User) -> bool:
    """security.md: who sees that there is an address or number, but not which."""
    return user.role in ("viewer", "admin")


def mask(contact: dict[str, Any]) -> dict[str, Any]:
    """A contact without its address and number."""
    return {**contact, **{name: MASK for name in MASKED if contact.get(name)}}


class ContactViewSet(Updated, Resource):
    """People at the customers."""

    model = Contact
    serializer_class = ContactSerializer
    search = ("name", "email", "phone", "title")
    ordering = ("id", "name", "created_at", "updated_at")
    filters = {
        "id": filters.identity(),
        "account": filters.identity("account"),
        "name": filters.text("name"),
        "email": filters.text("email"),
        "is_main": filters.flag("is_main"),
        "is_billing": filters.flag("is_billing"),
        "confirmed_on": filters.day("confirmed_on"),
        "created_at": filters.instant("created_at"),
        "updated_at": filters.instant("updated_at"),
    }

    def searches(self, request: Request) -> tuple[str, ...]:
        return ("name", "title") if sees_masked(request.user) else self.search

    def filter_queryset(self, found: QuerySet) -> QuerySet:
        if sees_masked(self.request.user) and {"email", "email__in"} & set(self.request.query_params):
            raise PermissionDenied  # else one could try addresses until one is found
        return super().filter_queryset(found)

    def record(self, contact: Contact, values: dict[str, Any], work: Work) -> None:
        if values.pop("account", contact.account_id) != contact.account_id:
            raise Refused("account", "immutable", "A contact stays with its account.")
        contact.record(values, today=work.today(work.account))

    @writes
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        values = self.values(None, partial=False)
        accounts = Account.objects.worked_by(request.user, today=self.today)
        with transaction.atomic():
            if not accounts.filter(pk=values["account"]).exists():
                raise Refused("account", "does_not_exist", "There is no such account.")
            with self.door(values["account"]) as work:
                contact = Contact(account=work.account)
                self.record(contact, values, work)
            return self.written(contact.pk, work, status=201)

    @writes
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        def delete(contact: Contact, work: Work) -> None:
            contact.refuse_if_archived()
            contact.delete()

        return self.write(delete)
