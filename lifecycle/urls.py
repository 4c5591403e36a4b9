"""The composition root: every address of the product."""

from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("auth/", include("allauth.urls")),
    path("sign-in/", RedirectView.as_view(pattern_name="account_login", query_string=True), name="sign-in"),
]
