"""Activities and opportunities over REST: made, changed, deleted; who may; what they may hold."""

from datetime import timedelta

import pytest

from accounts.models import Account, Activity, Opportunity
from accounts.tests.factories import make_account, make_activity, make_contact, make_opportunity
from lifecycle.api.tests.calling import NOW, settled
from lifecycle.change import change
from lifecycle.events.models import Event
from lifecycle.milestones.models import Milestone

ACTIVITIES, OPPORTUNITIES = "/api/v1/activities/", "/api/v1/opportunities/"
WORDS = "مرحبا 👩🏽‍⚕️ said “yes”\nשלום"  # right to left, an emoji of four code points, two lines


@pytest.fixture
def alice(people, api):
    return api(people.alice)


@pytest.fixture
def account(people):
    return make_account("Halden Vale Imaging", csm=people.alice)


def note(account, **more):
    return {"account": account.pk, "kind": "note", "text": "They like it.", **more}


def stamp(at):
    return at.isoformat().replace("+00:00", "Z")


def wrong(answer):
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


@pytest.mark.django_db(transaction=True)  # the feed holds what has committed
def test_an_activity_is_made_changed_and_deleted_and_the_feed_tells_it_whole(alice, account):
    contact = make_contact(account)
    sent = {"account": account.pk, "kind": "call", "text": WORDS, "contact": contact.pk}
    made = alice.post(ACTIVITIES, sent)
    assert made.status_code == 201, made.content
    shown = made.json()
    assert set(shown) == {
        *("id", "account", "kind", "happened_at", "author", "contact", "text", "about", "follow_up_on"),
        *("ticket_url", "noted_at", "resolved_at", "pinned_at", "edited_at", "created_at", "updated_at"),
    }
    assert (shown["text"], shown["author"]) == (WORDS, "alice@example.com")
    assert shown["happened_at"] == stamp(NOW)
    url = f"{ACTIVITIES}{shown['id']}/"
    assert alice.patch(url, {"text": "They love it."}).json()["edited_at"] == stamp(NOW)
    assert alice.put(url, note(account)).json()["kind"] == "note"
    assert alice.delete(url).status_code == 204
    assert alice.get(url).status_code == 404
    assert alice.get(ACTIVITIES).json()["results"] == []
    settled()
    feed = alice.get("/api/v1/events/?limit=1000").json()["results"]
    told = [event for event in feed if event["object"]["type"] == "activity"]
    assert [event["type"].split(".")[1] for event in told] == ["created", "updated", "updated", "deleted"]
    assert told[0]["data"] == shown  # the words are joined back, letter by letter
    assert told[-1]["data"]["text"] == ""


def test_the_words_of_an_entry_stand_apart_from_the_log(alice, account):
    alice.post(ACTIVITIES, note(account, text="quetzal"))
    event = Event.objects.get(type="activity.created")
    assert "quetzal" not in str(event.data)
    assert event.personal.get(field="data.text").value == "quetzal"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("text", "", "blank"), ("text", " \n\t", "blank"), ("text", "A" * 20_001, "max_length"), ("text", None, "null"),
        ("text", 5, "invalid"), ("text", "a\u0000b", "null_characters_not_allowed"),
        ("kind", "chat", "invalid_choice"), ("kind", None, "null"), ("kind", "", "invalid_choice"),
        ("happened_at", stamp(NOW + timedelta(seconds=1)), "future"), ("happened_at", "2026-03-02T15:00:00", "invalid"),
        ("happened_at", "yesterday", "invalid"), ("happened_at", None, "null"),
        ("follow_up_on", "02/03/2026", "invalid"), ("follow_up_on", "2026-02-30", "invalid"),
        ("ticket_url", "https://tickets.example/1", "not_a_bug"), ("ticket_url", "javascript:alert(1)", "invalid"),
        ("resolved_at", stamp(NOW), "not_a_bug"), ("contact", 999_999, "does_not_exist"), ("contact", "1", "invalid"),
        ("about", 999_999, "does_not_exist"), ("account", 999_999, "does_not_exist"), ("account", True, "invalid"),
        ("author", "bob@example.com", "read_only"), ("edited_at", None, "read_only"), ("colour", 1, "unknown"),
        ("removed_at", None, "unknown"),
    ],
)  # fmt: skip
def test_what_an_activity_may_not_hold_is_400_with_a_pointer(alice, account, field, value, code):
    answer = alice.post(ACTIVITIES, note(account) | {field: value})
    assert answer.status_code == 400, answer.content
    assert wrong(answer) == [(f"/{field}", code)]
    assert not Activity.objects.exists()


def test_exactly_twenty_thousand_characters_and_the_present_instant_are_taken(alice, account):
    long = "é" * 20_000
    made = alice.post(ACTIVITIES, note(account, text=long, happened_at=stamp(NOW)))
    assert made.status_code == 201
    assert alice.get(f"{ACTIVITIES}{made.json()['id']}/").json()["text"] == long


