"""POL: published versions of the policy. Never edited; every stored decision names a number."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from lifecycle.guard import DomainModel
from lifecycle.rules.policy import Policy
from lifecycle.rules.refused import Refused


class PolicyVersion(DomainModel):
    """One published version: its numbers, who published it, when and why."""

    resource = "policy"

    number = models.PositiveIntegerField(unique=True)
    body = models.JSONField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    note = models.CharField(max_length=1000)
    effective_on = models.DateField()
    created_at = models.DateTimeField(null=True, editable=False)

    class Meta(DomainModel.Meta):
        ordering = ("-number",)
        constraints = [models.CheckConstraint(condition=Q(number__gte=1), name="policy_number_from_1")]

    def __str__(self) -> str:
        return f"Policy {self.number}"

    @property
    def policy(self) -> Policy:
        return Policy.from_body(self.body, number=self.number)

    @classmethod
    def in_force(cls, today: date) -> Policy:
        """POL: the newest version whose start date has come; the SOPs' own values before any was published."""
        version = cls.objects.filter(effective_on__lte=today).order_by("-number").first()
        return version.policy if version else Policy()

    @classmethod
    def numbered(cls, numbers: set[int]) -> dict[int, Policy]:
        """The policies of these version numbers (CAD: an adoption keeps its version's days)."""
        found = {version.number: version.policy for version in cls.objects.filter(number__in=numbers)}
        return {number: found.get(number, Policy(number=number)) for number in numbers}

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise Refused(
                "", "immutable", "A published policy never changes: publish a new version.", rule="POL"
            )
        super().save(*args, **kwargs)
