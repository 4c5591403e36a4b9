"""The survey as a customer meets it: behind its link, once, without sign-in; and what a guessed or used link gets."""

import logging
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO

import pytest
import structlog
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from django.urls import reverse

from accounts.tests.factories import make_csm, make_lead, make_team
from adoption.models import Stage, Survey
from adoption.models.survey import LONGEST_WORDS, QUESTIONS
from adoption.tests.factories import make_stages
from lifecycle.api.tests.calling import at_once
from lifecycle.change import change
from lifecycle.events.models import Event
from onboarding.models import Onboarding

NOW = datetime(2026, 9, 1, 15, tzinfo=UTC)
NAME = "Halden Vale Imaging"
SCORES = dict.fromkeys(QUESTIONS, "4")
PARROT = "🦜 שלום עולם, مرحبا, ça va, 你好"


@pytest.fixture
def alice(db):
    team = make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))
    return make_csm("alice@example.com", pool="core", team=team, name="Alice Moreau")


@pytest.fixture
def survey(alice):
    final = make_stages(alice, name=NAME, mrr=Decimal("1234.00"))[-1]
    return Survey.objects.get(stage=final)


@pytest.fixture
def link(survey):
    return reverse("adoption:survey-public", args=[survey.token])


def text(page):
    return " ".join(page.content.decode().split())


def change_row(row, **values):
    with change(row.account_id, by=None, via="task", now=NOW):
        type(row).objects.naming([row.account_id]).filter(pk=row.pk).update(**values)


# --- the link


def test_sur_2_the_page_asks_without_sign_in_and_tells_nothing_internal(client, survey, link):
    page = client.get(link)
    assert page.status_code == 200
    for question in QUESTIONS.values():
        assert question in text(page)
    assert NAME in text(page)
    for secret in ("1,234", "1234", "Alice", "Joss", "alice@example.com", "Core", "Premium", "Standard"):
        assert secret not in text(page)
    assert not Event.objects.filter(type="survey.updated").exists()
    assert client.head(link).status_code == 200
    assert client.put(link).status_code == 405


@pytest.mark.parametrize("signed_in", [False, True])
def test_sur_2_a_guessed_link_looks_like_any_other_and_names_nobody(client, survey, alice, signed_in):
    if signed_in:
        client.force_login(alice)
    number, _, seal = survey.token.partition("-")
    other = "A" if seal[0] != "A" else "B"
    guesses = [
        f"{number}-{other}{seal[1:]}",
        f"{number}-{seal[:-1]}",
        f"{number}-{seal}x",
        f"{int(number) + 1}-{seal}",
        f"{number}-",
        number,
        seal,
        f"0-{seal}",
        f"{'9' * 30}-{seal}",
        f"-{seal}",
        "é-ü",
        f"{number}-{seal.swapcase()}",
    ]
    pages = [client.get(reverse("adoption:survey-public", args=[guess])) for guess in guesses]
    assert [page.status_code for page in pages] == [404] * len(guesses)
    assert len({page.content for page in pages}) == 1
    assert "There is no survey here" in text(pages[0])
    assert NAME not in text(pages[0])
    assert client.post(reverse("adoption:survey-public", args=[guesses[0]]), SCORES).status_code == 404
    assert not Survey.objects.get().answered


def test_the_page_keeps_strict_headers_and_makes_no_session(client, link):
    for page in (client.get(link), client.get("/s/1-x/")):
        assert page["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
        assert page["Referrer-Policy"] == "same-origin"
        assert page["X-Robots-Tag"] == "noindex, nofollow"
        assert "no-store" in page["Cache-Control"]
        assert page["X-Content-Type-Options"] == "nosniff"
        assert "sessionid" not in page.cookies


def test_who_posts_from_elsewhere_is_refused(link):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(link, SCORES).status_code == 403
    strict.get(link)
    token = strict.cookies["csrftoken"].value
    assert strict.post(link, {**SCORES, "csrfmiddlewaretoken": token}).status_code == 200
    assert Survey.objects.get().answered


def test_who_guesses_is_slowed_down_and_shuts_nobody_else_out(client, link):
    answers = [client.get(f"/s/{number}-guess/").status_code for number in range(21)]
    assert answers == [404] * 20 + [429]
    slowed = client.get("/s/1-guess/")
    assert int(slowed["Retry-After"]) > 0
    assert "Too many tries" in text(slowed)
    assert client.get(link).status_code == 200


def test_the_log_never_tells_the_link(client, survey, link):
    formatter = next(
        handler.formatter
        for handler in logging.getLogger().handlers
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter)
    )
    lines = StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    try:
        client.get(link)
    finally:
        logging.getLogger().removeHandler(handler)
    assert "GET /s/.../" in lines.getvalue()
    assert survey.token not in lines.getvalue()


