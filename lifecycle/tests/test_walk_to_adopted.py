"""From the first stage to adoption complete, through the pages alone; mails are read in the sink, PDFs by poppler."""

import re
import subprocess
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import Activity, Opportunity
from accounts.tests.factories import (
    PASSWORD,
    complete_onboarding,
    make_account,
    make_contact,
    make_csm,
    make_lead,
    make_team,
)
from adoption import pdfs
from adoption.models import Adoption, ChecklistExport, Stage, Survey
from lifecycle import clock
from lifecycle.change import change
from lifecycle.mail.models import Draft
from lifecycle.mail.tests.sending import sink  # noqa: F401 - a fixture
from lifecycle.milestones.models import Milestone
from lifecycle.tests.test_browser import visit  # noqa: F401 - a fixture
from lifecycle.tests.test_walk_to_day_0 import open_row, send_letter
from onboarding.models import Onboarding

pytestmark = [pytest.mark.timeout(400), pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _own_media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def imani():
    team = make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer", password=PASSWORD))
    return make_csm(
        "imani@example.com",
        pool="core",
        team=team,
        name="Imani Castellan",
        password=PASSWORD,
        booking_url="https://book.example.com/imani",
    )


def adopting(imani, *, days_ago, **facts):
    """An account whose trainings ended that many days ago, with a goal and somebody to write to."""
    today = imani.today(clock.now())
    values = {"products": ["learning", "compliance"], "csm": imani, **facts}
    account = make_account(values.pop("name"), now=clock.now() - timedelta(days=days_ago + 20), **values)
    make_contact(account, "Dana Whitlow", email="dana@customer.example", is_main=True)
    with change(account, by=imani, via="page", now=clock.now()):
        onboarding = Onboarding.objects.get(account=account)
        onboarding.set_objectives([{"text": "Pass the survey in May"}])
        onboarding.record({"discovery_notes": "They fear the audit."}, today=today)
    complete_onboarding(account, on=today - timedelta(days=days_ago))
    return account


def fill(page, form, **fields):
    """Type into the fields of one step, by name; a bool ticks, a tuple chooses."""
    step = page.locator(f"form[action$='/{form}/']")
    for name, value in fields.items():
        if isinstance(value, tuple):
            step.locator(f"[name={name}][value='{value[0]}']").check()
        elif isinstance(value, bool):
            step.locator(f"[name={name}]").check()
        else:
            step.locator(f"[name={name}]").fill(str(value))
    return step


def save(page, form, says, **fields):
    """Fill in a step and save it; wait until the step list says how things stand."""
    with page.expect_response(lambda answer: answer.url.endswith(f"/{form}/")):
        fill(page, form, **fields).get_by_role("button").click()
    expect(page.locator("#steps")).to_contain_text(says)
    expect(page.locator("#messages")).to_contain_text(re.compile("saved", re.IGNORECASE))


def prepare(page, visit, day, answers):  # noqa: F811
    open_row(page, visit, f"Prepare the {day}-day checklist")
    for item, word in answers.items():
        with page.expect_response(lambda answer, item=item: item in answer.url):
            page.locator(f"#item-{item} label", has_text=word).click()
    page.get_by_role("button", name="Mark ready for meeting").click()
    expect(page.locator("#steps")).to_contain_text("Prepare the checklist")


def book(page, visit, day, today):  # noqa: F811
    """For just after midnight: it is short notice, and the meeting is over at once."""
    open_row(page, visit, f"Book the {day}-day meeting")
    save(page, "book", "12:05 AM", meeting_scheduled_at=f"{today}T00:05", recording_confirmed=True)
    expect(page.get_by_text("Short notice: booked less than 7 days ahead")).to_be_visible()


def close(page, visit, day, says):  # noqa: F811
    """The PDF attaches itself, then the stage closes; what the PDF says."""
    open_row(page, visit, "Attach the checklist and close")
    page.get_by_role("button", name="Export and attach the PDF").click()
    expect(page.locator(".exports li")).to_have_count(1)
    page.get_by_role("button", name=f"Close the {day}-day stage").click()
    expect(page.get_by_text(f"{day}-day stage closed")).to_be_visible()
    expect(page.locator("#steps")).to_contain_text("Closed")
    kept = ChecklistExport.objects.latest("pk")
    told = subprocess.run(
        ["pdftotext", "-layout", str(pdfs.stored(kept.content_hash)), "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert all(words in told for words in says), told
    assert page.get_by_role("button", name="Save the outcome").count() == 0
    return told


def answer_survey(page, live_server, path):
    """As the customer, without a session."""
    guest = page.context.browser.new_context()
    their = guest.new_page()
    their.goto(f"{live_server.url}{path}")
    for question in their.locator("fieldset.question").all():
        question.locator("input[type=radio]").nth(4).check(force=True)
    their.get_by_role("button", name="Send the answers").click()
    their.get_by_text("Thank you").first.wait_for()
    guest.close()


def test_a_premium_account_goes_through_both_stages_to_adoption_complete(
    page,
    visit,  # noqa: F811
    sign_in,
    imani,
    sink,  # noqa: F811
    live_server,
    screenshot,
):
    account = adopting(
        imani, days_ago=29, name="Halden Vale Imaging", service_level="premium", mrr=Decimal("1180.00")
    )
    sign_in(page, imani)
    today = imani.today(clock.now())
    final = Stage.objects.get(account=account, final=True)

    book(page, visit, 30, today)
    page.get_by_role("link", name="Open the invitation").click()
    mail = send_letter(page, sink)
    assert f"{today:%A, %B} {today.day}, 12:05 AM" in mail.text and "30 minutes" in mail.text
    assert "survey" not in mail.text.lower()
    (date_file,) = [part for part in mail.message.walk() if part.get_content_type() == "text/calendar"]
    assert "Adoption - 30D" in date_file.get_content()

    prepare(page, visit, 30, {"exploring": "No", "courses_assigned": "Yes"})
    open_row(page, visit, "Record the outcome")
    save(
        page,
        "hold",
        "Held",
        meeting_held_on=today,
        engaged=("False",),
        disengagement_reasons=("knowledge_gaps",),
        action="A refresher next week",
        investment=("positive",),
        summary="They like the reports. They lose time with sign-offs.",
    )
    page.get_by_role("button", name="Follow up in 7 days").click()
    expect(page.get_by_text("On your list")).to_be_visible()
    fill(page, "feedback", bugs="Sign-off mails arrive twice", suggestions="A weekly summary")
    page.get_by_role("button", name="Save the feedback").click()
    expect(page.locator("#hold")).to_contain_text("Sign-off mails arrive twice")  # what we owe them now
    page.get_by_text("Note an upsell").click()
    fill(page, "upsell", text="Policy manager").locator("[name=kind]").select_option("module")
    page.get_by_role("button", name="Note it").click()
    expect(page.locator("#upsell")).to_contain_text("Open the note to the RSM")
    assert Opportunity.objects.get().text == "Policy manager"
    assert set(Activity.objects.filter(about=None).values_list("kind", flat=True)) == {
        "email",
        "note",
        "bug",
        "improvement",
    }

    open_row(page, visit, "Send the 30-day recap")
    mail = send_letter(page, sink)
    for words in (
        "Hello Dana,",
        "They lose time with sign-offs.",
        "Errors: Sign-off mails arrive twice",
        "A refresher next week",
        "- Module",
        "book.example.com/imani",
        f"{final.due_on:%A, %B} {final.due_on.day}",
    ):
        assert words in mail.text
    told = close(page, visit, 30, ("Halden Vale Imaging", "Sign-off mails arrive twice"))
    assert "30-day" in told

    # Day 0 turns out to be sixty days earlier: what is closed stays, the final stage comes near.
    visit(reverse("adoption:plan", args=[account.pk]))
    page.fill("[name=day_zero]", str(today - timedelta(days=89)))
    page.get_by_role("button", name="See what it moves").click()
    expect(page.locator(".diff")).to_contain_text("Closed, stays")
    page.get_by_role("button", name="Save the plan").click()
    expect(page.get_by_text("Plan saved")).to_be_visible()

    book(page, visit, 90, today)
    page.get_by_role("link", name="Open the invitation").click()
    expect(page.locator("#letter-preview")).to_contain_text("/s/")
    mail = send_letter(page, sink)
    link = re.search(r"https?://[^/\s]+(/s/\S+)", mail.text)
    assert Survey.objects.get().sent_at
    assert not Draft.objects.filter(body__contains=link[1]).exists()  # it is put in as the letter leaves
    answer_survey(page, live_server, link[1])

    prepare(page, visit, 90, {"exploring": "Yes", "courses_assigned": "Yes"})
    open_row(page, visit, "Record the outcome")
    expect(page.locator("#steps")).to_contain_text("Answered")
    save(
        page,
        "hold",
        "Held",
        meeting_held_on=today,
        engagement=("increasing",),
        investment=("neutral",),
        summary="Everybody works with it now.",
    )
    save(page, "reference", "1 to answer", contacts_unchanged=("True",), reference=("yes",))
    expect(page.locator("#goals")).to_contain_text("They fear the audit.")
    page.locator("#goals [value=met]").check()
    page.get_by_role("button", name="Save the judgement").click()
    expect(page.locator("#steps")).to_contain_text("Answered")
    screenshot(page, "walk-final-stage")

    open_row(page, visit, "Send the 90-day recap")
    mail = send_letter(page, sink)
    assert "Pass the survey in May: reached" in mail.text
    assert "better than at our first meeting" in mail.text
    assert "/s/" not in mail.text  # answered: the link goes into no mail any more
    told = close(page, visit, 90, ("Halden Vale Imaging", "90-day"))
    assert "better" in told
    assert Adoption.objects.get().completed_on == today
    assert not Milestone.objects.open().filter(source_type="stage").exists()


def test_an_smb_account_goes_through_its_one_stage_to_adoption_complete(
    page,
    visit,  # noqa: F811
    sign_in,
    imani,
    sink,  # noqa: F811
):
    account = adopting(
        imani, days_ago=59, name="Cedar Family Practice", starter_package=True, mrr=Decimal("250.00")
    )
    sign_in(page, imani)
    today = imani.today(clock.now())
    prepare(page, visit, 60, {"exploring": "Yes", "manuals_kept": "Yes"})
    book(page, visit, 60, today)
    open_row(page, visit, "Record the outcome")
    assert page.locator("#survey").count() == 0  # SUR-1
    save(
        page,
        "hold",
        "Held",
        meeting_held_on=today,
        engagement=("decreasing",),
        root_causes=("workflow_errors",),
        cause_side=("ours",),
        expectations="A fix is planned, without a date yet.",
        investment=("neutral",),
        summary="They are content, apart from the export.",
    )
    fill(page, "feedback", workflow="The export takes nine clicks")
    with page.expect_response(lambda answer: answer.url.endswith("/feedback/")):
        page.get_by_role("button", name="Save the feedback").click()
    assert Milestone.objects.get(kind="lead_review").owner == imani.team.lead
    page.locator("#goals [value=partly]").check()
    page.get_by_role("button", name="Save the judgement").click()
    expect(page.locator("#steps")).to_contain_text("Reference and goals")

    open_row(page, visit, "Send the 60-day recap")
    mail = send_letter(page, sink)
    for words in ("apart from the export", "A fix is planned", "in part", "The export takes nine clicks"):
        assert words in mail.text
    assert "first meeting" not in mail.text
    told = close(page, visit, 60, ("Cedar Family Practice", "60-day", "The export takes nine clicks"))
    assert "Credentialing" not in told
    assert Adoption.objects.get(account=account).completed_on == today


def test_a_missed_meeting_is_reviewed_and_tried_again_and_a_closed_stage_is_opened_again(
    page,
    visit,  # noqa: F811
    sign_in,
    imani,
    sink,  # noqa: F811
):
    account = adopting(
        imani, days_ago=29, name="Stonewick Behavioral", service_level="standard", mrr=Decimal("400.00")
    )
    stage = Stage.objects.get(account=account, day=30)
    sign_in(page, imani)
    today = imani.today(clock.now())
    prepare(page, visit, 30, {"exploring": "Yes"})
    book(page, visit, 30, today)
    open_row(page, visit, "Record the outcome")
    page.get_by_text("Say why there was no meeting").click()
    page.locator("[name=why]").select_option("No-show")
    fill(page, "missed", note="Nobody came, nobody wrote.")
    page.get_by_role("button", name="Save the reason").click()
    expect(page.locator("#steps")).to_contain_text("Reviewing with Joss")

    sign_in(page, imani.team.lead)
    open_row(page, visit, "Review a missed meeting")
    expect(page.locator("#missed")).to_contain_text("No-show: Nobody came, nobody wrote.")
    page.locator("[name=gap_decision]").select_option("retry")
    fill(page, "gap", notes="Try once more, then we talk.")
    page.get_by_role("button", name="Save the decision").click()
    expect(page.locator("#steps")).to_contain_text("Try again, with a new date")

    sign_in(page, imani)
    open_row(page, visit, "Book the 30-day meeting")
    page.get_by_role("link", name="Propose times").click()
    mail = send_letter(page, sink)
    assert len([line for line in mail.text.splitlines() if line.startswith("- ")]) == 3
    again = datetime.combine(today, datetime.min.time()) + timedelta(minutes=10)
    visit(reverse("adoption:stage", args=[account.pk, 30]))
    save(page, "book", "12:10 AM", meeting_scheduled_at=f"{again:%Y-%m-%dT%H:%M}")
    save(
        page,
        "hold",
        "Held",
        meeting_held_on=today,
        engaged=("True",),
        investment=("positive",),
        summary="They were on holiday.",
    )
    open_row(page, visit, "Send the 30-day recap")
    send_letter(page, sink)
    close(page, visit, 30, ("Stonewick Behavioral",))

    sign_in(page, imani.team.lead)
    visit(reverse("adoption:stage", args=[account.pk, 30]))
    page.get_by_text("Open it again").click()
    page.fill("[name=reason]", "The wrong account's notes")
    page.get_by_role("button", name="Open the stage again").click()
    expect(page.get_by_text("Stage opened again")).to_be_visible()
    sign_in(page, imani)
    open_row(page, visit, "Attach the checklist and close")
    expect(page.locator("#close")).to_contain_text("The wrong account's notes")
    page.get_by_text("Change the outcome").click()
    save(page, "hold", "Held", summary="They were on holiday, all of them.")
    page.get_by_role("button", name="Close the 30-day stage").click()
    expect(page.get_by_text("30-day stage closed")).to_be_visible()
    stage.refresh_from_db()
    assert (stage.closed_at is not None, stage.summary) == (True, "They were on holiday, all of them.")
    assert stage.postponements == 0
