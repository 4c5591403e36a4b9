"""What nobody can mean gets a clear answer, on the page and over REST; what is only unusual arrives whole everywhere."""

from __future__ import annotations

from datetime import timedelta
from html import escape

import pytest
from django.urls import reverse

from accounts.models import Account, Activity, Contact, Opportunity
from accounts.tests.factories import complete_onboarding, make_account
from adoption.models import Stage
from lifecycle.api.tests.calling import NOW, settled
from lifecycle.mail.dispatch import drain
from lifecycle.mail.models import MailTemplate, Message
from lifecycle.mail.outbox import UNDO
from lifecycle.mail.tests.sending import sink  # noqa: F401 - a fixture
from onboarding.models import Onboarding, TrainingSession

TODAY, TOMORROW = "2026-03-02", "2026-03-03"
API = "/api/v1"
HELD = "Held date is in the future. Enter today or earlier."
LONG = "They open the license report. 🩺 שלום\n" * 600
NOTE = LONG[:19_999] + "."  # 20,000 characters, an end that no trimming takes away


@pytest.fixture
def account(people):
    """An SMB account in its first onboarding, served by alice."""
    return make_account("Cedar Family Practice", csm=people.alice, starter_package=True, now=NOW)


@pytest.fixture
def alice(client, people):
    client.force_login(people.alice)
    return client


def onboarding(account):
    return Onboarding.objects.get(account=account)


def training(account):
    return TrainingSession.objects.filter(account=account).order_by("pk").first()


def stage(account):
    return Stage.objects.get(account=account)


def written(account):
    """Everything that a refused request might have left behind."""
    return [
        Onboarding.objects.values_list("call_completed_on", "training_completed_on", "discovery_notes"),
        TrainingSession.objects.order_by("pk").values_list("completed_on", "modules"),
        Stage.objects.values_list("meeting_held_on"),
        *(model.objects.count() for model in (Activity, Contact, Opportunity, MailTemplate, Message)),
    ]


# what is sent, to which page, and what that says; where REST takes it too, its address and what its answer points at
FIELD_OF_ANOTHER = "Hello {contact_frist_name}"
REFUSED = {
    "a call held tomorrow": (
        lambda a: reverse("onboarding:call", args=[a.pk]),
        {"call_completed_on": TOMORROW},
        HELD,
        lambda a: ("patch", f"{API}/onboardings/{onboarding(a).pk}/", {"call_completed_on": TOMORROW}),
        ("/call_completed_on", "future"),
    ),
    "a training held tomorrow": (
        lambda a: reverse("onboarding:training", args=[a.pk, training(a).pk]),
        {"completed_on": TOMORROW},
        HELD,
        lambda a: ("patch", f"{API}/training-sessions/{training(a).pk}/", {"completed_on": TOMORROW}),
        ("/completed_on", "future"),
    ),
    "manuals told of tomorrow": (
        lambda a: reverse("onboarding:manuals", args=[a.pk]),
        {"manuals_told_on": TOMORROW},
        "Told date is in the future. Enter today or earlier.",
        lambda a: ("patch", f"{API}/onboardings/{onboarding(a).pk}/", {"manuals_told_on": TOMORROW}),
        ("/manuals_told_on", "future"),
    ),
    "onboarding completed tomorrow": (
        lambda a: reverse("onboarding:complete", args=[a.pk]),
        {"training_completed_on": TOMORROW, "save": "1"},
        "in the future. Enter today or earlier.",
        lambda a: ("patch", f"{API}/onboardings/{onboarding(a).pk}/", {"training_completed_on": TOMORROW}),
        ("/training_completed_on", "future"),
    ),
    "a meeting held tomorrow": (
        lambda a: reverse("adoption:hold", args=[a.pk, 60]),
        {"meeting_held_on": TOMORROW},
        HELD,
        lambda a: (
            "patch",
            f"{API}/stages/{stage(a).pk}/",
            {"meeting_held": True, "meeting_held_on": TOMORROW},
        ),
        ("/meeting_held_on", "future"),
    ),
    "a call logged in a minute": (
        lambda a: reverse("accounts:activity", args=[a.pk]),
        {"kind": "call", "text": "Rang", "happened_at": f"{TODAY}T15:01"},
        "This is in the future.",
        lambda a: (
            "post",
            f"{API}/activities/",
            {"account": a.pk, "kind": "call", "text": "Rang", "happened_at": f"{TODAY}T15:01:00Z"},
        ),
        ("/happened_at", "future"),
    ),
    "a note of 20,001 characters": (
        lambda a: reverse("accounts:activity", args=[a.pk]),
        {"kind": "note", "text": NOTE + "x"},
        "at most 20000 characters (it has 20001)",
        lambda a: ("post", f"{API}/activities/", {"account": a.pk, "kind": "note", "text": NOTE + "x"}),
        ("/text", "max_length"),
    ),
    "discovery notes of 20,001 characters": (
        lambda a: reverse("onboarding:call", args=[a.pk]),
        {"discovery_notes": NOTE + "x"},
        "at most 20000 characters (it has 20001)",
        lambda a: ("patch", f"{API}/onboardings/{onboarding(a).pk}/", {"discovery_notes": NOTE + "x"}),
        ("/discovery_notes", "max_length"),
    ),
    "modules of 20,001 characters": (
        lambda a: reverse("onboarding:training", args=[a.pk, training(a).pk]),
        {"modules": NOTE + "x"},
        "at most 20000 characters (it has 20001)",
        lambda a: ("patch", f"{API}/training-sessions/{training(a).pk}/", {"modules": NOTE + "x"}),
        ("/modules", "max_length"),
    ),
    "a template with a field that it does not know": (
        lambda a: reverse("mail:template", args=["training_recap"]),
        {"subject": "Your training", "body": FIELD_OF_ANOTHER},
        "There is no field {contact_frist_name} in this letter.",
        None,  # templates have no REST
        None,
    ),
} | {
    f"a contact with {what} in the name": (
        lambda a: reverse("accounts:add-contact", args=[a.pk]),
        {"name": name},
        words,
        lambda a, name=name: ("post", f"{API}/contacts/", {"account": a.pk, "name": name}),
        ("/name", "invalid"),
    )
    for what, name, words in (
        ("a line break", "Dana\nWhitlow", "one line of plain text"),
        ("a header's line break", "Dana\r\nBcc: x@example.com", "one line of plain text"),
        ("another script's line break", "Dana\u2028Whitlow", "one line of plain text"),
        ("the sign that turns words around", "Dana\u202ewoltihW", "one line of plain text"),
    )
}


