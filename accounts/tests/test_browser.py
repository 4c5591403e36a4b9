"""The account's tabs in a real browser: what is logged, read, corrected, copied; pictured, by keyboard and on a phone."""

from datetime import timedelta
from decimal import Decimal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import Account, Activity, Contact, UsageSnapshot
from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_activity,
    make_contact,
    make_csm,
    make_lead,
    make_opportunity,
    make_team,
)
from lifecycle import clock
from lifecycle.change import change
from lifecycle.milestones.models import Milestone, Notice
from lifecycle.tests.pages import SCREENSHOTS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "They open the license report every Monday. " * 12


@pytest.fixture
def team():
    return make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))


@pytest.fixture
def imani(team):
    return make_csm("imani@example.com", pool="core", team=team, name="Imani Castellan")


@pytest.fixture
def account(imani):
    """Halden Vale Imaging on day 89, with people, a bug, an upsell, and more users than they pay for."""
    now = clock.now()
    account = make_account(
        "Halden Vale Imaging",
        csm=imani,
        service_level="standard",
        contracted_users=44,
        mrr=Decimal("1180.00"),
        products=["learning", "compliance"],
        close_date=(now - timedelta(days=130)).date(),
        time_zone="America/Chicago",
        rsm_name="Beatriz Oakley",
        rsm_email="beatriz@example.com",
        now=now - timedelta(days=130),
    )
    dana = make_contact(
        account,
        "Dana Whitlow",
        title="Compliance lead",
        email="dana@haldenvale.example",
        now=now - timedelta(days=129),
        by=imani,
    )
    make_contact(
        account,
        "ריטה מדוק 🩺",
        title="Credentialing coordinator",
        email="rita@haldenvale.example",
        is_main=False,
        is_billing=True,
        now=now - timedelta(days=128),
        by=imani,
    )
    day_zero = (now - timedelta(days=89)).date()
    complete_onboarding(
        account, on=day_zero, call_on=day_zero - timedelta(days=30), by=imani, now=now - timedelta(days=89)
    )
    earlier = {"by": imani, "now": now - timedelta(days=9)}
    make_activity(account, LONG, kind="bug", ticket_url="https://tickets.example/4711", **earlier)
    make_opportunity(account, "module", text="Asked about Credentialing for the second site", **earlier)
    make_activity(account, "Asked for the Spanish course list.", kind="request", **earlier)
    pinned = make_activity(account, "Write to Dana, never to the info address.", kind="note", **earlier)
    with change(account, by=imani, via="page", now=now - timedelta(days=8)) as work:
        UsageSnapshot.objects.create(
            account=work.account,
            taken_on=(now - timedelta(days=8)).date(),
            active_users=47,
            employees=61,
            courses_assigned=320,
            pending_actions=12,
        )
        UsageSnapshot.objects.bulk_create(
            UsageSnapshot(account=account, taken_on=(now - timedelta(days=days)).date(), active_users=users)
            for days, users in ((36, 21), (29, 30), (22, 36), (15, 41))
        )
    with change(account, by=imani, via="page", now=now - timedelta(days=7)) as work:
        work.account.record({"mrr": Decimal("1240.00"), "contracted_users": 45})
    words = "Going well; wants the report by location."
    make_activity(account, words, contact=dana, by=imani, now=now - timedelta(days=6))
    with change(account, by=imani, via="page", now=now):
        Activity.objects.get(pk=pinned.pk).pin(True, now=now)
    return account


@pytest.fixture
def visit(page, live_server, complaints):
    """`visit(path)` opens a page; at the end nothing was complained about, but forms answered with what is wrong."""
    strangers = []
    page.on("request", lambda request: None if _is_ours(request.url) else strangers.append(request.url))

    def _is_ours(url):
        return url.startswith((live_server.url, "data:", "blob:", "about:"))

    def go(path):
        answer = page.goto(f"{live_server.url}{path}")
        assert answer.ok, f"{path}: {answer.status}"
        assert page.locator("h1").count() == 1
        return page

    yield go
    assert [line for line in complaints if "(Unprocessable" not in line] == []
    assert strangers == []


