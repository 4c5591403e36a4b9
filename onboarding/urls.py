from django.urls import path

from onboarding import views
from onboarding.forms import CallForm, CompletedMailForm, GoalsForm, ManualsForm, SentForm

app_name = "onboarding"
page = "accounts/<id:account>/onboarding/"
urlpatterns = [
    path(page, views.page, name="page"),
    path(f"{page}call/", views.part, {"name": "call", "form_class": CallForm}, name="call"),
    path(f"{page}goals/", views.part, {"name": "goals", "form_class": GoalsForm}, name="goals"),
    path(f"{page}recap/", views.part, {"name": "recap", "form_class": SentForm}, name="recap"),
    path(f"{page}manuals/", views.part, {"name": "manuals", "form_class": ManualsForm}, name="manuals"),
    path(
        f"{page}completed-mail/",
        views.part,
        {"name": "completed-mail", "form_class": CompletedMailForm},
        name="completed-mail",
    ),
    path(f"{page}complete/", views.complete, name="complete"),
    path(f"{page}training/<id:session>/", views.training, name="training"),
    path(f"{page}training/<id:session>/recap/", views.training_recap, name="training-recap"),
    path("forums/", views.forums.listed, name="forums"),
    path("forums/series/", views.forums.series, name="forum-series"),
    path("forums/<id:forum>/", views.forums.one, name="forum"),
    path("forums/<id:forum>/update/", views.forums.update, name="forum-update"),
    path("forums/<id:forum>/move/", views.forums.move, name="forum-move"),
    path("forums/<id:forum>/invite/", views.forums.invite, name="forum-invite"),
    path("forums/<id:forum>/attendance/", views.forums.attendance, name="forum-attendance"),
]