@pytest.mark.django_db
@pytest.mark.parametrize("case", REFUSED)
def test_what_nobody_can_mean_is_answered_on_the_page_and_with_400(case, people, api, client, account):
    page, typed, words, request_of, wrong = REFUSED[case]
    client.force_login(people.ops if "template" in case else people.alice)
    if "meeting" in case:
        complete_onboarding(account, on=(NOW - timedelta(days=60)).date(), now=NOW)
    before = [str(rows) for rows in written(account)]
    answer = client.post(page(account), typed)
    assert answer.status_code == 422
    shown = " ".join(answer.content.decode().split())
    assert escape(words) in shown
    if request_of:
        method, url, body = request_of(account)
        answer = getattr(api(people.alice), method)(url, body)
        assert answer.status_code == 400, answer.content
        assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [wrong]
        assert all(e["detail"] for e in answer.json()["errors"])
    assert [str(rows) for rows in written(account)] == before


NAMES = {
    "emoji": "Zoë 🩺👩🏽‍⚕️ O'Hara <b>",
    "hebrew": "ריטה מדוק",
    "arabic": "محمد علي",
}


def by_page(client, api, account, name, text):
    sent = {"name": name, "email": "dana@customer.example", "is_main": "on"}
    assert client.post(reverse("accounts:add-contact", args=[account.pk]), sent).status_code == 302
    sent = {"kind": "module", "state": "surfaced", "text": text.replace("\n", "\r\n")}  # as browsers send it
    assert client.post(reverse("accounts:add-opportunity", args=[account.pk]), sent).status_code == 302
    sent = {"kind": "note", "text": text.replace("\n", "\r\n")}
    assert client.post(reverse("accounts:activity", args=[account.pk]), sent).status_code == 302


def by_api(client, api, account, name, text):
    for resource, body in (
        ("contacts", {"name": name, "email": "dana@customer.example", "is_main": True}),
        ("opportunities", {"kind": "module", "text": text}),
        ("activities", {"kind": "note", "text": text}),
    ):
        answer = api.post(f"{API}/{resource}/", {"account": account.pk, **body})
        assert answer.status_code == 201, answer.content


@pytest.mark.django_db(transaction=True)  # the feed holds what has committed
@pytest.mark.parametrize("way", [by_page, by_api], ids=["page", "rest"])
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names_of_the_world_and_20000_characters_arrive_whole_on_page_in_mail_and_feed(
    way,
    name,
    people,
    api,
    alice,
    sink,  # noqa: F811
):
    assert len(NOTE) == 20_000
    account = make_account(
        f"{name[:60]} Clinic", csm=people.alice, rsm_name=name, rsm_email="rsm@example.com", now=NOW
    )
    token = api(people.alice)
    way(alice, token, account, name, NOTE)
    assert Activity.objects.get().text == Opportunity.objects.get().text == NOTE

    for view, words in (("contacts", name), ("activity", NOTE), ("detail", NOTE)):
        page = alice.get(reverse(f"accounts:{view}", args=[account.pk]))
        assert escape(words) in page.content.decode()

    letter = reverse("mail:letter", args=[account.pk, "rsm_upsell", Opportunity.objects.get().pk])
    form = alice.get(letter).context["form"]
    typed = {field: form[field].value() or "" for field in form.fields}
    typed |= {"to": "rsm@example.com", "cc": "", "seen": "0", "send": "1"}
    assert alice.post(letter, typed).status_code == 302
    drain(now=NOW + UNDO + timedelta(seconds=1))
    (mail,) = sink.to("rsm@example.com")
    assert account.name in mail.subject
    said = mail.text.replace("\r\n", "\n")
    assert f"Hello {name}," in said and name in said.partition("introduce you to ")[2]
    assert NOTE in said
    html = mail.message.get_body(("html",)).get_content()
    assert escape(name) in html and "<b>" not in html

    settled()
    feed = token.get(f"{API}/events/?limit=1000").json()["results"]
    told = {
        event["type"]: event["data"] for event in reversed(feed)
    }  # the first of each; the mail is logged too
    assert told["contact.created"]["name"] == name
    assert told["activity.created"]["text"] == told["opportunity.created"]["text"] == NOTE
    assert Account.objects.get(pk=account.pk).name == told["account.created"]["name"]
