"""When the database does not answer or a disk is full, whoever asks gets a 503 that says so, and keeps the session."""

import errno
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from accounts.models import Account
from accounts.tests.factories import make_csm
from lifecycle import clock
from lifecycle.api.models import ApiToken
from lifecycle.api.problems import MEDIA_TYPE

pytestmark = pytest.mark.django_db
FULL = OSError(errno.ENOSPC, "No space left on device")
CAUSES = [OperationalError("the connection is lost"), InterfaceError("the connection is closed"), FULL]
names = pytest.mark.parametrize("cause", CAUSES, ids=["lost", "closed", "full"])


@contextmanager
def broken(cause, after=0):
    """Every statement fails, or every one after so many."""
    left = [after]

    def refuse(execute, *arguments):
        if left[0]:
            left[0] -= 1
            return execute(*arguments)
        raise cause

    with connection.execute_wrapper(refuse):
        yield


@pytest.fixture
def imani(client):
    imani = make_csm("imani@example.com")
    client.force_login(imani)
    client.raise_request_exception = False
    return imani


@names
@pytest.mark.parametrize("after", range(4))
def test_a_page_is_a_plain_503_that_needs_no_database(client, imani, cause, after):
    with broken(cause, after):
        answer = client.get("/accounts/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "cannot reach its data" in answer.text and "<nav" not in answer.text
    assert "default-src 'none'" in answer["Content-Security-Policy"]


@names
@pytest.mark.parametrize("after", range(4))
def test_an_api_call_is_a_503_problem(client, imani, cause, after):
    token = ApiToken.issue(imani, scope="write", now=clock.now(), days=1)
    with broken(cause, after):
        answer = client.get("/api/v1/accounts/", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer["Content-Type"], answer["Retry-After"]) == (503, MEDIA_TYPE, "5")
    assert answer.json()["code"] == "unavailable"


def test_an_api_call_with_a_session_is_a_503_problem_though_no_view_was_reached(client, imani):
    with broken(CAUSES[0]):
        answer = client.get("/api/v1/accounts/")
    assert (answer.status_code, answer["Content-Type"], answer["Retry-After"]) == (503, MEDIA_TYPE, "5")


def test_nobody_is_signed_out_by_it(client, imani):
    with broken(CAUSES[0]):
        answer = client.get("/accounts/")
    assert settings.SESSION_COOKIE_NAME not in answer.cookies
    assert client.get("/accounts/").status_code == 200


def test_the_process_says_it_is_alive_without_the_database(client):
    with broken(CAUSES[0]):
        assert client.get("/livez").status_code == 200
        assert client.get("/healthz").status_code == 503


def test_a_mistake_of_ours_is_a_500_with_a_reference_to_tell(client, imani, monkeypatch):
    def mistaken(*_, **__):
        raise RuntimeError("a mistake")

    monkeypatch.setattr(Account.objects, "visible_to", mistaken)
    answer = client.get("/accounts/")
    assert answer.status_code == 500
    assert "on our side" in answer.text and "<code>" in answer.text