def test_people_and_bugs_of_another_account_are_no_part_of_this_one(people, alice, account):
    other = make_account("Elsewhere", csm=people.alice)
    contact, bug = make_contact(other), make_activity(other, kind="bug")
    assert wrong(alice.post(ACTIVITIES, note(account, contact=contact.pk))) == [
        ("/contact", "does_not_exist")
    ]
    assert wrong(alice.post(ACTIVITIES, note(account, about=bug.pk))) == [("/about", "does_not_exist")]
    call = make_activity(account)
    assert wrong(alice.post(ACTIVITIES, note(account, about=call.pk))) == [("/about", "does_not_exist")]
    answer = alice.patch(f"{ACTIVITIES}{call.pk}/", {"account": other.pk})
    assert wrong(answer) == [("/account", "immutable")]


def test_act_2_a_note_about_a_bug_moves_its_seven_days(alice, account, later, people, api):
    bug = make_activity(account, kind="bug", ticket_url="https://tickets.example/1")
    with later(days=6):
        assert api(people.alice).post(ACTIVITIES, note(account, about=bug.pk)).status_code == 201
    assert Activity.objects.get(pk=bug.pk).noted_at == NOW + timedelta(days=6)
    url = f"{ACTIVITIES}{bug.pk}/"
    assert alice.patch(url, {"resolved_at": stamp(NOW)}).json()["resolved_at"] == stamp(NOW)
    assert alice.patch(url, {"resolved_at": None}).json()["resolved_at"] is None


def test_act_1_a_follow_up_date_is_planned_and_a_dry_run_only_says_so(alice, account):
    body = note(account, follow_up_on="2026-03-02")
    tried = alice.post(f"{ACTIVITIES}?dry_run=true", body)
    assert tried.status_code == 201
    assert [(move["action"], move["kind"]) for move in tried.json()["plan"]] == [("add", "follow_up")]
    assert tried.json()["id"] is None
    assert not Activity.objects.exists()
    alice.post(ACTIVITIES, body)
    assert Milestone.objects.open().get(kind="follow_up").owner == account.csm


def test_act_1_the_last_contact_is_the_latest_call_email_or_meeting(alice, account):
    assert Account.objects.get(pk=account.pk).last_contact_on is None
    for kind, day in (("note", "2026-03-01"), ("call", "2026-02-20"), ("email", "2026-02-25")):
        alice.post(ACTIVITIES, note(account, kind=kind, happened_at=f"{day}T10:00:00Z"))
    assert str(Account.objects.get(pk=account.pk).last_contact_on) == "2026-02-25"
    email = Activity.objects.get(kind="email")
    alice.delete(f"{ACTIVITIES}{email.pk}/")
    assert str(Account.objects.get(pk=account.pk).last_contact_on) == "2026-02-20"


def test_a_stale_write_is_412_and_a_known_entry_304(alice, account):
    url = f"{ACTIVITIES}{make_activity(account).pk}/"
    tag = alice.get(url)["ETag"]
    assert alice.get(url, headers={"If-None-Match": tag}).status_code == 304
    assert alice.patch(url, {"text": "More."}, headers={"If-Match": tag}).status_code == 200
    assert alice.patch(url, {"text": "Less."}, headers={"If-Match": tag}).status_code == 412
    assert alice.delete(url, headers={"If-Match": tag}).status_code == 412
    assert Activity.objects.get().text == "More."


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("kind=bug", {"bug"}), ("kind__in=bug,call", {"bug", "call"}), ("author=bob@example.com", {"call"}),
        ("happened_at__gte=2026-03-01T00:00:00Z", {"bug", "call"}), ("happened_at__lte=2026-02-01T00:00:00Z", {"note"}),
        ("follow_up_on=2026-03-09", {"note"}), ("follow_up_on__lte=2026-03-08", set()), ("search=SLOW", {"bug"}),
        ("updated_since=2026-03-02T15:00:01Z", set()), ("updated_since=2026-03-02T15:00:00Z", {"bug", "call", "note"}),
    ],
)  # fmt: skip
def test_lists_are_filtered_and_searched(people, alice, account, query, kinds):
    make_activity(account, "It is slow", kind="bug", by=people.alice)
    make_activity(account, "Rang them", by=people.bob)
    make_activity(
        account, kind="note", happened_at=NOW - timedelta(days=60), follow_up_on="2026-03-09", by=people.alice
    )
    for here in (query, f"{query}&account={account.pk}"):
        found = alice.get(f"{ACTIVITIES}?{here}").json()["results"]
        assert {row["kind"] for row in found} == kinds
    assert alice.get(f"{ACTIVITIES}?{query}&account=999999").json()["results"] == []


@pytest.mark.parametrize("query", ["kind=chat", "happened_at__gte=today", "colour=red", "ordering=text"])
def test_a_filter_that_means_nothing_is_400(alice, account, query):
    assert alice.get(f"{ACTIVITIES}?{query}").status_code == 400


