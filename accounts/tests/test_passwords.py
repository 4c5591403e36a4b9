"""People change their own password, and set a new one by the link that was mailed to them."""

import re

import pytest

from accounts.models import User
from accounts.tests.factories import make_user
from lifecycle.mail.models import Message

pytestmark = pytest.mark.django_db
OLD, NEW = "a long enough phrase", "quite another phrase"


@pytest.fixture
def alice():
    return make_user("alice@example.com", password=OLD)


def test_a_password_is_changed_by_who_knows_the_old_one(client, alice):
    client.force_login(alice)
    sent = {"oldpassword": OLD, "password1": NEW, "password2": NEW}
    assert client.post("/auth/password/change/", sent).status_code == 302
    assert User.objects.get(pk=alice.pk).check_password(NEW)


def test_a_forgotten_password_is_set_anew_by_the_mailed_link(client, alice):
    client.post("/auth/password/reset/", {"email": alice.email})
    link = re.search(r"/auth/password/reset/key/\S+", Message.objects.get().payload["text"]).group()
    form = client.get(link, follow=True)
    address = form.redirect_chain[-1][0]
    assert client.post(address, {"password1": NEW, "password2": NEW}).status_code == 302
    assert User.objects.get(pk=alice.pk).check_password(NEW)
