"""No request talks to a mail server: what pages want mailed goes into the outbox."""

from __future__ import annotations

import re
import socket

import pytest

from accounts.tests.factories import make_csm
from lifecycle import clock
from lifecycle.mail.dispatch import drain
from lifecycle.mail.models import Message

pytestmark = pytest.mark.django_db


def test_a_forgotten_password_is_mailed_by_the_outbox_and_its_link_forgotten(
    client, settings, tmp_path, monkeypatch
):
    settings.MAIL_TRANSPORT = "lifecycle.mail.backends.FileBackend"
    settings.MAIL_DIR = tmp_path
    imani = make_csm("imani@example.com", password="an old long password")

    def no_network(*_: object) -> None:
        raise AssertionError("a request opened a connection")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "create_connection", no_network)
        answer = client.post("/auth/password/reset/", {"email": imani.email})
    assert answer.status_code == 302
    waiting = Message.objects.get()
    assert (waiting.kind, waiting.address, waiting.state) == ("plain", imani.email, "due")
    assert list(tmp_path.iterdir()) == []

    assert drain(now=clock.now()) == {"sent": 1}
    (file,) = tmp_path.iterdir()
    assert re.search(r"/auth/password/reset/key/", file.read_text())
    sent = Message.objects.get()
    assert (sent.state, sent.payload, sent.raw) == ("sent", {}, None)
