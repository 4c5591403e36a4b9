"""Stages, check-ins and milestones over REST: recorded, closed through the gate, completed by hand."""

from datetime import timedelta

import pytest

from accounts.models import Activity
from accounts.tests.factories import complete_onboarding, make_account
from adoption.models import Adoption, Answer, CheckIn, Checklist, ChecklistExport, Stage
from adoption.tests.factories import SAID_FINAL, SAID_FIRST
from lifecycle.api.tests.calling import NOW
from lifecycle.change import change
from lifecycle.events.models import Event
from lifecycle.milestones.models import Milestone, Notice

FIELDS = {
    *("id", "adoption", "account", "day", "final", "due_on", "meeting_scheduled_at", "meeting_type"),
    *("recording_confirmed", "recording_url", "postponements", "meeting_held", "meeting_held_on"),
    *("no_meeting_reason", "gap_decision", "send_reference_email", "engaged", "engagement"),
    *("disengagement_reasons", "reengage_on", "action", "root_causes", "cause_side", "contacts_unchanged"),
    *("feedback", "investment", "summary", "expectations", "notes", "reference", "recap_sent_at", "missing"),
    "closed_at",
}


@pytest.fixture
def account(people):
    account = make_account(csm=people.alice, starter_package=True, service_level="premium")
    return complete_onboarding(account, on=NOW.date())


@pytest.fixture
def stage(account):
    return Stage.objects.get(account=account, day=30)


@pytest.fixture
def url(stage):
    return f"/api/v1/stages/{stage.pk}/"


@pytest.fixture
def alice(people, api):
    return api(people.alice)


@pytest.fixture
def lead(people, api):
    return api(people.lead)


def export(stage, people):
    """The stage's checklist with a PDF attached."""
    with change(stage.account_id, by=people.alice, via="page", now=NOW):
        checklist = Checklist.begin(Stage.objects.select_related("account").get(pk=stage.pk))
        ChecklistExport.objects.create(
            account_id=stage.account_id, checklist=checklist, content_hash="0" * 64, file_name="x.pdf"
        )


def close(stage, people, client):
    """The stage with everything that applies to it, closed."""
    url, said = f"/api/v1/stages/{stage.pk}/", SAID_FINAL if stage.final else SAID_FIRST
    client.patch(url, {"meeting_held": True, "recap_sent_at": "2026-03-02T15:00:00Z", **said})
    export(stage, people)
    assert client.post(f"{url}close/").status_code == 200
    return url


def fields_missing(shown):
    return [item["field"] for item in shown["missing"]]


def test_an_empty_stage_shows_everything_missing(alice, url):
    shown = alice.get(url).json()
    assert set(shown) == FIELDS
    assert (shown["meeting_type"], shown["day"], shown["final"]) == ("Adoption - 30D", 30, False)
    asked = ["meeting_held", "engaged", "investment", "summary", "recap_sent_at", "checklist"]
    assert fields_missing(shown) == asked
    assert set(shown["missing"][0]) == {"field", "rule", "text"}
    assert (shown["gap_decision"], shown["engagement"], shown["engaged"]) == (None, None, None)
    assert shown["feedback"] == {"bugs": "", "workflow": "", "suggestions": ""}


def test_stage_10_a_stage_closes_when_all_is_there_and_not_before(people, alice, stage, url):
    refused = alice.post(f"{url}close/")
    assert (refused.status_code, refused["Content-Type"]) == (409, "application/problem+json")
    assert refused.json()["missing"] == alice.get(url).json()["missing"]
    alice.patch(url, {"meeting_held": True, "meeting_held_on": "2026-03-01"})
    assert alice.post(f"{url}close/").status_code == 409
    alice.patch(url, {**SAID_FIRST, "recap_sent_at": "2026-03-01T18:00:00Z"})
    assert fields_missing(alice.post(f"{url}close/").json()) == ["checklist"]
    export(stage, people)
    tried = alice.post(f"{url}close/?dry_run=true")
    assert ("done", "stage") in {(move["action"], move["kind"]) for move in tried.json()["plan"]}
    closed = alice.post(f"{url}close/")
    assert (closed.status_code, closed.json()["closed_at"], closed.json()["missing"]) == (
        200,
        "2026-03-02T15:00:00Z",
        [],
    )
    assert alice.post(f"{url}close/").status_code == 200
    assert Event.objects.filter(type="stage.closed").count() == 1
    late = alice.patch(url, {"notes": "More."})
    assert (late.status_code, late.json()["code"]) == (409, "closed")


