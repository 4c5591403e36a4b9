"""The checklist and the stage in a real browser: answers save themselves, forms swap in place, nothing is blocked."""

from datetime import UTC, datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import expect

from accounts.models import Opportunity, UsageSnapshot
from accounts.tests.factories import (
    make_account,
    make_activity,
    make_contact,
    make_csm,
    make_lead,
    make_team,
)
from adoption.models import Answer
from adoption.tests.factories import answer, fresh, make_stages, record
from lifecycle import clock
from lifecycle.change import change
from onboarding.models import Onboarding

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _one_instant():
    """The server answers in threads of its own, which know no other time than now."""


@pytest.fixture(autouse=True)
def _own_media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def imani():
    team = make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))
    return make_csm(
        "imani@example.com", pool="core", team=team, name="Imani Castellan", time_zone="America/New_York"
    )


@pytest.fixture
def final(imani):
    first, last = make_stages(imani, time_zone="America/Chicago", contracted_users=44)
    make_contact(first.account, "Dana Whitlow")
    answer(
        first,
        {"roster_matches": "no", "users_in_contract": "yes", "incidents_used": "no", "exploring": "yes"},
    )
    given = {
        "roster_matches": ("yes", "Sync checked, no gaps"),
        "users_in_contract": ("no", "47 active"),
        "incidents_used": "yes",
    }
    record(
        answer(last, given),
        meeting_scheduled_at=datetime(2026, 9, 16, 14, tzinfo=UTC),
        recording_confirmed=True,
    )
    return fresh(last)


def test_answers_save_themselves_and_two_people_see_both(
    live_server, page, sign_in, imani, final, screenshot, complaints
):
    sign_in(page, imani)
    address = f"{live_server.url}/accounts/{final.account_id}/adoption/90/checklist/"
    page.goto(address)
    screenshot(page, "checklist")
    assert complaints == []
    page.goto(address)
    page.locator("#item-exploring label", has_text="Yes").click()
    page.get_by_text("4 of 16 answered").wait_for()
    page.locator("#item-exploring summary").click()
    page.locator("#item-exploring textarea").fill("every week")
    page.locator("#seen-exploring[value='2']").wait_for(state="attached")
    page.keyboard.press("Tab")
    page.keyboard.press("j")
    assert Answer.objects.get(item="exploring", checklist__stage=final).comment == "every week"
    page.get_by_text("Saved at").wait_for()
    answer(final, {"exploring": "no"}, by=imani.team.lead, now=clock.now())
    page.locator("#item-exploring label", has_text="N/A").click()
    page.get_by_text("Joss Vandermeer changed this").wait_for()
    page.get_by_text("Not saved: see what is marked.").wait_for()
    page.get_by_role("button", name="Keep mine").click()
    page.wait_for_url("**/checklist/#item-exploring")
    assert Answer.objects.get(item="exploring", checklist__stage=final).value == "na"


