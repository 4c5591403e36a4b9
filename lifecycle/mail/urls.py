from django.urls import path

from lifecycle.mail import views

app_name = "mail"
urlpatterns = [
    path("accounts/<id:account>/emails/<slug:kind>/<id:source>/", views.letter, name="letter"),
    path("settings/templates/", views.templates, name="templates"),
    path("settings/templates/<slug:kind>/", views.template, name="template"),
    path("settings/links/", views.links, name="links"),
]
