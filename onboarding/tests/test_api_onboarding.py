"""Onboardings and trainings over REST; the Training Completed Date makes the adoption (CAD-1)."""

from functools import partial

import pytest

from accounts.tests.factories import make_account
from adoption.models import Adoption, CheckIn, Stage
from lifecycle.api.tests.calling import at_once
from lifecycle.change import change
from lifecycle.milestones.models import Milestone
from onboarding.models import Onboarding, TrainingSession

URL = "/api/v1/onboardings/{}/"


@pytest.fixture
def account(people):
    return make_account(csm=people.alice, starter_package=True, service_level="premium")


@pytest.fixture
def url(account):
    return URL.format(Onboarding.objects.get(account=account).pk)


@pytest.fixture
def alice(people, api):
    return api(people.alice)


def test_an_onboarding_shows_the_fields_of_the_contract(alice, account, url):
    shown = alice.get(url).json()
    assert set(shown) == {
        *("id", "account", "csm", "call_scheduled_at", "call_completed_on", "discovery_notes", "objectives"),
        *("training_completed_on", "recap_sent_at", "completed_mail_sent_at", "manuals_told_on", "adoption"),
    }
    assert (shown["account"], shown["csm"], shown["adoption"]) == (account.pk, "alice@example.com", None)


def test_cad_1_the_training_completed_date_makes_the_adoption_in_the_same_response(alice, account, url):
    answer = alice.patch(url, {"training_completed_on": "2026-01-30"})
    assert answer.status_code == 200
    adoption = Adoption.objects.get(account=account)
    assert answer.json()["adoption"] == adoption.pk
    shown = alice.get(f"/api/v1/adoptions/{adoption.pk}/").json()
    assert [(s["day"], s["due_on"], s["final"]) for s in shown["stages"]] == [
        (30, "2026-03-01", False),
        (90, "2026-04-30", True),
    ]
    assert [(c["day"], c["due_on"]) for c in shown["check_ins"]] == [(75, "2026-04-15"), (150, "2026-06-29")]
    assert alice.get(f"/api/v1/accounts/{account.pk}/").json()["phase"] == "adoption"
    again = alice.patch(url, {"training_completed_on": "2026-01-30"})
    assert (again.json()["adoption"], again["ETag"]) == (adoption.pk, answer["ETag"])


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"training_completed_on": "2026-03-03"}, "training_completed_on", "future"),
        ({"call_completed_on": "2026-03-03"}, "call_completed_on", "future"),
        ({"manuals_told_on": "2026-03-03"}, "manuals_told_on", "future"),
        ({"recap_sent_at": "2026-03-02T15:00:01Z"}, "recap_sent_at", "future"),
        ({"completed_mail_sent_at": "2026-03-02T15:00:01Z"}, "completed_mail_sent_at", "future"),
        (
            {"call_completed_on": "2026-02-02", "training_completed_on": "2026-02-01"},
            "training_completed_on",
            "before_call",
        ),
        ({"training_completed_on": "2026-02-30"}, "training_completed_on", "invalid"),
        ({"call_scheduled_at": "2026-03-02T15:00:00"}, "call_scheduled_at", "invalid"),
        ({"call_scheduled_at": "2026-03-02"}, "call_scheduled_at", "invalid"),
        ({"call_scheduled_at": "9999-12-31T23:59:59Z"}, "call_scheduled_at", "invalid"),
        ({"recap_sent_at": 5}, "recap_sent_at", "invalid"),
        ({"discovery_notes": "x" * 20_001}, "discovery_notes", "max_length"),
        ({"discovery_notes": "a\u0000b"}, "discovery_notes", "null_characters_not_allowed"),
        ({"discovery_notes": None}, "discovery_notes", "null"),
        ({"adoption": 1}, "adoption", "read_only"),
        ({"csm": "bob@example.com"}, "csm", "read_only"),
        ({"account": 1}, "account", "read_only"),
        ({"objectives": "x"}, "objectives", "not_a_list"),
        ({"objectives": [{"text": "a", "judgement": "good"}]}, "objectives/0/judgement", "invalid_choice"),
        ({"objectives": [{"text": "a"}, {"text": "b", "x": 1}]}, "objectives/1/x", "unknown"),
        ({"objectives": [{}]}, "objectives/0/text", "required"),
        ({"objectives": [{"text": "Pass\nthe audit"}]}, "objectives/0/text", "invalid"),
        ({"objectives": [{"text": "a" * 1001}]}, "objectives/0/text", "max_length"),
        ({"objectives": [{"id": 999, "text": "a"}]}, "objectives", "unknown"),
        ({"objectives": [{"text": "a"}] * 51}, "objectives", "max_length"),
    ],
)
def test_what_an_onboarding_may_not_hold_is_400_with_the_reason(alice, url, body, field, code):
    answer = alice.patch(url, body)
    assert answer.status_code == 400, answer.content
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(f"/{field}", code)]


