from django.urls import path

from adoption.views import check_ins, checklists, closing, kyc, plans, public, stages, surveys

app_name = "adoption"
stage = "accounts/<id:account>/adoption/<id:day>/"
survey = "accounts/<id:account>/survey/<id:survey>/"
urlpatterns = [
    path(stage, stages.stage, name="stage"),
    *(path(f"{stage}{step}/", stages.step, {"step": step}, name=step) for step in stages.STEPS),
    path(f"{stage}recap/letter/", stages.recap_letter, name="recap-letter"),
    path(f"{stage}export/", closing.export, name="export"),
    path(f"{stage}exports/<id:export>/", checklists.export_file, name="export-file"),
    path(f"{stage}close/", closing.close, name="close"),
    path(f"{stage}checklist/", checklists.checklist, name="checklist"),
    path(f"{stage}checklist/ready/", checklists.ready, name="ready"),
    path(f"{stage}checklist/fill/", checklists.fill_in, name="fill-in"),
    path(f"{stage}checklist/<slug:item>/", checklists.answer, name="answer"),
    path(f"{stage}checklist.pdf", checklists.checklist_pdf, name="checklist-pdf"),
    path("accounts/<id:account>/adoption/plan/", plans.plan, name="plan"),
    path("accounts/<id:account>/survey/", surveys.page, name="survey"),
    path(f"{survey}links/", surveys.links, name="survey-links"),
    path(f"{survey}waive/", surveys.waive, name="survey-waive"),
    path(f"{survey}fill/", surveys.fill, name="survey-fill"),
    path(f"{survey}<slug:verb>/", surveys.act, name="survey-act"),
    path("s/<str:token>/", public.survey, name="survey-public"),
    path("accounts/<id:account>/onboarding/kyc/", kyc.page, name="kyc"),
    path("accounts/<id:account>/onboarding/kyc/<slug:item>/", kyc.answer, name="kyc-answer"),
    path("accounts/<id:account>/check-ins/<id:day>/", check_ins.check_in, name="check-in"),
]
