"""The Outbox in a real browser, with mail that a real mail server refused, put off, or never answered."""

import re
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_contact,
    make_csm,
    make_lead,
    make_team,
)
from lifecycle import clock
from lifecycle.dashboards.tests.mailing import GREYLISTED, UNKNOWN_USER, point_at, post, send_all, write
from lifecycle.mail.models import Circuit, Message
from lifecycle.mail.tests.rude import RudeServer
from lifecycle.milestones.planner import plan
from lifecycle.tests.pages import SCREENSHOTS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WAIT = 10_000


@pytest.fixture
def server(settings):
    with RudeServer() as rude:
        point_at(settings, rude)
        yield rude


@pytest.fixture
def team():
    return make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))


@pytest.fixture
def imani(team):
    return make_csm("imani@example.com", pool="core", team=team, name="Imani Castellan")


def customer(csm, name, *, contact="Dana Whitlow", email="dwhitlow@haldenvale.example"):
    account = make_account(name, csm=csm, service_level="premium", products=["learning"])
    make_contact(account, contact, email=email)
    return account


@pytest.fixture
def troubled(server, imani):
    """One mail that failed, one that is held, one put off, one sent, one on its way, one draft."""
    now = clock.now() - timedelta(hours=1)
    halden = customer(imani, "Halden Vale Imaging")
    failed = post(halden, imani, now=now)
    assert send_all(server, now=now, RCPT=UNKNOWN_USER) == {"dead": 1}
    stonewick = customer(
        imani, "Stonewick Behavioral Health", contact="Ada Finch", email="ada@stonewick.example"
    )
    held = post(stonewick, imani, now=now, to="ada@stonewick.example")
    assert send_all(server, now=now, END="") == {"held": 1}
    tidelock = customer(imani, "Tidelock Urgent Care", contact="Noor Brandt", email="noor@tidelock.example")
    sent = post(tidelock, imani, now=now, to="noor@tidelock.example")
    assert send_all(server, now=now) == {"sent": 1}
    quill = customer(
        imani, "Quillstone Dental Group", contact="Rory Maddock", email="rory@quillstone.example"
    )
    later = clock.now() - timedelta(seconds=30)
    retried = post(quill, imani, now=later, to="rory@quillstone.example")
    assert send_all(server, now=later, RCPT=GREYLISTED) == {"retry": 1}
    write(
        customer(imani, "Marrowick Hospice", contact="Lee Osei", email="lee@marrowick.example"),
        imani,
        now=now,
    )
    return {"failed": failed, "held": held, "sent": sent, "retried": retried}


@pytest.fixture
def visit(page, live_server, complaints):
    page.set_default_timeout(WAIT)

    def go(path):
        answer = page.goto(f"{live_server.url}{path}")
        assert answer.ok, f"{path}: {answer.status}"
        assert page.locator("h1").count() == 1
        return page

    yield go
    assert [line for line in complaints if "(Unprocessable" not in line] == []


def broken_rules(page):
    """What axe finds against WCAG 2.2 AA."""
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]}
    return [
        (rule["id"], [n["html"] for n in rule["nodes"]])
        for rule in Axe().run(page, options=rules).response["violations"]
    ]


def page_of(message):
    return reverse("dashboards:outbox-mail", args=[message.pk])


def test_each_list_and_each_trouble_is_pictured(page, visit, sign_in, team, troubled, screenshot):
    sign_in(page, team.lead)
    visit("/outbox/")
    expect(page.get_by_role("navigation", name="Main", exact=True)).to_contain_text("1 failed, 1 held")
    expect(page.locator("table")).to_contain_text("Mailbox does not exist: dwhitlow@haldenvale.example.")
    for name, words in (
        ("failed", "Mailbox does not exist: dwhitlow@haldenvale.example."),
        ("held", "It may have arrived."),
        ("queued", "Their mail server lets new senders wait."),
        ("sent", "noor@tidelock.example"),
        ("drafts", "Marrowick Hospice"),
    ):
        visit(f"/outbox/?tab={name}")
        expect(page.locator("table")).to_contain_text(words)
        screenshot(page, f"outbox-{name}")
        assert broken_rules(page) == []
    visit("/outbox/?tab=copied")
    expect(page.locator("body")).to_contain_text("No mail was marked as sent by hand.")
    for name, words in (
        ("failed", "Mailbox does not exist: dwhitlow@haldenvale.example."),
        ("held", "The content went out, but the mail server never said whether it took it."),
        ("retried", "Their mail server lets new senders wait."),
        ("sent", "As it was handed over"),
    ):
        visit(page_of(troubled[name]))
        expect(page.locator("body")).to_contain_text(words)
        screenshot(page, f"outbox-mail-{name}")
        assert broken_rules(page) == []


