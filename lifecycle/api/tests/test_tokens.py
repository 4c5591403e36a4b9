"""Who may call: tokens, their scopes and ends, and sessions (api.md, Auth)."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import PASSWORD, make_account, make_user
from lifecycle import clock
from lifecycle.api.models import ApiToken, digest
from lifecycle.api.tests.calling import NOW
from lifecycle.change import change

ACCOUNTS = "/api/v1/accounts/"
BODY = {"name": "Cedar", "contracted_users": 10, "mrr": "250.00"}


def calling_with(token):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def test_without_a_token_the_api_answers_401_and_says_how_to_sign_in(db):
    answer = APIClient().get(ACCOUNTS)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("token", ["", "nonsense", "wmk_" + "x" * 43, "ä"])
def test_a_token_that_is_none_is_401(db, token):
    assert calling_with(token).get(ACCOUNTS).status_code == 401


def test_a_token_is_stored_as_a_hash_only(people):
    token = ApiToken.issue(people.ops, "read", now=NOW, days=1)
    row = ApiToken.objects.get()
    assert row.sha256 == digest(token)
    assert token not in str(vars(row))
    assert len(token) >= 46


def test_a_token_ends_at_its_very_expiry(people, later):
    client = calling_with(ApiToken.issue(people.ops, "read", now=NOW, days=1))
    with later(days=1, microseconds=-1):
        assert client.get(ACCOUNTS).status_code == 200
    with later(days=1):
        assert client.get(ACCOUNTS).status_code == 401


def test_a_revoked_token_and_a_deactivated_user_end_with_the_next_request(people, api):
    client = api(people.ops)
    assert client.get(ACCOUNTS).status_code == 200
    ApiToken.objects.get().revoke(now=NOW)
    assert client.get(ACCOUNTS).status_code == 401
    client = api(people.viewer)
    with change(None, by=None, via="task", now=NOW):
        user = User.objects.get(pk=people.viewer.pk)
        user.is_active = False
        user.save()
    assert client.get(ACCOUNTS).status_code == 401


def test_last_use_is_written_at_most_once_a_minute(people, api, later):
    client = api(people.ops)
    seen = []
    for seconds in (0, 59, 60):
        with later(seconds=seconds):
            client.get(ACCOUNTS)
        seen.append(ApiToken.objects.get().last_used_at - NOW)
    assert seen == [timedelta(0), timedelta(0), timedelta(seconds=60)]


@pytest.mark.parametrize(("scope", "status"), [("read", 403), ("write", 201), ("admin", 201)])
def test_writing_needs_the_scope(people, api, scope, status):
    client = api(people.ops, scope)
    assert client.get(ACCOUNTS).status_code == 200
    assert client.post(ACCOUNTS, BODY).status_code == status


@pytest.mark.parametrize(
    ("who", "status"),
    [("ops", 201), ("manager", 201), ("lead", 201), ("alice", 201), ("viewer", 403), ("admin", 403)],
)
def test_a_token_does_what_its_owners_role_may(people, api, who, status):
    assert api(getattr(people, who), "admin").post(ACCOUNTS, BODY).status_code == status


def test_a_browser_session_works_with_csrf_and_not_without(people):
    user = make_user("web@example.com", role="cs_ops", password=PASSWORD)
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get(ACCOUNTS).status_code == 200
    refused = client.post(ACCOUNTS, BODY)
    assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")
    client.cookies["csrftoken"] = "a" * 32
    assert client.post(ACCOUNTS, BODY, HTTP_X_CSRFTOKEN="a" * 32).status_code == 201


def test_the_command_prints_one_line_the_token(people, capsys):
    call_command("api_token", "OPS@example.com", scope="write", days=2)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert calling_with(out.strip()).get(ACCOUNTS).status_code == 200
    token = ApiToken.objects.get()
    assert (token.user, token.scope) == (people.ops, "write")
    assert token.expires_at == clock.now() + timedelta(days=2)


@pytest.mark.parametrize(
    ("email", "more"),
    [("nobody@example.com", {}), ("ops@example.com", {"days": 0}), ("ops@example.com", {"scope": "all"})],
)
def test_the_command_refuses_what_it_cannot_do(people, email, more):
    with pytest.raises(CommandError):
        call_command("api_token", email, f"--scope={more.pop('scope', 'read')}", **more)


def test_reading_changes_no_account(people, api):
    account = make_account(csm=people.alice)
    client = api(people.alice, "read")
    for method in ("get", "head", "options"):
        assert getattr(client, method)(f"{ACCOUNTS}{account.pk}/").status_code in (200, 204)
    assert client.delete(f"{ACCOUNTS}{account.pk}/").status_code == 403