def test_seg_5_who_onboarded_an_account_writes_notes_there_and_nothing_else(people, api, alice, account):
    with change(account, by=None, via="task", now=NOW) as work:
        work.account.csm, work.account.onboarded_by = people.charlie, people.alice
        work.account.save()
    contact = make_contact(account)
    made = alice.post(ACTIVITIES, note(account, contact=contact.pk))
    assert made.status_code == 201
    url = f"{ACTIVITIES}{made.json()['id']}/"
    assert alice.get(url).status_code == 200
    refused = [
        alice.post(ACTIVITIES, note(account, kind="call")),
        alice.post(ACTIVITIES, note(account, follow_up_on="2026-03-09")),
        alice.post(ACTIVITIES, note(account, pinned_at=stamp(NOW))),
        alice.patch(url, {"text": "Other words"}),
        alice.delete(url),
        alice.patch(f"{OPPORTUNITIES}{make_opportunity(account).pk}/", {"state": "won"}),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert alice.post(OPPORTUNITIES, {"account": account.pk, "kind": "module"}).status_code == 400
    assert wrong(api(people.bob).post(ACTIVITIES, note(account))) == [("/account", "does_not_exist")]


@pytest.mark.parametrize("who", ["viewer", "admin"])
def test_those_who_only_look_change_nothing(people, api, account, who):
    client, url = api(getattr(people, who)), f"{ACTIVITIES}{make_activity(account).pk}/"
    assert client.get(url).status_code == 200
    assert client.post(ACTIVITIES, note(account)).status_code == 403
    assert client.patch(url, {"text": "Mine"}).status_code == 403
    assert client.delete(url).status_code == 403


def test_an_archived_account_takes_no_entries(people, api, account):
    entry, upsell = make_activity(account), make_opportunity(account)
    client = api(people.ops)
    client.delete(f"/api/v1/accounts/{account.pk}/")
    answers = [
        client.post(ACTIVITIES, note(account)),
        client.patch(f"{ACTIVITIES}{entry.pk}/", {"text": "More"}),
        client.delete(f"{ACTIVITIES}{entry.pk}/"),
        client.post(OPPORTUNITIES, {"account": account.pk, "kind": "module"}),
        client.patch(f"{OPPORTUNITIES}{upsell.pk}/", {"state": "won"}),
        client.delete(f"{OPPORTUNITIES}{upsell.pk}/"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "archived")] * 6


@pytest.mark.django_db(transaction=True)  # the feed holds what has committed
def test_act_3_an_opportunity_is_made_changed_and_deleted(alice, account):
    made = alice.post(OPPORTUNITIES, {"account": account.pk, "kind": "module", "text": WORDS})
    assert made.status_code == 201, made.content
    shown = made.json()
    assert set(shown) == {
        *("id", "account", "kind", "state", "text", "demo_on", "surfaced_on", "author", "rsm_told_at"),
        *("created_at", "updated_at"),
    }
    assert (shown["state"], shown["surfaced_on"], shown["text"]) == ("surfaced", "2026-03-02", WORDS)
    url = f"{OPPORTUNITIES}{shown['id']}/"
    assert Milestone.objects.open().filter(kind="tell_rsm", source_type="opportunity").exists()
    assert alice.patch(url, {"state": "demo", "demo_on": "2026-04-01"}).json()["state"] == "demo"
    assert alice.patch(url, {"rsm_told_at": stamp(NOW)}).json()["rsm_told_at"] == stamp(NOW)
    assert Milestone.objects.get(kind="tell_rsm", source_type="opportunity").status == "done"
    assert alice.delete(url).status_code == 204
    assert alice.get(url).status_code == 404
    assert not Opportunity.objects.exists()
    settled()
    feed = alice.get("/api/v1/events/?limit=1000").json()["results"]
    told = [event["type"] for event in feed if event["object"]["type"] == "opportunity"]
    assert told == [f"opportunity.{verb}" for verb in ("created", "updated", "updated", "deleted")]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("kind", "boat", "invalid_choice"), ("state", "maybe", "invalid_choice"), ("state", None, "null"),
        ("text", "A" * 20_001, "max_length"), ("demo_on", "soon", "invalid"), ("surfaced_on", "2026-03-03", "future"),
        ("rsm_told_at", stamp(NOW + timedelta(seconds=1)), "future"), ("author", None, "read_only"),
        ("rsm_email", "x@example.com", "unknown"), ("account", 999_999, "does_not_exist"),
    ],
)  # fmt: skip
def test_what_an_opportunity_may_not_hold_is_400_with_a_pointer(alice, account, field, value, code):
    answer = alice.post(OPPORTUNITIES, {"account": account.pk, "kind": "module", field: value})
    assert answer.status_code == 400, answer.content
    assert wrong(answer) == [(f"/{field}", code)]
