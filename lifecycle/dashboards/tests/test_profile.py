"""A person's own settings, the theme the server draws, and the banner of a planner that does not run."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_accounts,
    make_csm,
    make_lead,
    make_team,
    make_user,
)
from adoption.models import Stage
from lifecycle import clock
from lifecycle.change import change
from lifecycle.events.models import Event
from lifecycle.mail.drafts import LETTERS, draft_of
from lifecycle.mail.models import ServiceBeat
from lifecycle.milestones.models import Milestone, Notice
from lifecycle.milestones.planner import PLANNER

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 15, 15, tzinfo=UTC)  # a Tuesday
PAGE = "/settings/profile/"


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


def fields(user, **changed):
    """What the page posts: every field as it is shown, and beside it what the person saw."""
    shown = {
        "name": user.name,
        "time_zone": user.time_zone,
        "digest_hour": "" if user.digest_hour is None else user.digest_hour,
        "booking_url": user.booking_url,
        "signature": user.signature,
        "theme": user.theme,
    }
    if user.decides and user.stage_mail:
        shown["stage_mail"] = "on"
    seen = {f"initial-{name}": value for name, value in shown.items()}
    sent = {**shown, **seen, **changed}
    return {name: value for name, value in sent.items() if value is not None}


def test_a_person_keeps_what_they_set_and_the_log_says_who_did(client, alice):
    client.force_login(alice)
    sent = fields(alice, name="Alice M. Moreau", time_zone="America/Chicago", digest_hour="6", theme="dark")
    answer = client.post(PAGE, sent)
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    alice.refresh_from_db()
    kept = (alice.name, alice.time_zone, alice.digest_hour, alice.theme)
    assert kept == ("Alice M. Moreau", "America/Chicago", 6, "dark")
    event = Event.objects.filter(type="user.updated").latest("pk")
    assert (event.actor, event.via) == (alice, "page")
    assert set(event.changed) == {"name", "time_zone", "digest_hour"}  # a theme is no news


@pytest.mark.parametrize(("hour", "status"), [("0", 302), ("23", 302), ("", 302), ("24", 422), ("-1", 422)])
def test_mil_4_the_hour_of_the_morning_mail_is_one_of_the_day(client, alice, hour, status):
    client.force_login(alice)
    assert client.post(PAGE, fields(alice, digest_hour=hour)).status_code == status
    alice.refresh_from_db()
    assert alice.digest_hour == (int(hour) if hour and status == 302 else None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_zone", "Mars/Base"),
        ("time_zone", "../etc/passwd"),
        ("name", ""),
        ("name", "Ali\u202ece"),
        ("booking_url", "not a link"),
        ("theme", "sepia"),
        ("signature", "x" * 501),
    ],
)
def test_what_cannot_be_kept_is_said_at_its_field(client, alice, field, value):
    client.force_login(alice)
    answer = client.post(PAGE, fields(alice, **{field: value}))
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert User.objects.get(pk=alice.pk).version == alice.version


def test_a_zone_that_is_not_on_the_list_stays_for_who_has_it(client, team):
    odd = make_csm(time_zone="US/Central")
    client.force_login(odd)
    assert client.post(PAGE, fields(odd, name="Still There")).status_code == 302
    odd.refresh_from_db()
    assert (odd.name, odd.time_zone) == ("Still There", "US/Central")


def test_a_change_by_somebody_else_meanwhile_is_shown_not_overwritten(client, alice):
    sent = fields(alice, time_zone="Europe/Berlin")
    with change(None, by=None, via="admin", now=NOW):
        User.objects.get(pk=alice.pk).record({"time_zone": "America/Chicago"})
    client.force_login(alice)
    answer = client.post(PAGE, sent)
    assert answer.status_code == 409
    assert "America/Chicago" in answer.context["form"].errors["time_zone"][0]
    assert User.objects.get(pk=alice.pk).time_zone == "America/Chicago"


def test_the_profile_is_ones_own_and_needs_a_sign_in(client, alice):
    assert client.get(PAGE)["Location"] == f"/sign-in/?next={PAGE}"
    client.force_login(alice)
    page = client.get(PAGE).content.decode()
    assert 'value="Alice Moreau"' in page
    assert "8:00 AM, as everybody" in page
    assert ">Chicago</option>" in page  # a place, not an identifier


def test_a_role_or_team_cannot_be_posted(client, alice):
    client.force_login(alice)
    posted = fields(alice, name="Alice", role="admin", is_active="", weekly_load="0", stage_mail="")
    assert client.post(PAGE, posted).status_code == 302
    fresh = User.objects.get(pk=alice.pk)
    assert (fresh.name, fresh.role, fresh.is_active, fresh.stage_mail) == ("Alice", "csm", True, True)


# --- what follows from it


def close(account, by):
    """Close a stage as the pages would have it, without its paper."""
    with change(account, by=by, via="page", now=NOW):
        stage = Stage.objects.get(account=account)
        stage.closed_at = NOW
        stage.save()


@pytest.mark.parametrize("wanted", [True, False])
def test_mil_4_a_lead_may_do_without_news_of_closed_stages(client, team, alice, wanted):
    lead = team.lead
    client.force_login(lead)
    assert client.post(PAGE, fields(lead, stage_mail="on" if wanted else None)).status_code == 302
    account = complete_onboarding(make_account(csm=alice), on=NOW.date() - timedelta(days=20))
    close(account, by=None)
    told = set(Notice.objects.filter(text__contains="was closed").values_list("recipient", flat=True))
    assert told == {alice.pk, lead.pk} if wanted else {alice.pk}


def test_a_signature_ends_the_drafts_else_the_name_does(alice):
    account = complete_onboarding(make_account(csm=alice), on=NOW.date())
    stage, letter = Stage.objects.get(account=account), LETTERS["stage_times"]
    assert draft_of(letter, stage, writer=alice, now=NOW).body.endswith("\n\nAlice Moreau")
    with change(None, by=alice, via="page", now=NOW):
        User.objects.get(pk=alice.pk).record({"signature": "Alice\nCustomer success"})
    written = draft_of(letter, stage, writer=User.objects.get(pk=alice.pk), now=NOW)
    assert written.body.endswith("\n\nAlice\nCustomer success")


def cost(user, **values):
    with CaptureQueriesContext(connection) as queries, change(None, by=user, via="page", now=NOW):
        User.objects.get(pk=user.pk).record(values)
    return len(queries)


def test_a_theme_or_a_name_moves_no_account_and_locks_none(alice):
    none = cost(alice, theme="dark"), cost(alice, name="Alice", signature="A.")
    for account in make_accounts(3, csm=alice):
        complete_onboarding(account, on=NOW.date())
    versions = list(Milestone.objects.values_list("version", flat=True))
    assert (cost(alice, theme="light"), cost(alice, name="Alice M.", signature="")) == none
    assert list(Milestone.objects.values_list("version", flat=True)) == versions


# --- the theme


def theme(page):
    html = page.content.decode()
    return html.partition('data-bs-theme="')[2].partition('"')[0] if "data-bs-theme" in html else ""


@pytest.mark.parametrize("chosen", ["", "light", "dark"])
def test_the_server_draws_the_theme_a_person_chose_wherever_they_sign_in(client, alice, chosen):
    client.force_login(alice)
    client.post(PAGE, fields(alice, theme=chosen))
    assert theme(client.get("/day/")) == chosen
    client.cookies.clear()  # another browser
    client.force_login(alice)
    assert theme(client.get("/day/")) == chosen


def test_the_sign_in_page_looks_as_this_browser_last_did(client, alice):
    client.force_login(alice)
    client.post("/theme/", {"next": "/day/"})
    assert User.objects.get(pk=alice.pk).theme == "dark"
    client.post(reverse("account_logout"))
    assert theme(client.get("/sign-in/")) == "dark"
    client.post("/theme/", {"next": "/sign-in/"})
    assert theme(client.get("/sign-in/")) == "light"
    assert User.objects.get(pk=alice.pk).theme == "dark"  # nobody was signed in


# --- MIL-7: the banner

BANNER = "Reminders have not been planned for 15 minutes or longer."


@pytest.mark.parametrize(
    ("age", "late"),
    [
        (timedelta(minutes=15), False),
        (timedelta(minutes=15, seconds=1), True),
        (timedelta(minutes=-16), True),  # a mark of the future is none
        (None, True),
    ],
)
def test_mil_7_ops_and_admins_see_that_no_planner_runs(client, age, late):
    if age is not None:
        ServiceBeat.mark(PLANNER, now=NOW - age)
    for role in ("cs_ops", "admin"):
        client.force_login(make_user(role=role))
        for url in ("/accounts/", PAGE):
            assert (BANNER in client.get(url).content.decode()) is late


@pytest.mark.parametrize("role", ["csm", "team_lead", "manager", "viewer"])
def test_mil_7_the_others_are_not_told_what_they_cannot_mend(client, role):
    client.force_login(make_user(role=role))
    assert BANNER not in client.get("/accounts/").content.decode()


def test_mil_7_the_banner_costs_one_query_and_only_those_who_see_it(client):
    def beats(role):
        client.force_login(make_user(role=role))
        client.get("/accounts/")
        with CaptureQueriesContext(connection) as queries:
            client.get("/accounts/")
        return sum("servicebeat" in query["sql"] for query in queries)

    assert [beats(role) for role in ("cs_ops", "admin", "manager", "csm")] == [1, 1, 0, 0]
