"""An SMB and a regular account from the import to day 0, through the pages alone; each mail is read in the sink."""

import csv
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import Account, Activity
from accounts.tests.factories import PASSWORD, make_csm, make_lead, make_team, make_user
from adoption.models import Adoption
from lifecycle import clock
from lifecycle.mail.dispatch import drain
from lifecycle.mail.drafts.letters import LINKS
from lifecycle.mail.outbox import UNDO
from lifecycle.mail.tests.sending import sink  # noqa: F401 - a fixture
from lifecycle.milestones.models import Milestone
from lifecycle.tests.test_browser import visit  # noqa: F401 - a fixture
from onboarding.models import Onboarding

pytestmark = [pytest.mark.timeout(400), pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FACTS = (
    "external_id",
    "name",
    "starter_package",
    "contracted_users",
    "mrr",
    "service_level",
    "products",
    "time_zone",
    "csm",
)
SMB = (
    "SMB-1",
    "Cedar Family Practice",
    "true",
    "8",
    "250.00",
    "basic",
    "learning,compliance",
    "America/Denver",
)
REGULAR = ("REG-1", "Halden Vale Imaging", "false", "80", "1180.00", "premium", "learning", "Europe/London")


@pytest.fixture
def imani():
    team = make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))
    return make_csm(
        "imani@example.com",
        pool="core",
        team=team,
        name="Imani Castellan",
        password=PASSWORD,
        booking_url="https://book.example.com/imani",
        time_zone="America/New_York",
    )


def imported(tmp_path, facts, csm):
    path = tmp_path / "accounts.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([FACTS, (*facts, csm.email)])
    call_command("import_accounts", str(path))
    return Account.objects.get(external_id=facts[0])


def enter_links(page, visit, sign_in):  # noqa: F811
    sign_in(page, make_user("ops@example.com", role="cs_ops"))
    visit(reverse("mail:links"))
    for key in LINKS:
        value = f"https://library.example.com/{key}" if key.endswith("_link") else "support@example.com"
        page.fill(f"[name={key}]", value)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Links saved")).to_be_visible()


def open_row(page, visit, title):  # noqa: F811
    """From My day, by the button of the row."""
    visit("/day/")
    row = page.locator(".task", has_text=title)
    expect(row).to_have_count(1)
    if not row.is_visible():
        page.locator("summary", has_text="Next week").click()
    row.locator(".act a").click()
    page.wait_for_load_state()


def training(page, product):
    """The step of one training on the page of the onboarding."""
    return page.locator("section.step", has=page.get_by_role("heading", name=f"{product} training"))


def as_read_in(zone, instant):
    """A day, a time and where that is, as a letter writes them: "Monday, June 1, 8:30 PM (Denver)"."""
    there = instant.astimezone(ZoneInfo(zone))
    return f"{there:%A, %B} {there.day}, {there:%I:%M %p} ({zone.partition('/')[2]})".replace(", 0", ", ")


def send_letter(page, sink):  # noqa: F811
    """Send the letter that is open; the mail as the server got it."""
    before = len(sink.messages)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("Outbox has an Undo")).to_be_visible()
    drain(now=clock.now() + UNDO + timedelta(seconds=1))
    assert len(sink.messages) == before + 1
    return sink.messages[-1]