def test_with_the_mail_service_down_nothing_is_lost_and_all_is_said(
    page, visit, sign_in, team, troubled, screenshot
):
    now = clock.now()
    Circuit.trip("smtp", "Connection refused", now=now - timedelta(minutes=7))
    sign_in(page, team.lead)
    visit("/outbox/?tab=queued")
    expect(page.locator(".note").first).to_contain_text("nothing is lost, we try each minute")
    screenshot(page, "outbox-down")


def test_a_failed_mail_is_mended_and_leaves(page, visit, sign_in, team, server, troubled):
    sign_in(page, team.lead)
    visit(page_of(troubled["failed"]))
    page.get_by_label("Right address").fill("dana")
    page.get_by_role("button", name="Fix address").click()
    expect(page.locator("#address-says")).to_have_text(re.compile("This is no address"))
    page.get_by_label("Right address").fill("dana.whitlow@haldenvale.example")
    page.get_by_role("button", name="Fix address").click()
    expect(page.locator(".messages")).to_contain_text("Address corrected")
    expect(page.locator("body")).to_contain_text("Queued")
    assert send_all(server, now=clock.now())["sent"] >= 1
    assert Message.objects.get(pk=troubled["failed"].pk).state == "sent"
    assert [mail.recipient for mail in server.received][-1] == "dana.whitlow@haldenvale.example"


def test_what_was_just_sent_is_taken_back(page, visit, sign_in, imani, troubled, screenshot):
    account = customer(imani, "Pell Street Pediatrics", contact="Ivo Lund", email="ivo@pellstreet.example")
    message = post(account, imani, now=clock.now(), to="ivo@pellstreet.example")
    sign_in(page, imani)
    visit("/outbox/?tab=queued")
    expect(page.locator("table")).to_contain_text(re.compile(r"Sending in \d+ s"))
    screenshot(page, "outbox-undo")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".messages")).to_contain_text("Taken back. It was not sent")
    message.refresh_from_db()
    assert (message.state, message.draft.is_open) == ("cancelled", True)


def test_a_list_follows_what_leaves_and_keeps_what_was_ticked_and_typed(
    page, visit, sign_in, imani, team, server, troubled
):
    account = customer(imani, "Pell Street Pediatrics", contact="Ivo Lund", email="ivo@pellstreet.example")
    message = post(account, imani, now=clock.now() - timedelta(seconds=12), to="ivo@pellstreet.example")
    sign_in(page, team.lead)
    visit("/outbox/?tab=queued")
    expect(page.locator("#mails")).to_contain_text("Sending in")
    page.get_by_label(re.compile("Tick .*Quillstone")).check()
    page.get_by_label("Name, address or subject").fill("half a na")
    send_all(server, now=clock.now())
    expect(page.locator("#mails")).not_to_contain_text("ivo@pellstreet.example", timeout=30_000)
    expect(page.locator("#tabs")).to_contain_text("Sent2")
    expect(page.get_by_label("Name, address or subject")).to_have_value("half a na")
    assert Message.objects.get(pk=message.pk).state == "sent"


def test_a_digest_that_waits_shows_its_reminders_and_words(
    page, visit, sign_in, team, imani, server, screenshot
):
    late = customer(imani, "Wrenfield Podiatry", email="w@wrenfield.example")
    complete_onboarding(late, on=clock.now().date() - timedelta(days=34))
    plan(clock.now())
    digest = Message.objects.filter(recipient=imani).get()
    send_all(server, now=max(clock.now(), digest.not_before), RCPT="452 4.2.2 The mailbox is full")
    sign_in(page, team.lead)
    visit(page_of(digest))
    expect(page.locator("aside.rail")).to_contain_text("Wrenfield Podiatry")
    screenshot(page, "outbox-mail-digest")
    assert broken_rules(page) == []


def test_the_pages_work_on_a_phone_and_by_keyboard(page, visit, sign_in, team, troubled):
    sign_in(page, team.lead)
    page.set_viewport_size({"width": 390, "height": 844})
    for name, path in {
        "failed": "/outbox/?tab=failed",
        "queued": "/outbox/?tab=queued",
        "mail-failed": page_of(troubled["failed"]),
        "mail-sent": page_of(troubled["sent"]),
    }.items():
        visit(path)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        page.screenshot(path=SCREENSHOTS / f"outbox-phone-{name}.png", caret="initial")
    page.set_viewport_size({"width": 1440, "height": 900})
    visit("/outbox/?tab=failed")
    page.get_by_label(re.compile("Tick")).focus()
    page.keyboard.press("Space")
    page.get_by_role("group", name="Do with the ticked mails").get_by_role(
        "button", name="Mark as sent"
    ).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".messages")).to_contain_text("Marked as sent: 1")
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url("**/outbox/")
    assert Message.objects.get(pk=troubled["failed"].pk).state == "marked"
