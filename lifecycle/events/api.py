"""The change feed over REST."""

from __future__ import annotations

import time
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.contacts import mask, sees_masked
from accounts.models import User
from lifecycle.api.problems import BadParameter
from lifecycle.api.views import Api
from lifecycle.events import feed
from lifecycle.events.models import Event

MOST, MOST_WAIT = 1000, 20
PAUSE = 0.5  # seconds between two looks of a caller who waits
# Columns whose change shows in another field of the API.
SHOWN_AS = {
    "mrr_cents": "mrr",
    "archived_at": "archived",
    **dict.fromkeys(("pool", "reasons", "policy"), "routing"),
    **dict.fromkeys(("override_pool", "override_by", "override_reason", "override_at"), "routing"),
}
OF_ACCOUNT = frozenset({"account"})


class ObjectSerializer(serializers.Serializer):
    type = serializers.CharField()
    id = serializers.IntegerField()
    external_id = serializers.CharField(allow_null=True, help_text="The account's.")


class EventSerializer(serializers.Serializer):
    id = serializers.CharField()
    type = serializers.CharField()
    occurred_at = serializers.DateTimeField()
    actor = serializers.EmailField(allow_null=True)
    object = ObjectSerializer()
    changed = serializers.ListField(child=serializers.CharField())
    data = serializers.DictField()


class FeedSerializer(serializers.Serializer):
    results = EventSerializer(many=True)
    cursor = serializers.CharField()
    more = serializers.BooleanField()


class EventFeed(Api):
    """Every change, in one order, without gaps and repeats. Go on from `cursor`."""

    other_parameters = ("after", "limit", "wait")

    @extend_schema(
        operation_id="events_list",
        parameters=[
            OpenApiParameter("after", OpenApiTypes.STR, description="A cursor; from the beginning without."),
            OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": 100}),
            OpenApiParameter(
                "wait",
                {"type": "integer", "minimum": 0, "maximum": MOST_WAIT, "default": 0},
                description="Seconds to wait for something new.",
            ),
        ],
        responses=FeedSerializer,
    )
    def get(self, request: Request) -> Response:
        after = self._number("after", 0, 0, 2**63 - 1)
        limit = self._number("limit", 100, 1, MOST)
        deadline = time.monotonic() + self._number("wait", 0, 0, MOST_WAIT)
        while True:
            feed.publish()
            page = feed.read(request.user, after=after, limit=limit, today=self.today)
            left = deadline - time.monotonic()
            if page.events or left <= 0:
                break
            time.sleep(min(PAUSE, left))
        results = [as_item(event, request.user) for event in page.events]
        return Response({"results": results, "cursor": str(page.cursor), "more": page.more})

    def _number(self, name: str, default: int, least: int, most: int) -> int:
        given = self.request.query_params.get(name) or str(default)
        if not (given.isascii() and given.isdigit() and len(given) <= 19 and least <= int(given) <= most):
            raise BadParameter(name, "invalid", f"Expected a whole number from {least} to {most}.")
        return int(given)


def as_item(event: Event, viewer: User) -> dict[str, Any]:
    """One event as the feed and webhooks give it to a person; who sees no addresses sees none here."""
    data = feed.whole(event)
    if event.object_type == "contact" and sees_masked(viewer):
        data = mask(data)
    shown_as = SHOWN_AS if event.object_type in OF_ACCOUNT else {}
    return {
        "id": str(event.pk),
        "type": event.type,
        "occurred_at": event.at.isoformat().replace("+00:00", "Z"),
        "actor": event.actor and event.actor.email,
        "object": {
            "type": event.object_type,
            "id": event.object_id,
            "external_id": event.account and event.account.external_id,
        },
        "changed": sorted({shown_as.get(name, name) for name in event.changed}),
        "data": data,
    }
