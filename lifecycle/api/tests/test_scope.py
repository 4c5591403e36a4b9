"""Who sees what: alice's account is bob's and charlie's 404, whatever they try (security.md)."""

import json

import pytest

from accounts.models import Account
from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_activity,
    make_contact,
    make_opportunity,
)
from adoption.models import CheckIn, Stage
from lifecycle.api.tests.calling import NOW, settled
from lifecycle.change import change
from lifecycle.milestones.models import Milestone
from onboarding.models import Onboarding, TrainingSession

CANARY = "quetzal"


@pytest.fixture
def account(people):
    account = make_account(
        f"{CANARY} Clinic", csm=people.alice, service_level="premium", products=["learning"],
        external_id=f"{CANARY}-1", rsm_name=CANARY,
    )  # fmt: skip
    make_contact(account, name=f"{CANARY} Smith")
    make_activity(account, f"{CANARY} said so")
    make_opportunity(account, text=f"{CANARY} asked")
    return complete_onboarding(account, on=NOW.date(), call_on=NOW.date())


def paths(account):
    """One address of each kind of object of an account."""
    found = {
        "accounts": account.pk,
        "contacts": account.contacts.get().pk,
        "activities": account.activitys.get().pk,
        "opportunities": account.opportunitys.get().pk,
        "onboardings": Onboarding.objects.get(account=account).pk,
        "training-sessions": TrainingSession.objects.filter(account=account)[0].pk,
        "adoptions": account.adoptions.get().pk,
        "stages": Stage.objects.filter(account=account)[0].pk,
        "check-ins": CheckIn.objects.filter(account=account)[0].pk,
        "milestones": Milestone.objects.filter(account=account)[0].pk,
    }
    return {name: f"/api/v1/{name}/{pk}/" for name, pk in found.items()}


@pytest.mark.parametrize("who", ["alice", "lead", "manager", "ops", "viewer", "admin"])
def test_the_owner_her_lead_and_those_who_see_all_see_it(people, api, account, who):
    client = api(getattr(people, who))
    for name, path in paths(account).items():
        assert client.get(path).status_code == 200, path
        assert client.get(f"/api/v1/{name}/").json()["results"], name


@pytest.mark.parametrize("who", ["bob", "charlie", "other_lead"])
def test_to_others_it_does_not_exist(people, api, account, who):
    """The same bytes as for an id that was never given, on every method."""
    client = api(getattr(people, who))
    assert paths(account)
    for name, path in paths(account).items():
        missing = client.get(f"/api/v1/{name}/999999999/")
        for method in ("get", "patch", "put", "delete"):
            answer, there = getattr(client, method)(path), getattr(client, method)(path)
            foreign = getattr(client, method)(f"/api/v1/{name}/999999999/")
            assert answer.status_code == foreign.status_code, (method, path)
            assert answer.content == foreign.content == there.content
            assert answer.status_code in (404, 405, 403)
        assert client.get(path).content == missing.content
        assert client.get(f"/api/v1/{name}/").json()["results"] == []
    for path in (f"accounts/external/{CANARY}-1/", f"accounts/{account.pk}/restore/", "stages/1/close/"):
        assert client.get(f"/api/v1/{path}").status_code in (404, 405)


@pytest.mark.django_db(transaction=True)  # the feed holds what has committed
@pytest.mark.parametrize("who", ["bob", "charlie", "other_lead"])
def test_no_word_of_it_leaks_into_lists_searches_counts_and_the_feed(people, api, account, who):
    client = api(getattr(people, who))
    for name in paths(account):
        for query in (
            "",
            f"?account={account.pk}" if name != "accounts" else f"?search={CANARY}",
            "?count=true",
        ):
            answer = client.get(f"/api/v1/{name}/{query}")
            assert answer.status_code == 200, (name, query)
            assert CANARY not in answer.content.decode()
            assert answer.json().get("count", 0) == 0
    settled()
    assert CANARY not in client.get("/api/v1/events/?limit=1000").content.decode()


@pytest.mark.parametrize(
    ("who", "status"), [("bob", 404), ("other_lead", 404), ("viewer", 403), ("admin", 403)]
)
def test_writing_by_external_id_what_one_may_not_see(people, api, account, who, status):
    body = {"name": "Taken", "contracted_users": 1, "mrr": "1.00"}
    answer = api(getattr(people, who)).put(f"/api/v1/accounts/external/{CANARY}-1/", body)
    assert answer.status_code == status
    assert Account.objects.get(pk=account.pk).name == account.name


