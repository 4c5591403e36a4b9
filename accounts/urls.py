from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("", views.account_list, name="list"),
    path("new/", views.create, name="create"),
    path("<id:pk>/", views.detail, name="detail"),
    path("<id:pk>/edit/", views.edit, name="edit"),
    path("<id:pk>/contacts/new/", views.add_contact, name="add-contact"),
    path("<id:pk>/reroute/", views.reroute, name="reroute"),
    path("<id:pk>/pool/", views.pool, name="pool"),
]
