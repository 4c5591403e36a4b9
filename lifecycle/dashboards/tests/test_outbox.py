"""The pages of the Outbox: who sees which mail, what each list holds, what may be done, and in which words."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_accounts,
    make_contact,
    make_csm,
    make_lead,
    make_team,
    make_user,
)
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.outbox import lists, words
from lifecycle.dashboards.outbox.asked import TABS
from lifecycle.dashboards.tests.mailing import UNKNOWN_USER, point_at, post, send_all, write
from lifecycle.mail.dispatch import Mail, register_kind
from lifecycle.mail.dispatch.kinds import KINDS
from lifecycle.mail.drafts import copy_out
from lifecycle.mail.models import Attempt, Circuit, Draft, Message
from lifecycle.mail.models.outbox import STATES
from lifecycle.mail.tests.rude import RudeServer
from lifecycle.mail.tests.sending import due_message
from lifecycle.milestones.models import Notice
from lifecycle.milestones.planner import plan

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 15, 15, tzinfo=UTC)  # a Tuesday
MINUTE = timedelta(minutes=1)
READERS = ("csm", "lead", "manager", "cs_ops", "admin")
numbers = count(1)


@pytest.fixture(autouse=True)
def tuesday():
    with clock.at(NOW):
        yield


@pytest.fixture(autouse=True)
def kind():
    """A kind of customers' mail without a letter behind it."""
    register_kind("test", wanted=lambda message, now: "", render=lambda message, now: Mail("Hello", "Hello."))
    yield
    del KINDS["test"]


@pytest.fixture
def lead():
    return make_lead("joss@example.com", name="Joss Vandermeer")


@pytest.fixture
def team(lead):
    return make_team("East", lead=lead)


@pytest.fixture
def alice(team):
    return make_csm("alice@example.com", pool="core", team=team, name="Alice Moreau")


@pytest.fixture
def bob(team):
    return make_csm("bob@example.com", pool="core", team=team, name="Bob Tanaka")


@pytest.fixture
def charlie():
    west = make_team("West", lead=make_lead("lena@example.com", name="Lena Ott"))
    return make_csm("charlie@example.com", pool="core", team=west, name="Charlie Ode")


@pytest.fixture
def people(alice, bob, charlie, lead):
    """Everybody who may want to see mail, by what they are."""
    return {
        "csm": alice,
        "mate": bob,
        "stranger": charlie,
        "lead": lead,
        "other lead": charlie.team.lead,
        "manager": make_user(role="manager"),
        "cs_ops": make_user("ops@example.com", role="cs_ops"),
        "admin": make_user(role="admin"),
        "viewer": make_user(role="viewer"),
    }


def staff_mail(person, state="sent", **values):
    return _mail(state, address=person.email, recipient=person, kind="digest", **values)


def customer_mail(account, state="sent", **values):
    values = {"address": f"dana{next(numbers)}@customer.example", **values}
    return _mail(state, account=account, audience="customer", **values)


def _mail(state, **values):
    number = next(numbers)
    leased = {"claim": "token", "lease_until": NOW + MINUTE} if state in ("claimed", "sending") else {}
    at = values.pop("at", NOW - timedelta(hours=1))
    done = {"sent_at": at} if state in ("sent", "marked") else {}
    base = {"subject": f"Mail {number}", "state": state, "not_before": at, "created_at": at}
    return due_message(values.pop("address"), now=NOW, number=number, **{**base, **leased, **done, **values})


def address_of(message):
    return reverse("dashboards:outbox-mail", args=[message.pk])


def act(client, message, verb, **data):
    return client.post(f"{address_of(message)}{verb}/", data)


def listed(client, query="", tab="sent"):
    """Every row of a list, page by page."""
    found, at = [], ""
    while True:
        page = client.get(f"/outbox/?tab={tab}&{query}{at}")
        assert page.status_code == 200
        found += page.context["lines"]
        older = page.context["page"].older
        if not older:
            return found
        at = f"&at={older}"


# --- who sees what