# --- the answer


def test_sur_3_the_answer_is_kept_once_and_the_thanks_name_who_gave_it(client, link):
    given = {**SCORES, "useful_words": "Every day.", "open": "Fewer clicks.", "respondent": "Dana Whitlow"}
    thanks = client.post(link, given)
    assert thanks.status_code == 200
    assert "Thank you, Dana" in text(thanks)
    kept = Survey.objects.get()
    assert kept.answers == {
        "scores": dict.fromkeys(QUESTIONS, 4),
        "words": {"useful": "Every day."},
        "open": "Fewer clicks.",
    }
    assert (kept.respondent, kept.filled_by, kept.answered) == ("Dana Whitlow", None, True)
    event = Event.objects.get(type="survey.updated")
    assert (event.actor, event.via) == (None, "page")
    assert "Dana" not in str(event.data) + str(event.changed)


def test_sur_3_a_used_link_says_so_and_whom_to_write_to(client, link):
    client.post(link, {"useful": "5"})
    for page in (client.get(link), client.post(link, {"useful": "1", "open": "Second thoughts"})):
        assert page.status_code == 410
        assert "This survey is closed" in text(page)
        assert "alice@example.com" in text(page)
        assert NAME not in text(page)
    assert Survey.objects.get().answers["scores"] == {"useful": 5}


@pytest.mark.parametrize("how", ["waived", "archived", "churned", "cancelled", "withdrawn"])
def test_a_link_that_is_no_longer_needed_says_so(client, survey, link, how):
    if how == "waived":
        change_row(survey, waived_at=NOW, waive_reason="No time")
    elif how == "cancelled":
        change_row(Stage.objects.get(pk=survey.stage_id), cancelled_at=NOW)
    elif how == "withdrawn":
        with change(survey.account_id, by=None, via="page", now=NOW):
            onboarding = Onboarding.objects.get(account=survey.account_id)
            onboarding.record({"training_completed_on": None}, today=NOW.date())
    else:
        with change(survey.account_id, by=None, via="page", now=NOW) as work:
            if how == "archived":
                work.account.archive(now=NOW)
            else:
                work.account.record({"churned_on": date(2026, 8, 1)})
    assert client.get(link).status_code == 410
    assert client.post(link, SCORES).status_code == 410
    assert not Survey.objects.get().answered


def test_sur_3_any_script_and_twenty_thousand_letters_are_kept(client, link):
    words = "🦜" * LONGEST_WORDS
    assert client.post(link, {"useful_words": words, "open": PARROT, "respondent": "דנה"}).status_code == 200
    kept = Survey.objects.get()
    assert kept.answers == {"scores": {}, "words": {"useful": words}, "open": PARROT}
    assert (kept.respondent, kept.lowest) == ("דנה", None)


def test_sur_3_lines_count_once_whatever_ends_them(client, link):
    words = "\r\n".join("x" * 99 for _ in range(LONGEST_WORDS // 100))
    assert client.post(link, {"open": words}).status_code == 200
    assert Survey.objects.get().answers["open"] == words.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Answer one question at least"),
        ({"open": " \r\n "}, "Answer one question at least"),
        ({"useful": "6"}, "6 is not one of the available choices"),
        ({"useful": "4", "easy": "x"}, "x is not one of the available choices"),
        ({"open": "y" * (LONGEST_WORDS + 1)}, "at most 20000 characters"),
        ({"useful": "4", "open": "a\0b"}, "Null characters are not allowed"),
        ({"useful": "4", "respondent": "x" * 151}, "at most 150 characters"),
        ({"useful": "4", "respondent": "Dana\u202e"}, "letters that can be seen"),
    ],
)
def test_sur_3_what_cannot_be_kept_is_said_and_what_was_typed_stays(client, link, given, said):
    page = client.post(link, {"easy_words": "Stays as typed", **given} if given.get("useful") else given)
    assert page.status_code == 422
    assert said in text(page)
    if given.get("useful"):
        assert "Stays as typed" in text(page)
    assert not Survey.objects.get().answered


