from django.urls import path

from adoption.views import public, surveys
from adoption.views import kyc, stages

app_name = "adoption"
stage = "accounts/<id:account>/adoption/<id:day>/"
survey = "accounts/<id:account>/survey/<id:survey>/"
urlpatterns = [
    path(stage, stages.stage, name="stage"),
    path(f"{stage}book/", stages.step, {"step": "book"}, name="book"),
    path(f"{stage}hold/", stages.step, {"step": "hold"}, name="hold"),
    path(f"{stage}missed/", stages.step, {"step": "missed"}, name="missed"),
    path(f"{stage}gap/", stages.gap, name="gap"),
    path(f"{stage}recap/", stages.step, {"step": "recap"}, name="recap"),
    path(f"{stage}export/", stages.export, name="export"),
    path(f"{stage}close/", stages.close, name="close"),
    path(f"{stage}checklist/", stages.checklist, name="checklist"),
    path(f"{stage}checklist/ready/", stages.ready, name="ready"),
    path(f"{stage}checklist/<slug:item>/", stages.answer, name="answer"),
    path(f"{stage}checklist.pdf", stages.checklist_pdf, name="checklist-pdf"),
    path("accounts/<id:account>/survey/", surveys.page, name="survey"),
    path(f"{survey}links/", surveys.links, name="survey-links"),
    path(f"{survey}waive/", surveys.waive, name="survey-waive"),
    path(f"{survey}fill/", surveys.fill, name="survey-fill"),
    path(f"{survey}<slug:verb>/", surveys.act, name="survey-act"),
    path("s/<str:token>/", public.survey, name="survey-public"),
    path("accounts/<id:account>/onboarding/kyc/", kyc.page, name="kyc"),
    path("accounts/<id:account>/onboarding/kyc/<slug:item>/", kyc.answer, name="kyc-answer"),
    path("accounts/<id:account>/check-ins/<id:day>/", stages.check_in, name="check-in"),
]
