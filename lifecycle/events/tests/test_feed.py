"""The change feed: one order, nothing missed, nothing twice, also while writers run (reliability.md)."""

import random
import time
from functools import partial

import pytest
from django.db import connection, transaction

from accounts.models import Account
from accounts.tests.factories import complete_onboarding, make_account, make_contact
from lifecycle.api.tests.calling import NOW, at_once, settled
from lifecycle.change import change
from lifecycle.events import feed
from lifecycle.events.models import Event, EventPersonal, EventSeq

EVENTS = "/api/v1/events/"
TURNS = 12
pytestmark = pytest.mark.django_db(transaction=True)  # what has not committed is not in the feed


def read_all(client, limit=1000):
    settled()
    found, cursor, more = [], "", True
    while more:
        page = client.get(EVENTS, {"after": cursor, "limit": limit}).json()
        found += page["results"]
        cursor, more = page["cursor"], page["more"]
    return found, cursor


def test_an_event_tells_who_changed_what_and_how_it_is_now(people, api):
    client = api(people.ops)
    _, cursor = read_all(client)
    shown = client.post(
        "/api/v1/accounts/", {"name": "Cedar", "contracted_users": 10, "mrr": "250.00", "external_id": "X"}
    ).json()
    client.patch(f"/api/v1/accounts/{shown['id']}/", {"mrr": "250.01"})
    settled()
    answer = client.get(EVENTS, {"after": cursor}).json()
    told = [event for event in answer["results"] if event["object"]["type"] == "account"]
    assert [event["type"] for event in told] == ["account.created", "account.routed", "account.updated"]
    assert told[0]["data"] == shown
    assert told[2]["data"] == client.get(f"/api/v1/accounts/{shown['id']}/").json()
    assert told[2] | {"data": None, "id": "", "type": ""} == {
        "id": "",
        "type": "",
        "occurred_at": "2026-03-02T15:00:00Z",
        "actor": "ops@example.com",
        "object": {"type": "account", "id": shown["id"], "external_id": "X"},
        "changed": ["mrr"],
        "data": None,
    }
    assert (answer["more"], client.get(EVENTS, {"after": answer["cursor"]}).json()["results"]) == (False, [])


def test_the_domain_has_events_of_its_own(people, api):
    account = make_account(csm=people.alice, service_level="premium")
    complete_onboarding(account, on=NOW.date())
    found, _ = read_all(api(people.alice))
    types = [event["type"] for event in found]
    for kind in ("onboarding.completed", "adoption.created", "stage.created", "check-in.created"):
        assert kind in types
    assert types.count("milestone.created") >= 4
    (adoption,) = [event for event in found if event["type"] == "adoption.created"]
    assert [stage["day"] for stage in adoption["data"]["stages"]] == [30, 90]


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_pages_of_any_size_give_every_event_once_in_one_order(people, api, limit):
    for _ in range(3):
        make_account()
    found, _ = read_all(api(people.ops), limit)
    whole, _ = read_all(api(people.ops))
    assert found == whole
    assert [int(event["id"]) for event in found] == list(
        Event.objects.order_by("numbered__seq").values_list("pk", flat=True)
    )


@pytest.mark.parametrize(
    "query", ["after=x", "after=-1", "limit=0", "limit=1001", "wait=21", "wait=x", "page=1"]
)
def test_bad_parameters_are_400(people, api, query):
    assert api(people.ops).get(f"{EVENTS}?{query}").status_code == 400


def test_the_cursor_passes_what_one_may_not_see(people, api):
    make_account(csm=people.bob)
    end = read_all(api(people.ops))[1]
    found, cursor = read_all(api(people.charlie))
    assert cursor == end
    assert {event["object"]["type"] for event in found} <= {"user", "policy"}


def test_waiting_answers_as_soon_as_something_happens(people, api):
    client = api(people.ops)
    _, cursor = read_all(client)
    answers = []

    def wait():
        begun = time.monotonic()
        answers.append((client.get(EVENTS, {"after": cursor, "wait": 10}).json(), time.monotonic() - begun))

    def write():
        time.sleep(0.7)
        make_account()

    at_once([wait, write])
    ((answer, seconds),) = answers
    assert answer["results"] and 0.5 < seconds < 10
    _, cursor = read_all(client)
    begun = time.monotonic()
    assert client.get(EVENTS, {"after": cursor, "wait": 1}).json()["results"] == []
    assert time.monotonic() - begun >= 1


