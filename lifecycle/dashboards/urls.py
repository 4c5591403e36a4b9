from django.urls import path

from lifecycle.dashboards import views
from lifecycle.dashboards.outbox import views as outbox
from lifecycle.dashboards.reminders import views as reminders

app_name = "dashboards"
urlpatterns = [
    path("", views.home, name="home"),
    path("day/", views.day, name="day"),
    path("team/", views.team, name="team"),
    path("milestones/<id:pk>/done/", views.complete, name="complete"),
    path("outbox/", outbox.index, name="outbox"),
    path("outbox/bulk/", outbox.bulk, name="outbox-bulk"),
    path("outbox/forecast/", reminders.forecast, name="forecast"),
    path("accounts/<id:pk>/reminders/", reminders.account, name="reminders"),
    path("milestones/<id:pk>/reminders/", reminders.decide, name="decide"),
    path("outbox/<id:pk>/", outbox.one, name="outbox-mail"),
    path("outbox/<id:pk>/address/", outbox.readdress, name="outbox-address"),
    path("outbox/<id:pk>/<slug:verb>/", outbox.act, name="outbox-act"),
    path("settings/profile/", views.profile, name="profile"),
    path("theme/", views.theme, name="theme"),
]
