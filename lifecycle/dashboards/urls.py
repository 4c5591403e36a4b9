from django.urls import path

from lifecycle.dashboards import views

app_name = "dashboards"
urlpatterns = [
    path("", views.home, name="home"),
    path("day/", views.day, name="day"),
    path("team/", views.team, name="team"),
    path("milestones/<id:pk>/done/", views.complete, name="complete"),
    path("settings/profile/", views.profile, name="profile"),
    path("theme/", views.theme, name="theme"),
]