SEES = {
    "alice's own": {"csm", "lead", "manager", "cs_ops", "admin"},
    "bob's own": {"mate", "lead", "manager", "cs_ops", "admin"},
    "the lead's own": {"lead", "manager", "cs_ops", "admin"},
    "charlie's own": {"stranger", "other lead", "manager", "cs_ops", "admin"},
    "ops' own": {"cs_ops", "admin"},
    "of alice's account": {"csm", "lead", "manager", "cs_ops", "admin"},
    "of charlie's account": {"stranger", "other lead", "manager", "cs_ops", "admin"},
    "of an account nobody serves": {"lead", "other lead", "manager", "cs_ops", "admin"},
    "to nobody in particular": {"cs_ops", "admin"},
}


@pytest.fixture
def mails(people):
    unserved = make_account("Unserved")
    with change(unserved, by=None, via="task", now=NOW) as work:
        work.account.csm = None
        work.account.save()
    return {
        "alice's own": staff_mail(people["csm"]),
        "bob's own": staff_mail(people["mate"]),
        "the lead's own": staff_mail(people["lead"]),
        "charlie's own": staff_mail(people["stranger"]),
        "ops' own": staff_mail(people["cs_ops"]),
        "of alice's account": customer_mail(make_account("Hers", csm=people["csm"])),
        "of charlie's account": customer_mail(make_account("His", csm=people["stranger"])),
        "of an account nobody serves": customer_mail(unserved),
        "to nobody in particular": _mail("sent", address="someone@example.com", kind="plain"),
    }


def test_mail_is_seen_by_those_it_belongs_to_alone(client, people, mails):
    for role, person in people.items():
        client.force_login(person)
        if role == "viewer":
            continue
        expected = {name for name, seers in SEES.items() if role in seers}
        pks = {line.url for line in listed(client)}
        assert {name for name, mail in mails.items() if address_of(mail) in pks} == expected, role
        missing = client.get("/outbox/999999/")
        for name, mail in mails.items():
            answer = client.get(address_of(mail))
            if name in expected:
                assert (role, name, answer.status_code) == (role, name, 200)
            else:
                assert (role, name, answer.status_code, answer.content) == (role, name, 404, missing.content)
                assert act(client, mail, "again").status_code == 404


def test_a_viewer_has_no_outbox(client, people, mails):
    client.force_login(people["viewer"])
    assert client.get("/outbox/").status_code == 403
    assert client.get(address_of(mails["alice's own"])).status_code == 403
    assert "Outbox" not in client.get("/accounts/").content.decode()


def test_deliveries_of_webhooks_are_no_mail(client, lead):
    hook = _mail("dead", address="hook", channel="webhook", recipient=lead)
    client.force_login(lead)
    assert listed(client, tab="failed") == []
    assert client.get(address_of(hook)).status_code == 404
    client.post("/outbox/bulk/", {"verb": "cancel", "mail": [hook.pk]})
    assert Message.objects.get(pk=hook.pk).state == "dead"


def test_searching_finds_no_mail_of_others(client, people, mails):
    client.force_login(people["csm"])
    assert listed(client, "search=his") == []
    assert [line.account.name for line in listed(client, "search=hers")] == ["Hers"]
    his = mails["of charlie's account"].account
    assert client.get(f"/outbox/?account={his.pk}").status_code == 404


# --- who may do what


@pytest.mark.parametrize("verb", ["retry", "again", "mark", "cancel", "address"])
def test_leads_managers_and_ops_act_and_the_others_read(client, people, verb):
    account = make_account("Hers", csm=people["csm"])
    for role in READERS:
        message = customer_mail(account, "dead")
        client.force_login(people[role])
        answer = act(client, message, verb, address="right@customer.example")
        expected = 302 if role in ("lead", "manager", "cs_ops") else 403
        assert (role, answer.status_code) == (role, expected)
        assert (Message.objects.get(pk=message.pk).state == "dead") == (expected == 403)


