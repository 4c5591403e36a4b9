"""The accounts of the REST contract: every field at its boundaries, upserts, archive and restore."""

import json
from functools import partial

import pytest

from accounts.models import Account
from accounts.tests.factories import make_account
from lifecycle.api.tests.calling import at_once
from lifecycle.events.models import Event
from onboarding.models import Onboarding

ACCOUNTS = "/api/v1/accounts/"
BODY = {"name": "Cedar Family Practice", "contracted_users": 10, "mrr": "250.00"}
FIELDS = {
    *(
        "id",
        "external_id",
        "name",
        "segment",
        "starter_package",
        "traits",
        "service_level",
        "contracted_users",
    ),
    *("mrr", "close_date", "products", "time_zone", "phase", "routing", "csm", "rsm_name", "rsm_email"),
    *("employee_sync", "onboarded_by", "reference_since", "domain_allowlisted", "churned_on", "churn_cause"),
    *("archived", "created_at", "updated_at"),
}


@pytest.fixture
def ops(people, api):
    return api(people.ops)


def test_a_new_account_is_routed_onboarded_and_assigned_at_once(people, ops):
    answer = ops.post(ACCOUNTS, {**BODY, "traits": ["small_team"], "external_id": "0015g00000XyZ1AAAV"})
    assert answer.status_code == 201
    shown = answer.json()
    assert set(shown) == FIELDS
    assert shown["segment"] == "smb" and shown["phase"] == "new" and shown["mrr"] == "250.00"
    assert shown["routing"] == {"pool": "digital", "reasons": [], "policy": 1, "overridden": False}
    assert shown["csm"] == "alice@example.com"
    assert (shown["service_level"], shown["time_zone"], shown["products"]) == ("basic", "UTC", [])
    assert (shown["employee_sync"], shown["churned_on"], shown["churn_cause"]) == (None, None, "")
    assert shown["created_at"] == "2026-03-02T15:00:00Z"
    assert Onboarding.objects.filter(account=shown["id"]).count() == 1


@pytest.mark.parametrize(
    ("facts", "pool", "reasons"),
    [
        ({"contracted_users": 50, "mrr": "500.00"}, "digital", []),
        ({"contracted_users": 51}, "core", ["contracted_users"]),
        ({"mrr": "500.01"}, "core", ["mrr"]),
        ({"service_level": "standard"}, "core", ["service_level"]),
        (
            {"contracted_users": 51, "mrr": "500.01", "service_level": "premium"},
            "core",
            ["contracted_users", "mrr", "service_level"],
        ),
    ],
)
def test_routing_comes_with_its_reasons(ops, facts, pool, reasons):
    """ROUTE-2, ROUTE-5."""
    routing = ops.post(ACCOUNTS, {**BODY, **facts}).json()["routing"]
    assert routing["pool"] == pool
    assert [reason["fact"] for reason in routing["reasons"]] == reasons
    for reason in routing["reasons"]:
        assert set(reason) == {"rule", "fact", "value", "threshold", "text"}


GOOD = [
    ("name", "A"), ("name", "A" * 255), ("name", "Zoë 🏥 Łódź"), ("contracted_users", 0),
    ("contracted_users", 1_000_000), ("mrr", "0.00"), ("mrr", "0"), ("mrr", "250.5"), ("mrr", "9999999.99"),
    ("service_level", "premium"), ("traits", []), ("traits", ["limited_budget", "start_up"]),
    ("products", ["credentialing_service"]), ("time_zone", "America/Chicago"), ("close_date", None),
    ("close_date", "2028-02-29"), ("employee_sync", None), ("employee_sync", False), ("rsm_name", ""),
    ("rsm_email", ""), ("rsm_email", "r@example.com"), ("domain_allowlisted", True), ("starter_package", True),
    ("csm", "charlie@example.com"), ("csm", None), ("external_id", "x" * 255), ("external_id", None),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), GOOD)
def test_values_at_the_boundaries_are_taken(ops, field, value):
    answer = ops.post(ACCOUNTS, {**BODY, field: value})
    assert answer.status_code == 201, answer.content
    if field not in ("csm", "mrr", "traits"):
        assert answer.json()[field] == value