# --- opened again


def test_stage_10_a_lead_opens_a_closed_stage_again_and_its_duties_return(people, alice, lead, account):
    final = Stage.objects.get(account=account, final=True)
    url = close(final, people, alice)
    assert not Milestone.objects.filter(status="open", source_type="stage", source_id=final.pk).exists()
    shown = lead.post(f"{url}reopen/", {"reason": " The admin called back. "})
    assert (shown.status_code, shown.json()["closed_at"], shown.json()["missing"]) == (200, None, [])
    adoption = alice.get(f"/api/v1/adoptions/{final.adoption_id}/").json()
    assert adoption["completed_on"] is None
    assert alice.get(f"/api/v1/accounts/{account.pk}/").json()["phase"] == "adoption"
    rows = Milestone.objects.filter(status="open", source_type="stage", source_id=final.pk)
    assert set(rows.values_list("kind", flat=True)) == {"stage", "close_stage"}
    event = Event.objects.filter(type="stage.updated").latest("pk")
    assert (event.actor, event.changed["reopen_reason"]) == (people.lead, ["", "The admin called back."])
    (told,) = Notice.objects.filter(text__contains="opened again")
    assert (told.recipient, told.text.endswith(": The admin called back.")) == (people.alice, True)
    alice.patch(url, {"summary": ""})
    assert fields_missing(alice.post(f"{url}close/").json()) == ["summary"]  # the gate is asked anew
    alice.patch(url, {"summary": "They like it better."})
    assert alice.post(f"{url}close/").status_code == 200
    assert Adoption.objects.get().completed_on is not None


def test_stage_10_opening_again_is_a_leads_and_needs_a_reason(people, api, alice, lead, stage):
    url = close(stage, people, alice)
    assert alice.post(f"{url}reopen/", {"reason": "Mine."}).status_code == 403
    for body in ({"reason": "Not mine."}, {}):
        assert api(people.charlie).post(f"{url}reopen/", body).status_code == 404
    for body, code in (
        ({}, "required"), ({"reason": ""}, "blank"), ({"reason": "  "}, "required"), ({"reason": None}, "null"),
        ({"reason": "x" * 2001}, "max_length"), ({"reason": "x", "notes": "y"}, "unknown"),
    ):  # fmt: skip
        answer = lead.post(f"{url}reopen/", body)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code), body
    assert Stage.objects.get(pk=stage.pk).closed_at is not None


@pytest.mark.parametrize("who", ["lead", "ops"])
def test_stage_10_leads_and_cs_ops_may_open_a_stage_again_and_twice_is_once(people, api, alice, stage, who):
    url = close(stage, people, alice)
    client = api(getattr(people, who))
    tried = client.post(f"{url}reopen/?dry_run=true", {"reason": "More to say."})
    assert ("add", "close_stage") in {(move["action"], move["kind"]) for move in tried.json()["plan"]}
    assert Stage.objects.get(pk=stage.pk).closed_at is not None
    assert client.post(f"{url}reopen/", {"reason": "More to say."}).status_code == 200
    events = Event.objects.count()
    assert client.post(f"{url}reopen/", {"reason": "Once more."}).status_code == 200
    assert Event.objects.count() == events


def test_stage_3_a_meeting_recorded_after_the_stage_was_closed_is_refused_in_words(people, alice, stage):
    url = close(stage, people, alice)
    for body in ({"meeting_held_on": "2026-03-02"}, {"meeting_scheduled_at": "2026-03-20T15:00:00Z"}):
        late = alice.patch(url, body)
        assert (late.status_code, late.json()["code"]) == (409, "closed")
        assert "A team lead can open it again." in late.json()["detail"]


# --- what the final stage asks


