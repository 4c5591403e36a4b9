"""The checklist and the stage in a real browser: answers save themselves, forms swap in place, nothing is blocked."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.tests.factories import make_account, make_contact, make_csm, make_lead, make_team
from adoption.models import Answer
from adoption.tests.factories import answer, fresh, make_stages, record
from lifecycle import clock

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


def test_a_step_is_saved_in_place_and_what_is_wrong_is_said_there(
    live_server, page, sign_in, imani, final, screenshot, complaints
):
    sign_in(page, imani)
    page.goto(f"{live_server.url}/accounts/{final.account_id}/adoption/90/")
    screenshot(page, "adoption-stage")
    assert complaints == []
    page.reload()
    tomorrow = imani.today(clock.now()) + timedelta(days=1)
    page.locator("[name=meeting_held_on]").fill(str(tomorrow))
    page.get_by_role("button", name="Save the outcome").click()
    page.get_by_text("is in the future").first.wait_for()
    page.locator("[name=meeting_held_on]").fill(str(imani.today(clock.now())))
    page.get_by_role("button", name="Save the outcome").click()
    page.locator("#steps").get_by_text("Held ").wait_for()
    assert fresh(final).meeting_held is True


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
