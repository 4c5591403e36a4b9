"""The main job in a real browser: a CSM and a team lead do it through the pages alone, and each page is pictured."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import Account, Reroute
from accounts.tests.factories import (
    PASSWORD,
    complete_onboarding,
    make_account,
    make_contact,
    make_csm,
    make_lead,
    make_team,
)
from adoption.models import Adoption, ChecklistExport, Stage
from lifecycle import clock
from lifecycle.change import change
from lifecycle.milestones.models import Milestone
from onboarding.models import Onboarding

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WAIT = 10_000


@pytest.fixture
def team():
    return make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer", password=PASSWORD))


@pytest.fixture
def imani(team):
    return make_csm("imani@example.com", pool="core", team=team, name="Imani Castellan", password=PASSWORD)


@pytest.fixture
def visit(page, live_server, complaints):
    """`visit(path)` opens a page; at the end nothing was complained about and nothing left this server."""
    strangers = []
    page.on("request", lambda request: strangers.append(request.url) if _is_strange(request.url) else None)
    page.set_default_timeout(WAIT)

    def _is_strange(url):
        return not url.startswith((live_server.url, "data:", "blob:", "about:"))

    def go(path):
        answer = page.goto(f"{live_server.url}{path}")
        assert answer.ok, f"{path}: {answer.status}"
        assert page.locator("h1").count() == 1
        return page

    yield go
    # A refused save is an answer the page shows; Chromium notes its status all the same.
    assert [line for line in complaints if "(Conflict)" not in line] == []
    assert strangers == []


def sign_in_by_form(page, email):
    page.fill("#id_login", email)
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def today():
    return clock.now().date()


def test_signing_in(page, live_server, visit, imani, screenshot):
    visit("/sign-in/?next=/accounts/")
    screenshot(page, "sign-in")
    page.get_by_role("button", name="Show").click()
    assert page.locator("#id_password").get_attribute("type") == "text"
    page.fill("#id_login", "imani@example.com")
    page.fill("#id_password", "not the password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("Email or password is not right")
    assert page.input_value("#id_login") == "imani@example.com"
    sign_in_by_form(page, "imani@example.com")
    page.wait_for_url("**/accounts/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in/**")


def test_from_a_new_account_to_day_0(page, visit, sign_in, imani, screenshot):
    account = make_account("Halden Vale Imaging", csm=imani, service_level="premium", products=["learning"])
    make_contact(account, "Dana Whitlow", title="Compliance lead")
    sign_in(page, imani)
    visit(reverse("accounts:detail", args=[account.pk]))
    page.get_by_role("button", name=re.compile("Why")).click()
    expect(page.locator("#why")).to_be_visible()
    expect(page.locator("#why")).to_contain_text("Service level is Premium")
    screenshot(page, "account-why")
    page.keyboard.press("Escape")
    expect(page.locator("#why")).to_be_hidden()

    visit(reverse("onboarding:page", args=[account.pk]))
    page.fill("[name=call_completed_on]", str(today() - timedelta(days=9)))
    page.get_by_role("button", name="Save the call").click()
    expect(page.locator("#steps")).to_contain_text("Held")
    page.locator("[name=completed_on]").fill(str(today() - timedelta(days=2)))
    page.get_by_role("button", name="Save the training").click()
    expect(page.locator("#complete")).to_be_visible()
    screenshot(page, "onboarding")
    assert Milestone.objects.open().filter(account=account, kind="complete_onboarding").exists()
    page.fill("[name=training_completed_on]", str(today() - timedelta(days=2)))
    page.get_by_role("button", name="See what it creates").click()
    expect(page.locator("#complete")).to_contain_text("30-day")
    screenshot(page, "onboarding-preview")
    page.get_by_role("button", name="Complete onboarding").click()
    expect(page.locator("#steps")).to_contain_text("Completed")
    adoption = Adoption.objects.get(account=account)
    assert sorted(adoption.stages.values_list("day", flat=True)) == [30, 90]
    assert Onboarding.objects.get(account=account).training_completed_on == adoption.day_zero
    screenshot(visit(reverse("accounts:detail", args=[account.pk])), "account")


def test_a_stage_from_booking_to_close(page, visit, sign_in, imani, screenshot):
    account = make_account(
        "Copperline Physical Therapy", csm=imani, service_level="premium", products=["learning"]
    )
    complete_onboarding(account, on=today() - timedelta(days=29))
    sign_in(page, imani)
    visit("/day/")
    screenshot(page, "my-day")
    page.keyboard.press("j")
    expect(page.locator(".task.cur")).to_have_count(1)

    url = reverse("adoption:stage", args=[account.pk, 30])
    visit(url)
    screenshot(page, "stage-empty")
    page.get_by_role("button", name="Close the 30-day stage").click()
    expect(page.locator("#close")).to_contain_text("The stage cannot close yet.")
    visit(reverse("adoption:checklist", args=[account.pk, 30]))
    page.locator(".cl input[value=yes]").first.check()
    expect(page.locator("[data-save-status]")).to_contain_text("Saved at")
    screenshot(page, "checklist")
    page.get_by_role("button", name="Mark ready for meeting").click()
    expect(page.locator("body")).to_contain_text("Ready")

    visit(url)
    page.locator("[name=meeting_held_on]").fill(str(today()))
    page.locator("[name=engaged][value=True]").check()
    page.locator("[name=investment][value=neutral]").check()
    page.locator("[name=summary]").fill("They like it.")
    page.get_by_role("button", name="Save the outcome").click()
    expect(page.locator("#steps")).to_contain_text("Held")
    page.get_by_role("button", name="Mark as sent").click()
    expect(page.locator("#recap")).to_contain_text("Sent")
    page.get_by_role("button", name=re.compile("Export")).click()
    expect(page.locator("#close")).to_contain_text("30-day checklist", timeout=60_000)
    assert ChecklistExport.objects.filter(account=account).count() == 1
    screenshot(page, "stage")
    page.get_by_role("button", name="Close the 30-day stage").click()
    expect(page.locator("body")).to_contain_text("Closed")
    assert Stage.objects.get(account=account, day=30).closed_at is not None
    screenshot(page, "stage-closed")


def test_a_lead_runs_the_team_queue(page, visit, sign_in, team, imani, screenshot):
    kofi = make_csm("kofi@example.com", pool="digital", team=team, name="Kofi Strand")
    account = make_account("Cask Hollow Podiatry", csm=kofi, contracted_users=50)
    late = make_account("Wrenfield Podiatry", csm=imani, service_level="premium")
    complete_onboarding(late, on=today() - timedelta(days=34))
    with change(account, by=None, via="api", now=clock.now()) as work:
        work.account.record({"contracted_users": 62})
    sign_in(page, team.lead)
    visit("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Team queue")
    screenshot(page, "team-queue")
    page.get_by_role("link", name="Decide").click()
    expect(page.locator("body")).to_contain_text("62 contracted users > 50")
    screenshot(page, "reroute")
    page.get_by_role("button", name="Move the account").click()
    page.wait_for_url(f"**{reverse('accounts:detail', args=[account.pk])}")
    assert Account.objects.get(pk=account.pk).csm == imani
    assert Reroute.objects.get().accepted_at is not None
    screenshot(visit("/accounts/"), "accounts")


@pytest.mark.parametrize("path", ["/day/", "/accounts/", "/team/"])
def test_a_narrow_screen_scrolls_down_only(page, visit, sign_in, team, imani, path):
    late = make_account("Wrenfield Podiatry", csm=imani, service_level="premium")
    complete_onboarding(late, on=today() - timedelta(days=34))
    sign_in(page, team.lead)
    page.set_viewport_size({"width": 390, "height": 844})
    visit(path)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