def test_what_a_customer_types_is_never_markup(client, alice, survey, link):
    client.post(link, {"open": "<script>alert(1)</script>", "respondent": "<b>Dana</b>"})
    client.force_login(alice)
    page = text(client.get(reverse("adoption:survey", args=[survey.account_id])))
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>Dana" not in page


@pytest.mark.django_db(transaction=True)
def test_sur_3_of_two_answers_at_once_one_is_kept_and_the_other_is_told(link):
    told = []
    given = [{"useful": "5"}, {"useful": "1"}, {"useful": "3"}]
    at_once([lambda one=one: told.append((Client().post(link, one).status_code, one)) for one in given])
    assert sorted(status for status, _ in told) == [200, 410, 410]
    (kept,) = (one for status, one in told if status == 200)
    assert Survey.objects.get().answers["scores"] == {"useful": int(kept["useful"])}
    assert Event.objects.filter(type="survey.updated").count() == 1


# --- in a browser


def broken_rules(page):
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
    return [
        (rule["id"], [node["html"] for node in rule["nodes"]])
        for rule in Axe().run(page, options=rules).response["violations"]
    ]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_sur_3_a_customer_answers_on_a_phone_and_comes_back_to_what_was_typed(
    live_server, page, screenshot, complaints, link
):
    address = live_server.url + link
    page.set_viewport_size({"width": 390, "height": 844})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(address)
        assert broken_rules(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = page.evaluate(
        "[...document.querySelectorAll('.scores label, summary, button, input:not([type=radio]):not([type=hidden])')]"
        ".filter(one => one.getBoundingClientRect().height < 44).length"
    )
    assert small == 0
    page.locator("[name=useful][value='4']").check()
    page.get_by_text("Say more").first.click()
    page.locator("[name=useful_words]").fill(PARROT)
    page.reload()
    assert page.locator("[name=useful_words]").input_value() == PARROT
    assert page.locator("[name=useful][value='4']").is_checked()
    screenshot(page, "survey-390")
    page.locator("[name=respondent]").fill("Dana Whitlow")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Thank you, Dana").wait_for()
    assert broken_rules(page) == []
    kept = Survey.objects.get()
    assert (kept.answers["scores"], kept.answers["words"]) == ({"useful": 4}, {"useful": PARROT})
    page.goto(address)
    page.get_by_role("heading", name="This survey is closed").wait_for()
    assert page.evaluate("localStorage.length") == 0
    assert broken_rules(page) == []
    page.goto(f"{live_server.url}/s/1-guess/")
    page.get_by_role("heading", name="There is no survey here").wait_for()
    assert broken_rules(page) == []
    refusals = [line for line in complaints if "410" not in line and "404" not in line]
    assert refusals == []


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_sur_2_the_survey_works_without_javascript_and_our_page_reads(
    live_server, browser, page, sign_in, screenshot, complaints, alice, survey, link
):
    plain = browser.new_context(java_script_enabled=False)
    customer = plain.new_page()
    customer.goto(live_server.url + link)
    customer.locator("[name=useful][value='2']").check()
    customer.get_by_role("button", name="Send the answers").click()
    customer.get_by_role("heading", name="Thank you").wait_for()
    plain.close()
    sign_in(page, alice)
    page.goto(f"{live_server.url}/accounts/{survey.account_id}/survey/")
    page.get_by_text("A little, 2 of 5").wait_for()
    assert broken_rules(page) == []
    screenshot(page, "survey")
    assert complaints == []
    change_row(Survey.objects.get(), answered_at=None, answers={}, sent_at=NOW)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{live_server.url}/accounts/{survey.account_id}/survey/")
    for fold in ("Do without an answer", "Other links"):
        page.get_by_text(fold, exact=True).click()
    assert broken_rules(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    screenshot(page, "survey-open-390")
    page.goto(f"{live_server.url}/accounts/{survey.account_id}/survey/{survey.pk}/fill/")
    assert broken_rules(page) == []
