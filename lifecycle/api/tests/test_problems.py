"""Every error is problem+json, with the place of what is wrong (RFC 9457)."""

import json

import pytest

from accounts.tests.factories import make_account

ACCOUNTS = "/api/v1/accounts/"


def problem(answer, status):
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    shown = json.loads(answer.content)
    assert {"type", "title", "status", "detail"} <= set(shown)
    assert shown["status"] == status
    return shown


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/v1/",
        "/api/v1/nothing/",
        "/api/v1/accounts",
        "/api/v1/accounts/x/",
        "/api/v1/accounts/0/",
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_unknown_addresses_are_404(people, api, path, method):
    problem(getattr(api(people.ops), method)(path), 404)


def test_unknown_addresses_tell_strangers_nothing(db, client):
    problem(client.get("/api/v1/nothing/"), 401)


def test_method_media_type_and_acceptance(people, api):
    client = api(people.ops)
    assert client.delete(ACCOUNTS)["Allow"] == "GET, POST, HEAD, OPTIONS"
    problem(client.delete(ACCOUNTS), 405)
    problem(client.get(ACCOUNTS, HTTP_ACCEPT="text/html"), 406)
    problem(client.post(ACCOUNTS, "a=1", content_type="application/x-www-form-urlencoded"), 415)


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b'{"a": 1} x', b"", b"[" * 100_000, b"9" * 5000, b'{"name": "\xc3\x28"}']
)
def test_a_body_that_cannot_be_read_is_400(people, api, body):
    problem(api(people.ops).post(ACCOUNTS, body, content_type="application/json"), 400)


@pytest.mark.parametrize("body", ["[]", '"text"', "1", "null", "true"])
def test_a_body_that_is_no_object_points_at_the_whole(people, api, body):
    shown = problem(api(people.ops).post(ACCOUNTS, body, content_type="application/json"), 400)
    assert shown["errors"][0]["pointer"] == ""


def test_more_than_10_mb_is_413(people, api):
    client = api(people.ops)
    body = b" " * (10 * 1024 * 1024)
    problem(client.post(ACCOUNTS, body + b" ", content_type="application/json"), 413)
    problem(client.post(ACCOUNTS, body, content_type="application/json"), 400)


def test_a_body_of_unknown_length_is_411_not_empty(people, api):
    client = api(people.ops)
    problem(client.generic("POST", ACCOUNTS, HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH=""), 411)


def test_a_pointer_escapes_what_the_rfc_says(people, api):
    shown = problem(api(people.ops).patch(account_url(people), {"a/b~c.d": 1}), 400)
    assert shown["errors"] == [
        {"pointer": "/a~1b~0c.d", "code": "unknown", "detail": shown["errors"][0]["detail"]}
    ]


def account_url(people):
    return f"{ACCOUNTS}{make_account(csm=people.alice).pk}/"


@pytest.mark.parametrize("debug", [True, False])
def test_an_error_of_ours_is_a_problem_without_a_trace(people, api, settings, monkeypatch, debug):
    from accounts.api.accounts import AccountViewSet

    settings.DEBUG = debug
    monkeypatch.setattr(AccountViewSet, "listed", lambda self, rows: 1 / 0)
    client = api(people.ops)
    client.raise_request_exception = False
    shown = problem(client.get(ACCOUNTS), 500)
    assert "ZeroDivision" not in json.dumps(shown)


def test_a_contradicting_state_is_409_with_its_code(people, api):
    client, url = api(people.ops), account_url(people)
    assert client.delete(url).status_code == 204
    assert problem(client.patch(url, {"name": "New"}), 409)["code"] == "archived"


def test_a_header_of_a_later_feature_does_no_harm(people, api):
    body = {"name": "Cedar", "contracted_users": 10, "mrr": "250.00"}
    assert api(people.ops).post(ACCOUNTS, body, HTTP_IDEMPOTENCY_KEY="k").status_code == 201


def test_what_fails_before_any_view_is_a_problem_too(people, api):
    answer = api(people.ops).get(ACCOUNTS, HTTP_HOST="elsewhere.example")
    assert problem(answer, 400)["detail"]