def test_stage_9_the_final_stage_waits_for_each_objective_to_be_judged(people, alice, account):
    final = Stage.objects.get(account=account, final=True)
    url, onboarding = f"/api/v1/stages/{final.pk}/", f"/api/v1/onboardings/{final.adoption.onboarding_id}/"
    goals = alice.patch(onboarding, {"objectives": [{"text": "Faster"}, {"text": "Calmer"}]}).json()[
        "objectives"
    ]
    alice.patch(url, {"meeting_held": True, "recap_sent_at": "2026-03-02T15:00:00Z", **SAID_FINAL})
    export(final, people)
    for goal in goals:
        assert fields_missing(alice.get(url).json()) == ["objectives"]
        assert alice.post(f"{url}close/").status_code == 409
        goal["judgement"] = "partly"
        assert alice.patch(onboarding, {"objectives": goals}).status_code == 200
    assert alice.post(f"{url}close/").status_code == 200


@pytest.mark.parametrize(("starter", "asked"), [(True, ["checklist"]), (False, [])])
def test_stage_8_an_smb_exports_its_checklist_after_the_meeting(people, api, starter, asked, later):
    account = complete_onboarding(
        make_account(csm=people.alice, starter_package=starter, products=["learning"]), on=NOW.date()
    )
    stage = Stage.objects.get(account=account)
    url = f"/api/v1/stages/{stage.pk}/"
    export(stage, people)
    with later(days=1):
        alice = api(people.alice)
        alice.patch(url, {"meeting_held": True, "recap_sent_at": "2026-03-03T15:00:00Z", **SAID_FINAL})
        assert fields_missing(alice.get(url).json()) == asked
        with change(account, by=people.alice, via="page", now=NOW + timedelta(days=1, hours=1)):
            sheet = Checklist.objects.get(stage=stage)
            sheet.attach(content_hash="1" * 64, file_name="x.pdf", by=people.alice, fillable=False)
        assert fields_missing(alice.get(url).json()) == []
        assert alice.post(f"{url}close/").status_code == 200


def test_stage_6_feedback_sent_by_a_client_replaces_what_was_typed_on_the_checklist(
    people, alice, stage, url
):
    with change(stage.account_id, by=people.alice, via="page", now=NOW):
        sheet = Checklist.begin(Stage.objects.select_related("account").get(pk=stage.pk))
        sheet.answer("bugs", value="Two.", comment="", by=people.alice, now=NOW)
    assert alice.get(url).json()["feedback"]["bugs"] == "Two."
    alice.patch(url, {"feedback": {"bugs": "Three."}})
    answer = sheet.answers.get(item="bugs")
    assert (answer.value, answer.version) == ("Three.", 2)
    assert alice.patch(url, {"feedback": {"bugs": "x" * 5001}}).status_code == 400


def test_act_2_feedback_sent_by_a_client_goes_to_the_contact_log_and_the_lead(people, alice, stage, url):
    for _ in range(2):
        assert alice.patch(url, {"feedback": {"workflow": "Too many clicks."}}).status_code == 200
    entry = Activity.objects.get()
    assert (entry.kind, entry.text, entry.author) == ("workflow", "Too many clicks.", people.alice)
    answer = Answer.objects.get()
    assert (answer.item, answer.value, answer.answered_by) == ("workflow", "Too many clicks.", people.alice)
    assert Milestone.objects.filter(kind="lead_review", status="open").exists()


def test_stage_4_and_5_the_branch_not_taken_is_let_go_over_rest_too(alice, url):
    alice.patch(
        url, {"engaged": False, "disengagement_reasons": ["knowledge_gaps"], "reengage_on": "2026-08-01"}
    )
    alice.patch(url, {"engagement": "decreasing", "root_causes": ["bugs"], "cause_side": "ours"})
    kept = alice.patch(url, {"engaged": True, "engagement": "steady"}).json()
    assert (kept["disengagement_reasons"], kept["reengage_on"]) == ([], None)
    assert (kept["root_causes"], kept["cause_side"]) == ([], None)


# --- to the end


def test_closing_the_final_stage_completes_the_adoption(people, alice, account):
    final = Stage.objects.get(account=account, final=True)
    close(final, people, alice)
    adoption = alice.get(f"/api/v1/adoptions/{final.adoption_id}/").json()
    assert adoption["completed_on"] == "2026-03-02"
    assert alice.get(f"/api/v1/accounts/{account.pk}/").json()["phase"] == "adopted"


