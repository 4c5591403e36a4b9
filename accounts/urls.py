from django.urls import path

from accounts.views import accounts, contacts, emails, log, opportunities, serving

app_name = "accounts"
urlpatterns = [
    path("", accounts.index, name="list"),
    path("new/", accounts.create, name="create"),
    path("<id:pk>/", accounts.detail, name="detail"),
    path("<id:pk>/edit/", accounts.edit, name="edit"),
    path("<id:pk>/contacts/", contacts.index, name="contacts"),
    path("<id:pk>/contacts/new/", contacts.add, name="add-contact"),
    path("<id:pk>/contacts/<id:contact>/", contacts.edit, name="contact"),
    path("<id:pk>/contacts/<id:contact>/confirm/", contacts.confirm, name="confirm-contact"),
    path("<id:pk>/contacts/<id:contact>/remove/", contacts.remove, name="remove-contact"),
    path("<id:pk>/activity/", log.index, name="activity"),
    path("<id:pk>/activity/<id:entry>/", log.entry, name="entry"),
    path("<id:pk>/activity/<id:entry>/remove/", log.remove, name="remove-entry"),
    path("<id:pk>/activity/<id:entry>/pin/", log.pin, name="pin-entry"),
    path("<id:pk>/activity/<id:entry>/resolve/", log.resolve, name="resolve-entry"),
    path("<id:pk>/opportunities/new/", opportunities.add, name="add-opportunity"),
    path("<id:pk>/opportunities/<id:opportunity>/", opportunities.edit, name="opportunity"),
    path("<id:pk>/opportunities/<id:opportunity>/told/", opportunities.told, name="opportunity-told"),
    path("<id:pk>/opportunities/<id:opportunity>/remove/", opportunities.remove, name="remove-opportunity"),
    path("<id:pk>/emails/", emails.index, name="emails"),
    path("<id:pk>/reroute/", serving.reroute, name="reroute"),
    path("<id:pk>/pool/", serving.pool, name="pool"),
]
