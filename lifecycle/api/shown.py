"""How the log shows objects: by the very serializers of the API, set-based (reliability.md, model.md "The log")."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.utils.module_loading import import_string

from lifecycle.change import register_object

BATCH = 2000
# Named, not imported: whoever writes nothing need not load the API.
SERIALIZERS = {
    "account": "accounts.api.accounts.AccountSerializer",
    "contact": "accounts.api.contacts.ContactSerializer",
    "activity": "accounts.api.activities.ActivitySerializer",
    "opportunity": "accounts.api.opportunities.OpportunitySerializer",
    "user": "lifecycle.api.users.UserSerializer",
    "onboarding": "onboarding.api.OnboardingSerializer",
    "training-session": "onboarding.api.TrainingSessionSerializer",
    "adoption": "adoption.api.AdoptionSerializer",
    "stage": "adoption.api.StageSerializer",
    "check-in": "adoption.api.CheckInSerializer",
    "checklist": "lifecycle.api.checklists.ChecklistSerializer",
    "survey": "lifecycle.api.surveys.SurveySerializer",
    "milestone": "lifecycle.milestones.api.MilestoneSerializer",
    "policy": "lifecycle.policies.api.PolicySerializer",
}


def register() -> None:
    """Tell the log how to show each resource."""
    for resource, path in SERIALIZERS.items():
        register_object(resource, _renderer(path))


def _renderer(path: str) -> Any:
    @cache
    def serializer() -> Any:
        """One for the life of the process: building its fields costs more than showing a row."""
        return import_string(path)()

    def render(rows: list[Any]) -> list[dict[str, Any]]:
        """The rows as they now are in the database, in the order given; queries do not grow with their number."""
        shape = serializer()
        shape.context.clear()  # what was read for an earlier batch may have changed
        shown: dict[int, dict[str, Any]] = {}
        for start in range(0, len(rows), BATCH):
            ids = [row.pk for row in rows[start : start + BATCH]]
            found = shape.with_related(shape.Meta.model.objects.filter(pk__in=ids))
            shown |= {row.pk: shape.to_representation(row) for row in found}
        return [shown[row.pk] for row in rows]

    return render
