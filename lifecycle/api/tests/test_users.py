"""Colleagues by REST: read by all, written with the admin scope alone, and nobody strands an account."""

import pytest

from accounts.models import User
from accounts.tests.factories import make_account

pytestmark = pytest.mark.django_db
URL = "/api/v1/users/"
NEW = {"name": "Nadia Brook", "email": "Nadia@example.com", "role": "csm", "team": "Ours"}


@pytest.fixture
def admin(api, people):
    return api(people.admin, "admin")


def test_a_colleague_is_made_and_changed(admin):
    made = admin.post(URL, NEW)
    assert made.status_code == 201, made.data
    shown = {"id": made.data["id"], **NEW, "email": "nadia@example.com"}
    assert dict(made.data) == shown
    user = User.objects.get(email="nadia@example.com")
    assert (user.pool, user.has_usable_password()) == ("digital", False)
    changed = admin.patch(f"{URL}{user.pk}/", {"pool": "core", "time_zone": "America/Chicago"})
    assert changed.status_code == 200
    user.refresh_from_db()
    assert (user.pool, user.time_zone) == ("core", "America/Chicago")


@pytest.mark.parametrize("role", ["alice", "lead", "manager", "viewer"])
def test_other_roles_read_only(api, people, role):
    client = api(getattr(people, role), "admin")
    assert client.get(URL).status_code == 200
    assert client.post(URL, NEW).status_code == 403


def test_a_write_scope_does_not_suffice(api, people):
    assert api(people.admin, "write").post(URL, NEW).status_code == 403


def test_cs_ops_make_nobody_mightier_than_themselves(api, people):
    ops = api(people.ops, "admin")
    assert ops.post(URL, {**NEW, "role": "admin"}).status_code == 403
    assert ops.patch(f"{URL}{people.admin.pk}/", {"role": "csm"}).status_code == 403
    assert ops.post(URL, NEW).status_code == 201


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"email": "alice@example.com"}, "/email"),
        ({"email": "no address"}, "/email"),
        ({"role": "boss"}, "/role"),
        ({"team": "Nobody's"}, "/team"),
        ({"time_zone": "Mars/Base"}, "/time_zone"),
        ({"is_active": 1}, "/is_active"),
        ({"password": "x"}, "/password"),
        ({"id": 5}, "/id"),
    ],
)
def test_bad_input_is_400_with_a_pointer(admin, body, pointer):
    answer = admin.post(URL, {**NEW, **body})
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("body", [{"is_active": False}, {"role": "viewer"}])
def test_mil_6_who_serves_accounts_does_not_leave(admin, people, body):
    account = make_account(csm=people.alice)
    answer = admin.patch(f"{URL}{people.alice.pk}/", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "has_accounts")
    assert "hand them over" in answer.json()["detail"]
    account.refresh_from_db()
    assert account.csm == people.alice
    assert admin.patch(f"{URL}{people.bob.pk}/", body).status_code == 200