BAD = [
    ("mrr", 250.0, "invalid"), ("mrr", 250, "invalid"), ("mrr", "NaN", "invalid"), ("mrr", "-1.00", "invalid"),
    ("mrr", "250.001", "invalid"), ("mrr", "1e3", "invalid"), ("mrr", "", "invalid"), ("mrr", None, "invalid"),
    ("mrr", "10000000.00", "max_value"), ("mrr", True, "invalid"), ("mrr", "Infinity", "invalid"),
    ("mrr", "٢٥٠", "invalid"), ("mrr", " 250.00", "invalid"), ("contracted_users", -1, "invalid"),
    ("contracted_users", 1_000_001, "invalid"), ("contracted_users", True, "invalid"),
    ("contracted_users", 10.0, "invalid"), ("contracted_users", "10", "invalid"),
    ("contracted_users", None, "invalid"), ("contracted_users", 10**30, "invalid"),
    ("service_level", "gold", "invalid_choice"), ("service_level", "Basic", "invalid_choice"),
    ("time_zone", "Mars/Base", "invalid"), ("time_zone", "../etc/passwd", "invalid"), ("time_zone", "", "invalid"),
    ("traits", ["lazy"], "invalid_choice"), ("traits", "start_up", "invalid"), ("traits", [1], "invalid_choice"),
    ("products", {"learning": True}, "invalid"), ("starter_package", 1, "invalid"),
    ("starter_package", "true", "invalid"), ("starter_package", None, "invalid"), ("name", "", "blank"),
    ("name", "   ", "blank"), ("name", "A" * 256, "max_length"), ("name", 5, "invalid"), ("name", None, "invalid"),
    ("name", "a\u0000b", "invalid"), ("name", "a\u202eb", "invalid"), ("name", "a\u200bb", "invalid"),
    ("name", "a\nb", "invalid"), ("name", "a\ufeffb", "invalid"), ("close_date", "2026-02-30", "invalid"),
    ("close_date", "20260201", "invalid"), ("close_date", "2026-02-01T00:00:00Z", "invalid"),
    ("close_date", 20260201, "invalid"), ("rsm_email", "nobody", "invalid"),
    ("rsm_email", "a@example.com\nBcc: b@example.com", "invalid"), ("rsm_name", "a\u2066b", "invalid"),
    ("employee_sync", "yes", "invalid"), ("csm", "nobody@example.com", "invalid"),
    ("csm", "lead@example.com", "invalid"), ("csm", 5, "invalid"), ("external_id", "x" * 256, "max_length"),
    ("external_id", "", "blank"), ("churned_on", "soon", "invalid"), ("unheard_of", 1, "unknown"),
    ("id", 5, "read_only"), ("phase", "new", "read_only"), ("segment", "smb", "read_only"),
    ("routing", {}, "read_only"), ("archived", False, "read_only"), ("created_at", None, "read_only"),
]  # fmt: skip


@pytest.mark.parametrize("method", ["post", "patch", "put"])
@pytest.mark.parametrize(("field", "value", "code"), BAD)
def test_other_values_are_400_with_a_pointer(ops, method, field, value, code):
    url = ACCOUNTS if method == "post" else f"{ACCOUNTS}{make_account(external_id=None).pk}/"
    body = json.dumps({**BODY, field: value})
    answer = getattr(ops, method)(url, body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == (f"/{field}", code)
    assert error["detail"]


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_numbers_that_json_does_not_know_are_400_with_a_pointer(ops, literal):
    body = json.dumps(BODY).replace('"250.00"', literal)
    answer = ops.post(ACCOUNTS, body, content_type="application/json")
    assert answer.json()["errors"][0]["pointer"] == "/mrr"


def test_everything_wrong_is_told_at_once(ops):
    answer = ops.post(ACCOUNTS, {"mrr": 1.5, "color": "red", "id": 1})
    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/name", "/contracted_users", "/mrr", "/color", "/id",
    }  # fmt: skip


