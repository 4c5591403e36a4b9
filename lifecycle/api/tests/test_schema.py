"""The OpenAPI document is true for every route, and readable without the internet."""

import json
import re
from decimal import Decimal

import jsonschema
import pytest
import yaml
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_activity,
    make_contact,
    make_opportunity,
)
from lifecycle.api.tests.calling import NOW

OPEN = "/api/v1/schema/"


@pytest.fixture
def schema(people, api):
    return api(people.viewer, "read").get(OPEN).json()


def routes(resolver=None, prefix=""):
    """Every address under /api/v1/ with its methods, as the URL configuration has it."""
    for pattern in (resolver or get_resolver()).url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, path)
        elif isinstance(pattern, URLPattern) and path.lstrip("^").startswith("api/v1/"):
            view = pattern.callback
            methods = getattr(view, "actions", None) or {
                method: method
                for method in ("get", "post", "put", "patch", "delete")
                if hasattr(view.view_class, method)
            }
            yield plain(path), set(methods) - {"head"}


def plain(path):
    path = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", path).replace("^", "").replace("$", "").replace("\\Z", "")
    return "/" + path.replace("{pk}", "{id}")


def test_every_route_is_in_the_schema_and_nothing_else(schema):
    told = {path: set(methods) for path, methods in schema["paths"].items()}
    here = {}
    for path, methods in routes():
        here[path] = here.get(path, set()) | methods
    assert told == here


def test_it_is_openapi_3_1_in_json_and_yaml(people, api, schema):
    client = api(people.viewer, "read")
    assert schema["openapi"].startswith("3.1")
    assert client.get(f"{OPEN}?format=json").json() == schema
    assert yaml.safe_load(client.get(f"{OPEN}?format=yaml").content)["paths"].keys() == schema["paths"].keys()
    assert client.get(f"{OPEN}?format=xml").status_code == 404
    assert client.get(f"{OPEN}?lang=de").status_code == 400


def test_the_document_is_for_those_signed_in(client, db):
    assert client.get(OPEN).status_code == 401
    assert client.get("/api/docs/").status_code == 401


def test_every_list_and_object_looks_as_the_schema_says(people, api, schema):
    account = make_account(
        csm=people.alice,
        service_level="premium",
        contracted_users=60,
        mrr=Decimal("1000.00"),
        products=["learning"],
        traits=["start_up"],
    )
    make_activity(account, kind="bug", ticket_url="https://tickets.example/1")
    make_opportunity(account)
    make_contact(account)
    complete_onboarding(account, on=NOW.date(), call_on=NOW.date())
    client = api(people.ops)
    stage = client.get("/api/v1/stages/").json()["results"][0]
    begun = client.post("/api/v1/checklists/", {"stage": stage["id"]}).json()
    answers = [{"item": "exploring", "value": "yes", "version": 0}]
    assert client.patch(f"/api/v1/checklists/{begun['id']}/", {"answers": answers}).status_code == 200
    onboarding = client.get("/api/v1/onboardings/").json()["results"][0]
    client.patch(
        f"/api/v1/onboardings/{onboarding['id']}/", {"objectives": [{"text": "Ready for the audit"}]}
    )
    checked = 0
    for path, methods in schema["paths"].items():
        if "get" not in methods or "{" in path or path == OPEN:
            continue
        body = client.get(path).json()
        conform(schema, methods["get"], body)
        one = path + "{id}/"
        if one in schema["paths"]:
            assert body["results"], path
            conform(
                schema, schema["paths"][one]["get"], client.get(f"{path}{body['results'][0]['id']}/").json()
            )
        checked += 1
    assert checked >= 12


def conform(schema, operation, body):
    shape = operation["responses"]["200"]["content"]["application/json"]["schema"]
    document = {"components": schema["components"], **shape}
    jsonschema.Draft202012Validator(document).validate(json.loads(json.dumps(body)))


def test_problems_and_dry_runs_look_as_the_schema_says(people, api, schema):
    client = api(people.ops)
    post = schema["paths"]["/api/v1/accounts/"]["post"]
    problem = client.post("/api/v1/accounts/", {})
    shape = post["responses"]["4XX"]["content"]["application/problem+json"]["schema"]
    jsonschema.validate(problem.json(), {"components": schema["components"], **shape})
    body = {"name": "Cedar", "contracted_users": 10, "mrr": "250.00"}
    tried = client.post("/api/v1/accounts/?dry_run=true", body).json()
    assert [(move["action"], move["kind"]) for move in tried["plan"]] == [("add", "book_call")]


def test_every_parameter_of_a_list_is_accepted(people, api, schema):
    client = api(people.ops)
    samples = {"boolean": "true", "integer": "1"}
    formats = {"date": "2026-01-01", "date-time": "2026-01-01T00:00:00Z"}
    for path, methods in schema["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", ()):
            shape = parameter["schema"].get("items", parameter["schema"])
            if parameter["in"] != "query" or parameter["name"] in ("cursor", "wait") or "{" in path:
                continue
            value = (
                shape.get("enum", [None])[0] or formats.get(shape.get("format")) or samples.get(shape["type"])
            )
            value = value or ("1.00" if "pattern" in shape else "a")
            answer = client.get(path, {parameter["name"]: value})
            wanted = (200, 400) if parameter["name"] == "after" else (200,)
            assert answer.status_code in wanted, (path, parameter["name"], answer.content)


def test_the_viewer_asks_nobody_else_and_keeps_to_the_csp(people, api):
    client = api(people.viewer, "read")
    page = client.get("/api/docs/", HTTP_ACCEPT="text/html")
    assert page.status_code == 200
    html = page.content.decode()
    assert "<style" not in html and not re.search(r"<script(?![^>]*src=)", html)
    assert all(url.startswith("/") for url in re.findall(r'(?:src|href)="([^"]+)"', html))
    assert "default-src 'none'" in page["Content-Security-Policy"]
    script = client.get("/api/docs/?script=", HTTP_ACCEPT="*/*")
    assert script["Content-Type"].startswith("application/javascript")
    assert "/api/v1/schema/" in script.content.decode()