def test_what_is_said_of_this_very_day_and_instant_is_kept(alice, url):
    now = "2026-03-02T15:00:00Z"
    facts = {"manuals_told_on": "2026-03-02", "recap_sent_at": now, "completed_mail_sent_at": now}
    assert alice.patch(url, facts).json().items() >= facts.items()


def test_today_is_the_csms_day(people, api, later):
    """At 23:30 in Chicago it is tomorrow in UTC already."""
    with change(None, by=None, via="task", now=people.alice.created_at):
        user = type(people.alice).objects.get(pk=people.alice.pk)
        user.time_zone = "America/Chicago"
        user.save()
    account = make_account(csm=user)
    url = URL.format(Onboarding.objects.get(account=account).pk)
    with later(hours=14, minutes=30):  # 2026-03-03 05:30 UTC
        client = api(people.alice)
        assert client.patch(url, {"training_completed_on": "2026-03-03"}).status_code == 400
        assert client.patch(url, {"training_completed_on": "2026-03-02"}).status_code == 200


def test_cad_6_clearing_the_date_withdraws_an_adoption_nobody_started_and_no_other(alice, account, url):
    adoption = alice.patch(url, {"training_completed_on": "2026-02-01"}).json()["adoption"]
    assert alice.patch(url, {"training_completed_on": None}).json()["adoption"] is None
    assert alice.get(f"/api/v1/adoptions/{adoption}/").status_code == 404
    assert alice.patch(url, {"training_completed_on": "2026-02-02"}).json()["adoption"] == adoption
    stage = Stage.objects.filter(adoption=adoption)[0]
    alice.patch(f"/api/v1/stages/{stage.pk}/", {"notes": "Begun."})
    refused = alice.patch(url, {"training_completed_on": None})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["code"] == "started"


def test_objectives_are_one_list_that_reads_as_it_was_sent(alice, url):
    made = alice.patch(url, {"objectives": [{"text": "Pass the audit"}, {"text": "Train all"}]}).json()
    first, second = made["objectives"]
    assert first == {"id": first["id"], "text": "Pass the audit", "judgement": None}
    changed = alice.patch(
        url, {"objectives": [{"id": second["id"], "judgement": "partly"}, {"text": "Renew"}]}
    ).json()["objectives"]
    assert [(o["text"], o["judgement"]) for o in changed] == [("Train all", "partly"), ("Renew", None)]
    assert changed[0]["id"] == second["id"]
    assert alice.patch(url, {"objectives": []}).json()["objectives"] == []


def test_a_training_is_recorded(alice, account):
    session = TrainingSession.objects.filter(account=account, product="learning").get()
    url = f"/api/v1/training-sessions/{session.pk}/"
    shown = alice.patch(
        url,
        {"scheduled_at": "2026-02-20T10:00:00-06:00", "completed_on": "2026-02-20", "participants": "Dana"},
    ).json()
    assert set(shown) == {
        *("id", "onboarding", "product", "scheduled_at", "completed_on", "participants", "modules"),
        *("pending_subjects", "relevant_links", "recording_confirmed", "recap_sent_at"),
    }
    assert shown["scheduled_at"] == "2026-02-20T16:00:00Z"
    assert alice.patch(url, {"completed_on": "2026-03-03"}).json()["errors"][0]["code"] == "future"
    assert alice.patch(url, {"recap_sent_at": "2026-03-02T15:00:00Z"}).status_code == 200
    late = alice.patch(url, {"recap_sent_at": "2026-03-02T15:00:01Z"})
    assert (late.status_code, late.json()["errors"][0]["code"]) == (400, "future")
    assert alice.patch(url, {"product": "compliance"}).json()["errors"][0]["code"] == "read_only"
    assert alice.post("/api/v1/training-sessions/", {}).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_cad_1_eight_concurrent_completions_make_one_adoption(people, api, account, url):
    clients, answers = [api(people.alice) for _ in range(8)], []

    def complete(client):
        answers.append(client.patch(url, {"training_completed_on": "2026-02-01"}))

    at_once([partial(complete, client) for client in clients])
    assert [answer.status_code for answer in answers] == [200] * 8
    adoption = Adoption.objects.get()
    assert {answer.json()["adoption"] for answer in answers} == {adoption.pk}
    assert sorted(Stage.objects.values_list("day", flat=True)) == [30, 90]
    assert sorted(CheckIn.objects.values_list("day", flat=True)) == [75, 150]
    for kind, days in (("stage", [30, 90]), ("check_in", [75, 150])):
        assert sorted(Milestone.objects.filter(kind=kind).values_list("day", flat=True)) == days