def test_stage_3_a_missed_meeting_needs_a_reason_and_the_leads_decision(people, alice, lead, stage, url):
    alice.patch(url, {"meeting_held": False})
    assert fields_missing(alice.get(url).json()) == ["no_meeting_reason", "checklist"]
    alice.patch(url, {"no_meeting_reason": "They did not come."})
    assert fields_missing(alice.get(url).json()) == ["gap_decision", "checklist"]
    assert alice.patch(url, {"gap_decision": "waive"}).status_code == 403
    assert lead.patch(url, {"gap_decision": "waive"}).status_code == 200
    assert alice.patch(url, {"gap_decision": "waive", "notes": "Agreed by mail."}).status_code == 200
    assert fields_missing(alice.get(url).json()) == ["checklist"]


def test_stage_3_a_missed_meeting_is_told_with_its_time_at_once(alice, url):
    alice.patch(url, {"meeting_scheduled_at": "2026-02-20T15:00:00Z"})
    told = {"meeting_held": False, "no_meeting_reason": "Nobody came."}
    shown = alice.patch(url, {"meeting_scheduled_at": "2026-02-27T15:00:00Z", **told}).json()
    assert (shown["meeting_held"], shown["no_meeting_reason"]) == (False, "Nobody came.")
    again = alice.patch(url, {"meeting_scheduled_at": "2026-03-20T15:00:00Z"}).json()
    assert (again["meeting_held"], again["no_meeting_reason"], again["postponements"]) == (None, "", 2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("meeting_scheduled_at", "2026-03-20T15:00:00Z"), ("recording_confirmed", True),
        ("recording_url", "https://video.example/1"), ("no_meeting_reason", "Ill."),
        ("send_reference_email", True), ("engaged", False), ("engagement", "decreasing"),
        ("disengagement_reasons", ["knowledge_gaps", "internal_situation"]), ("reengage_on", "2026-05-01"),
        ("action", "A refresher."), ("root_causes", ["bugs", "acquired"]), ("cause_side", "both"),
        ("contacts_unchanged", False), ("investment", "neutral"), ("summary", "Fine.\nReally."),
        ("expectations", "More."), ("notes", "é 🙂"), ("reference", "yes"), ("recap_sent_at", None),
        ("feedback", {"bugs": "Two.", "workflow": "", "suggestions": ""}), ("engagement", None),
    ],
)  # fmt: skip
def test_what_a_person_records_comes_back(alice, url, field, value):
    answer = alice.patch(url, {field: value})
    assert answer.status_code == 200, answer.content
    assert answer.json()[field] == value == alice.get(url).json()[field]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("engagement", "rising", "invalid_choice"), ("engagement", "", "invalid_choice"),
        ("engagement", 1, "invalid_choice"), ("cause_side", "theirs", "invalid_choice"),
        ("investment", "yes", "invalid_choice"), ("reference", "maybe", "invalid_choice"),
        ("reference", None, "null"), ("engaged", "true", "invalid"), ("engaged", 1, "invalid"),
        ("meeting_held", 0, "invalid"), ("meeting_held_on", "2026-03-02", "not_held"),
        ("recording_url", "javascript:alert(1)", "invalid"), ("recording_url", "ftp://x.example/", "invalid"),
        ("notes", "x" * 20_001, "max_length"), ("notes", 5, "invalid"),
        ("no_meeting_reason", "x" * 2001, "max_length"), ("reengage_on", "never", "invalid"),
        ("meeting_scheduled_at", "2026-13-01T00:00:00Z", "invalid"), ("closed_at", None, "read_only"),
        ("missing", [], "read_only"), ("postponements", 0, "read_only"), ("due_on", "2026-01-01", "read_only"),
        ("meeting_type", "x", "read_only"), ("adoption", 1, "read_only"), ("checklist", 1, "unknown"),
        ("feedback", "x", "invalid"),
    ],
)  # fmt: skip
def test_what_a_stage_may_not_hold_is_400_with_a_pointer(alice, url, field, value, code):
    answer = alice.patch(url, {field: value})
    assert answer.status_code == 400, answer.content
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == (f"/{field}", code)


def test_a_held_date_in_the_future_is_refused(alice, url):
    answer = alice.patch(url, {"meeting_held": True, "meeting_held_on": "2026-03-03"})
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/meeting_held_on", "future")]


def test_feedback_is_merged_word_by_word(alice, url):
    alice.patch(url, {"feedback": {"bugs": "One."}})
    shown = alice.patch(url, {"feedback": {"workflow": "Slow."}}).json()
    assert shown["feedback"] == {"bugs": "One.", "workflow": "Slow.", "suggestions": ""}
    refused = alice.patch(url, {"feedback": {"color": "red"}}).json()
    assert refused["errors"][0]["pointer"] == "/feedback/color"