def test_who_sent_a_letter_takes_it_back_within_its_time_and_not_later(client, alice, bob, people):
    account = make_account("Hers", csm=alice)
    make_contact(account)
    message = post(account, alice, now=NOW)
    client.force_login(people["admin"])
    assert act(client, message, "undo").status_code == 403
    client.force_login(bob)
    assert act(client, message, "undo").status_code == 404
    client.force_login(alice)
    assert "Sending in 20 s" in client.get("/outbox/?tab=queued").content.decode()
    with clock.at(NOW + timedelta(seconds=21)):
        assert act(client, message, "undo").status_code == 403
    assert act(client, message, "undo").status_code == 302
    assert Message.objects.get(pk=message.pk).state == "cancelled"
    page = client.get("/outbox/?tab=drafts")
    assert [line.word for line in page.context["lines"]] == ["Draft"]


def test_what_cannot_be_done_is_said_and_changes_nothing(client, lead, alice):
    message = customer_mail(make_account(csm=alice), "sending")
    client.force_login(lead)
    answer = client.post(f"{address_of(message)}cancel/", follow=True)
    assert "This mail is being sent right now, so nothing to cancel." in answer.content.decode()
    assert act(client, message, "burn").status_code == 404
    assert client.get(f"{address_of(message)}cancel/").status_code == 405


def test_a_wrong_address_is_refused_at_its_field(client, lead, alice):
    message = customer_mail(make_account(csm=alice), "dead", address="dana@customer.example")
    client.force_login(lead)
    for address, status in (
        ("", 422),
        ("dana", 422),
        ("a@b.example\r\nBcc: x@y.z", 422),
        ("dana@customer.example", 422),
    ):
        answer = act(client, message, "address", address=address)
        assert (answer.status_code, Message.objects.get(pk=message.pk).state) == (status, "dead")
        assert 'aria-invalid="true"' in answer.content.decode()


def test_several_mails_at_once_say_what_happened_and_what_did_not(client, lead, alice, charlie):
    account = make_account(csm=alice)
    failed = [customer_mail(account, "dead") for _ in range(3)]
    gone = customer_mail(account, "sent")
    foreign = customer_mail(make_account(csm=charlie), "dead")
    client.force_login(lead)
    ticked = {
        "verb": "mark",
        "mail": [mail.pk for mail in (*failed, gone, foreign)],
        "next": "/outbox/?tab=failed",
    }
    answer = client.post("/outbox/bulk/", ticked, follow=True)
    text = answer.content.decode()
    assert "Marked as sent: 3. 1 skipped: This mail was sent, so nothing to mark as sent." in text
    assert Message.objects.get(pk=foreign.pk).state == "dead"
    client.force_login(alice)
    assert client.post("/outbox/bulk/", ticked).status_code == 403


def test_all_of_a_list_means_what_the_filters_leave(client, lead, alice):
    hers = make_account("Hers", csm=alice)
    in_list = [staff_mail(alice, "dead") for _ in range(60)]
    other = staff_mail(lead, "dead")
    customer_mail(hers, "held")
    client.force_login(lead)
    client.post("/outbox/bulk/", {"verb": "cancel", "all": "1", "tab": "failed", "search": "Alice"})
    states = Message.objects.filter(pk__in=[mail.pk for mail in in_list]).values_list("state", flat=True)
    assert set(states) == {"cancelled"}
    assert Message.objects.get(pk=other.pk).state == "dead"
    assert Message.objects.filter(state="held").count() == 1


# --- lists


def test_every_state_is_in_one_list():
    assert sorted(state for tab in TABS for state in tab.states) == sorted(STATES)


@pytest.mark.parametrize("seed", [1, 2])
def test_each_number_is_the_length_of_its_list_for_everybody(people, seed):
    draw = random.Random(seed)  # noqa: S311 - a test's
    owners = [people[role] for role in ("csm", "mate", "stranger", "lead", "cs_ops")]
    accounts = [row for owner in owners[:3] for row in make_accounts(3, csm=owner)]
    for _ in range(220):
        at = NOW - timedelta(minutes=draw.randrange(60))  # many at the same instant
        state = draw.choice((*STATES, "sent", "sent", "sent", "sent"))
        if draw.random() < 0.5:
            staff_mail(draw.choice(owners), state, at=at)
        else:
            customer_mail(draw.choice(accounts), state, at=at)
    for account in accounts:
        draft = write(account, account.csm, now=NOW)
        if draw.random() < 0.5:
            Draft.objects.filter(pk=draft.pk).update(copied_at=NOW - timedelta(minutes=draw.randrange(60)))
    for role, person in people.items():
        if role == "viewer":
            continue
        for query in ("", "search=mail+1") if role == "lead" else ("",):
            lengths = {tab.key: n for tab, n in shelf(query, person)["tabs"]}
            for tab in TABS:
                found = [line.url for page in whole(query, tab.key, person) for line in page["lines"]]
                assert (role, query, tab.key, str(len(found))) == (role, query, tab.key, lengths[tab.key])
                assert len(set(found)) == len(found)


