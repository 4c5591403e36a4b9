"""The stage page, its checklist and the check-in: who may, what is kept, what is refused and in which words."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse

from accounts.tests.factories import make_csm, make_lead, make_team, make_user
from adoption.models import Answer, CheckIn, Checklist, ChecklistExport, Stage
from adoption.tests.factories import NOON, answer, fresh, make_stages, record
from lifecycle import clock
from lifecycle.change import change
from lifecycle.events.models import Event
from lifecycle.milestones.models import Milestone

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 7, 13, 15, 0, tzinfo=UTC)  # a Monday, five days before day 30
HTMX = {"HX-Request": "true"}
HELD = {
    "meeting_held_on": "2026-07-13",
    "engaged": "True",
    "investment": "neutral",
    "summary": "They like it.",
}


@pytest.fixture(autouse=True)
def monday():
    with clock.at(NOW):
        yield


@pytest.fixture(autouse=True)
def _own_media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def team():
    return make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))


@pytest.fixture
def alice(team):
    return make_csm(
        "alice@example.com", pool="core", team=team, name="Alice Moreau", time_zone="America/New_York"
    )


@pytest.fixture
def stage(alice):
    return make_stages(alice, time_zone="America/Chicago")[0]


@pytest.fixture
def final(stage):
    return fresh(Stage.objects.get(adoption=stage.adoption, final=True))


@pytest.fixture
def signed_in(client, alice):
    client.force_login(alice)
    return client


def url(stage, name="stage", *more):
    return reverse(f"adoption:{name}", args=[stage.account_id, stage.day, *more])


def text(page):
    return " ".join(page.content.decode().split())


READS = ("stage", "checklist", "checklist-pdf")
STEPS = ("book", "hold", "feedback", "upsell", "task", "missed", "recap", "reference", "goals")
WRITES = (*STEPS, "export", "close", "ready", "fill-in")


@pytest.mark.parametrize("name", READS)
def test_pages_send_those_who_are_not_signed_in_to_sign_in(client, stage, name):
    page = client.get(url(stage, name))
    assert page.status_code == 302
    assert page["Location"].startswith("/sign-in/")


def test_who_was_signed_out_meanwhile_comes_back_to_the_page_and_keeps_what_they_typed(client, stage):
    page = f"http://testserver{url(stage)}"
    answer = client.post(url(stage, "hold"), headers={"referer": page})
    assert (answer.status_code, answer["Location"]) == (302, f"/sign-in/?next={url(stage)}")
    assert client.post(url(stage, "hold"), headers={"referer": page, "HX-Request": "true"}).status_code == 401
    elsewhere = client.post(url(stage, "hold"), headers={"referer": "https://elsewhere.example/x"})
    assert elsewhere["Location"] == "/sign-in/?next=/"


@pytest.mark.parametrize("name", [*READS, *WRITES, "gap", "reopen"])
def test_another_teams_csm_cannot_tell_a_foreign_stage_from_a_missing_one(client, stage, name):
    client.force_login(make_csm("charlie@example.com", team=make_team("West")))
    ask = client.get if name in READS else client.post
    foreign = ask(url(stage, name))
    missing = ask(url(stage, name).replace(f"/{stage.account_id}/", "/999999/"))
    assert foreign.status_code == missing.status_code == 404
    assert foreign.content == missing.content


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_those_who_only_read_are_refused_every_write(client, stage, name, role):
    client.force_login(make_user(f"{role}@example.com", role=role))
    assert client.get(url(stage)).status_code == 200
    assert client.post(url(stage, name)).status_code == 403
    assert client.post(url(stage, "answer", "exploring"), {"value": "yes"}).status_code == 403
    assert not Checklist.objects.exists()


@pytest.mark.parametrize("name", [*WRITES, "gap", "reopen", "answer"])
def test_writes_are_posts(signed_in, stage, name):
    assert signed_in.get(url(stage, name, *(["exploring"] if name == "answer" else []))).status_code == 405


@pytest.mark.parametrize("name", READS)
def test_reading_writes_nothing(signed_in, stage, name):
    before = Event.objects.count()
    page = signed_in.get(url(stage, name))
    assert page.status_code == 200
    assert b"".join(page.streaming_content if page.streaming else [page.content])
    assert Event.objects.count() == before
    assert not Checklist.objects.exists()


def test_stage_2_a_meeting_is_booked_in_the_viewers_zone_and_shown_with_the_customers(signed_in, stage):
    answered = signed_in.post(
        url(stage, "book"), {"meeting_scheduled_at": "2026-07-22T10:00", "recording_confirmed": "on"}
    )
    assert answered.status_code == 302
    assert answered["Location"].endswith("#book")
    kept = fresh(stage)
    assert kept.meeting_scheduled_at == datetime(2026, 7, 22, 14, 0, tzinfo=UTC)
    assert kept.recording_confirmed
    page = text(signed_in.get(url(stage)))
    assert "Wed, Jul 22, 10:00 AM" in page
    assert "9:00 AM in Chicago" in page
    assert "Adoption - 30D" in page
    assert "Short notice" not in page


@pytest.mark.parametrize(("day", "short"), [(19, True), (20, False)])
def test_stage_2_fewer_than_seven_days_ahead_is_allowed_and_marked(signed_in, stage, day, short):
    signed_in.post(url(stage, "book"), {"meeting_scheduled_at": f"2026-07-{day}T11:00"})
    assert fresh(stage).meeting_scheduled_at
    assert ("Short notice" in text(signed_in.get(url(stage)))) is short


def test_a_bad_time_is_said_at_its_field_and_nothing_is_kept(signed_in, stage):
    page = signed_in.post(url(stage, "book"), {"meeting_scheduled_at": "soon", "recording_url": "nope"})
    assert page.status_code == 422
    assert "Enter a valid date/time." in text(page)
    assert "Enter a valid URL." in text(page)
    assert fresh(stage).meeting_scheduled_at is None


def test_stage_3_entering_the_day_says_the_meeting_was_held(signed_in, stage):
    given = HELD | {"engaged": "False", "disengagement_reasons": ["knowledge_gaps"], "action": "Meet again"}
    assert (
        signed_in.post(url(stage, "hold"), {**given, "summary": "They like it.\r\nMostly."}).status_code
        == 302
    )
    kept = fresh(stage)
    assert (kept.meeting_held, kept.meeting_held_on, kept.engaged) == (True, date(2026, 7, 13), False)
    assert kept.disengagement_reasons == ["knowledge_gaps"]
    assert kept.summary == "They like it.\nMostly."
    page = text(signed_in.get(url(stage)))
    assert "Held Mon, Jul 13" in page
    assert "Why not</dt><dd>They do not know how" in page


def test_stage_3_a_day_in_the_future_is_refused_in_words_at_the_field(signed_in, stage):
    page = signed_in.post(url(stage, "hold"), {"meeting_held_on": "2026-07-14"})
    assert page.status_code == 422
    assert "Held date is in the future. Enter today or earlier." in text(page)
    assert fresh(stage).meeting_held is None


def test_the_day_is_the_csms_own_not_the_servers(signed_in, stage):
    with clock.at(datetime(2026, 7, 14, 2, 0, tzinfo=UTC)):  # still Monday evening in New York
        assert signed_in.post(url(stage, "hold"), {"meeting_held_on": "2026-07-14"}).status_code == 422


def test_the_final_stage_asks_other_questions_than_the_first(signed_in, stage, final):
    first, last = text(signed_in.get(url(stage))), text(signed_in.get(url(final)))
    assert "Are they engaged?" in first
    assert "Would they be a reference?" not in first
    assert "Would they be a reference?" in last
    assert "Are they engaged?" not in last


def test_two_people_on_different_fields_of_one_form_both_keep_theirs(signed_in, stage):
    record(stage, notes="from Joss", now=NOW)
    seen = {"initial-notes": "", "notes": "", "initial-summary": "", "summary": "mine"}
    assert signed_in.post(url(stage, "hold"), seen).status_code == 302
    kept = fresh(stage)
    assert (kept.notes, kept.summary) == ("from Joss", "mine")


def test_two_people_on_one_field_are_shown_both_values_and_saving_again_keeps_mine(signed_in, stage):
    record(stage, summary="theirs", now=NOW)
    given = {"initial-summary": "", "summary": "mine"}
    page = signed_in.post(url(stage, "hold"), given)
    assert page.status_code == 409
    assert "Changed meanwhile: it now reads “theirs”. Save again to keep yours." in text(page)
    assert fresh(stage).summary == "theirs"
    seen = page.context["hold_form"].data
    assert (
        signed_in.post(
            url(stage, "hold"), {"initial-summary": seen["initial-summary"], "summary": "mine"}
        ).status_code
        == 302
    )
    assert fresh(stage).summary == "mine"


def test_an_unchanged_form_records_nothing(signed_in, stage):
    record(stage, meeting_scheduled_at=datetime(2026, 7, 22, 14, tzinfo=UTC), now=NOW)
    before = Event.objects.count()
    same = {"initial-meeting_scheduled_at": "2026-07-22 10:00:00", "meeting_scheduled_at": "2026-07-22T10:00"}
    assert signed_in.post(url(stage, "book"), same).status_code == 302
    assert Event.objects.count() == before
    assert fresh(stage).postponements == 0


def test_stage_3_no_meeting_needs_a_reason_and_opens_the_leads_row(signed_in, stage, team):
    assert signed_in.post(url(stage, "missed"), {"why": ""}).status_code == 422
    assert signed_in.post(url(stage, "missed"), {"why": "No-show", "note": "Nobody came."}).status_code == 302
    kept = fresh(stage)
    assert (kept.meeting_held, kept.no_meeting_reason) == (False, "No-show: Nobody came.")
    assert Milestone.objects.get(kind="close_gap", status="open").owner == team.lead


def test_stage_3_the_lead_decides_not_the_csm(signed_in, client, stage, team):
    record(stage, meeting_held=False, no_meeting_reason="No-show", now=NOW)
    given = {"gap_decision": "waive", "notes": "The contract ends."}
    assert signed_in.post(url(stage, "gap"), given).status_code == 403
    client.force_login(team.lead)
    assert client.post(url(stage, "gap"), {"gap_decision": "", "notes": ""}).status_code == 422
    seen = {"initial-gap_decision": "", "initial-notes": ""}  # as the page sends them: nothing was there yet
    assert client.post(url(stage, "gap"), given | seen).status_code == 302
    kept = fresh(stage)
    assert (kept.gap_decision, kept.notes) == ("waive", "The contract ends.")


def test_stage_7_marking_the_recap_as_sent_keeps_the_first_time(signed_in, stage):
    record(stage, meeting_held=True, now=NOW)
    signed_in.post(url(stage, "recap"))
    with clock.at(NOW + timedelta(hours=3)):
        signed_in.post(url(stage, "recap"))
    assert fresh(stage).recap_sent_at == NOW


def test_stage_10_the_gate_lists_what_is_missing_as_links_and_keeps_the_stage_open(signed_in, stage):
    page = signed_in.post(url(stage, "close"))
    assert page.status_code == 409
    assert "The stage cannot close yet." in text(page)
    for field, words in (
        ("div_id_meeting_held_on", "Record whether the meeting was held."),
        ("div_id_engaged", "Say whether they are engaged."),
        ("div_id_investment", "Say how interested they are in more."),
        ("div_id_summary", "Write down the main points and the pain points."),
        ("recap", "Send the recap, or mark it as sent."),
    ):
        assert f'<a class="link" href="#{field}">{words}</a>' in text(page)
        assert f'id="{field}"' in text(page)
    assert fresh(stage).closed_at is None


def test_stage_10_with_everything_there_it_closes_and_is_read_only_from_then_on(signed_in, stage):
    signed_in.post(url(stage, "answer", "exploring"), {"value": "yes"})
    signed_in.post(url(stage, "hold"), HELD)
    signed_in.post(url(stage, "recap"))
    assert signed_in.post(url(stage, "export")).status_code == 302
    assert ChecklistExport.objects.get().exported_by.email == "alice@example.com"
    assert signed_in.post(url(stage, "close")).status_code == 302
    kept = fresh(stage)
    assert kept.closed_at == NOW
    page = text(signed_in.get(url(stage)))
    assert "The 30-day stage is closed and read-only." in page
    assert "Save the outcome" not in page
    assert signed_in.post(url(stage, "hold"), {"summary": "late"}).status_code == 409
    assert signed_in.post(url(stage, "answer", "exploring"), {"value": "no"}).status_code == 409
    assert signed_in.post(url(stage, "ready")).status_code == 409
    assert b"".join(signed_in.get(url(stage, "checklist-pdf")).streaming_content).startswith(b"%PDF")


def test_chk_3_an_answer_saves_as_it_is_made_and_only_what_changed_comes_back(signed_in, stage):
    page = signed_in.post(
        url(stage, "answer", "exploring"), {"value": "yes", "comment": "", "seen": "0"}, headers=HTMX
    )
    assert page.status_code == 200
    assert '<input type="hidden" id="seen-exploring" name="seen" value="1" hx-swap-oob="true">' in text(page)
    assert "1 of 16 answered, 4 more in the meeting" in text(page)
    assert "<html" not in text(page)
    kept = Answer.objects.get()
    assert (kept.item, kept.value, kept.answered_by.email) == ("exploring", "yes", "alice@example.com")


def test_chk_3_without_javascript_the_answer_is_a_plain_post(signed_in, stage):
    page = signed_in.post(url(stage, "answer", "exploring"), {"value": "no", "comment": "not yet"})
    assert page.status_code == 302
    assert page["Location"].endswith("/checklist/#item-exploring")


def test_chk_3_a_put_does_the_same(signed_in, stage):
    body = "value=yes&comment=&seen=0"
    page = signed_in.put(
        url(stage, "answer", "exploring"),
        body,
        content_type="application/x-www-form-urlencoded",
        headers=HTMX,
    )
    assert page.status_code == 200
    assert Answer.objects.get().value == "yes"


@pytest.mark.parametrize("headers", [HTMX, {}])
def test_chk_3_two_people_on_one_item_see_both_answers(signed_in, stage, team, headers):
    answer(stage, {"exploring": ("no", "asked on Monday")}, by=team.lead, now=NOW)
    mine = {"value": "yes", "comment": "saw it", "seen": "0"}
    page = signed_in.post(url(stage, "answer", "exploring"), mine, headers=headers)
    assert page.status_code == 409
    shown = text(page)
    assert "Joss Vandermeer changed this at 11:00 AM." in shown
    assert "No: asked on Monday" in shown
    assert "Yes: saw it" in shown
    assert Answer.objects.get().value == "no"
    assert signed_in.post(url(stage, "answer", "exploring"), {**mine, "seen": "1"}).status_code == 302
    assert Answer.objects.get().value == "yes"


@pytest.mark.parametrize(
    ("item", "value", "words"),
    [
        ("exploring", "maybe", "Answer yes, no or not applicable."),
        ("active_users", "many", "Enter a whole number."),
        ("active_users", "٤", "Enter a whole number."),
        ("bugs", "x" * 5001, "at most 5000 characters"),
        ("unheard-of", "yes", "This item is not on the checklist of this account."),
    ],
)
@pytest.mark.parametrize("headers", [HTMX, {}])
def test_chk_1_an_answer_that_is_none_is_refused_in_words(signed_in, stage, item, value, words, headers):
    page = signed_in.post(url(stage, "answer", item), {"value": value}, headers=headers)
    assert page.status_code == 422
    assert words in text(page)
    assert not Answer.objects.exists()


def test_marking_the_checklist_ready_clears_the_duty_to_prepare_it(signed_in, stage):
    with clock.at(NOON + timedelta(days=22)):
        signed_in.post(url(stage, "book"), {"meeting_scheduled_at": "2026-07-22T10:00"})
        assert Milestone.objects.get(kind="prepare_checklist").status == "open"
        assert signed_in.post(url(stage, "ready")).status_code == 302
        assert Milestone.objects.get(kind="prepare_checklist").status == "done"


def test_the_pdf_is_a_download_that_no_cache_keeps(signed_in, stage):
    page = signed_in.get(url(stage, "checklist-pdf"))
    assert page["Content-Type"] == "application/pdf"
    assert (
        page["Content-Disposition"]
        == 'attachment; filename="Halden Vale Imaging 30-day checklist 2026-07-13.pdf"'
    )
    assert "no-store" in page["Cache-Control"]
    assert b"".join(page.streaming_content).startswith(b"%PDF")


def test_a_cancelled_stage_says_so_and_a_withdrawn_adoption_is_gone(signed_in, stage):
    with change(stage.account_id, by=None, via="page", now=NOW) as work:
        work.account.record({"service_level": "basic"})
    assert "was cancelled: it no longer belongs to this adoption" in text(signed_in.get(url(stage)))
    assert signed_in.post(url(stage, "hold"), {"summary": "x"}).status_code == 409


def test_tlc_1_the_lead_records_the_check_in_and_the_csm_reads_it(client, stage, team, alice):
    page = reverse("adoption:check-in", args=[stage.account_id, 75])
    client.force_login(alice)
    assert client.post(page, {"supervision": "fine"}).status_code == 403
    client.force_login(team.lead)
    assert client.post(page, {"done_on": "2026-07-14", "supervision": "fine"}).status_code == 422
    assert client.post(page, {"done_on": "2026-07-13", "supervision": "fine"}).status_code == 302
    kept = CheckIn.objects.get(day=75, account=stage.account)
    assert (kept.done_on, kept.answers["supervision"]) == (date(2026, 7, 13), "fine")
    client.force_login(alice)
    assert "fine" in text(client.get(page))
    assert "<dt>Supervision</dt><dd>fine</dd>" in text(
        client.get(reverse("adoption:check-in", args=[stage.account_id, 150]))
    )


def test_what_people_type_is_text_on_every_page(signed_in, stage):
    markup = "<script>alert(1)</script>"
    signed_in.post(url(stage, "answer", "exploring"), {"value": "no", "comment": markup})
    signed_in.post(url(stage, "answer", "bugs"), {"value": markup})
    signed_in.post(url(stage, "hold"), {"summary": markup, "notes": markup})
    for name in ("stage", "checklist"):
        assert markup not in signed_in.get(url(stage, name)).content.decode()
