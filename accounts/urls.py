from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("", views.account_list, name="list"),
    path("new/", views.create, name="create"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/edit/", views.edit, name="edit"),
    path("<int:pk>/contacts/new/", views.add_contact, name="add-contact"),
    path("<int:pk>/reroute/", views.reroute, name="reroute"),
    path("<int:pk>/pool/", views.pool, name="pool"),
]