def test_stage_2_moving_a_booked_meeting_counts_as_a_postponement(alice, url):
    alice.patch(url, {"meeting_scheduled_at": "2026-03-20T15:00:00Z"})
    assert alice.patch(url, {"meeting_scheduled_at": "2026-03-20T15:00:00Z"}).json()["postponements"] == 0
    assert alice.patch(url, {"meeting_scheduled_at": "2026-03-27T15:00:00Z"}).json()["postponements"] == 1
    assert alice.patch(url, {"meeting_scheduled_at": None}).json()["postponements"] == 2
    assert alice.patch(url, {"meeting_scheduled_at": "2026-03-28T15:00:00Z"}).json()["postponements"] == 2


def test_a_stage_that_no_longer_belongs_is_not_there(alice, account, url):
    assert alice.patch(f"/api/v1/accounts/{account.pk}/", {"service_level": "basic"}).status_code == 200
    assert alice.get(url).status_code == 404
    assert [s["day"] for s in alice.get("/api/v1/stages/").json()["results"]] == [60]


@pytest.mark.parametrize(("level", "types"), [("premium", ["30D", "90D"]), ("basic", ["60D"])])
def test_stage_2_the_meeting_type_is_named_after_the_stages_day(people, alice, level, types):
    account = complete_onboarding(make_account(csm=people.alice, service_level=level), on=NOW.date())
    rows = alice.get(f"/api/v1/stages/?account={account.pk}&ordering=due_on").json()["results"]
    assert [row["meeting_type"] for row in rows] == [f"Adoption - {name}" for name in types]


# --- adoptions


def test_cad_1_an_adoption_shows_its_plan_and_is_written_elsewhere(alice, account):
    (shown,) = alice.get("/api/v1/adoptions/").json()["results"]
    assert set(shown) == {
        *("id", "account", "onboarding", "day_zero", "service_level", "policy", "completed_on"),
        *("stages", "check_ins"),
    }
    assert [(row["day"], row["due_on"]) for row in shown["stages"]] == [
        (30, "2026-04-01"),
        (90, "2026-05-31"),
    ]
    assert [row["day"] for row in shown["check_ins"]] == [75, 150]
    assert shown["stages"][0] == alice.get(f"/api/v1/stages/{shown['stages'][0]['id']}/").json()
    url = f"/api/v1/adoptions/{shown['id']}/"
    assert {alice.patch(url, {}).status_code, alice.delete(url).status_code} == {405}
    assert alice.post("/api/v1/adoptions/", {}).status_code == 405


def plan_of(answer):
    """What a dry run would do to stages and check-ins."""
    assert answer.status_code == 200, answer.content
    told = {(move["kind"], move["day"]): move["action"] for move in answer.json()["plan"]}
    return {key: action for key, action in told.items() if key[0] in ("stage", "check_in")}


def test_cad_7_a_dry_run_of_another_level_tells_what_it_would_do(alice, account):
    url = f"/api/v1/accounts/{account.pk}/"
    assert plan_of(alice.patch(f"{url}?dry_run=true", {"service_level": "basic"})) == {
        ("stage", 30): "cancel",
        ("stage", 60): "add",
        ("stage", 90): "cancel",
        ("check_in", 75): "cancel",
        ("check_in", 150): "cancel",
    }
    assert [s["day"] for s in alice.get("/api/v1/stages/?ordering=due_on").json()["results"]] == [30, 90]


def test_cad_6_a_dry_run_of_another_day_0_moves_what_is_open_alone(people, alice, account, stage):
    close(stage, people, alice)
    url = f"/api/v1/onboardings/{stage.adoption.onboarding_id}/"
    moves = plan_of(alice.patch(f"{url}?dry_run=true", {"training_completed_on": "2026-03-01"}))
    assert moves == {("stage", 90): "move", ("check_in", 75): "move", ("check_in", 150): "move"}
    refused = alice.patch(f"{url}?dry_run=true", {"training_completed_on": None})
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["pointer"], error["code"]) == (
        400,
        "/training_completed_on",
        "started",
    )


# --- check-ins