def shelf(query, person):
    return lists.page(QueryDict(query), person, now=NOW)


def whole(query, tab, person):
    """The pages of a list, one after the other."""
    at = ""
    while True:
        page = shelf(f"tab={tab}&{query}&at={at}", person)
        yield page
        at = page["page"].older
        if not at:
            return


def test_pages_lead_forth_and_back_over_equal_times_and_two_tables(client, alice):
    account = make_account(csm=alice)
    for n in range(70):
        customer_mail(account, "marked", at=NOW - timedelta(minutes=n // 10))
    copied = write(account, alice, now=NOW)
    Draft.objects.filter(pk=copied.pk).update(copied_at=NOW - timedelta(minutes=5))
    client.force_login(alice)
    first = client.get("/outbox/?tab=copied").context
    second = client.get(f"/outbox/?tab=copied&at={first['page'].older}").context
    again = client.get(f"/outbox/?tab=copied&at={second['page'].newer}").context
    assert (len(first["lines"]), len(second["lines"])) == (50, 21)
    assert [line.url for line in again["lines"]] == [line.url for line in first["lines"]]
    assert (first["page"].newer, second["page"].older) == ("", "")
    times = [line.when for line in (*first["lines"], *second["lines"])]
    assert times == sorted(times, reverse=True)


def test_what_leaves_next_stands_first(client, alice):
    later, sooner = staff_mail(alice, "due", at=NOW + 2 * MINUTE), staff_mail(alice, "retry", at=NOW + MINUTE)
    client.force_login(alice)
    assert [line.url for line in listed(client, tab="queued")] == [address_of(sooner), address_of(later)]


def test_a_letter_copied_out_stands_among_the_copied(client, alice):
    account = make_account(csm=alice)
    make_contact(account)
    copy_out(write(account, alice, now=NOW), by=alice, now=NOW)
    client.force_login(alice)
    (line,) = listed(client, tab="copied")
    assert (line.word, line.account) == ("Marked as sent", account)
    assert client.get(line.url).status_code == 200


def test_filters_narrow_every_list_and_stand_in_the_address(client, alice):
    account = make_account("Halden Vale", csm=alice)
    customer_mail(account, address="dana@customer.example", subject="Your call")
    staff_mail(alice, subject="Waymark: 3 due today")
    staff_mail(alice, subject="Old", at=NOW - timedelta(days=40))
    client.force_login(alice)
    for query, subjects in (
        ("search=DANA@", ["Your call"]),
        ("search=halden", ["Your call"]),
        ("search=alice", ["Waymark: 3 due today", "Old"]),
        ("search=3+due", ["Waymark: 3 due today"]),
        ("kind=digest", ["Waymark: 3 due today", "Old"]),
        ("days=30", ["Your call", "Waymark: 3 due today"]),
        (f"account={account.pk}", ["Your call"]),
        ("search=nobody", []),
    ):
        assert sorted(line.subject for line in listed(client, query)) == sorted(subjects), query
    page = client.get("/outbox/?tab=sent&search=nobody").content.decode()
    assert "No mail matches." in page
    assert "No matches in this period." in client.get("/outbox/?tab=held&days=7").content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "tab=nope",
        "at=x",
        "at=a-1-1-1",
        "at=a9-9",
        "at=b" + "9" * 18 + "-0-1",
        "days=3",
        "kind=%00",
        "search=%00",
        "account=²",
    ],
)
def test_a_parameter_that_means_nothing_breaks_nothing(client, alice, query):
    staff_mail(alice)
    client.force_login(alice)
    assert client.get(f"/outbox/?{query}").status_code in (200, 404)


