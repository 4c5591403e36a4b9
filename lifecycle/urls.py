"""The composition root: every address of the product."""

from allauth.account.views import login
from django.urls import include, path, register_converter

from lifecycle.dashboards import health, metrics
from lifecycle.dashboards.access import IdConverter

register_converter(IdConverter, "id")

urlpatterns = [
    path("livez", health.livez, name="livez"),
    path("healthz", health.healthz, name="healthz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("api/", include("lifecycle.api.urls")),
    path("auth/", include("allauth.urls")),
    path("sign-in/", login, name="sign-in"),
    path("accounts/", include("accounts.urls")),
    path("", include("lifecycle.mail.urls")),
    path("", include("onboarding.urls")),
    path("", include("adoption.urls")),
    path("", include("lifecycle.dashboards.urls")),
]
handler400 = "lifecycle.api.problems.bad_request"
handler500 = "lifecycle.api.problems.server_error"