def test_tlc_1_a_check_in_is_the_leads(people, alice, lead, account):
    check_in = CheckIn.objects.get(account=account, day=75)
    url = f"/api/v1/check-ins/{check_in.pk}/"
    shown = alice.get(url).json()
    assert set(shown) == {"id", "adoption", "account", "day", "owner", "due_on", "answers", "done_on"}
    assert shown["owner"] == "lead@example.com"
    assert alice.patch(url, {"done_on": "2026-03-02"}).status_code == 403
    lead.patch(url, {"answers": {"supervision": "Good."}})
    shown = lead.patch(url, {"answers": {"relationship": "Warm."}, "done_on": "2026-03-02"}).json()
    assert shown["answers"] == {"supervision": "Good.", "relationship": "Warm."}
    assert Milestone.objects.get(kind="check_in", day=75).status == "done"
    for body in (
        {"answers": {"x": 1}},
        {"answers": []},
        {"answers": {"a b": "x"}},
        {"done_on": "2026-03-03"},
    ):
        assert lead.patch(url, body).status_code == 400, body


# --- milestones


def test_milestones_are_the_dated_duties(alice, account):
    rows = alice.get("/api/v1/milestones/?kind__in=stage,check_in&ordering=due_on").json()["results"]
    assert [(row["kind"], row["day"], row["owner"]) for row in rows] == [
        ("stage", 30, "alice@example.com"),
        ("check_in", 75, "lead@example.com"),
        ("stage", 90, "alice@example.com"),
        ("check_in", 150, "lead@example.com"),
    ]
    assert set(rows[0]) == {
        *("id", "account", "kind", "day", "title", "owner", "due_on", "act_by", "status", "done_at", "source")
    }
    assert rows[0]["source"] == {"type": "stage", "id": Stage.objects.get(day=30).pk}


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("owner=lead@example.com", {"check_in"}),
        ("team=Ours&kind=stage", {"stage"}),
        ("status=done", set()),
        ("due_on__lte=2026-04-01&kind=stage", {"stage"}),
        ("due_on__lte=2026-03-31&kind=stage", set()),
        ("due_on__gte=2026-07-30", {"check_in"}),
        ("due_on__gte=2026-07-31", set()),
        ("overdue=true", set()),
        ("kind=level_review", {"level_review"}),
    ],
)
def test_milestones_are_filtered(alice, account, query, kinds):
    answer = alice.get(f"/api/v1/milestones/?{query}")
    assert {row["kind"] for row in answer.json()["results"]} == kinds


def test_overdue_begins_the_day_after_it_was_to_be_acted_on(people, api, account, later):
    for days, late in ((30, False), (31, True)):
        with later(days=days):
            rows = api(people.alice).get("/api/v1/milestones/?overdue=true&kind=stage").json()["results"]
            assert bool(rows) is late
    assert api(people.alice).get("/api/v1/milestones/?overdue=false&kind=stage").json()["results"]


@pytest.mark.parametrize("query", ["kind=nonsense", "status=late", "overdue=yes", "due_on=soon", "title=x"])
def test_unknown_words_in_filters_are_400(alice, query):
    assert alice.get(f"/api/v1/milestones/?{query}").status_code == 400


def test_what_is_done_by_hand_is_completed_and_nothing_else(alice, account):
    by_hand = Milestone.objects.get(kind="level_review")
    url = f"/api/v1/milestones/{by_hand.pk}/complete/"
    done = alice.post(url)
    assert (done.status_code, done.json()["status"], done.json()["done_at"]) == (
        200,
        "done",
        "2026-03-02T15:00:00Z",
    )
    assert alice.post(url).status_code == 200
    stage = Milestone.objects.get(kind="stage", day=30)
    refused = alice.post(f"/api/v1/milestones/{stage.pk}/complete/")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_by_hand")
    assert "closed_at of the stage" in refused.json()["detail"]
    assert alice.post(url, {"done": True}).status_code == 400


def test_a_recap_sent_outside_the_app_is_completed_by_hand(alice, stage, url):
    alice.patch(url, {"meeting_held": True})
    recap = Milestone.objects.get(kind="recap_meeting", status="open")
    assert alice.post(f"/api/v1/milestones/{recap.pk}/complete/").json()["status"] == "done"
    assert alice.get(url).json()["recap_sent_at"] == "2026-03-02T15:00:00Z"