def test_an_empty_outbox_says_what_will_be_there(client, alice):
    client.force_login(alice)
    assert "Nothing has been sent yet." in client.get("/outbox/").content.decode()
    for tab in TABS:
        assert tab.empty in client.get(f"/outbox/?tab={tab.key}").content.decode()


def test_the_outbox_opens_where_a_person_is_needed(client, alice):
    client.force_login(alice)
    account = make_account(csm=alice)
    for state, tab in (("sent", "sent"), ("due", "queued"), ("held", "held"), ("dead", "failed")):
        customer_mail(account, state)
        assert client.get("/outbox/").context["tab"].key == tab


def test_times_are_the_viewers(client, team):
    far = make_csm("far@example.com", team=team, time_zone="America/Chicago")
    staff_mail(far, at=NOW)
    client.force_login(far)
    assert "Today, 10:00 AM" in client.get("/outbox/?tab=sent").content.decode()


# --- what it costs


@pytest.mark.parametrize("tab", [tab.key for tab in TABS])
def test_a_list_costs_the_same_with_one_row_and_with_thirty(client, lead, alice, tab):
    states = next(t.states for t in TABS if t.key == tab) or ("sent",)
    accounts = make_accounts(31, csm=alice)

    def fill(account):
        message = customer_mail(account, states[0])
        Attempt.objects.create(
            message=message, n=1, started_at=NOW, phase="rcpt", outcome="dead", smtp_code=550
        )
        draft = write(account, alice, now=NOW)
        if tab == "copied":
            Draft.objects.filter(pk=draft.pk).update(copied_at=NOW)

    client.force_login(lead)
    fill(accounts[0])
    one = _queries(client, f"/outbox/?tab={tab}")
    for account in accounts[1:]:
        fill(account)
    assert (one, _queries(client, f"/outbox/?tab={tab}")) == (QUERIES[tab], QUERIES[tab])


QUERIES = {"drafts": 7, "queued": 8, "held": 8, "sent": 8, "failed": 8, "unsent": 8, "copied": 9}


def test_one_mail_costs_the_same_with_a_long_history(client, lead, alice):
    account = make_account("Wrenfield Podiatry", csm=alice, service_level="premium")
    complete_onboarding(account, on=NOW.date() - timedelta(days=34))
    plan(NOW)
    digest = Message.objects.get(recipient=alice)
    client.force_login(lead)
    few = _queries(client, address_of(digest))
    for n in range(30):
        Attempt.objects.create(
            message=digest, n=n, started_at=NOW, phase="rcpt", outcome="retry", smtp_code=451
        )
        Notice.objects.create(
            recipient=alice, account=account, text=f"Told {n}", message=digest, created_at=NOW
        )
    assert _queries(client, address_of(digest)) == few


def _queries(client, url):
    client.get(url)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


# --- the badge


def test_the_navigation_counts_failed_and_held_mail_in_its_one_query(client, alice, bob):
    account = make_account(csm=alice)
    for state in ("dead", "dead", "held", "sent"):
        customer_mail(account, state)
    client.force_login(alice)
    with CaptureQueriesContext(connection) as queries:
        page = client.get("/accounts/")
    assert '<span class="count stuck">2 failed, 1 held</span>' in page.content.decode()
    assert sum("mail_message" in query["sql"] for query in queries) == 1
    assert (
        sum("milestones_milestone" in query["sql"] and "mail_message" in query["sql"] for query in queries)
        == 1
    )
    client.force_login(bob)
    assert "count stuck" not in client.get("/accounts/").content.decode()


# --- one mail


@pytest.fixture
def server(settings):
    with RudeServer() as rude:
        point_at(settings, rude)
        yield rude


@pytest.mark.servers
def test_a_failed_mail_says_why_in_plain_words_and_what_the_server_said(client, lead, alice, server):
    account = make_account("Halden Vale", csm=alice)
    make_contact(account, "Dana Whitlow", email="dwhitlow@haldenvale.example")
    message = post(account, alice, now=NOW)
    send_all(server, now=NOW, RCPT=UNKNOWN_USER)
    client.force_login(lead)
    text = client.get(address_of(message)).content.decode()
    assert "Mailbox does not exist: dwhitlow@haldenvale.example." in text
    assert "550 5.1.1 &lt;dwhitlow@haldenvale.example&gt;: Recipient address rejected" in text
    assert "Check with Halden Vale that they allow mail from our domain." in text
    assert "As it would be written now" in text
    assert "thank you for your time today" in text
    (line,) = listed(client, tab="failed")
    assert (line.name, line.why) == ("Dana Whitlow", "Mailbox does not exist: dwhitlow@haldenvale.example.")


