"""The pages about reminders, the profile and the banner in a real browser, and pictured."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from accounts.models import User
from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_csm,
    make_lead,
    make_team,
    make_user,
)
from lifecycle import clock
from lifecycle.mail import dispatch
from lifecycle.mail.models import ServiceBeat
from lifecycle.milestones.models import Milestone, Reminder
from lifecycle.milestones.planner import PLANNER, plan
from lifecycle.tests.test_browser import visit  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NARROW = {"width": 390, "height": 844}


@pytest.fixture
def team():
    return make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))


@pytest.fixture
def imani(team):
    return make_csm("imani@example.com", pool="core", team=team, name="Imani Castellan")


@pytest.fixture
def halden(imani, settings, tmp_path):
    """Adopting for 31 days, booked never, reminded for a week; its last digests left this morning."""
    settings.EMAIL_FILE_PATH = str(tmp_path)
    now = clock.now()
    began = now - timedelta(days=31)
    account = make_account("Halden Vale Imaging", csm=imani, service_level="premium", now=began)
    complete_onboarding(account, on=began.date(), now=began)
    for days in range(20, -1, -1):
        instant = now - timedelta(days=days)
        plan(instant)
        dispatch.drain(now=instant)
    return account


def picture(page, screenshot, name):
    """Both themes, wide and on a phone, where the page scrolls down only."""
    screenshot(page, name)
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(page, f"{name}-390")
    page.set_viewport_size({"width": 1440, "height": 900})


def test_asking_why_and_deciding_what_leaves(page, visit, sign_in, team, imani, halden, screenshot):  # noqa: F811
    sign_in(page, team.lead)
    visit(f"/accounts/{halden.pk}/")
    page.get_by_role("link", name="Why did or didn’t I get this?").click()
    page.wait_for_url(f"**/accounts/{halden.pk}/reminders/")
    page.get_by_role("combobox", name="Why did or didn’t").select_option(label="Imani Castellan")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".answers")).to_contain_text("30-day adoption")
    expect(page.locator(".answers")).to_contain_text("in the digest")
    line = page.locator(".ahead-line", has_text="30-day adoption").first
    line.get_by_role("button", name="Hold").click()
    expect(page.get_by_role("status")).to_contain_text("Held until somebody releases it")
    expect(page.locator(".ahead-line", has_text="Held by Joss Vandermeer")).to_have_count(1)
    line = page.locator(".ahead-line", has_text="Book the 30-day meeting").first
    line.get_by_role("button", name="Skip").click()
    expect(page.get_by_role("status")).to_contain_text("Skipped")
    line = page.locator(".ahead-line", has_text="Prepare the 30-day checklist").first
    line.get_by_role("button", name="Send now").click()
    expect(page.get_by_role("status")).to_contain_text("Leaves within a minute")
    assert Reminder.objects.filter(decided_by=team.lead).count() == 3
    picture(page, screenshot, "reminders-account")
    page.locator(".ahead-line", has_text="Held by Joss Vandermeer").get_by_role(
        "button", name="Release"
    ).click()
    expect(page.get_by_role("status")).to_contain_text("Released")


def test_the_coming_mail_of_a_team_and_of_a_person(page, visit, sign_in, team, imani, halden, screenshot):  # noqa: F811
    sign_in(page, team.lead)
    visit("/outbox/")
    page.get_by_role("link", name="Coming mail").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Coming mail of East")
    picture(page, screenshot, "reminders-team")
    page.get_by_role("combobox", name="Person").select_option(label="Imani Castellan")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Coming mail of Imani Castellan")
    expect(page.locator(".ahead-line").first).to_be_visible()
    picture(page, screenshot, "reminders-person")


def test_a_row_leads_to_its_reminders(page, visit, sign_in, imani, halden):  # noqa: F811
    sign_in(page, imani)
    visit(f"/accounts/{halden.pk}/")
    page.get_by_role("link", name="Reminders of Book the 30-day meeting").click()
    duty = Milestone.objects.get(account=halden, kind="book_meeting", day=30)
    page.wait_for_url(f"**/reminders/#m{duty.pk}")
    expect(page.locator(f"#m{duty.pk}")).to_contain_text("Book the 30-day meeting")


def test_a_person_sets_their_profile_and_the_theme_follows(page, visit, sign_in, team, screenshot):  # noqa: F811
    sign_in(page, team.lead)
    visit("/settings/profile/")
    page.get_by_label("Time zone").select_option(label="Chicago")
    page.get_by_label("Morning mail", exact=True).select_option(label="6:00 AM")
    page.get_by_label("Signature").fill("Joss Vandermeer\nTeam lead")
    page.get_by_label("Dark", exact=True).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Profile saved")
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
    lead = User.objects.get(pk=team.lead.pk)
    assert (lead.time_zone, lead.digest_hour, lead.theme) == ("America/Chicago", 6, "dark")
    picture(page, screenshot, "profile")


def test_who_runs_it_sees_that_no_planner_runs(page, visit, sign_in, imani, screenshot):  # noqa: F811
    ServiceBeat.mark(PLANNER, now=clock.now() - timedelta(minutes=20))
    sign_in(page, make_user(role="cs_ops"))
    visit("/accounts/")
    expect(page.get_by_role("alert")).to_contain_text("Reminders have not been planned")
    picture(page, screenshot, "planner-late")
