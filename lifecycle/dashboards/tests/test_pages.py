"""My day, Team queue and the account pages: what is shown to whom, in which order, at which cost."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Account, Cover, Reroute
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
from adoption.models import Stage
from lifecycle import clock
from lifecycle.change import change, change_many
from lifecycle.milestones.models import Milestone
from onboarding.models import Onboarding

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 15, 15, tzinfo=UTC)  # a Tuesday


@pytest.fixture(autouse=True)
def tuesday():
    with clock.at(NOW):
        yield


@pytest.fixture
def team():
    return make_team("East", lead=make_lead(name="Joss Vandermeer"))


@pytest.fixture
def alice(team):
    return make_csm("alice@example.com", pool="core", team=team, name="Alice Moreau")


@pytest.fixture
def bob(team):
    return make_csm("bob@example.com", pool="core", team=team, name="Bob Tanaka")


@pytest.fixture
def charlie():
    return make_csm(
        "charlie@example.com", pool="core", team=make_team("West", lead=make_lead()), name="Charlie Ode"
    )


def adopting(csm, name, *, day, level="premium", **facts):
    """An account of `csm` that has been adopting for `day` days, with its steps brought up to now."""
    account = make_account(name, csm=csm, service_level=level, **facts)
    return complete_onboarding(account, on=NOW.date() - timedelta(days=day))


def groups(page):
    return {g.title: [row.milestone.title for row in g.rows] for g in page.context["groups"]}


def test_my_day_groups_by_date_and_says_why(client, alice):
    adopting(alice, "Copperline Physical Therapy", day=87)
    client.force_login(alice)
    page = client.get("/day/")
    assert page.status_code == 200
    shown = groups(page)
    assert "Book the 90-day meeting" in shown["Overdue"]
    assert "Prepare the 90-day checklist" in shown["Later this week"]
    assert "Day 87, no date set. Meeting is due Fri, Sep 18." in page.content.decode()
    assert "90-day adoption" not in page.content.decode()  # the stage waits behind its steps


def test_a_snoozed_row_sleeps_until_its_day(client, alice):
    adopting(alice, "Copperline Physical Therapy", day=87)
    with change_many(Account.objects.values_list("pk", flat=True), by=alice, via="page", now=NOW):
        for row in Milestone.objects.filter(kind="book_meeting", day=90):
            row.snoozed_until = date(2026, 9, 21)
            row.save()
    client.force_login(alice)
    assert "Book the 90-day meeting" in groups(client.get("/day/"))["Snoozed"]


def test_a_lead_opens_a_teammates_day_and_nobody_elses(client, team, alice, bob, charlie):
    client.force_login(team.lead)
    assert client.get("/day/", {"who": alice.pk}).status_code == 200
    assert client.get("/day/", {"who": charlie.pk}).status_code == 404
    client.force_login(bob)
    assert client.get("/day/", {"who": alice.pk}).status_code == 403


def test_leave_cover_brings_the_work_and_gives_it_back(client, alice, bob):
    adopting(alice, "Copperline Physical Therapy", day=87)
    with change(None, by=None, via="admin", now=NOW):
        Cover.objects.create(user=alice, substitute=bob, from_on=date(2026, 9, 15), to_on=date(2026, 9, 16))
    client.force_login(bob)
    assert "Book the 90-day meeting" in groups(client.get("/day/"))["Overdue"]
    with clock.at(NOW + timedelta(days=2)):
        assert groups(client.get("/day/")) == {}


def test_the_team_queue_counts_what_it_lists(client, team, alice, bob):
    adopting(alice, "Copperline Physical Therapy", day=87)
    adopting(bob, "Wrenfield Podiatry", day=34)
    client.force_login(team.lead)
    for show in ("overdue", "week", "unbooked", "missed"):
        page = client.get("/team/", {"show": show})
        chip = next(chip for chip in page.context["chips"] if chip["key"] == show)
        assert chip["count"] == len(page.context["rows"])
    assert {load.csm for load in page.context["loads"]} == {alice, bob}


def test_a_late_outcome_counts_by_day_and_by_grace(client, team, alice):
    adopting(alice, "Copperline Physical Therapy", day=31)
    stage = Stage.objects.get(day=30)
    with change(stage.account_id, by=alice, via="page", now=NOW) as work:
        fresh = Stage.objects.get(pk=stage.pk)
        held = {"meeting_held": True, "meeting_held_on": date(2026, 9, 14), "recap_sent_at": NOW}
        fresh.record(held, by=None, now=NOW, today=work.today(work.account))
    client.force_login(team.lead)
    assert client.get("/team/").context["stats"]["same_day_recaps"] == 0


@pytest.mark.parametrize("role", ["csm", "viewer", "admin"])
def test_the_team_queue_is_for_leads(client, role):
    client.force_login(make_user(role=role))
    assert client.get("/team/").status_code == 403


def pages_of(account):
    return [
        reverse("accounts:detail", args=[account.pk]),
        reverse("accounts:edit", args=[account.pk]),
        reverse("accounts:reroute", args=[account.pk]),
        reverse("onboarding:page", args=[account.pk]),
        reverse("adoption:stage", args=[account.pk, 30]),
    ]


def test_what_is_not_yours_does_not_exist(client, alice, bob, charlie):
    account = adopting(alice, "Copperline Physical Therapy", day=10)
    for other in (bob, charlie):
        client.force_login(other)
        for url in pages_of(account):
            foreign = client.get(url)
            missing = client.get(url.replace(f"/{account.pk}/", "/999999/", 1))
            assert (foreign.status_code, foreign.content) == (404, missing.content)
        assert "Copperline" not in client.get("/accounts/").content.decode()
        assert "Copperline" not in client.get("/accounts/", {"search": "Copper"}).content.decode()


@pytest.mark.parametrize(
    ("role", "seen"), [("manager", 200), ("cs_ops", 200), ("viewer", 200), ("admin", 200)]
)
def test_who_sees_all_sees_the_account(client, alice, role, seen):
    account = adopting(alice, "Copperline Physical Therapy", day=10)
    client.force_login(make_user(role=role))
    assert client.get(reverse("accounts:detail", args=[account.pk])).status_code == seen
    may_edit = client.get(reverse("accounts:edit", args=[account.pk])).status_code
    assert may_edit == (200 if role in ("manager", "cs_ops") else 403)


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_a_contacts_address_is_masked_for_those_who_only_read(client, alice, role):
    account = adopting(alice, "Copperline Physical Therapy", day=10)
    make_contact(account, "Dana Whitlow", email="dana@customer.example")
    url = reverse("accounts:detail", args=[account.pk])
    client.force_login(alice)
    assert "dana@customer.example" in client.get(url).content.decode()
    client.force_login(make_user(role=role))
    assert "dana@customer.example" not in client.get(url).content.decode()


def test_nobody_signed_in_is_sent_to_sign_in(client):
    for url in ("/", "/day/", "/team/", "/accounts/", "/accounts/1/"):
        answer = client.get(url)
        assert (answer.status_code, answer["Location"]) == (302, f"/sign-in/?next={url}")


def test_the_account_page_says_why(client, team, alice):
    account = make_account("Halden Vale Imaging", contracted_users=48, mrr=Decimal("1180.00"), csm=alice)
    client.force_login(alice)
    text = client.get(reverse("accounts:detail", args=[account.pk])).content.decode()
    assert "Why is this account Core?" in text
    assert "more than $500</span>" in text and "more than 50</span>" in text
    assert (
        text.count('aria-label="Done"') >= 1 and "close</span>" in text
    )  # MRR fired, 48 of 50 users is close


def test_facts_change_on_the_page_and_a_bad_one_is_said_at_its_field(client, team, alice):
    account = make_account("Halden Vale Imaging", csm=alice)
    client.force_login(alice)
    url = reverse("accounts:edit", args=[account.pk])
    sent = {
        "name": "Halden Vale",
        "service_level": "basic",
        "contracted_users": "12",
        "time_zone": "UTC",
        "mrr": "300",
    }
    assert client.post(url, sent).status_code == 302
    assert Account.objects.get(pk=account.pk).contracted_users == 12
    for field, value in (
        ("mrr", "12.345"),
        ("mrr", "-1"),
        ("contracted_users", "-1"),
        ("time_zone", "Mars/Base"),
    ):
        answer = client.post(url, {**sent, field: value})
        assert answer.status_code == 422
        assert field in answer.context["form"].errors
    assert Account.objects.get(pk=account.pk).mrr_cents == 30000


def test_a_lead_decides_a_reroute_on_the_page(client, team, alice):
    digital = make_csm(pool="digital", team=team)
    account = make_account("Cask Hollow Podiatry", csm=digital, contracted_users=50)
    with change(account, by=None, via="api", now=NOW) as work:
        work.account.record({"contracted_users": 51})
    client.force_login(team.lead)
    url = reverse("accounts:reroute", args=[account.pk])
    assert "51 contracted users" in client.get(url).content.decode()
    assert client.post(url, {"decision": "accept", "csm": digital.pk}).status_code == 422
    assert client.post(url, {"decision": "accept", "csm": alice.pk}).status_code == 302
    account.refresh_from_db()
    assert (account.csm, Reroute.objects.get().decided_by) == (alice, team.lead)
    client.force_login(alice)
    assert client.get(url).status_code == 403


@pytest.mark.parametrize("url", ["/day/", "/team/", "/accounts/"])
def test_queries_do_not_grow_with_the_rows(client, team, alice, url):
    client.force_login(team.lead if url == "/team/" else alice)

    def counted():
        client.get(url)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url).status_code == 200
        return len(queries)

    adopting(alice, "Only one", day=87)
    one = counted()
    rows = make_accounts(30, csm=alice, service_level="premium")
    with change_many([row.pk for row in rows], by=None, via="task", now=NOW):
        for onboarding in Onboarding.objects.filter(account__in=rows):
            onboarding.record({"training_completed_on": NOW.date() - timedelta(days=87)}, today=NOW.date())
    assert counted() <= one  # fewer, where a page of fifty rows lacks some kind


def test_the_account_page_costs_the_same_with_a_long_history(client, alice):
    account = adopting(alice, "Long history", day=10)
    make_contact(account, "Person")  # the first event whose words are kept apart
    client.force_login(alice)
    url = reverse("accounts:detail", args=[account.pk])
    client.get(url)
    with CaptureQueriesContext(connection) as before:
        client.get(url)
    for n in range(30):
        make_contact(account, f"Person {n}")
    with CaptureQueriesContext(connection) as after:
        client.get(url)
    assert len(after) == len(before)


def test_the_theme_is_kept_by_the_server_and_leads_nowhere_else(client, alice):
    client.force_login(alice)
    answer = client.post("/theme/", {"next": "https://elsewhere.example/"})
    assert answer["Location"] == "/"
    assert 'data-bs-theme="dark"' in client.get("/day/").content.decode()


@pytest.mark.parametrize("value", ["\u00b2", "9" * 30, "%00", "-1", ""])
@pytest.mark.parametrize("address", ["/team/?csm=", "/day/?who=", "/accounts/?search=", "/accounts/?page="])
def test_a_parameter_that_means_nothing_breaks_no_page(client, address, value):
    client.force_login(make_user(role="cs_ops"))
    assert client.get(address + value).status_code in (200, 404)


@pytest.mark.parametrize("number", ["9" * 18, "9" * 19, "9" * 30])
@pytest.mark.parametrize("address", ["", "edit/", "onboarding/", "adoption/30/", "check-ins/75/"])
def test_an_id_that_no_row_has_is_not_found_however_long(client, address, number):
    client.force_login(make_user(role="cs_ops"))
    assert client.get(f"/accounts/{number}/{address}").status_code == 404