@pytest.mark.servers
def test_a_sent_mail_shows_the_very_words_that_left_though_the_letter_changed(client, alice, server):
    account = make_account(csm=alice)
    make_contact(account)
    message = post(account, alice, now=NOW)
    send_all(server, now=NOW)
    Draft.objects.filter(pk=message.draft_id).update(body="Later words.")
    client.force_login(alice)
    text = client.get(address_of(message)).content.decode()
    assert "As it was handed over" in text
    assert "thank you for your time today" in text
    assert "Later words." not in text


@pytest.mark.servers
def test_who_runs_the_system_sees_no_address_of_a_customer(client, people, server):
    account = make_account(csm=people["csm"])
    make_contact(account, "Dana Whitlow", email="dwhitlow@haldenvale.example")
    message = post(account, people["csm"], now=NOW)
    send_all(server, now=NOW, RCPT=UNKNOWN_USER)
    held = post(make_account(csm=people["csm"]), people["csm"], now=NOW)
    send_all(server, now=NOW, END="")
    client.force_login(people["admin"])
    for url in ("/outbox/?tab=failed", "/outbox/?tab=held", address_of(message), address_of(held)):
        text = client.get(url).content.decode()
        assert words.MASK in text
        assert "haldenvale" not in text, url
    assert listed(client, "search=dwhitlow", "failed") == []
    assert "Copy text" not in text


def test_a_sign_in_mail_is_shown_to_nobody(client, people):
    message = _mail(
        "due",
        address="alice@example.com",
        kind="plain",
        payload={"subject": "Your link", "text": "secret link"},
    )
    for role in ("cs_ops", "admin"):
        client.force_login(people[role])
        text = client.get(address_of(message)).content.decode()
        assert "secret link" not in text
        assert "is for its reader alone" in text


def test_a_digest_shows_its_reminders_with_links_and_its_words(client, lead, alice):
    account = make_account("Wrenfield Podiatry", csm=alice, service_level="premium")
    complete_onboarding(account, on=NOW.date() - timedelta(days=34))
    plan(NOW)
    digest = Message.objects.get(recipient=alice)
    client.force_login(lead)
    page = client.get(address_of(digest))
    carried = page.context["carried"]
    assert {row.account for row in carried} == {"Wrenfield Podiatry"}
    assert len(carried) == digest.reminders.count() > 0
    assert all(client.get(row.url.split("#")[0]).status_code == 200 for row in carried)
    assert "Overdue (" in page.context["written"].text


def test_a_digest_that_speaks_of_others_accounts_is_not_shown_to_a_lead(client, lead, alice, charlie):
    hers = make_account("Wrenfield Podiatry", csm=alice, service_level="premium")
    complete_onboarding(hers, on=NOW.date() - timedelta(days=34))
    plan(NOW)
    digest = Message.objects.get(recipient=alice)
    foreign = make_account("Quillstone Zanzibar", csm=charlie)
    Notice.objects.create(
        recipient=alice, account=foreign, text="Quillstone Zanzibar moved", message=digest, created_at=NOW
    )
    client.force_login(lead)
    text = client.get(address_of(digest)).content.decode()
    assert "Zanzibar" not in text
    assert "its text is not shown" in text
    assert "1 more on accounts you do not see." in text
    client.force_login(alice)
    assert "Zanzibar" in client.get(address_of(digest)).content.decode()  # it is her own mail


def test_a_mail_that_cannot_be_written_says_so(client, alice, caplog):
    message = customer_mail(make_account(csm=alice), "due", kind="letter")  # without a letter behind it
    client.force_login(alice)
    assert "It cannot be written" in client.get(address_of(message)).content.decode()


