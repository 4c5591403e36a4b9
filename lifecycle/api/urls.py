"""Every address under /api/."""

from __future__ import annotations

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from accounts.api.accounts import AccountViewSet
from accounts.api.activities import ActivityViewSet
from accounts.api.contacts import ContactViewSet
from accounts.api.opportunities import OpportunityViewSet
from adoption.api import AdoptionViewSet, CheckInViewSet, StageViewSet
from lifecycle.api.checklists import ChecklistViewSet
from lifecycle.api.schema import Docs, Schema
from lifecycle.api.surveys import SurveyViewSet
from lifecycle.api.users import UserViewSet
from lifecycle.api.views import Unknown
from lifecycle.events.api import EventFeed
from lifecycle.milestones.api import MilestoneViewSet
from lifecycle.policies.api import PolicyViewSet
from onboarding.api import OnboardingViewSet, TrainingSessionViewSet

router = SimpleRouter()
router.register("accounts", AccountViewSet, "account")
router.register("contacts", ContactViewSet, "contact")
router.register("activities", ActivityViewSet, "activity")
router.register("opportunities", OpportunityViewSet, "opportunity")
router.register("onboardings", OnboardingViewSet, "onboarding")
router.register("training-sessions", TrainingSessionViewSet, "training-session")
router.register("adoptions", AdoptionViewSet, "adoption")
router.register("stages", StageViewSet, "stage")
router.register("check-ins", CheckInViewSet, "check-in")
router.register("checklists", ChecklistViewSet, "checklist")
router.register("surveys", SurveyViewSet, "survey")
router.register("milestones", MilestoneViewSet, "milestone")
router.register("users", UserViewSet, "user")
router.register("policies", PolicyViewSet, "policy")

app_name = "api"
urlpatterns = [
    path("v1/", include(router.urls)),
    path("v1/events/", EventFeed.as_view(), name="events"),
    path("v1/schema/", Schema.as_view(), name="schema"),
    path("docs/", Docs.as_view(url_name="api:schema"), name="docs"),
    re_path("", Unknown.as_view(), name="unknown"),
]
