"""The sentiment survey: when it is asked for, its link, its answer, its waiver; by the rows, the page and REST."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import Account
from accounts.tests.factories import make_csm, make_lead, make_team, make_user
from adoption.models import Stage, Survey
from adoption.models.survey import FORM_LINK, LONGEST_WORDS, QUESTIONS
from adoption.tests.factories import DAY_ZERO, make_stages, record
from lifecycle import clock
from lifecycle.api.models import ApiToken
from lifecycle.change import change
from lifecycle.dashboards.survey import survey_link, survey_of, survey_panel
from lifecycle.events.models import Event
from lifecycle.mail.models import Link
from lifecycle.milestones import planner
from lifecycle.milestones.models import Milestone, Reminder
from lifecycle.rules.refused import Refused

pytestmark = pytest.mark.django_db
ASKED = {"mrr": Decimal("1000.00")}
DAY_90 = DAY_ZERO + timedelta(days=90)  # Wednesday, September 16
NOW = datetime(2026, 9, 1, 15, tzinfo=UTC)
GOOD = {"scores": {"useful": 5, "recommend": 3}, "words": {"useful": "Every day."}, "open": "Fewer clicks."}


@pytest.fixture(autouse=True)
def september():
    with clock.at(NOW):
        yield


@pytest.fixture
def team():
    return make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))


@pytest.fixture
def alice(team):
    return make_csm("alice@example.com", pool="core", team=team, name="Alice Moreau")


@pytest.fixture
def final(alice):
    return make_stages(alice, **ASKED)[-1]


@pytest.fixture
def survey(final):
    return Survey.objects.get(stage=final)


def do(survey, verb, *args, by=None, now=NOW, **more):
    """One verb through the door; the survey as it then is."""
    with change(survey.account_id, by=by, via="page", now=now):
        fresh = Survey.objects.select_related("account", "stage__adoption").get(pk=survey.pk)
        more |= {} if verb == "reopen" else {"now": now}
        getattr(fresh, verb)(*args, **more, **({"by": by} if verb == "waive" else {}))
    return Survey.objects.select_related("account", "stage__adoption").get(pk=survey.pk)


def set_mrr(account_id, amount):
    with change(account_id, by=None, via="api", now=NOW) as work:
        work.account.record({"mrr": Decimal(amount)})


def open_kinds(account_id):
    rows = Milestone.objects.open().filter(account=account_id, source_type__in=("stage", "survey"))
    return set(rows.values_list("kind", flat=True))


# --- SUR-1


@pytest.mark.parametrize(("mrr", "asked"), [("999.99", False), ("1000.00", True), ("1000.01", True)])
def test_sur_1_the_final_stage_asks_from_a_thousand_dollars_on(alice, mrr, asked):
    first, final = make_stages(alice, mrr=Decimal(mrr))
    assert list(Survey.objects.values_list("stage", flat=True)) == ([final.pk] if asked else [])
    assert survey_of(first) is None
    assert (survey_link(final) != "") is asked


def test_sur_1_day_60_asks_where_it_is_the_final_stage(alice):
    (only,) = make_stages(alice, service_level="basic", **ASKED)
    assert (only.day, Survey.objects.get().stage_id) == (60, only.pk)


def test_sur_1_below_the_amount_nothing_speaks_of_a_survey_and_above_it_again(client, alice, survey):
    page = reverse("adoption:survey", args=[survey.account_id])
    client.force_login(alice)
    assert client.get(page).status_code == 200
    set_mrr(survey.account_id, "999.99")
    assert "send_survey" not in open_kinds(survey.account_id)
    assert client.get(page).status_code == 404
    assert survey_panel(survey.stage, alice, now=NOW) is None
    assert client.get(reverse("adoption:survey-public", args=[survey.token])).status_code == 410
    set_mrr(survey.account_id, "1000.00")
    assert "send_survey" in open_kinds(survey.account_id)
    assert client.get(reverse("adoption:survey-public", args=[survey.token])).status_code == 200


def test_who_runs_the_system_sees_neither_link_nor_answers(client, alice, survey):
    admin = make_user("root@example.com", role="admin")
    do(survey, "answer", GOOD, now=NOW)
    client.force_login(admin)
    account = survey.account_id
    assert client.get(reverse("adoption:survey", args=[account])).status_code == 404
    letter = reverse("mail:letter", args=[account, "survey_link", survey.stage_id])
    assert client.get(letter).status_code == 404
    assert survey.token not in client.get(reverse("adoption:stage", args=[account, 90])).content.decode()
    token = ApiToken.issue(admin, "read", now=NOW, days=1)
    api = APIClient(headers={"Authorization": f"Bearer {token}"})
    assert api.get("/api/v1/surveys/").json()["results"] == []
    assert api.get(f"/api/v1/surveys/{survey.pk}/").status_code == 404
    events = api.get("/api/v1/events/?limit=1000")
    assert "survey" not in {event["object"]["type"] for event in events.json()["results"]}
    assert "Fewer clicks" not in events.content.decode() and survey.token not in events.content.decode()


def test_sur_1_what_was_answered_stays_to_be_read(client, alice, survey):
    do(survey, "answer", GOOD, now=NOW)
    set_mrr(survey.account_id, "500.00")
    client.force_login(alice)
    assert b"Every day." in client.get(reverse("adoption:survey", args=[survey.account_id])).content


def test_sur_1_an_account_that_grows_after_its_final_stage_was_closed_is_not_asked(alice):
    final = make_stages(alice)[-1]
    with change(final.account_id, by=None, via="task", now=NOW):
        Stage.objects.naming([final.account_id]).filter(pk=final.pk).update(closed_at=NOW)
    set_mrr(final.account_id, "5000.00")
    assert not Survey.objects.exists()


# --- SUR-2


def test_sur_2_the_link_is_our_page_a_form_of_all_or_the_accounts_own_form(survey):
    stage = survey.stage
    assert survey_link(stage) == f"http://localhost:8000/s/{survey.token}/"
    with change(None, by=None, via="page", now=NOW):
        Link(key=FORM_LINK, value="https://forms.example/all").save()
    assert survey_link(stage) == "https://forms.example/all"
    do(survey, "record", {"external_url": "https://forms.example/cedar"}, now=NOW)
    assert survey_link(stage) == "https://forms.example/cedar"


def test_sur_2_the_link_goes_into_mails_only_while_an_answer_is_awaited(survey):
    assert survey_link(survey.stage)
    do(survey, "answer", GOOD, now=NOW)
    assert survey_link(survey.stage) == ""


def test_sur_2_the_first_sending_counts_and_none_lies_ahead(survey):
    sent = do(survey, "mark_sent", now=NOW)
    again = do(survey, "mark_sent", now=NOW + timedelta(days=1))
    assert sent.sent_at == again.sent_at == NOW
    for field in ("sent_at", "reminded_at"):
        with pytest.raises(Refused, match="future"):
            do(survey, "record", {field: NOW + timedelta(seconds=1)}, now=NOW)


def test_sur_2_nothing_in_the_database_or_the_log_tells_the_link(survey):
    sent = do(survey, "mark_sent", now=NOW)
    told = [str(event.data) + str(event.changed) for event in Event.objects.filter(object_type="survey")]
    assert len(told) == 2
    seal = sent.token.partition("-")[2]
    assert not any(seal in text or sent.nonce in text for text in told)
    assert seal not in str(Survey.objects.values())


def test_sur_2_a_new_link_revokes_the_old_one_and_is_to_be_sent_again(client, survey):
    do(survey, "mark_sent", now=NOW)
    renewed = do(survey, "renew", now=NOW)
    assert renewed.token != survey.token
    assert client.get(reverse("adoption:survey-public", args=[survey.token])).status_code == 404
    assert client.get(reverse("adoption:survey-public", args=[renewed.token])).status_code == 200
    assert "send_survey" in open_kinds(survey.account_id)
    assert Event.objects.filter(type="survey.updated", changed__has_key="renewed_at").exists()


# --- SUR-3


def test_sur_3_answered_is_unticked_until_the_answer_is_in(survey):
    assert not survey.answered
    kept = do(survey, "answer", GOOD, respondent="Dana Whitlow", now=NOW)
    assert (kept.answered_at, kept.respondent, kept.answers) == (NOW, "Dana Whitlow", GOOD)
    assert (kept.lowest, kept.filled_by) == (3, None)


def test_sur_3_an_answer_in_another_products_form_is_ticked_and_may_be_taken_back(survey):
    ticked = do(survey, "tick_answered", now=NOW)
    assert (ticked.answered, ticked.answers) == (True, {})
    assert do(ticked, "reopen").is_open


def test_sur_4_a_new_link_of_a_closed_stage_leaves_the_reminder_open(survey):
    do(survey, "mark_sent", now=NOW)
    with change(survey.account_id, by=None, via="page", now=NOW):
        stage = Stage.objects.get(pk=survey.stage_id)
        stage.closed_at = NOW
        stage.save()
    later = NOW + timedelta(days=30)
    with clock.at(later), change(survey.account_id, by=None, via="task", now=later):
        pass
    assert "survey_reminder" in open_kinds(survey.account_id)
    do(survey, "renew", now=later)
    assert "survey_reminder" in open_kinds(survey.account_id)


@pytest.mark.parametrize("verb", ["tick", "answer", "waive", "renew", "reopen"])
def test_sur_3_what_the_customer_answered_is_never_overwritten(survey, alice, verb):
    do(survey, "answer", GOOD, now=NOW)
    acts = {
        "answer": lambda: do(survey, "answer", {"scores": {"useful": 1}}, now=NOW),
        "waive": lambda: do(survey, "waive", "No time", by=alice, now=NOW),
        "renew": lambda: do(survey, "renew", now=NOW),
        "reopen": lambda: do(survey, "reopen"),
    }
    if verb == "tick":
        assert do(survey, "tick_answered", now=NOW).answers == GOOD
        return
    with pytest.raises(Refused) as no:
        acts[verb]()
    assert (no.value.code, no.value.conflict) == ("answered", True)
    assert Survey.objects.get().answers == GOOD


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({}, "empty"),
        ({"scores": {}, "words": {"useful": "  "}, "open": " \n"}, "empty"),
        ({"scores": {"useful": 0}}, "invalid"),
        ({"scores": {"useful": 6}}, "invalid"),
        ({"scores": {"nonsense": 3}}, "unknown"),
        ({"words": {"nonsense": "x"}}, "unknown"),
        ({"open": "x" * (LONGEST_WORDS + 1)}, "too_long"),
    ],
)
def test_sur_3_what_is_no_answer_is_refused_and_nothing_is_kept(survey, answers, code):
    with pytest.raises(Refused) as no:
        do(survey, "answer", answers, now=NOW)
    assert (no.value.code, no.value.rule) == (code, "SUR-3")
    assert not Survey.objects.get().answered


def test_sur_3_there_are_six_questions_at_most():
    assert len(QUESTIONS) + 1 <= 6


@pytest.mark.parametrize(("lowest", "reviewed"), [(1, True), (2, True), (3, False)])
def test_sur_3_a_low_answer_goes_to_the_lead(client, team, survey, lowest, reviewed):
    do(survey, "answer", {"scores": {"useful": 5, "help": lowest}}, now=NOW)
    rows = Milestone.objects.open().filter(kind="lead_review", source_type="survey")
    assert [row.owner for row in rows] == ([team.lead] if reviewed else [])
    client.force_login(team.lead)
    page = client.get(reverse("adoption:survey", args=[survey.account_id])).content.decode()
    assert ("Review a low survey answer" in page) is reviewed
    assert ("chip red" in page) is reviewed
    for row in rows:
        client.post(reverse("dashboards:complete", args=[row.pk]))
    assert not Milestone.objects.open().filter(kind="lead_review").exists()


# --- SUR-4


def at_noon(day):
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def reminder_of(account_id):
    return Milestone.objects.open().filter(account=account_id, kind="survey_reminder").first()


def look(instant):
    with clock.at(instant):
        planner.plan(instant)


def test_sur_4_seven_days_after_the_meeting_the_csm_is_reminded_once_and_the_row_stays(final, survey, alice):
    held = date(2026, 9, 10)
    do(survey, "mark_sent", now=NOW)
    record(final, meeting_held=True, meeting_held_on=held, now=at_noon(held))
    midnight = datetime(2026, 9, 17, tzinfo=UTC)
    look(midnight - timedelta(seconds=1))
    assert reminder_of(final.account_id) is None
    look(midnight)
    row = reminder_of(final.account_id)
    assert (row.owner, row.due_on, row.act_by) == (alice, date(2026, 9, 17), date(2026, 9, 17))
    for days in range(60):
        look(at_noon(date(2026, 9, 17) + timedelta(days=days)))
    sent = Reminder.objects.filter(milestone=row)
    assert list(sent.values_list("occasion", "recipient")) == [("day", alice.pk)]
    later = at_noon(date(2026, 11, 20))
    do(survey, "record", {"reminded_at": later}, now=later)
    assert reminder_of(final.account_id) == row
    do(survey, "answer", GOOD, now=later)
    assert reminder_of(final.account_id) is None


def test_sur_4_it_outlives_the_closed_stage(final, survey):
    do(survey, "mark_sent", now=NOW)
    record(final, meeting_held=True, meeting_held_on=date(2026, 8, 31), now=NOW)
    with change(final.account_id, by=None, via="task", now=NOW):
        Stage.objects.naming([final.account_id]).filter(pk=final.pk).update(closed_at=NOW)
    look(datetime(2026, 9, 7, tzinfo=UTC))
    assert reminder_of(final.account_id).due_on == date(2026, 9, 7)


def test_sur_4_a_waiver_needs_a_reason_and_may_be_taken_back(survey, alice):
    for nothing in ("", "  "):
        with pytest.raises(Refused) as no:
            do(survey, "waive", nothing, by=alice, now=NOW)
        assert (no.value.field, no.value.rule) == ("waive_reason", "SUR-4")
    waived = do(survey, "waive", " They are moving. ", by=alice, now=NOW)
    assert (waived.waive_reason, waived.waived_by, waived.is_open) == ("They are moving.", alice, False)
    assert "send_survey" not in open_kinds(survey.account_id)
    with pytest.raises(Refused, match="waived"):
        do(survey, "answer", GOOD, now=NOW)
    assert do(survey, "reopen").is_open
    assert "send_survey" in open_kinds(survey.account_id)


def test_an_archived_account_takes_nothing(survey):
    with change(survey.account_id, by=None, via="page", now=NOW) as work:
        work.account.archive(now=NOW)
    with pytest.raises(Refused, match="archived"):
        do(survey, "mark_sent", now=NOW)


@pytest.mark.parametrize(
    "broken",
    [{"waived_at": NOW}, {"waive_reason": "x"}, {"waived_at": NOW, "waive_reason": "x", "answered_at": NOW}],
)
def test_the_database_refuses_half_a_waiver_and_two_ends(survey, broken):
    with pytest.raises(IntegrityError), transaction.atomic(), change(None, by=None, via="task", now=NOW):
        Survey.objects.naming([]).filter(pk=survey.pk).update(**broken)


def test_a_link_that_no_browser_should_open_is_refused(survey):
    survey.external_url = "javascript:alert(1)"
    with pytest.raises(ValidationError, match="valid URL"):
        survey.full_clean()


# --- the page of our people


def url(survey, name, *more):
    return reverse(f"adoption:survey-{name}", args=[survey.account_id, survey.pk, *more])


def test_sur_2_the_panel_is_on_the_page_of_the_final_stage(client, alice, final, survey):
    client.force_login(alice)
    page = client.get(reverse("adoption:stage", args=[final.account_id, 90])).content.decode()
    assert survey.token in page
    assert "Mark the link as sent" in page
    assert (
        "survey"
        not in client.get(reverse("adoption:stage", args=[final.account_id, 30])).content.decode().lower()
    )


def test_the_buttons_do_what_they_say_and_lead_back(client, alice, survey):
    client.force_login(alice)
    back = reverse("adoption:stage", args=[survey.account_id, 90]) + "#survey"
    for verb, field in (("sent", "sent_at"), ("reminded", "reminded_at"), ("answered", "answered_at")):
        answer = client.post(url(survey, "act", verb), {"next": back})
        assert (answer.status_code, answer["Location"]) == (302, back)
        assert getattr(Survey.objects.get(), field) == NOW
    assert client.post(url(survey, "act", "nothing")).status_code == 404
    assert client.post(url(survey, "act", "reopen"))["Location"] == reverse(
        "adoption:survey", args=[survey.account_id]
    )
    refused = client.post(url(survey, "waive"), {"reason": ""})
    assert refused.status_code == 422
    assert client.post(url(survey, "waive"), {"reason": "No time"}).status_code == 302
    assert client.post(url(survey, "act", "renew")).status_code == 409


def test_sur_2_links_are_kept_and_a_bad_one_is_said_at_its_field(client, alice, survey):
    client.force_login(alice)
    bad = client.post(url(survey, "links"), {"external_url": "javascript:alert(1)", "second_url": ""})
    assert bad.status_code == 422
    assert b"valid URL" in bad.content
    values = {"external_url": "https://forms.example/1", "second_url": "https://forms.example/2"}
    assert client.post(url(survey, "links"), values).status_code == 302
    page = client.get(reverse("adoption:survey", args=[survey.account_id])).content.decode()
    assert "https://forms.example/1" in page
    assert "Second survey" in page
    assert "Fill it in together" not in page


def test_sur_2_filling_it_in_together_keeps_who_typed(client, alice, survey):
    client.force_login(alice)
    empty = client.post(url(survey, "fill"), {})
    assert (empty.status_code, b"Answer one question at least" in empty.content) == (422, True)
    given = {"useful": "4", "help_words": "Quick.", "respondent": "Dana Whitlow"}
    assert client.post(url(survey, "fill"), given).status_code == 302
    kept = Survey.objects.get()
    assert (kept.filled_by, kept.respondent, kept.answers["scores"]) == (alice, "Dana Whitlow", {"useful": 4})
    page = client.get(reverse("adoption:survey", args=[survey.account_id])).content.decode()
    assert "typed by Alice Moreau" in page
    again = client.post(url(survey, "fill"), given | {"open": "Typed in vain"})
    assert (again.status_code, b"Typed in vain" in again.content) == (409, True)
    assert client.get(url(survey, "fill")).status_code == 302


def test_an_open_survey_of_a_churned_account_offers_nothing_to_take_back(client, alice, survey):
    with change(survey.account_id, by=alice, via="page", now=NOW) as work:
        work.account.churned_on = NOW.date()
        work.account.save()
    client.force_login(alice)
    page = reverse("adoption:survey", args=[survey.account_id])
    assert "Ask again after all" not in client.get(page).content.decode()
    do(survey, "waive", "They left.", by=alice)
    assert "Ask again after all" in client.get(page).content.decode()


def test_sur_1_from_the_letter_of_a_withdrawn_survey_there_is_a_way_back(client, alice, survey):
    set_mrr(survey.account_id, "999.99")
    client.force_login(alice)
    letter = client.get(reverse("mail:letter", args=[survey.account_id, "survey_link", survey.pk]))
    assert letter.status_code == 200
    assert client.get(letter.context["back"]).status_code == 200


def test_sur_2_marking_the_duty_as_done_goes_by_the_surveys_own_rules(alice, survey):
    do(survey, "mark_sent", now=NOW - timedelta(days=1))
    with change(survey.account_id, by=alice, via="page", now=NOW):
        duty = Milestone(
            kind="send_survey", source_type="stage", source_id=survey.stage_id, account=survey.account
        )
        duty.complete(by=alice, now=NOW)
    assert Survey.objects.get().sent_at == NOW - timedelta(days=1)


def test_who_may_not_see_the_account_finds_no_survey_and_who_reads_changes_none(client, survey):
    client.force_login(make_csm("charlie@example.com", team=make_team("West")))
    missing = client.get(reverse("adoption:survey", args=[999_999]))
    foreign = client.get(reverse("adoption:survey", args=[survey.account_id]))
    assert (foreign.status_code, foreign.content) == (404, missing.content)
    assert client.post(url(survey, "act", "sent")).status_code == 404
    client.force_login(make_user("viewer@example.com", role="viewer"))
    assert client.get(reverse("adoption:survey", args=[survey.account_id])).status_code == 200
    for name in (url(survey, "act", "sent"), url(survey, "waive"), url(survey, "links"), url(survey, "fill")):
        assert client.post(name).status_code == 403
    client.logout()
    assert client.post(url(survey, "act", "sent")).status_code == 302
    assert Survey.objects.get().sent_at is None


def test_the_timeline_tells_of_the_survey(client, alice, survey):
    do(survey, "mark_sent", by=alice, now=NOW)
    do(survey, "answer", GOOD, now=NOW)
    client.force_login(alice)
    page = client.get(reverse("accounts:activity", args=[survey.account_id])).content.decode()
    assert "Survey link sent" in page
    assert "Survey answered" in page
    assert "The customer" in page
    assert "Every day." not in page


# --- REST


@pytest.fixture
def rest(alice):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {ApiToken.issue(alice, 'write', now=NOW, days=1)}")
    return client


def test_sur_3_the_survey_is_read_and_recorded_over_rest(rest, survey):
    here = f"/api/v1/surveys/{survey.pk}/"
    shown = rest.get(here).json()
    assert shown["link"] == survey.own_address
    assert (shown["answered"], shown["answers"], shown["stage"]) == (False, {}, survey.stage_id)
    assert rest.patch(here, {"sent_at": "2026-02-01T10:00:00Z"}).status_code == 200
    assert rest.patch(here, {"waive_reason": "No time"}).json()["waived_by"] == "alice@example.com"
    assert rest.patch(here, {"answered": True}).status_code == 409
    assert rest.patch(here, {"waive_reason": ""}).json()["waived_at"] is None
    answered = rest.patch(here, {"answers": GOOD, "respondent": "Dana"}).json()
    assert (answered["answered"], answered["answers"], answered["filled_by"]) == (
        True,
        GOOD,
        "alice@example.com",
    )
    assert rest.patch(here, {"answered": False}).status_code == 409
    assert rest.patch(here, {"answers": GOOD}).status_code == 409
    assert rest.get("/api/v1/surveys/?answered_at__gte=2026-01-01T00:00:00Z").json()["results"] == [answered]


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"link": "https://x.example"}, "read_only", "/link"),
        ({"answered_at": None}, "read_only", "/answered_at"),
        ({"nonce": "x"}, "unknown", "/nonce"),
        ({"answers": {}}, "empty", "/answers"),
        ({"answers": {"scores": {"useful": 6}}}, "max_value", "/answers/scores/useful"),
        ({"answers": {"scores": {"useful": "5"}}}, "invalid", "/answers/scores/useful"),
        ({"answers": {"scores": {"nonsense": 5}}}, "unknown", "/answers/scores/nonsense"),
        ({"answers": {"open": "x" * 20_001}}, "max_length", "/answers/open"),
        ({"external_url": "javascript:alert(1)"}, "invalid", "/external_url"),
        ({"respondent": "Dana"}, "no_answers", "/respondent"),
        ({"sent_at": "2999-01-01T00:00:00Z"}, "invalid", "/sent_at"),
    ],
)
def test_bad_input_over_rest_is_named_and_nothing_is_kept(rest, survey, body, code, pointer):
    answer = rest.patch(f"/api/v1/surveys/{survey.pk}/", body)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"], error["pointer"]) == (400, code, pointer)
    assert Survey.objects.get().version == survey.version


def test_sur_1_over_rest_an_account_that_is_not_asked_has_no_survey(rest, survey):
    set_mrr(survey.account_id, "999.99")
    assert rest.get("/api/v1/surveys/").json()["results"] == []
    assert rest.get(f"/api/v1/surveys/{survey.pk}/").status_code == 404
    assert Account.objects.get().mrr == Decimal("999.99")
