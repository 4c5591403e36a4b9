"""Contacts over REST: made, changed, deleted; their personal data."""

import pytest

from accounts.models import Contact
from accounts.tests.factories import make_account, make_contact
from lifecycle.api.tests.calling import settled

CONTACTS = "/api/v1/contacts/"


@pytest.fixture
def alice(people, api):
    return api(people.alice)


@pytest.fixture
def account(people):
    return make_account(csm=people.alice)


@pytest.mark.django_db(transaction=True)  # the feed holds what has committed
def test_a_contact_is_made_changed_and_deleted(alice, account):
    made = alice.post(
        CONTACTS, {"account": account.pk, "name": "Dana Whitfield", "email": "dana@customer.example"}
    )
    assert made.status_code == 201
    shown = made.json()
    assert set(shown) == {
        *("id", "account", "name", "email", "phone", "title", "is_main", "is_billing", "confirmed_on"),
        *("created_at", "updated_at"),
    }
    url = f"{CONTACTS}{shown['id']}/"
    assert alice.patch(url, {"phone": "+1 312 555 0100", "is_main": True}).json()["is_main"] is True
    assert alice.put(url, {"account": account.pk, "name": "Dana W."}).json()["phone"] == "+1 312 555 0100"
    assert alice.delete(url).status_code == 204
    assert alice.get(url).status_code == 404
    settled()
    feed = alice.get("/api/v1/events/?limit=1000").json()["results"]
    told = [event for event in feed if event["object"]["type"] == "contact"]
    assert [event["type"].split(".")[1] for event in told] == ["created", "updated", "updated", "deleted"]
    assert told[0]["data"] == shown  # personal values are joined back


def test_who_becomes_the_main_contact_takes_it_from_who_was(alice, account):
    def post(name, **more):
        return alice.post(CONTACTS, {"account": account.pk, "name": name, **more}).json()["id"]

    def mains():
        return [row["id"] for row in alice.get(f"{CONTACTS}?is_main=true").json()["results"]]

    first, second = post("Dana", is_main=True), post("Eli", is_main=True)
    assert mains() == [second]
    alice.patch(f"{CONTACTS}{first}/", {"is_main": True, "confirmed_on": "2026-03-02"})
    assert mains() == [first]
    alice.patch(f"{CONTACTS}{second}/", {"is_main": False, "phone": "1"})
    assert mains() == [first]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("name", "", "blank"), ("name", "A" * 151, "max_length"), ("name", "a\u202eb", "invalid"),
        ("name", "a\u0000b", "invalid"), ("name", ["a"], "invalid"), ("email", "dana", "invalid"),
        ("email", "dana@customer.example\r\nBcc: x@example.com", "invalid"), ("email", None, "null"),
        ("email", "da\u200bna@customer.example", "invalid"), ("phone", "1" * 41, "max_length"),
        ("is_main", "true", "invalid"), ("is_main", 1, "invalid"), ("is_main", None, "null"),
        ("confirmed_on", "01/02/2026", "invalid"), ("confirmed_on", "1969-12-31", "invalid"),
        ("confirmed_on", "2026-03-03", "future"),
        ("account", "1", "invalid"), ("account", True, "invalid"), ("account", 0, "min_value"),
        ("account", 2**63, "max_value"), ("account", None, "null"), ("color", 1, "unknown"), ("id", 1, "read_only"),
        ("updated_at", None, "read_only"),
    ],
)  # fmt: skip
def test_what_a_contact_may_not_hold_is_400_with_a_pointer(alice, account, field, value, code):
    answer = alice.post(CONTACTS, {"account": account.pk, "name": "Dana", field: value})
    assert answer.status_code == 400, answer.content
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(f"/{field}", code)]


def test_a_contact_stays_with_its_account(people, alice, account):
    contact, other = make_contact(account), make_account(csm=people.alice)
    answer = alice.patch(f"{CONTACTS}{contact.pk}/", {"account": other.pk})
    assert answer.json()["errors"][0]["pointer"] == "/account"
    assert Contact.objects.get().account == account


def test_personal_values_never_stand_in_the_log_itself(alice, account):
    from lifecycle.events.models import Event

    alice.post(CONTACTS, {"account": account.pk, "name": "Dana", "email": "dana@customer.example"})
    event = Event.objects.get(type="contact.created")
    assert "dana" not in str(event.data).lower()
