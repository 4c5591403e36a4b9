"""What a list costs does not grow with it: exact query counts with 1 and with 30 rows."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.module_loading import import_string

from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_accounts,
    make_activity,
    make_contact,
    make_opportunity,
)
from lifecycle.api.shown import SERIALIZERS
from lifecycle.api.tests.calling import NOW
from lifecycle.change import change_many
from lifecycle.events.models import Event, EventSeq

# Beside the token and its user (1) and its last use (1, once a minute).
COUNTS = {
    "accounts": 1,
    "contacts": 1,
    "activities": 1,
    "opportunities": 1,
    "onboardings": 2,  # and the objectives
    "training-sessions": 1,
    "adoptions": 6,  # and stages, checklists, check-ins, people, teams
    "stages": 2,  # and the checklists
    "check-ins": 3,  # and people, teams
    "milestones": 1,
    "users": 1,
    "policies": 1,
    "events": 3,  # where the feed ends, the events, their personal values
}


def grow(people, number):
    """That many further accounts with everything that hangs on them, in two changes."""
    accounts = make_accounts(number, csm=people.alice, service_level="premium", products=["learning"])
    with change_many([account.pk for account in accounts], by=None, via="task", now=NOW):
        for account in accounts:
            make_contact(account)
            make_activity(account, by=people.alice)
            make_opportunity(account, by=people.alice)
            complete_onboarding(account, on=NOW.date(), call_on=NOW.date())
    # Inside a test's transaction nothing has settled, so that no publisher would number it.
    EventSeq.objects.bulk_create([EventSeq(event=event) for event in Event.objects.filter(numbered=None)])


def cost(client, name):
    """The queries of one list, but those of savepoints."""
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(f"/api/v1/{name}/?limit=30" if name == "events" else f"/api/v1/{name}/")
    assert answer.status_code == 200
    return len([query for query in queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))])


@pytest.mark.parametrize("who", ["ops", "alice", "lead"])
def test_lists_cost_the_same_with_1_and_30_accounts(people, api, who):
    client = api(getattr(people, who), "read")
    client.get("/api/v1/users/")  # the token's last use is written
    publishing = 2 if connection.vendor == "postgresql" else 0
    expected = {name: 1 + count + publishing * (name == "events") for name, count in COUNTS.items()}
    for number in (1, 29):
        grow(people, number)
        assert {name: cost(client, name) for name in COUNTS} == expected


def test_writing_one_account_costs_the_same_in_a_book_of_1_and_30(people, api):
    client, costs = api(people.ops), []
    for number in (1, 29):
        grow(people, number)
        account = make_account(csm=people.alice)
        client.get("/api/v1/users/")
        with CaptureQueriesContext(connection) as queries:
            assert (
                client.patch(f"/api/v1/accounts/{account.pk}/", {"contracted_users": 51}).status_code == 200
            )
        costs.append(len(queries))
    assert costs[0] == costs[1]


def test_events_of_many_accounts_are_rendered_set_based(people, api):
    costs = []
    for number in (2, 40):
        rows = [
            {"external_id": f"{number}-{n}", "name": "Cedar", "contracted_users": 10, "mrr": "250.00"}
            for n in range(number)
        ]
        client = api(people.ops)
        with CaptureQueriesContext(connection) as queries:
            answer = client.post("/api/v1/accounts/bulk/", {"accounts": rows})
        assert answer.json()["created"] == number
        # SQLite inserts in batches of its own size: only what is read must not grow.
        costs.append(len([query for query in queries if query["sql"].startswith("SELECT")]))
    assert costs[0] == costs[1]


@pytest.mark.parametrize("resource", SERIALIZERS)
def test_showing_rows_joins_only_what_is_named(resource):
    """select_related() without names joins every foreign key: half a minute for 400 stages in the log."""
    shape = import_string(SERIALIZERS[resource])
    assert shape.with_related(shape.Meta.model.objects.all()).query.select_related is not True
