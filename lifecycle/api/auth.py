"""Who asks, and whether their token's scope and their role let them (api.md, Auth; security.md)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.authentication import SessionAuthentication as DrfSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models.people import DECIDING_ROLES
from lifecycle import clock
from lifecycle.api.models import ApiToken

WORKING_ROLES = ("csm", *DECIDING_ROLES)


def bearer(request: Request | HttpRequest) -> str | None:
    """What `Authorization: Bearer <token>` shows; None without it."""
    kind, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`."""

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        token = bearer(request)
        if token is None:
            return None
        now = clock.now()
        found = ApiToken.of(token, now=now)
        if found is None:
            raise AuthenticationFailed("This token is unknown, expired or revoked.")
        found.used(now=now)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class SessionAuthentication(DrfSessionAuthentication):
    """A browser's session, with CSRF."""


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = BearerAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        from django.conf import settings

        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class MayCall(BasePermission):
    """The scope a token needs for a method, and the roles whose function it is.

    A view says `writers` (roles that may write at all), `functions` ({action: roles}) for what fewer may do,
    and `scopes` ({action: scope}) where the method does not tell.
    """

    message = "Your role or your token's scope does not allow this."

    def has_permission(self, request: Request, view: Any) -> bool:
        if not (request.user and request.user.is_authenticated):
            return False
        if not hasattr(view, request.method.lower()):
            return True  # nobody may: the view says 405
        action = getattr(view, "action", None) or request.method.lower()
        reads = request.method in SAFE_METHODS
        scope = getattr(view, "scopes", {}).get(action, "read" if reads else "write")
        if isinstance(request.auth, ApiToken) and not request.auth.allows(scope):
            return False
        roles = getattr(view, "functions", {}).get(action)
        if roles is None and not reads:
            roles = getattr(view, "writers", WORKING_ROLES)
        return roles is None or request.user.role in roles