@pytest.mark.parametrize("facts", [SMB, REGULAR], ids=["smb", "regular"])
def test_onb_1_to_4_from_the_import_to_day_0(
    facts,
    page,
    visit,  # noqa: F811
    sign_in,
    imani,
    sink,  # noqa: F811
    tmp_path,
    screenshot,
):
    smb = facts is SMB
    enter_links(page, visit, sign_in)
    account = imported(tmp_path, facts, imani)
    sign_in(page, imani)
    today = imani.today(clock.now())

    visit(reverse("accounts:add-contact", args=[account.pk]))
    page.fill("[name=name]", "Dana Whitlow")
    page.fill("[name=email]", "dana@customer.example")
    page.locator("[name=is_main]").check()
    page.get_by_role("button", name="Add contact").click()

    open_row(page, visit, "Book the onboarding call")
    page.fill("[name=call_scheduled_at]", f"{today}T00:05")
    page.get_by_role("button", name="Save the call").click()
    expect(page.locator("#steps")).to_contain_text("Booked")
    page.fill("[name=call_completed_on]", str(today))
    page.fill("[name=discovery_notes]", "They want to pass the survey in May. 🌱")
    page.get_by_role("button", name="Save the call").click()
    expect(page.locator("#steps")).to_contain_text("Held")
    page.fill("[name=goals]", "Pass the survey in May")
    page.get_by_role("button", name="Save the goals").click()
    expect(page.locator("[data-save-status]")).to_contain_text("Saved")

    open_row(page, visit, "Book the Learning training")
    booked = datetime.combine(today + timedelta(days=6), time(22, 30), ZoneInfo("America/New_York"))
    training(page, "Learning").locator("[name=scheduled_at]").fill(f"{booked:%Y-%m-%dT%H:%M}")
    training(page, "Learning").get_by_role("button", name="Save the training").click()
    expect(training(page, "Learning")).to_contain_text("Booked")

    open_row(page, visit, "Send the onboarding recap")
    screenshot(page, f"letter-{'smb' if smb else 'regular'}")
    mail = send_letter(page, sink)
    assert mail.recipients == ("dana@customer.example",)
    for words in (
        "Hello Dana,",
        "Pass the survey in May",
        "launch_kit_link",
        "book.example.com/imani",
        f"- Learning: {as_read_in('America/Denver' if smb else 'Europe/London', booked)}",
    ):
        assert words in mail.text
    assert ("- Compliance: date to be agreed" in mail.text) == smb
    assert ("presentation_link" in mail.text) == smb
    assert Onboarding.objects.get(account=account).recap_sent_at

    visit(reverse("adoption:kyc", args=[account.pk]))
    page.fill("#value-specialty", "Family medicine")
    page.locator("#value-specialty").blur()
    expect(page.locator("#kyc-count")).to_contain_text("1 of")
    screenshot(page, "kyc")

    for product in ("Learning", "Compliance") if smb else ("Learning",):
        if product == "Compliance":
            open_row(page, visit, "Book the Compliance training")
        else:  # booked, and held before that
            visit(reverse("onboarding:page", args=[account.pk]))
        form = training(page, product)
        form.locator("[name=completed_on]").fill(str(today))
        form.locator("[name=participants]").fill("Dana Whitlow, Sam Ortiz")
        form.locator("[name=modules]").fill("Assigning courses")
        form.locator("[name=recording_confirmed]").check()
        form.get_by_role("button", name="Save the training").click()
        expect(form).to_contain_text("recap not sent")
        open_row(page, visit, f"Send the {product} training recap")
        mail = send_letter(page, sink)
        for words in (f"{product} training", "Sam Ortiz", "Assigning courses", "support@example.com"):
            assert words in mail.text

    open_row(page, visit, "Complete onboarding")
    assert page.input_value("[name=training_completed_on]") == str(today)  # ONB-4: the day is offered
    page.get_by_role("button", name="See what it creates").click()
    expect(page.locator("#complete")).to_contain_text("60-day" if smb else "30-day")
    page.get_by_role("button", name="Complete onboarding").click()
    expect(page.locator("#steps")).to_contain_text("Completed")
    adoption = Adoption.objects.get(account=account)
    assert adoption.day_zero == today
    assert sorted(adoption.stages.values_list("day", flat=True)) == ([60] if smb else [30, 90])

    if smb:
        open_row(page, visit, "Send the onboarding-completed mail")
        mail = send_letter(page, sink)
        for words in (
            "overview_videos_link",
            "policy_manuals_link",
            "Open Forum",
            f"{today + timedelta(days=60):%B}",
        ):
            assert words in mail.text
    rows = Milestone.objects.filter(account=account, source_type__in=("onboarding", "training_session"))
    assert set(rows.values_list("status", flat=True)) == {"done"}
    assert Activity.objects.filter(account=account, kind="email").count() == len(sink.messages)
    visit(reverse("accounts:activity", args=[account.pk]))
    screenshot(page, "activity")
