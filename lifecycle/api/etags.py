"""ETags: the hash of an object's representation; If-None-Match spares a transfer, If-Match a lost update."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from rest_framework.request import Request

from lifecycle.api.problems import Stale

TAG = re.compile(r'(W/)?"[^"]*"')


def etag(shown: dict[str, Any]) -> str:
    """The tag of a representation: equal for equal content."""
    text = json.dumps(shown, cls=DjangoJSONEncoder, sort_keys=True)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def is_known(request: Request, tag: str) -> bool:
    """Whether the caller has this very representation already (If-None-Match, weak comparison)."""
    given = request.headers.get("If-None-Match", "")
    return given.strip() == "*" or tag in {found.group().removeprefix("W/") for found in TAG.finditer(given)}


def wants_one(request: Request) -> bool:
    """Whether the write is meant for something that is there already (If-Match)."""
    return "If-Match" in request.headers


def is_conditional(request: Request) -> bool:
    return wants_one(request) or "If-None-Match" in request.headers


def refuse_stale(request: Request, tag: str) -> None:
    """Stale (412) for a write when If-Match names other representations only (strong comparison), or
    If-None-Match this one; with `*` that is any (RFC 9110, 13.1)."""
    if is_known(request, tag):
        raise Stale()
    given = request.headers.get("If-Match")
    if given is not None and given.strip() != "*" and tag not in {m.group() for m in TAG.finditer(given)}:
        raise Stale()
