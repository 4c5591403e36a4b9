"""The contact log over REST (ACT-1, ACT-2)."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account, Activity, Contact
from accounts.models.contact_log import ACTIVITY_KINDS
from lifecycle.api import fields, filters
from lifecycle.api.serializers import RowSerializer
from lifecycle.api.views import Resource, Updated, writes
from lifecycle.change import Work
from lifecycle.rules.refused import Refused

NOTE = {"account", "kind", "happened_at", "contact", "text", "about"}


class ActivitySerializer(RowSerializer):
    account = fields.Related()
    happened_at = fields.Instant(required=False, help_text="Now, where it is left out; never in the future.")
    author = fields.Person(read_only=True, allow_null=True)
    contact = fields.Related(required=False, allow_null=True)
    about = fields.Related(required=False, allow_null=True, help_text="The bug that a note is about.")

    class Meta:
        model = Activity
        fields = (
            *("id", "account", "kind", "happened_at", "author", "contact", "text", "about", "follow_up_on"),
            *("ticket_url", "noted_at", "resolved_at", "pinned_at", "edited_at", "created_at", "updated_at"),
        )
        read_only_fields = ("noted_at", "edited_at", "created_at", "updated_at")
        related = ("author",)


class ActivityViewSet(Updated, Resource):
    """Calls, emails, meetings, notes, bugs, wishes: what was said and done. One that was deleted is gone here;
    people still see that there was one."""

    model = Activity
    serializer_class = ActivitySerializer
    search = ("text",)
    ordering = ("id", "happened_at", "follow_up_on", "created_at", "updated_at")
    filters = {
        "id": filters.identity(),
        "account": filters.identity("account"),
        "kind": filters.choice("kind", tuple(ACTIVITY_KINDS)),
        "author": filters.person("author"),
        "contact": filters.identity("contact"),
        "about": filters.identity("about"),
        "happened_at": filters.instant("happened_at"),
        "follow_up_on": filters.day("follow_up_on"),
        "created_at": filters.instant("created_at"),
        "updated_at": filters.instant("updated_at"),
    }

    def visible(self) -> QuerySet:
        return super().visible().filter(removed_at=None)

    def record(self, activity: Activity, values: dict[str, Any], work: Work) -> None:
        if values.pop("account", activity.account_id) != activity.account_id:
            raise Refused("account", "immutable", "An entry stays with its account.")
        for name, model in (("contact", Contact), ("about", Activity)):
            if values.get(name) is not None:
                rows = model.objects.filter(account=activity.account_id)
                values[name] = rows.filter(pk=values[name]).first()
                if values[name] is None:
                    raise Refused(name, "does_not_exist", "There is no such object.")
        activity.record(values, by=self.request.user, now=work.now)

    @writes
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        values = self.values(None, partial=False)
        with transaction.atomic():
            self._refuse_unless_theirs(values)
            with self.door(values["account"]) as work:
                activity = Activity(account=work.account)
                self.record(activity, values, work)
            return self.written(activity.pk, work, status=201)

    def _refuse_unless_theirs(self, values: dict[str, Any]) -> None:
        """SEG-5: whoever only onboarded the account writes notes there, and nothing else."""
        user, account = self.request.user, values["account"]
        if Account.objects.worked_by(user, today=self.today).filter(pk=account).exists():
            return
        if not Account.objects.noted_by(user, today=self.today).filter(pk=account).exists():
            raise Refused("account", "does_not_exist", "There is no such account.")
        if values["kind"] != "note" or {name for name, value in values.items() if value} - NOTE:
            raise PermissionDenied

    @writes
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Takes the words out for good; that somebody wrote something, and when, stays."""
        answer = self.write(lambda activity, work: activity.remove(by=request.user, now=work.now))
        return answer if self.flag("dry_run") else Response(status=204)
