"""The stage as a cockpit: branches, feedback, upsells, goals, what is lacking, and who opens a stage again."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes, policy

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Account, Activity, Opportunity, UsageSnapshot
from accounts.tests.factories import (
    make_activity,
    make_contact,
    make_csm,
    make_lead,
    make_team,
    make_user,
)
from adoption.models import Answer, CheckIn, Stage, Survey
from adoption.tests.factories import DAY_ZERO, answer, fresh, make_stages, record
from lifecycle import clock
from lifecycle.change import change
from lifecycle.mail.dispatch import drain
from lifecycle.mail.drafts import LETTERS, draft_of, gaps_of, send
from lifecycle.mail.models import Link
from lifecycle.milestones.models import Milestone
from onboarding.models import Objective, Onboarding

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 7, 13, 15, 0, tzinfo=UTC)  # a Monday, five days before day 30


@pytest.fixture(autouse=True)
def monday(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    with clock.at(NOW):
        yield


@pytest.fixture
def team():
    return make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))


@pytest.fixture
def alice(team):
    return make_csm(
        "alice@example.com",
        team=team,
        name="Alice Moreau",
        time_zone="America/New_York",
        booking_url="https://book.example.com/alice",
    )


@pytest.fixture
def first(alice):
    stage = make_stages(alice, time_zone="America/Chicago", contracted_users=44)[0]
    make_contact(stage.account, "Dana Whitlow", email="dana@customer.example", is_main=True)
    return stage


@pytest.fixture
def final(first):
    return fresh(Stage.objects.get(adoption=first.adoption, final=True))


@pytest.fixture
def signed_in(client, alice):
    client.force_login(alice)
    return client


def url(stage, name="stage", *more):
    return reverse(f"adoption:{name}", args=[stage.account_id, stage.day, *more])


def text(page):
    return " ".join(page.content.decode().split())


def steps(page):
    return {step["key"]: (step["state"], step["text"]) for step in page.context["steps"]}


def snapshot(account, on, **figures):
    with change(account, by=None, via="api", now=NOW) as work:
        UsageSnapshot.objects.create(account=work.account, taken_on=on, **figures)


# --- STAGE-1


def test_stage_1_what_is_unusual_in_the_figures_is_marked(signed_in, first):
    account = Account.objects.get(pk=first.account_id)
    with change(account, by=None, via="api", now=NOW) as work:
        work.account.record({"employee_sync": False})
    snapshot(account, date(2026, 7, 1), pending_actions=4)
    snapshot(
        account,
        date(2026, 7, 10),
        active_users=44,
        employees=45,
        non_admin_active_users=0,
        pending_actions=5,
        courses_assigned=10,
        courses_completed=3,
    )
    page = signed_in.get(url(first))
    assert {line["label"]: line["value"] for line in page.context["figures"]["lines"]} == {
        "Active users": "44 of 44",
        "Employees": "45",
        "Active besides the super admins": "0",
        "Courses completed": "3 of 10",
        "Pending system actions": "5",
        "Employee integration": "Not right",
    }
    for words in (
        "45 employees, 44 contracted users",
        "Nobody but the super admins",
        "5 pending actions, 4 before",
        "The employee integration does not",
    ):
        assert words in text(page)
    assert len(page.context["figures"]["flags"]) == 4


@pytest.mark.parametrize(
    ("active", "flag"),
    [
        (43, "43 active of 44 contracted users."),
        (44, ""),
        (45, "45 active users, 44 contracted: speak about added users."),
    ],
)
def test_stage_1_active_users_are_held_against_the_contract(signed_in, first, active, flag):
    snapshot(first.account_id, date(2026, 7, 10), active_users=active)
    (line,) = signed_in.get(url(first)).context["figures"]["lines"]
    assert (line["value"], line["flag"]) == (f"{active} of 44", flag)


@pytest.mark.parametrize(("days", "stale"), [(14, False), (15, True)])
def test_stage_1_figures_older_than_two_weeks_say_so(signed_in, first, days, stale):
    snapshot(first.account_id, NOW.date() - timedelta(days=days), active_users=1)
    assert signed_in.get(url(first)).context["figures"]["stale"] == stale


# --- STAGE-4, STAGE-5, STAGE-6


def test_stage_4_the_branch_not_taken_is_let_go(signed_in, first):
    no = {"engaged": "False", "disengagement_reasons": ["knowledge_gaps"], "reengage_on": "2026-08-01"}
    signed_in.post(url(first, "hold"), no)
    assert fresh(first).disengagement_reasons == ["knowledge_gaps"]
    signed_in.post(url(first, "hold"), no | {"engaged": "True"})
    kept = fresh(first)
    assert (kept.engaged, kept.disengagement_reasons, kept.reengage_on) == (True, [], None)


def test_stage_5_the_branch_not_taken_is_let_go(signed_in, final):
    falling = {"engagement": "decreasing", "root_causes": ["competitor"], "cause_side": "customer"}
    signed_in.post(url(final, "hold"), falling)
    assert fresh(final).root_causes == ["competitor"]
    signed_in.post(url(final, "hold"), falling | {"engagement": "steady"})
    kept = fresh(final)
    assert (kept.engagement, kept.root_causes, kept.cause_side) == ("steady", [], "")


def test_stage_4_a_reason_suggests_a_task_that_is_made_once(signed_in, first, alice):
    record(first, engaged=False, disengagement_reasons=["knowledge_gaps"], now=NOW)
    assert "Offer a system refresher" in text(signed_in.get(url(first)))
    for _ in range(2):
        assert signed_in.post(url(first, "task"), {"reason": "knowledge_gaps"}).status_code == 302
    entry = Activity.objects.get()
    assert (entry.author, entry.follow_up_on) == (alice, date(2026, 7, 20))
    assert "On your list" in text(signed_in.get(url(first)))
    assert signed_in.post(url(first, "task"), {"reason": "boredom"}).status_code == 422


def test_stage_6_feedback_is_typed_once_and_goes_to_the_contact_log_once(signed_in, first, team):
    said = {"bugs": "Reports are slow", "workflow": "Too many clicks", "suggestions": ""}
    for _ in range(2):
        assert signed_in.post(url(first, "feedback"), said).status_code == 302
    assert fresh(first).feedback == said
    assert Answer.objects.get(item="bugs").value == "Reports are slow"
    assert sorted(Activity.objects.values_list("kind", "text")) == [
        ("bug", "Reports are slow"),
        ("workflow", "Too many clicks"),
    ]
    assert Milestone.objects.get(kind="lead_review", status="open").owner == team.lead


def test_stage_6_what_was_typed_on_the_checklist_is_in_the_contact_log_too(first, alice, team):
    for words in ("A dark theme", "A darker theme"):
        answer(first, {"ideas": words}, by=alice, now=NOW)
    entry = Activity.objects.get(kind="improvement")
    assert (entry.text, entry.author) == ("A darker theme", alice)
    assert Milestone.objects.get(kind="lead_review", status="open").owner == team.lead


def test_stage_6_words_that_change_correct_the_entry(signed_in, first):
    signed_in.post(url(first, "feedback"), {"bugs": "Reports are slow"})
    signed_in.post(
        url(first, "feedback"), {"initial-bugs": "Reports are slow", "bugs": "Reports take a minute"}
    )
    assert Activity.objects.get().text == "Reports take a minute"


def test_two_people_on_one_remark_are_shown_both(signed_in, first, team):
    answer(first, {"bugs": "Theirs"}, by=team.lead, now=NOW)
    page = signed_in.post(url(first, "feedback"), {"initial-bugs": "", "bugs": "Mine"})
    assert page.status_code == 409
    assert "it now reads “Theirs”" in text(page)
    assert fresh(first).feedback["bugs"] == "Theirs"


def test_act_3_an_upsell_is_noted_from_the_page_with_its_note_to_the_rsm(signed_in, first):
    given = {"kind": "module", "state": "demo", "demo_on": "2026-07-20", "text": "Policy manager"}
    assert signed_in.post(url(first, "upsell"), given).status_code == 302
    row = Opportunity.objects.get()
    assert (row.kind, row.state, row.demo_on, row.surfaced_on) == (
        "module",
        "demo",
        date(2026, 7, 20),
        NOW.date(),
    )
    assert reverse("mail:letter", args=[first.account_id, "rsm_upsell", row.pk]) in text(
        signed_in.get(url(first))
    )
    assert signed_in.post(url(first, "upsell"), given | {"kind": "boat"}).status_code == 422


def test_stage_5_what_we_still_owe_them_stands_beside_the_question(signed_in, final, alice):
    make_activity(final.account, "Sign-off mails arrive twice", kind="bug", by=alice, now=NOW)
    make_activity(final.account, "Send the guide", kind="note", follow_up_on=date(2026, 7, 20), by=alice)
    fixed = make_activity(final.account, "An old bug", kind="bug", by=alice, now=NOW)
    with change(final.account_id, by=alice, via="page", now=NOW):
        Activity.objects.get(pk=fixed.pk).resolve(now=NOW)
    page = signed_in.get(url(final))
    assert {owed["entry"].text for owed in page.context["owed"]["shown"]} == {
        "Sign-off mails arrive twice",
        "Send the guide",
    }
    assert reverse("accounts:entry", args=[final.account_id, fixed.pk]) not in text(page)


def test_the_rail_says_what_to_bring_up_until_the_meeting_is_over(signed_in, first, final, alice):
    snapshot(final.account_id, date(2026, 7, 10), active_users=45)
    answer(first, {"exploring": "yes"}, by=alice, now=NOW)
    answer(final, {"exploring": "no"}, by=alice, now=NOW)
    told = [point for _, point in signed_in.get(url(final)).context["bring_up"]]
    assert told == [
        "45 active users, 44 contracted: speak about added users.",
        "The admin explores the system on their own",
        "Ask about being a reference",
    ]
    record(final, meeting_held=True, now=NOW)
    assert signed_in.get(url(final)).context["bring_up"] == []


def test_the_page_costs_the_same_with_1_and_30_of_everything(signed_in, first, final, alice):
    def cost(rows):
        for n in range(rows):
            make_activity(final.account, f"Bug {n} of {rows}", kind="bug", by=alice, now=NOW)
            with change(final.account_id, by=alice, via="page", now=NOW) as work:
                row = Opportunity(account=work.account)
                row.record({"kind": "other"}, by=alice, now=NOW, today=NOW.date())
        signed_in.get(url(final))
        with CaptureQueriesContext(connection) as queries:
            page = signed_in.get(url(final))
        assert "Open the note to the RSM" in text(page)
        return len(queries)

    assert cost(1) == cost(29)
    assert signed_in.get(url(final)).context["owed"]["more"] == 22


# --- STAGE-9, REF-1


def test_stage_9_each_goal_is_judged_beside_what_was_known(signed_in, final, alice):
    with change(final.account_id, by=alice, via="page", now=NOW):
        onboarding = Onboarding.objects.get(account=final.account_id)
        onboarding.record({"discovery_notes": "They fear the audit."}, today=NOW.date())
        onboarding.set_objectives([{"text": "Pass the audit"}, {"text": "Train 40 people"}])
    audit, train = Objective.objects.all()
    page = text(signed_in.get(url(final)))
    assert "They fear the audit." in page and "Pass the audit" in page
    given = {f"initial-goal_{audit.pk}": "", f"goal_{audit.pk}": "met", f"goal_{train.pk}": ""}
    assert signed_in.post(url(final, "goals"), given).status_code == 302
    assert list(Objective.objects.values_list("text", "judgement")) == [
        ("Pass the audit", "met"),
        ("Train 40 people", ""),
    ]


def test_ref_1_the_reference_and_the_contacts_are_asked_on_the_final_stage_alone(signed_in, first, final):
    assert "Would they be a reference?" not in text(signed_in.get(url(first)))
    given = {"contacts_unchanged": "True", "reference": "yes", "send_reference_email": "on"}
    assert signed_in.post(url(final, "reference"), given).status_code == 302
    kept = fresh(final)
    assert (kept.contacts_unchanged, kept.reference, kept.send_reference_email) == (True, "yes", True)


# --- the step list


def test_the_steps_tell_how_things_stand(signed_in, first, team):
    page = signed_in.get(url(first))
    assert steps(page) == {
        "checklist": ("todo", "0 of 16 answered"),
        "book": ("overdue", "By Sat, Jul 11"),
        "hold": ("todo", "Engagement, feedback, outcome"),
        "recap": ("todo", "Same day as the meeting"),
        "close": ("todo", "6 still missing"),
    }
    record(first, meeting_held=True, meeting_held_on=date(2026, 7, 13), now=NOW)
    seen = steps(signed_in.get(url(first)))
    assert seen["hold"] == ("progress", "Held Mon, Jul 13, 3 to answer")
    assert seen["recap"] == ("today", "Due today by 6:00 PM")
    record(first, engaged=True, investment="neutral", summary="Fine.", recap_sent_at=NOW, now=NOW)
    seen = steps(signed_in.get(url(first)))
    assert (seen["hold"][0], seen["recap"]) == ("done", ("done", "Sent Mon, Jul 13"))


def test_stage_3_a_missed_meeting_waits_for_the_lead_and_then_does_as_decided(signed_in, client, first, team):
    record(first, meeting_held=False, no_meeting_reason="No-show", now=NOW)
    assert steps(signed_in.get(url(first)))["hold"] == ("wait", "Reviewing with Joss")
    client.force_login(team.lead)
    client.post(url(first, "gap"), {"gap_decision": "retry", "notes": "Try on Friday"})
    page = client.get(url(first))
    assert steps(page)["hold"] == ("todo", "Try again, with a new date")
    assert steps(page)["book"][0] == "overdue"
    assert "Book the new date" in text(page)


# --- STAGE-10


def closed(stage):
    with change(stage.account_id, by=None, via="page", now=NOW):
        row = Stage.objects.get(pk=stage.pk)
        row.closed_at = NOW
        row.save()
    return fresh(stage)


def test_stage_10_a_lead_opens_a_closed_stage_again_with_a_reason_and_the_csm_does_not(
    client, alice, first, team
):
    closed(first)
    client.force_login(alice)
    assert "Open it again" not in text(client.get(url(first)))
    assert client.post(url(first, "reopen"), {"reason": "x"}).status_code == 403
    client.force_login(team.lead)
    page = client.post(url(first, "reopen"), {"reason": " "})
    assert page.status_code == 422
    assert "Say why the stage is opened again." in text(page)
    for refused, said in (("The\x00 wrong", "Null characters"), ("x" * 2001, "at most 2000 characters")):
        page = client.post(url(first, "reopen"), {"reason": refused})
        assert page.status_code == 422
        assert said in text(page) and refused in page.content.decode()  # what was typed stays
    assert fresh(first).closed_at
    assert client.post(url(first, "reopen"), {"reason": "The wrong meeting"}).status_code == 302
    assert fresh(first).closed_at is None
    assert "Opened again:</b> The wrong meeting" in text(client.get(url(first)))


def test_stage_10_a_closed_stage_shows_what_comes_next(signed_in, first, final):
    assert '90-day adoption</a>, <time datetime="2026-09-16">' in text(signed_in.get(url(closed(first))))
    assert "The adoption is complete." in text(signed_in.get(url(closed(final))))


@pytest.mark.parametrize("name", ["book", "hold", "feedback", "upsell", "missed", "reference", "goals"])
def test_stage_10_a_closed_stage_takes_nothing(signed_in, final, alice, name):
    with change(final.account_id, by=alice, via="page", now=NOW):
        Onboarding.objects.get(account=final.account_id).set_objectives([{"text": "Pass the audit"}])
    goal = Objective.objects.get()
    closed(final)
    given = {
        "meeting_scheduled_at": "2026-09-16T10:00",
        "summary": "x",
        "bugs": "x",
        "kind": "other",
        "state": "surfaced",
        "why": "No-show",
        "reference": "yes",
        f"goal_{goal.pk}": "met",
    }
    assert signed_in.post(url(final, name), given).status_code == 409
    assert not Activity.objects.exists() and not Opportunity.objects.exists()
    assert Objective.objects.get().judgement == ""


# --- CAD-6, CAD-7


def plan_url(stage):
    return reverse("adoption:plan", args=[stage.account_id])


def test_cad_6_a_corrected_day_0_is_shown_before_it_is_saved(signed_in, first, final):
    closed(first)
    given = {"day_zero": str(DAY_ZERO + timedelta(days=2)), "service_level": "standard", "preview": "1"}
    page = signed_in.post(plan_url(first), given)
    assert page.status_code == 200
    told = {change["title"]: (change["word"], change["on"]) for change in page.context["changes"]}
    assert told["30-day adoption"] == ("Closed, stays", date(2026, 7, 18))
    assert told["90-day adoption"] == ("Moves", date(2026, 9, 18))
    assert fresh(final).due_on == date(2026, 9, 16)
    del given["preview"]
    assert signed_in.post(plan_url(first), given | {"save": "1"}).status_code == 302
    assert (fresh(first).due_on, fresh(final).due_on) == (date(2026, 7, 18), date(2026, 9, 18))


def test_cad_7_another_level_is_shown_before_it_is_saved(signed_in, first):
    given = {"day_zero": str(DAY_ZERO), "service_level": "basic"}
    page = signed_in.post(plan_url(first), given | {"preview": "1"})
    told = {change["title"]: change["word"] for change in page.context["changes"]}
    assert told["30-day adoption"] == told["75-day check-in"] == "Goes"
    assert told["60-day adoption"] == "New"
    assert Account.objects.get(pk=first.account_id).service_level == "standard"
    assert signed_in.post(plan_url(first), given | {"save": "1"}).status_code == 302
    live = Stage.objects.filter(account=first.account_id, cancelled_at=None)
    assert [stage.day for stage in live] == [60]
    assert not CheckIn.objects.filter(account=first.account_id, cancelled_at=None).exists()


def test_cad_7_the_plan_shown_before_saving_is_what_saving_does(signed_in, first):
    """Somebody else moved day 0 while this person looked: only the level is theirs, in the preview as when saved."""
    with change(first.account_id, by=None, via="page", now=NOW):
        onboarding = Onboarding.objects.get(account=first.account_id)
        onboarding.record({"training_completed_on": DAY_ZERO - timedelta(days=2)}, today=NOW.date())
    given = {"day_zero": str(DAY_ZERO), "initial-day_zero": str(DAY_ZERO)}
    given |= {"service_level": "basic", "initial-service_level": "standard"}
    page = signed_in.post(plan_url(first), given | {"preview": "1"})
    told = {change["title"]: change["on"] for change in page.context["changes"] if change["on"]}
    assert told == {"60-day adoption": date(2026, 8, 15)}
    assert signed_in.post(plan_url(first), given | {"save": "1"}).status_code == 302
    live = Stage.objects.filter(account=first.account_id, cancelled_at=None)
    assert {str(stage): stage.due_on for stage in live} == told


def test_cad_7_a_preview_on_a_churned_account_tells_what_moves(signed_in, first):
    with change(first.account_id, by=None, via="page", now=NOW) as work:
        work.account.churned_on = NOW.date()
        work.account.save()
    page = signed_in.post(
        plan_url(first), {"day_zero": "2026-06-17", "service_level": "standard", "preview": "1"}
    )
    assert {change["word"] for change in page.context["changes"]} == {"Moves"}


def test_cad_6_a_day_0_in_the_future_is_refused_in_the_preview_too(signed_in, first):
    given = {"day_zero": "2026-07-14", "service_level": "standard"}
    for button in ("preview", "save"):
        page = signed_in.post(plan_url(first), given | {button: "1"})
        assert page.status_code == 422
        assert "in the future" in text(page)
    assert fresh(first).adoption.day_zero == DAY_ZERO


def test_the_plan_is_read_by_those_who_see_the_account_and_kept_by_its_owner(client, first):
    client.force_login(make_user("viewer@example.com", role="viewer"))
    assert client.get(plan_url(first)).status_code == 200
    assert client.post(plan_url(first), {}).status_code == 403
    client.force_login(make_csm("charlie@example.com", team=make_team("West")))
    assert client.get(plan_url(first)).status_code == 404


# --- the letters


def written(stage, key, alice, now=NOW):
    return draft_of(LETTERS[key], fresh(stage), writer=alice, now=now)


def test_stage_7_the_recap_says_what_was_recorded_and_nothing_that_was_not(signed_in, first, alice):
    record(
        first,
        meeting_held=True,
        meeting_held_on=date(2026, 7, 13),
        summary="They like it.",
        feedback={"bugs": "Reports are slow", "workflow": "", "suggestions": ""},
        now=NOW,
    )
    draft = written(first, "stage_recap_first", alice)
    assert (draft.to, gaps_of(draft)) == (["dana@customer.example"], [])
    for words in ("Monday, July 13", "They like it.", "Errors: Reports are slow", "Wednesday, September 16"):
        assert words in draft.body
    assert "What we agreed" not in draft.body and "spoke about" not in draft.body
    letter = signed_in.get(url(first, "recap-letter"))
    assert letter["Location"] == reverse(
        "mail:letter", args=[first.account_id, "stage_recap_first", first.pk]
    )


def test_stage_7_a_recap_of_no_meeting_does_not_leave(first, alice):
    assert gaps_of(written(first, "stage_recap_first", alice)) == ["held_on", "main_points"]


def test_stage_7_the_recap_of_an_account_with_one_meeting_speaks_of_no_other(signed_in, alice):
    (only,) = make_stages(alice, name="Cedar Practice", service_level="basic", starter_package=True)
    assert signed_in.get(url(only, "recap-letter"))["Location"].endswith(f"/stage_recap_only/{only.pk}/")


def test_chk_5_the_final_recap_tells_what_went_better_and_how_the_goals_stand(first, final, alice):
    answer(first, {"exploring": "no", "others_active": "yes"}, by=alice, now=NOW)
    answer(final, {"exploring": "yes", "others_active": "no"}, by=alice, now=NOW)
    with change(final.account_id, by=alice, via="page", now=NOW):
        onboarding = Onboarding.objects.get(account=final.account_id)
        onboarding.set_objectives([{"text": "Pass the audit", "judgement": "partly"}, {"text": "More"}])
    record(final, meeting_held=True, meeting_held_on=date(2026, 7, 13), summary="Fine.", now=NOW)
    body = written(final, "stage_recap_final", alice).body
    assert "- Pass the audit: reached in part" in body and "- More" not in body
    assert body.count("\n- ") == 2  # one thing that went better, one goal


def test_stage_7_what_they_asked_about_comes_with_what_there_is_to_read(first, alice):
    with change(first.account_id, by=alice, via="page", now=NOW) as work:
        for kind, state in (
            ("module", "demo"),
            ("module", "surfaced"),
            ("other", "demo"),
            ("added_users", "lost"),
        ):
            row = Opportunity(account=work.account)
            row.record({"kind": kind, "state": state}, by=alice, now=NOW, today=NOW.date())
        Link.objects.create(key="more_module_link", value="https://library.example.com/modules")
    body = written(first, "stage_recap_first", alice).body
    assert "\n- Module: https://library.example.com/modules\n- Other\n" in body
    assert "Added users" not in body


# --- SUR-2, SUR-4


@pytest.fixture
def asked(alice):
    final = make_stages(alice, name="Bright Harbor", mrr=Decimal("1000.00"))[1]
    make_contact(final.account, "Dana Whitlow", email="dana@customer.example", is_main=True)
    record(final, meeting_scheduled_at=NOW + timedelta(days=9), now=NOW)
    return Survey.objects.select_related("stage").get(stage=final)


def sent(survey, key, alice, settings, tmp_path):
    """The letter as it left."""
    settings.MAIL_DIR = tmp_path / "mail"
    letter = LETTERS[key]
    row = Survey.objects.get(pk=survey.pk) if letter.source is Survey else fresh(survey.stage)
    draft = draft_of(letter, row, writer=alice, now=NOW)
    draft.version = 1
    draft.save()
    send(draft, by=alice, now=NOW)
    drain(now=NOW + timedelta(minutes=1))
    newest = max(settings.MAIL_DIR.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    mail = message_from_bytes(newest.read_bytes(), policy=policy.default)
    return draft, mail.get_body(("plain",)).get_content()


@pytest.mark.parametrize(
    ("key", "fact"),
    [
        ("survey_link", "sent_at"),
        ("survey_reminder", "reminded_at"),
        ("survey_reminder", "sent_at"),
        ("stage_invitation", "sent_at"),
    ],
)
def test_sur_2_the_link_is_put_in_as_the_letter_leaves_and_the_fact_is_recorded(
    asked, alice, settings, tmp_path, key, fact
):
    draft, told = sent(asked, key, alice, settings, tmp_path)
    assert asked.own_address in told
    assert asked.token not in draft.body and "{survey_link}" not in told
    assert getattr(Survey.objects.get(), fact)


def test_sur_2_a_link_that_is_no_longer_asked_for_is_left_out(asked, alice, settings, tmp_path):
    letter = LETTERS["stage_invitation"]
    draft = draft_of(letter, fresh(asked.stage), writer=alice, now=NOW)
    assert "{survey_link}" in draft.body and gaps_of(draft) == []
    with change(asked.account_id, by=alice, via="page", now=NOW):
        Survey.objects.get().waive("They told us in person", by=alice, now=NOW)
    left = letter.finish(draft.body, fresh(asked.stage))
    assert "survey_link" not in left and "/s/" not in left and "Is there a topic" in left
    assert "survey_link" not in draft_of(letter, fresh(asked.stage), writer=alice, now=NOW).body


def test_stage_2_the_invitation_has_the_customers_time_and_a_date_for_their_calendar(first, alice):
    at = datetime(2026, 7, 22, 14, 0, tzinfo=UTC)
    record(first, meeting_scheduled_at=at, meeting_url="https://meet.example.com/dana", now=NOW)
    draft = written(first, "stage_invitation", alice)
    assert "Join here: https://meet.example.com/dana" in draft.body
    assert draft.subject == "Our meeting on Wednesday, July 22, 9:00 AM (Chicago)"
    assert "survey" not in draft.body.lower() and gaps_of(draft) == []
    (attached,) = LETTERS["stage_invitation"].attachments(fresh(first))
    told = attached.content.decode()
    assert "DTSTART:20260722T140000Z" in told and "DURATION:PT30M" in told
    assert "LOCATION:https://meet.example.com/dana" in told and attached.name == "meeting.ics"
    record(first, meeting_url="", now=NOW)
    assert "Join" not in written(first, "stage_invitation", alice).body


def test_stage_2_proposed_times_are_working_days_a_week_ahead_in_the_customers_zone(first, alice):
    body = written(first, "stage_times", alice).body
    assert [line for line in body.splitlines() if line.startswith("- ")] == [
        "- Monday, July 20, 10:00 AM (Chicago)",
        "- Tuesday, July 21, 2:00 PM (Chicago)",
        "- Wednesday, July 22, 11:00 AM (Chicago)",
    ]
