"""ETags against lost updates and needless transfers; dry runs that keep nothing."""

from functools import partial

import pytest

from accounts.models import Account
from accounts.tests.factories import complete_onboarding, make_account, make_contact
from adoption.models import Stage
from lifecycle.api.models import ApiToken
from lifecycle.api.tests.calling import NOW, at_once
from lifecycle.events.models import Event
from lifecycle.milestones.models import Milestone

ACCOUNTS = "/api/v1/accounts/"


@pytest.fixture
def account(people):
    return make_account("Cedar", csm=people.alice)


@pytest.fixture
def url(account):
    return f"{ACCOUNTS}{account.pk}/"


@pytest.fixture
def client(people, api):
    return api(people.ops)


def test_a_single_object_carries_its_tag_and_is_not_sent_twice(client, url):
    answer = client.get(url)
    tag = answer["ETag"]
    assert tag.startswith('"') and tag == client.get(url)["ETag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = client.get(url, HTTP_IF_NONE_MATCH=known)
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    assert client.get(url, HTTP_IF_NONE_MATCH='"x"').status_code == 200


def test_the_tag_of_a_write_is_that_of_the_next_read(client, url):
    tag = client.get(url)["ETag"]
    written = client.patch(url, {"name": "Cedar & Sons"}, HTTP_IF_MATCH=tag)
    assert written.status_code == 200
    assert written["ETag"] == client.get(url)["ETag"] != tag


@pytest.mark.parametrize("method", ["patch", "put", "delete"])
@pytest.mark.parametrize("given", ['"x"', "W/{tag}", "x", '"x", "y"'])
def test_a_stale_if_match_is_412_and_nothing_changes(client, account, url, method, given):
    tag = client.get(url)["ETag"]
    body = {"name": "New", "contracted_users": 1, "mrr": "1.00"}
    answer = getattr(client, method)(url, body, HTTP_IF_MATCH=given.format(tag=tag))
    assert (answer.status_code, answer["Content-Type"]) == (412, "application/problem+json")
    assert Account.objects.get(pk=account.pk).name == "Cedar"


@pytest.mark.parametrize("given", ["*", "{tag}", '"x", {tag}'])
def test_a_fresh_if_match_lets_the_write_through(client, url, given):
    tag = client.get(url)["ETag"]
    assert client.patch(url, {"name": "New"}, HTTP_IF_MATCH=given.format(tag=tag)).status_code == 200


def test_a_put_to_nothing_with_if_match_is_412(client, people):
    body = {"name": "New", "contracted_users": 1, "mrr": "1.00"}
    assert client.put(f"{ACCOUNTS}external/new/", body, HTTP_IF_MATCH='"x"').status_code == 412


@pytest.mark.parametrize("given", ["*", "{tag}"])
def test_if_none_match_lets_a_put_create_and_never_overwrite(client, people, given):
    url = f"{ACCOUNTS}external/once/"
    body = {"name": "New", "contracted_users": 1, "mrr": "1.00"}
    made = client.put(url, body, HTTP_IF_NONE_MATCH="*")
    assert made.status_code == 201
    header = given.format(tag=made["ETag"])
    assert client.put(url, {**body, "name": "Other"}, HTTP_IF_NONE_MATCH=header).status_code == 412
    assert client.get(url)["ETag"] == made["ETag"]
    assert client.put(url, {**body, "name": "Other"}, HTTP_IF_NONE_MATCH='"x"').status_code == 200


def test_a_change_of_what_belongs_to_it_changes_the_tag_of_an_adoption(client, account, people):
    complete_onboarding(account, on=NOW.date())
    url = f"/api/v1/adoptions/{account.adoptions.get().pk}/"
    tag = client.get(url)["ETag"]
    stage = Stage.objects.get(account=account)
    client.patch(f"/api/v1/stages/{stage.pk}/", {"notes": "Fine."})
    assert client.get(url)["ETag"] != tag


def test_a_dry_run_answers_with_the_plan_and_keeps_nothing(client, account, url):
    complete_onboarding(account, on=NOW.date())
    before = (client.get(url)["ETag"], Event.objects.count(), Milestone.objects.count())
    answer = client.patch(f"{url}?dry_run=true", {"service_level": "premium", "contracted_users": 51})
    assert answer.status_code == 200
    shown = answer.json()
    assert shown["routing"]["pool"] == "core"
    assert {(move["action"], move["kind"], move["day"]) for move in shown["plan"]} >= {
        ("cancel", "stage", 60),
        ("add", "stage", 30),
        ("add", "stage", 90),
        ("add", "check_in", 75),
        ("add", "check_in", 150),
    }
    assert (client.get(url)["ETag"], Event.objects.count(), Milestone.objects.count()) == before


def test_every_write_can_be_tried_first(client, account, url, people):
    contact = make_contact(account)
    events = Event.objects.count()
    body = {"name": "New", "contracted_users": 1, "mrr": "1.00"}
    made = client.post(f"{ACCOUNTS}?dry_run=true", body)
    assert (made.status_code, made.json()["id"]) == (201, None)
    assert client.put(f"{ACCOUNTS}external/new/?dry_run=true", body).status_code == 201
    assert client.delete(f"{url}?dry_run=true").status_code == 200
    assert client.delete(f"/api/v1/contacts/{contact.pk}/?dry_run=true").json() == {"plan": []}
    rows = {"accounts": [{"external_id": "new", **body}]}
    assert client.post(f"{ACCOUNTS}bulk/?dry_run=true", rows).json()["created"] == 1
    assert client.patch(f"{url}?dry_run=maybe", {}).status_code == 400
    assert (Event.objects.count(), Account.objects.count()) == (events, 1)


@pytest.mark.django_db(transaction=True)
def test_of_two_writers_with_one_tag_exactly_one_gets_through(account, url, people, api):
    clients = [api(people.ops) for _ in range(6)]
    tag = clients[0].get(url)["ETag"]
    results = []

    def write(client, name):
        results.append(client.patch(url, {"name": name}, HTTP_IF_MATCH=tag).status_code)

    at_once([partial(write, client, f"N{n}") for n, client in enumerate(clients)])
    assert sorted(results) == [200, 412, 412, 412, 412, 412]
    assert ApiToken.objects.count() == 6