def broken_rules(page):
    """What axe finds against WCAG 2.2 AA."""
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
    found = Axe().run(page, options=rules).response["violations"]
    return [
        (rule["id"], [node["html"] for node in rule["nodes"]])
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("name", ["adoption-stage", "adoption-stage-missed", "adoption-plan"])
def test_the_cockpit_reads_in_light_dark_and_on_a_phone(
    live_server, page, sign_in, imani, final, screenshot, complaints, name
):
    who, where = imani, f"/accounts/{final.account_id}/adoption/90/"
    if name == "adoption-stage":
        fill_the_cockpit(final, imani)
    elif name == "adoption-stage-missed":
        record(final, meeting_held=False, no_meeting_reason="No-show: nobody came.")
        who = imani.team.lead
    else:
        where = f"/accounts/{final.account_id}/adoption/plan/"
    sign_in(page, who)
    page.goto(live_server.url + where)
    if name == "adoption-plan":
        page.get_by_label("Basic").check()
        page.get_by_role("button", name="See what it moves").click()
        page.get_by_text("What saving this does").wait_for()
    screenshot(page, name)
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", theme)
        assert broken_rules(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    screenshot(page, f"{name}-390")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert broken_rules(page) == []
    assert complaints == []


def fill_the_cockpit(stage, imani):
    record(
        stage,
        meeting_held=True,
        meeting_held_on=clock.now().date() - timedelta(days=1),
        engagement="decreasing",
        root_causes=["bugs", "staff_reduced"],
        cause_side="both",
        summary="Two sites closed; reports are slow.",
        now=clock.now(),
    )
    answer(stage, {"bugs": "Reports take a minute", "ideas": "A weekly summary"}, by=imani, now=clock.now())
    with change(stage.account_id, by=imani, via="page", now=clock.now()) as work:
        today = imani.today(clock.now())
        Onboarding.objects.get(account=work.account).set_objectives(
            [{"text": "Pass the survey in May", "judgement": "met"}, {"text": "Train all 44 people"}]
        )
        UsageSnapshot.objects.create(
            account=work.account, taken_on=today, active_users=47, employees=52, non_admin_active_users=12
        )
        row = Opportunity(account=work.account)
        row.record({"kind": "added_users", "state": "demo"}, by=imani, now=clock.now(), today=today)
    make_activity(stage.account, "Reports take a minute to open", kind="bug", by=imani)


def test_a_branch_opens_with_the_answer_it_belongs_to(live_server, page, sign_in, imani, final, complaints):
    sign_in(page, imani)
    page.goto(f"{live_server.url}/accounts/{final.account_id}/adoption/90/")
    causes = page.get_by_text("Why it is falling")
    assert not causes.is_visible()
    page.get_by_label("Falling", exact=True).check()
    assert causes.is_visible()
    page.get_by_label("Growing", exact=True).check()
    assert not causes.is_visible()
    page.locator("#close").get_by_role("link", name="Say how interested they are in more").click()
    assert page.url.endswith("#div_id_investment")
    expect(page.locator("#div_id_investment")).to_be_in_viewport()
    assert complaints == []


def test_the_outcome_is_recorded_without_javascript(live_server, browser, client, imani, final):
    client.force_login(imani)
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
    page = context.new_page()
    page.goto(f"/accounts/{final.account_id}/adoption/90/")
    hold = page.locator("form[action$='/hold/']")
    hold.locator("[name=meeting_held_on]").fill(str(imani.today(clock.now())))
    hold.get_by_label("Falling", exact=True).check()
    hold.get_by_label("Fewer staff").check()
    hold.get_by_role("button").click()
    page.wait_for_url("**/adoption/90/#hold")
    kept = fresh(final)
    assert (kept.meeting_held, kept.engagement, kept.root_causes) == (True, "decreasing", ["staff_reduced"])
    context.close()


def test_a_step_is_saved_in_place_and_what_is_wrong_is_said_there(
    live_server, page, sign_in, imani, final, screenshot, complaints
):
    sign_in(page, imani)
    page.goto(f"{live_server.url}/accounts/{final.account_id}/adoption/90/")
    tomorrow = imani.today(clock.now()) + timedelta(days=1)
    page.locator("[name=meeting_held_on]").fill(str(tomorrow))
    page.get_by_role("button", name="Save the outcome").click()
    page.get_by_text("is in the future").first.wait_for()
    expect(page.get_by_role("button", name="Save the outcome")).to_be_focused()
    page.locator("[name=meeting_held_on]").fill(str(imani.today(clock.now())))
    page.get_by_role("button", name="Save the outcome").click()
    page.locator("#steps").get_by_text("Held ").wait_for()
    assert fresh(final).meeting_held is True


def test_words_of_one_step_outlive_the_saving_of_another(
    live_server, page, sign_in, imani, final, complaints
):
    sign_in(page, imani)
    page.goto(live_server.url + f"/accounts/{final.account_id}/adoption/90/")
    page.get_by_label("What we agreed to do").fill("Send the list of courses")
    page.get_by_label("Steady").check()
    page.get_by_label("What they wish for").fill("A report by site")
    page.get_by_role("button", name="Save the feedback").click()
    expect(page.locator("#main")).to_contain_text("A report by site")
    expect(page.get_by_label("What we agreed to do")).to_have_value("Send the list of courses")
    expect(page.get_by_label("Steady")).to_be_checked()
    page.get_by_role("button", name="Save the outcome").click()
    expect(page.locator("#h-hold ~ *").first).to_be_visible()
    assert complaints == []


def test_completing_onboarding_says_first_what_it_creates(
    live_server, page, sign_in, imani, screenshot, complaints
):
    account = make_account(
        "Bright Harbor Clinic", csm=imani, service_level="premium", products=["learning", "compliance"]
    )
    sign_in(page, imani)
    page.goto(f"{live_server.url}/accounts/{account.pk}/onboarding/")
    screenshot(page, "onboarding")
    page.locator("[name=training_completed_on]").fill(str(imani.today(clock.now())))
    page.get_by_role("button", name="See what it creates").click()
    assert "emails you and Joss" in page.locator("#complete").inner_text()
    assert not account.adoptions.exists()
    page.get_by_role("button", name="Complete onboarding").click()
    page.get_by_text("Saved. Creates 30-day").wait_for()
    assert account.adoptions.count() == 1
    assert complaints == []


@pytest.mark.parametrize("name", ["checklist-known", "checklist-conflict", "checklist-presenting"])
def test_the_checklist_reads_in_light_dark_and_on_a_phone(
    live_server, page, sign_in, imani, final, screenshot, complaints, name
):
    with change(final.account_id, by=imani, via="task", now=clock.now()):
        today = imani.today(clock.now())
        UsageSnapshot.objects.create(
            account=final.account, taken_on=today, active_users=47, non_admin_active_users=0
        )
    sign_in(page, imani)
    address = f"{live_server.url}/accounts/{final.account_id}/adoption/90/checklist/"
    page.goto(f"{address}?present=1" if name == "checklist-presenting" else address)
    if name == "checklist-known":
        page.locator("#item-others_active").get_by_role("button", name="Use it").click()
        page.locator("#item-others_active input[value=no]:checked").wait_for(state="attached")
        assert Answer.objects.get(item="others_active", checklist__stage=final).value == "no"
        page.locator("#item-others_active label", has_text="N/A").click()
        page.locator("#seen-others_active[value='2']").wait_for(state="attached")
    else:
        answer(final, {"exploring": ("no", "asked on Monday")}, by=imani.team.lead, now=clock.now())
        page.locator("#item-exploring label", has_text="Yes").click()
        page.get_by_text("Joss Vandermeer changed this").wait_for()
    screenshot(page, name)
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", theme)
        assert broken_rules(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    screenshot(page, f"{name}-390")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert broken_rules(page) == []
    told = [
        one for one in complaints if "409 (Conflict)" not in one
    ]  # Chromium's own note of a refused answer
    assert told == []
