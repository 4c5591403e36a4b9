"""The pages up to day 0 in a real browser: pictured light, dark and on a phone, and asked for what shuts people out."""

from datetime import time, timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from accounts.tests.factories import make_account, make_contact, make_csm, make_lead, make_team, make_user
from accounts.tests.test_browser import broken_rules, visit  # noqa: F401 - a fixture
from lifecycle import clock
from lifecycle.change import change
from lifecycle.mail.drafts.letters import LINKS
from lifecycle.mail.models import Draft, Link
from lifecycle.tests.pages import SCREENSHOTS
from onboarding.models import Forum, ForumGuest, Onboarding, TrainingSession

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def people():
    joss = make_lead("joss@example.com", name="Joss Vandermeer")
    kofi = make_csm(
        "kofi@example.com",
        team=make_team("East", lead=joss),
        name="Kofi Strand",
        booking_url="https://book.example.com/kofi",
    )
    return {"csm": kofi, "lead": joss, "ops": make_user("ops@example.com", role="cs_ops")}


@pytest.fixture
def cedar(people):
    """A small business whose call was held today; no launch kit has been entered, so its recap has a gap."""
    now, kofi = clock.now(), people["csm"]
    account = make_account(
        "Cedar Family Practice", csm=kofi, starter_package=True, time_zone="America/Chicago"
    )
    make_contact(account, "Dana Whitlow", title="Practice manager", by=kofi)
    today = kofi.today(now)
    with change(account, by=kofi, via="page", now=now):
        row = Onboarding.objects.get(account=account)
        row.record({"call_completed_on": today, "discovery_notes": "One office manager."}, today=today)
        row.set_objectives([{"text": "Pass the survey in May"}])
        held = TrainingSession.objects.filter(onboarding=row, product="learning").get()
        held.record({"completed_on": today, "participants": "Dana Whitlow"}, today=today)
    with change(None, by=people["ops"], via="page", now=now):
        for key in LINKS.keys() - {"launch_kit_link"}:
            value = f"https://library.example.com/{key}" if key.endswith("_link") else "+1 555 010 0199"
            Link.objects.create(key=key, value=value)
    return account


@pytest.fixture
def forum(people, cedar):
    """The next of a year of forums, with one guest; the one after it was moved, the third is left out."""
    now, kofi = clock.now(), people["csm"]
    today = kofi.today(now)
    with change(None, by=people["lead"], via="page", now=now):
        first, second, third, *_ = Forum.plan_series(kofi, time(11), today=today + timedelta(days=1))
        first.record({"topic": "What surveyors ask first", "invited_at": now})
        second.move(second.held_on + timedelta(days=7), note="Holiday week", today=today)
        third.skip(note="Everybody is at the yearly meeting", today=today, now=now)
    with change(cedar, by=kofi, via="page", now=now):
        ForumGuest.objects.create(forum=first, account=cedar, invited_at=now)
    return first


PAGES = {  # who looks, at what, and words that must be there
    "onboarding-smb": ("csm", lambda a, f: reverse("onboarding:page", args=[a.pk]), "SMB presentation"),
    "kyc": ("csm", lambda a, f: reverse("adoption:kyc", args=[a.pk]), "KYC"),
    "letter": (
        "csm",
        lambda a, f: reverse(
            "mail:letter", args=[a.pk, "onboarding_recap_smb", Onboarding.objects.get(account=a).pk]
        ),
        "Pass the survey in May",
    ),
    "letter-templates": ("ops", lambda a, f: reverse("mail:templates"), "Training recap"),
    "letter-template": ("ops", lambda a, f: reverse("mail:template", args=["training_recap"]), "Version 1"),
    "letter-template-read": ("csm", lambda a, f: reverse("mail:template", args=["training_recap"]), "Fields"),
    "links": ("ops", lambda a, f: reverse("mail:links"), "Customer Launch Kit"),
    "links-read": ("csm", lambda a, f: reverse("mail:links"), "not entered yet"),
    "forums": ("lead", lambda a, f: reverse("onboarding:forums"), "What surveyors ask first"),
    "forum": ("lead", lambda a, f: reverse("onboarding:forum", args=[f.pk]), "Cedar Family Practice"),
}


@pytest.mark.parametrize("name", PAGES)
def test_each_page_beside_its_design_on_a_desk_and_a_phone(
    page,
    visit,  # noqa: F811
    sign_in,
    people,
    cedar,
    forum,
    screenshot,
    name,
):
    who, path, words = PAGES[name]
    sign_in(page, people[who])
    visit(path(cedar, forum))
    expect(page.locator("#main")).to_contain_text(words)
    screenshot(page, name)
    assert broken_rules(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.evaluate("document.documentElement.dataset.bsTheme = 'light'")
    page.screenshot(path=SCREENSHOTS / f"{name}-390.png", full_page=True, caret="initial")
    assert broken_rules(page) == []


def test_a_letter_saves_itself_shows_what_it_will_say_and_is_copied_as_a_mail(
    page,
    visit,  # noqa: F811
    sign_in,
    people,
    cedar,
):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page, people["csm"])
    onboarding = Onboarding.objects.get(account=cedar)
    visit(reverse("mail:letter", args=[cedar.pk, "onboarding_recap_smb", onboarding.pk]))
    expect(page.locator("#letter-preview mark")).to_have_text("Customer Launch Kit")
    words = "Hello Dana 🌱\n\nhttps://library.example.com/kit <b>\nKofi"
    for text in ("Hello", words):
        page.get_by_label("Letter").fill(text)
        expect(page.locator("#letter-preview")).to_have_text(text)
    expect(page.locator("[data-save-status]")).to_contain_text("Saved at")
    expect(page.locator("#letter-preview mark")).to_have_count(0)
    kept = Draft.objects.get()
    assert (kept.body, kept.version) == (words, 2)
    page.get_by_role("button", name="Copy letter").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == words
    html = page.evaluate(
        "navigator.clipboard.read().then(([i]) => i.getType('text/html')).then((part) => part.text())"
    )
    assert '<a href="https://library.example.com/kit">' in html and "&lt;b&gt;<br>Kofi</p>" in html
    page.locator("#copied").get_by_role("button", name="Mark as sent").click()
    page.wait_for_url("**/onboarding/#recap")
    onboarding.refresh_from_db()
    assert onboarding.recap_sent_at is not None


def test_a_field_is_put_where_the_cursor_stands(page, visit, sign_in, people):  # noqa: F811
    sign_in(page, people["ops"])
    visit(reverse("mail:template", args=["training_recap"]))
    page.get_by_label("Subject").fill("Hello , how are you")
    page.evaluate("document.getElementById('id_subject').setSelectionRange(6, 6)")
    page.get_by_role("button", name="{contact_first_name}").click()
    expect(page.get_by_label("Subject")).to_have_value("Hello {contact_first_name}, how are you")
    expect(page.get_by_label("Subject")).to_be_focused()