def test_an_external_id_is_unique_and_stays(ops):
    make_account(external_id="taken")
    assert ops.post(ACCOUNTS, {**BODY, "external_id": "taken"}).json()["errors"][0]["code"] == "unique"
    account = make_account(external_id="mine")
    answer = ops.patch(f"{ACCOUNTS}{account.pk}/", {"external_id": "other"})
    assert answer.json()["errors"][0]["code"] == "immutable"
    assert ops.patch(f"{ACCOUNTS}{account.pk}/", {"external_id": "mine"}).status_code == 200
    late = make_account(external_id=None)
    assert (
        ops.patch(f"{ACCOUNTS}{late.pk}/", {"external_id": "taken"}).json()["errors"][0]["code"] == "unique"
    )
    assert ops.patch(f"{ACCOUNTS}{late.pk}/", {"external_id": "late"}).status_code == 200


def test_an_account_is_given_to_another_csm_not_taken_away(people, ops):
    url = f"{ACCOUNTS}{make_account(csm=people.alice).pk}/"
    assert ops.patch(url, {"csm": None}).status_code == 400
    assert ops.patch(url, {"csm": "BOB@example.com"}).json()["csm"] == "bob@example.com"


# --- by external id


def test_put_creates_then_updates_and_the_same_body_twice_changes_nothing(ops):
    url = f"{ACCOUNTS}external/crm-1/"
    body = {**BODY, "csm": None, "products": ["compliance", "learning"]}
    first = ops.put(url, body)
    events = Event.objects.count()
    second = ops.put(url, body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first["ETag"] == second["ETag"]
    assert Event.objects.count() == events
    third = ops.put(url, {**body, "mrr": "250.01"})
    assert third.status_code == 200 and third["ETag"] != first["ETag"]
    assert ops.get(url)["ETag"] == third["ETag"]
    assert ops.get(f"{ACCOUNTS}external/crm-2/").status_code == 404


@pytest.mark.parametrize("key", ["a b", "a/b", "ä%2Fö", "0", ".", "a%25b"])
def test_an_external_id_may_be_any_line_of_text(ops, key):
    url = f"{ACCOUNTS}external/{key}/"
    answer = ops.put(url, BODY)
    assert answer.status_code == 201, answer.content
    assert ops.put(url, {**BODY, "external_id": answer.json()["external_id"]}).status_code == 200


@pytest.mark.parametrize("key", ["%00", "a%09b", "%20", "%E2%80%AE", "x" * 256])
def test_an_external_id_that_cannot_be_one_is_400(ops, key):
    assert ops.put(f"{ACCOUNTS}external/{key}/", BODY).status_code == 400
    assert ops.get(f"{ACCOUNTS}external/{key}/").status_code == 404


def test_put_refuses_a_body_about_another(ops):
    answer = ops.put(f"{ACCOUNTS}external/one/", {**BODY, "external_id": "two"})
    assert answer.json()["errors"][0]["pointer"] == "/external_id"


@pytest.mark.django_db(transaction=True)
def test_many_clients_upserting_one_id_make_one_account(people, api):
    clients, results = [api(people.ops) for _ in range(8)], []

    def put(client, users):
        answer = client.put(f"{ACCOUNTS}external/raced/", {**BODY, "contracted_users": users})
        results.append(answer.status_code)

    at_once([partial(put, client, n) for n, client in enumerate(clients)])
    assert sorted(results) == [200] * 7 + [201]
    assert Account.objects.filter(external_id="raced").count() == 1


# --- archive and restore


def test_an_archived_account_is_readable_out_of_lists_and_closed_to_writes(ops):
    account = make_account(external_id="old")
    url = f"{ACCOUNTS}{account.pk}/"
    answer = ops.delete(url)
    assert (answer.status_code, answer.content) == (204, b"")
    assert ops.get(url).json()["archived"] is True
    assert ops.get(ACCOUNTS).json()["results"] == []
    assert [row["id"] for row in ops.get(f"{ACCOUNTS}?archived=true").json()["results"]] == [account.pk]
    onboarding = Onboarding.objects.get(account=account)
    for call, path, body in (
        (ops.patch, url, {"name": "New"}),
        (ops.put, url, BODY),
        (ops.put, f"{ACCOUNTS}external/old/", BODY),
        (ops.delete, url, None),
        (ops.patch, f"/api/v1/onboardings/{onboarding.pk}/", {"discovery_notes": "x"}),
        (ops.post, "/api/v1/contacts/", {"account": account.pk, "name": "Dana"}),
    ):
        refused = call(path, body)
        assert (refused.status_code, refused.json()["code"]) == (409, "archived"), path
    (row,) = ops.post(f"{ACCOUNTS}bulk/", {"accounts": [{"external_id": "old", **BODY}]}).json()["errors"]
    assert row["errors"][0]["code"] == "archived"
    assert ops.post(f"{url}restore/").json()["archived"] is False
    assert ops.post(f"{url}restore/").status_code == 200
    assert ops.patch(url, {"name": "New"}).status_code == 200
    types = list(Event.objects.filter(object_type="account").order_by("id").values_list("type", flat=True))
    assert types.count("account.deleted") == 1


# --- bulk


def bulk(client, rows, query="", **more):
    return client.post(f"{ACCOUNTS}bulk/{query}", {"accounts": rows}, **more)


def row(key, **more):
    return {"external_id": key, **BODY, **more}


def test_good_rows_land_and_bad_ones_are_reported(ops):
    make_account("Same", external_id="same", mrr=250)
    rows = [
        row("new"), row("same", name="Same"), row("bad", mrr=1.5), row("new", name="Newer"), {"name": "X"}, 7,
        row("worse", foo=1, id=2),
    ]  # fmt: skip
    answer = bulk(ops, rows)
    assert answer.status_code == 200
    shown = answer.json()
    assert {name: shown[name] for name in ("created", "updated", "unchanged", "failed")} == {
        "created": 1, "updated": 0, "unchanged": 1, "failed": 5,
    }  # fmt: skip
    assert [(error["index"], error["external_id"]) for error in shown["errors"]] == [
        (0, "new"), (2, "bad"), (4, ""), (5, ""), (6, "worse"),
    ]  # fmt: skip
    codes = [[(e["pointer"], e["code"]) for e in error["errors"]] for error in shown["errors"]]
    assert codes == [
        [("/external_id", "superseded")],
        [("/mrr", "invalid")],
        [("/external_id", "required")],
        [("/external_id", "required")],
        [("/foo", "unknown"), ("/id", "read_only")],
    ]
    assert Account.objects.get(external_id="new").name == "Newer"


def test_all_or_nothing(ops):
    answer = bulk(ops, [row("a"), row("b", mrr="-1")], "?atomic=true")
    assert (answer.status_code, answer.json()["failed"], answer.json()["created"]) == (422, 1, 0)
    assert Account.objects.count() == 0
    assert bulk(ops, [row("a"), row("b")], "?atomic=true").json()["created"] == 2


def test_json_lines_are_read_too(ops):
    lines = "\n".join([json.dumps(row("a")), "", "{broken", json.dumps(row("b", name="Zoë"))])
    answer = ops.post(f"{ACCOUNTS}bulk/", lines.encode(), content_type="application/x-ndjson")
    assert (answer.json()["created"], answer.json()["failed"]) == (2, 1)
    assert answer.json()["errors"][0]["index"] == 1
    assert ops.post(ACCOUNTS, lines.encode(), content_type="application/x-ndjson").status_code == 415


@pytest.mark.parametrize(
    "body", [{}, {"accounts": {}}, {"accounts": None}, {"accounts": [], "more": 1}, "text", {"rows": []}]
)
def test_a_bulk_body_of_another_shape_is_400(ops, body):
    answer = ops.post(f"{ACCOUNTS}bulk/", json.dumps(body), content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_a_bulk_call_takes_5000_rows_and_no_more(ops):
    assert bulk(ops, [{}] * 5000).status_code == 200
    assert bulk(ops, [{}] * 5001).json()["errors"][0]["code"] == "max_length"


def test_an_unchanged_bulk_row_makes_no_event(ops):
    rows = [row(f"k{n}", csm=None) for n in range(20)]
    assert bulk(ops, rows).json()["created"] == 20
    events = Event.objects.count()
    again = bulk(ops, rows).json()
    assert (again["unchanged"], again["failed"], Event.objects.count()) == (20, 0, events)
