from django.urls import path

from adoption import views

app_name = "adoption"
stage = "accounts/<id:account>/adoption/<id:day>/"
urlpatterns = [
    path(stage, views.stage, name="stage"),
    path(f"{stage}book/", views.step, {"step": "book"}, name="book"),
    path(f"{stage}hold/", views.step, {"step": "hold"}, name="hold"),
    path(f"{stage}missed/", views.step, {"step": "missed"}, name="missed"),
    path(f"{stage}gap/", views.gap, name="gap"),
    path(f"{stage}recap/", views.step, {"step": "recap"}, name="recap"),
    path(f"{stage}export/", views.export, name="export"),
    path(f"{stage}close/", views.close, name="close"),
    path(f"{stage}checklist/", views.checklist, name="checklist"),
    path(f"{stage}checklist/ready/", views.ready, name="ready"),
    path(f"{stage}checklist/<slug:item>/", views.answer, name="answer"),
    path(f"{stage}checklist.pdf", views.checklist_pdf, name="checklist-pdf"),
    path("accounts/<id:account>/check-ins/<id:day>/", views.check_in, name="check-in"),
]