def test_a_contact_is_not_added_to_an_account_one_may_not_see(people, api, account):
    foreign = api(people.bob).post("/api/v1/contacts/", {"account": account.pk, "name": "X"})
    missing = api(people.bob).post("/api/v1/contacts/", {"account": 999999999, "name": "X"})
    assert foreign.status_code == missing.status_code == 400
    assert foreign.content == missing.content
    assert foreign.json()["errors"][0]["pointer"] == "/account"


@pytest.mark.django_db(transaction=True)  # the feed holds what has committed
@pytest.mark.parametrize("who", ["viewer", "admin"])
def test_those_who_only_look_see_contacts_masked_and_cannot_search_them_out(people, api, account, who):
    client = api(getattr(people, who))
    (contact,) = client.get("/api/v1/contacts/").json()["results"]
    assert (contact["name"], contact["email"]) == (f"{CANARY} Smith", "***")
    assert client.get("/api/v1/contacts/?search=dana@customer").json()["results"] == []
    assert client.get("/api/v1/contacts/?email=dana@customer.example").status_code == 403
    settled()
    feed = client.get("/api/v1/events/?limit=1000").json()["results"]
    assert [event["data"]["email"] for event in feed if event["type"] == "contact.created"] == ["***"]
    assert "dana@customer.example" not in json.dumps(feed)


def test_the_csm_who_onboarded_an_account_goes_on_reading_it(people, api, account):
    """SEG-5."""
    with change(account, by=None, via="task", now=NOW) as work:
        work.account.csm = people.charlie
        work.account.save()
    client = api(people.alice)
    assert client.get(f"/api/v1/accounts/{account.pk}/").status_code == 200
    assert client.patch(f"/api/v1/accounts/{account.pk}/", {"name": "Mine"}).status_code == 403


@pytest.mark.parametrize(
    ("who", "status"), [("alice", 403), ("lead", 200), ("manager", 200), ("ops", 200), ("viewer", 403)]
)
def test_another_owner_and_churn_are_set_by_leads(people, api, account, who, status):
    client, url = api(getattr(people, who)), f"/api/v1/accounts/{account.pk}/"
    assert client.patch(url, {"churned_on": "2026-03-01"}).status_code == status
    assert client.patch(url, {"csm": "bob@example.com"}).status_code == status


def test_a_csm_may_repeat_what_is_so_already(people, api, account):
    answer = api(people.alice).patch(
        f"/api/v1/accounts/{account.pk}/", {"csm": "Alice@example.com", "churned_on": None}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("who", "status"), [("alice", 403), ("lead", 204), ("manager", 204), ("ops", 204), ("admin", 403)]
)
def test_archiving_is_a_leads_function(people, api, account, who, status):
    assert api(getattr(people, who)).delete(f"/api/v1/accounts/{account.pk}/").status_code == status


@pytest.mark.parametrize(
    ("who", "status"),
    [("alice", 403), ("lead", 403), ("manager", 403), ("ops", 200), ("viewer", 403), ("admin", 403)],
)
def test_bulk_is_for_those_who_may_import(people, api, who, status):
    assert api(getattr(people, who)).post("/api/v1/accounts/bulk/", {"accounts": []}).status_code == status


def test_a_lead_sees_the_unroutable_too(people, api):
    account = make_account(contracted_users=10, csm=None, time_zone="UTC")
    with change(account, by=None, via="task", now=NOW) as work:
        work.account.churned_on = NOW.date()
        work.account.csm = None
        work.account.save()
    url = f"/api/v1/accounts/{account.pk}/"
    assert api(people.other_lead).get(url).status_code == 200
    assert api(people.alice).get(url).status_code == 404


def test_names_of_colleagues_are_for_all(people, api):
    answer = api(people.charlie, "read").get("/api/v1/users/?search=alice")
    (found,) = answer.json()["results"]
    assert set(found) == {"id", "name", "email", "role", "team"}
    assert (found["email"], found["role"], found["team"]) == ("alice@example.com", "csm", "Ours")
