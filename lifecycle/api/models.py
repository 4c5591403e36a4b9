"""API tokens: shown once, stored as a hash, with one scope, an expiry, and a way to revoke them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

SCOPES = ("read", "write", "admin")  # each includes those before it
MARK = "wmk_"  # lets secret scanners know one when they see it
SHOWN = len(MARK) + 6  # letters by which people tell their tokens apart
USED_EVERY = timedelta(minutes=1)


def digest(token: str) -> str:
    """What is kept of a token. It is random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


class ApiToken(models.Model):
    """A colleague's key for programs. Not a domain row."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="api_tokens")
    name = models.CharField(max_length=100, blank=True)
    scope = models.CharField(max_length=5, choices=[(scope, scope) for scope in SCOPES])
    sha256 = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=12)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.prefix}..."

    @classmethod
    def issue(cls, user: models.Model, scope: str, *, now: datetime, days: int, name: str = "") -> str:
        """Make a token of 256 random bits and return it: the only time that it is seen."""
        token = MARK + secrets.token_urlsafe(32)
        cls.objects.create(
            user=user,
            name=name,
            scope=scope,
            sha256=digest(token),
            prefix=token[:SHOWN],
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        return token

    @classmethod
    def of(cls, token: str, *, now: datetime) -> ApiToken | None:
        """The token that works now, with its user; None for an unknown, expired or revoked one, or a user who left."""
        hashed = digest(token)
        found = cls.objects.select_related("user").filter(sha256=hashed).first()
        if found is None or not hmac.compare_digest(found.sha256, hashed):
            return None
        alive = found.revoked_at is None and now < found.expires_at and found.user.is_active
        return found if alive else None

    def allows(self, scope: str) -> bool:
        """Whether this token's scope includes another."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    def used(self, *, now: datetime) -> None:
        """Keep when it was last used, to the minute: reading must not write each time."""
        if self.last_used_at is None or now - self.last_used_at >= USED_EVERY:
            ApiToken.objects.filter(pk=self.pk).update(last_used_at=now)

    def revoke(self, *, now: datetime) -> None:
        """Make it useless from the next request on."""
        ApiToken.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=now)