def test_what_people_did_stands_in_the_history(client, lead, alice):
    message = staff_mail(alice, "dead")
    client.force_login(lead)
    act(client, message, "cancel")
    steps = [(step.text, step.by) for step in client.get(address_of(message)).context["steps"]]
    assert steps == [("Cancelled", "Joss Vandermeer")]


def test_with_the_circuit_open_the_page_says_since_when_and_that_nothing_is_lost(client, alice):
    Circuit.trip("smtp", "Connection refused", now=NOW - timedelta(hours=2))
    client.force_login(alice)
    text = re.sub(r"<[^>]+>", "", client.get("/outbox/").content.decode())
    assert "Mail service is down since 1:00 PM: nothing is lost, we try each minute." in text
    with clock.at(NOW + timedelta(days=1)):
        assert "since Tue, Sep 15, 1:00 PM" in client.get("/outbox/").content.decode()
    Circuit.close("smtp")
    assert "Mail service is down" not in client.get("/outbox/").content.decode()


# --- words


@pytest.mark.parametrize(
    ("phase", "code", "reply", "meaning"),
    [
        (
            "rcpt",
            550,
            "550 5.1.1 <d@c.example>: Recipient address rejected: User unknown in virtual mailbox table",
            "Mailbox does not exist: d@c.example",
        ),
        (
            "rcpt",
            550,
            "550-5.1.1 The email account that you tried to reach does not exist.",
            "Mailbox does not exist: d@c.example",
        ),
        ("rcpt", 550, "550 No such user here", "Mailbox does not exist: d@c.example"),
        (
            "rcpt",
            550,
            "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found",
            "Nobody receives mail at c.example",
        ),
        (
            "rcpt",
            550,
            "550 5.1.2 Host unknown (Name server: host not found)",
            "Nobody receives mail at c.example",
        ),
        (
            "rcpt",
            452,
            "452 4.2.2 The email account that you tried to reach is over quota.",
            "Mailbox is full: d@c.example",
        ),
        ("rcpt", 552, "552 5.2.2 mailbox full", "Mailbox is full: d@c.example"),
        (
            "rcpt",
            550,
            "550 5.2.1 The email account that you tried to reach is disabled.",
            "Mailbox is switched off: d@c.example",
        ),
        (
            "data",
            552,
            "552 5.3.4 Message size exceeds fixed limit",
            "The mail is too large for their mail server",
        ),
        (
            "data",
            550,
            "550 5.7.26 This mail is unauthenticated (SPF, DKIM)",
            "Their mail server could not tell that the mail is ours",
        ),
        (
            "data",
            554,
            "554 5.7.1 Service unavailable; Client host blocked using a list",
            "Their mail server refused mail from us",
        ),
        (
            "rcpt",
            451,
            "451 4.7.1 Greylisting in action, please come back later",
            "Their mail server lets new senders wait",
        ),
        ("rcpt", 450, "450 4.2.0 try again", "The mail server asked to try later"),
        ("rcpt", 550, "550 no", "The mail server will not take it"),
        (
            "connect",
            535,
            "535 5.7.8 Authentication credentials invalid",
            "Our mail server did not accept our sign-in",
        ),
        ("connect", None, "Connection refused", "Our mail server could not be reached"),
        (
            "connect",
            None,
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed",
            "The connection to our mail server is not safe, so nothing was sent",
        ),
        ("connect", None, "timed out", "The mail server took too long to answer"),
        ("connect", 421, "421 4.3.2 too many connections", "The mail server is too busy to take it"),
        ("mail", 550, "550 no", "Our mail server did not let us send"),
        (
            "claimed",
            None,
            "The sender stopped before it sent anything.",
            "The sender stopped before anything was sent",
        ),
        ("render", None, "It could not be written: KeyError", "It could not be written: KeyError"),
        ("address", None, "'x' is not an address.", "This is no address: d@c.example"),
    ],
)
def test_what_a_mail_server_says_in_plain_words(phase, code, reply, meaning):
    attempt = Attempt(phase=phase, outcome="dead", smtp_code=code, reply=reply)
    assert words.in_words(attempt, "d@c.example") == meaning
    assert words.raw_reply(attempt).startswith(str(code or "")) and reply in words.raw_reply(attempt)