def broken_rules(page):
    """What axe finds against WCAG 2.2 AA."""
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
    found = Axe().run(page, options=rules).response["violations"]
    return [
        (rule["id"], [n["html"] for n in rule["nodes"]])
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


def at(name, account, *more):
    return reverse(f"accounts:{name}", args=[account.pk, *more])


TABS = {
    "account": ("detail", "Growing, and 2 over contract."),
    "account-activity": ("activity", "MRR from $1,180.00 to $1,240.00"),
    "account-entry": ("entry", "Mark as fixed"),
    "account-contacts": ("contacts", "Not confirmed yet"),
    "account-emails": ("emails", "No mail yet"),
    "account-upsell": ("add-opportunity", "Where it stands"),
    "accounts-last-contact": ("list", "6 days ago"),
}


@pytest.mark.parametrize("name", TABS)
def test_each_tab_beside_its_mockup_on_a_desk_and_a_phone(
    page, visit, sign_in, account, imani, screenshot, name
):
    view, words = TABS[name]
    more = [] if view == "list" else [account.pk]
    more += [Activity.objects.get(kind="bug").pk] if view == "entry" else []
    sign_in(page, imani)
    visit(reverse(f"accounts:{view}", args=more))
    expect(page.locator("#main")).to_contain_text(words)
    screenshot(page, name)
    assert broken_rules(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.evaluate("document.documentElement.dataset.bsTheme = 'light'")
    page.screenshot(path=SCREENSHOTS / f"{name}-390.png", full_page=True, caret="initial")
    assert broken_rules(page) == []


def test_a_call_is_logged_with_a_follow_up_and_a_colleague_told(page, visit, sign_in, account, imani, team):
    sign_in(page, imani)
    visit(at("activity", account))
    page.get_by_label("Kind").nth(1).select_option("call")
    page.get_by_label("With whom").select_option(label="Dana Whitlow")
    page.get_by_label("What happened").fill("@Joss Vandermeer they want two more sites 🎉")
    page.get_by_label("Follow up on").fill(str((clock.now() + timedelta(days=3)).date()))
    page.get_by_role("button", name="Log", exact=True).click()
    expect(page.locator(".log")).to_contain_text("Call with Dana Whitlow")
    expect(page.locator(".log")).to_contain_text("they want two more sites 🎉")
    assert Notice.objects.get(recipient=team.lead, text__contains="mentioned you").account == account
    assert Account.objects.get(pk=account.pk).recheck_at is not None
    expect(page.locator(".facts")).to_contain_text("Today")


def test_a_wrong_entry_says_so_and_keeps_what_was_typed(page, visit, sign_in, account, imani):
    sign_in(page, imani)
    visit(at("activity", account))
    page.get_by_label("What happened").fill("Tomorrow's call")
    page.get_by_label("When").fill(f"{(clock.now() + timedelta(days=1)).date()}T09:00")
    page.get_by_role("button", name="Log", exact=True).click()
    expect(page.locator("#log")).to_contain_text("This is in the future.")
    assert page.get_by_label("What happened").input_value() == "Tomorrow's call"
    assert not Activity.objects.filter(text="Tomorrow's call").exists()


def test_a_bug_from_its_report_to_its_fix(page, visit, sign_in, account, imani):
    sign_in(page, imani)
    bug = Activity.objects.get(kind="bug")
    visit(at("activity", account))
    folded = page.locator(".log .words.fold").first
    height = folded.bounding_box()["height"]
    page.get_by_text("Show all").first.click()
    assert folded.bounding_box()["height"] > height
    page.get_by_role("link", name="Bug", exact=True).first.click()
    page.get_by_label("Note on this bug").fill("Fixed in the next release, they say.")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(".log")).to_contain_text("Fixed in the next release")
    assert Activity.objects.get(pk=bug.pk).noted_at > bug.happened_at
    page.get_by_role("button", name="Mark as fixed").click()
    expect(page.locator(".log .chip.green")).to_have_text("Fixed")
    assert not Milestone.objects.open().filter(kind="follow_up", source_id=bug.pk).exists()
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.locator(".stub")).to_contain_text("Bug, removed by Imani Castellan")


def test_an_address_is_copied(page, visit, sign_in, account, imani):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page, imani)
    visit(at("contacts", account))
    button = page.get_by_role("button", name="Copy email").first
    button.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "dana@haldenvale.example"
    page.get_by_role("button", name="Yes, as of today").first.click()
    expect(page.locator("table")).to_contain_text("Confirmed")
    assert Contact.objects.get(name="Dana Whitlow").confirmed_on == clock.now().date()


def test_the_rsm_is_told_of_an_upsell(page, visit, sign_in, account, imani):
    sign_in(page, imani)
    visit(at("detail", account))
    page.locator("#opportunities").get_by_role("button", name="Mark as told").click()
    expect(page.locator("#opportunities")).to_contain_text("RSM told")
    page.locator("section", has_text="Over contract").get_by_role("button", name="Mark as told").first.click()
    expect(page.locator("body")).to_contain_text("Done: Tell the RSM about added users")
    assert not Milestone.objects.open().filter(kind="tell_rsm").exists()