def test_erased_personal_values_are_null(people, api):
    make_contact(make_account(csm=people.alice))
    EventPersonal.objects.all().delete()
    found, _ = read_all(api(people.alice))
    (event,) = [event for event in found if event["type"] == "contact.created"]
    assert (event["data"]["name"], event["data"]["email"], event["data"]["phone"]) == (None, None, "")


def test_reading_twice_numbers_nothing_twice(people, api):
    make_account()
    client = api(people.ops)
    first = read_all(client)
    assert read_all(client) == first
    assert EventSeq.objects.count() == Event.objects.count()
    assert feed.publish() == 0


def test_four_writers_with_delays_and_rollbacks_and_one_reader_who_misses_nothing(people, api):
    """Fault 22 in small: a cursor handed out is never passed by a transaction that commits late."""
    accounts = [make_account() for _ in range(4)]
    client, dice = api(people.ops), random.Random(22)  # noqa: S311 - chance, not secrecy
    cursor = read_all(client)[1]
    delays = [[dice.uniform(0, 0.03) for _ in range(TURNS)] for _ in accounts]
    doomed = [[dice.random() < 0.05 for _ in range(TURNS)] for _ in accounts]
    running, seen = [1] * len(accounts), []

    def write(number):
        for turn in range(TURNS):
            with transaction.atomic():
                with change(accounts[number].pk, by=None, via="task", now=NOW) as work:
                    work.account.record({"rsm_name": f"turn {turn}"})
                time.sleep(delays[number][turn])
                transaction.set_rollback(doomed[number][turn])
        running[number] = 0

    def read():
        nonlocal cursor
        while True:
            last = not any(running)
            if last:
                settled()
            page = client.get(EVENTS, {"after": cursor, "limit": 7}).json()
            seen.extend(page["results"])
            cursor = page["cursor"]
            if last and not page["more"]:
                return

    at_once([*(partial(write, number) for number in range(len(accounts))), read])
    kept = sum(not gone for row in doomed for gone in row)
    ids = [event["id"] for event in seen]
    assert len(ids) == len(set(ids)) == kept
    for account in accounts:
        turns = [
            int(event["data"]["rsm_name"].split()[1]) for event in seen if event["object"]["id"] == account.pk
        ]
        assert turns == sorted(turns)
    assert Account.objects.count() == 4


@pytest.mark.postgres
def test_an_event_waits_for_an_older_transaction_that_is_still_open(people, api):
    client = api(people.ops)
    early, late = make_account(), make_account()
    _, cursor = read_all(client)
    steps = []

    def slow():
        with transaction.atomic():
            with change(early.pk, by=None, via="task", now=NOW) as work:
                work.account.record({"rsm_name": "early"})
            steps.append("written")
            while "asked" not in steps:
                time.sleep(0.01)

    def quick():
        while "written" not in steps:
            time.sleep(0.01)
        with change(late.pk, by=None, via="task", now=NOW) as work:
            work.account.record({"rsm_name": "late"})
        steps.append(client.get(EVENTS, {"after": cursor}).json()["results"])
        steps.append("asked")

    at_once([slow, quick])
    assert steps[1] == []
    settled()
    found = client.get(EVENTS, {"after": cursor}).json()["results"]
    assert [event["data"]["rsm_name"] for event in found] == ["early", "late"]


@pytest.mark.postgres
def test_after_a_restore_with_smaller_transaction_ids_new_events_still_come(people, api):
    make_account()
    client = api(people.ops)
    _, cursor = read_all(client)
    with connection.cursor() as sql:
        sql.execute("ALTER TABLE events_event DISABLE TRIGGER USER")
        sql.execute("UPDATE events_event SET xact = '9000000000000'::xid8")
        sql.execute("ALTER TABLE events_event ENABLE TRIGGER USER")
    for _ in range(2):
        make_account()
        settled()
        found = client.get(EVENTS, {"after": cursor}).json()
        assert "account.created" in [event["type"] for event in found["results"]]
        cursor = found["cursor"]
