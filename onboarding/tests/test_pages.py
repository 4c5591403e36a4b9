"""The onboarding page: what is recorded, what completing it would do before it does, and who may."""

from datetime import UTC, date, datetime

import pytest
from django.urls import reverse

from accounts.tests.factories import make_account, make_csm, make_lead, make_team, make_user
from adoption.models import Adoption, Stage
from lifecycle import clock
from lifecycle.change import change
from onboarding.models import Onboarding, TrainingSession

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 18, 15, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def thursday():
    with clock.at(NOW):
        yield


@pytest.fixture
def alice():
    team = make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))
    return make_csm("alice@example.com", pool="core", team=team, time_zone="America/New_York")


@pytest.fixture
def account(alice):
    values = {
        "service_level": "standard",
        "products": ["learning", "compliance"],
        "close_date": date(2026, 5, 4),
    }
    return make_account("Bright Harbor", csm=alice, time_zone="America/Chicago", **values)


@pytest.fixture
def signed_in(client, alice):
    client.force_login(alice)
    return client


def url(account, name="page", *more):
    return reverse(f"onboarding:{name}", args=[account.pk, *more])


def text(page):
    return " ".join(page.content.decode().split())


def onboarding(account):
    return Onboarding.objects.get(account=account)


PARTS = ("call", "goals", "recap", "manuals", "complete", "completed-mail")


def test_nobody_reads_it_without_signing_in(client, account):
    assert client.get(url(account)).status_code == 302


@pytest.mark.parametrize("name", ["page", *PARTS])
def test_a_foreign_onboarding_is_a_missing_one(client, account, name):
    client.force_login(make_csm("charlie@example.com", team=make_team("West")))
    ask = client.get if name == "page" else client.post
    foreign, missing = ask(url(account, name)), ask(url(account, name).replace(f"/{account.pk}/", "/999999/"))
    assert foreign.status_code == missing.status_code == 404
    assert foreign.content == missing.content


@pytest.mark.parametrize("name", PARTS)
def test_a_viewer_reads_and_changes_nothing(client, account, name):
    client.force_login(make_user("viewer@example.com", role="viewer"))
    assert client.get(url(account)).status_code == 200
    assert "Complete onboarding</button>" not in text(client.get(url(account)))
    assert client.post(url(account, name), {"training_completed_on": "2026-06-18"}).status_code == 403
    assert not Adoption.objects.exists()


def test_onb_1_the_call_is_kept_in_the_viewers_zone(signed_in, account):
    given = {
        "call_scheduled_at": "2026-06-17T10:00",
        "call_completed_on": "2026-06-17",
        "discovery_notes": "New team.",
    }
    assert signed_in.post(url(account, "call"), given).status_code == 302
    kept = onboarding(account)
    assert kept.call_scheduled_at == datetime(2026, 6, 17, 14, tzinfo=UTC)
    assert (kept.call_completed_on, kept.discovery_notes) == (date(2026, 6, 17), "New team.")
    assert "9:00 AM in Chicago for them" in text(signed_in.get(url(account)))


def test_a_call_before_the_contract_closed_warns_but_is_kept(signed_in, account):
    assert signed_in.post(url(account, "call"), {"call_completed_on": "2026-05-01"}).status_code == 302
    assert "before the contract closed (Mon, May 4)" in text(signed_in.get(url(account)))


def test_cad_1_a_day_in_the_future_is_refused_in_words_at_the_field(signed_in, account):
    page = signed_in.post(url(account, "call"), {"call_completed_on": "2026-06-19"})
    assert page.status_code == 422
    assert "Held date is in the future. Enter today or earlier." in text(page)
    assert onboarding(account).call_completed_on is None


@pytest.mark.parametrize(("hour", "state"), [(17, "today"), (18, "overdue")])  # in New York, where alice is
def test_onb_2_a_recap_that_is_owed_turns_red_in_my_day_at_six(signed_in, account, hour, state):
    signed_in.post(url(account, "call"), {"call_completed_on": "2026-06-18"})
    with clock.at(NOW.replace(hour=hour + 4, minute=0)):
        (group,) = [group for group in signed_in.get("/day/").context["groups"] if group.key == "today"]
    assert [(row.milestone.kind, row.state) for row in group.rows] == [("recap_call", state)]


def test_onb_1_goals_are_lines_and_a_goal_that_stays_keeps_its_judgement(signed_in, account):
    signed_in.post(
        url(account, "goals"), {"goals": "Fewer incidents\r\n\r\n  Faster   hires \r\nFewer incidents"}
    )
    goals = onboarding(account).objectives
    assert [goal.text for goal in goals.all()] == ["Fewer incidents", "Faster hires"]
    with change(account, by=None, via="page", now=NOW):
        kept = goals.get(text="Faster hires")
        onboarding(account).set_objectives([{"id": kept.pk, "judgement": "met"}])
    signed_in.post(
        url(account, "goals"), {"initial-goals": "Faster hires", "goals": "Faster hires\nMore reports"}
    )
    assert [(goal.text, goal.judgement) for goal in goals.all()] == [
        ("Faster hires", "met"),
        ("More reports", ""),
    ]


def test_onb_1_goals_written_elsewhere_keep_their_judgements_when_the_page_is_saved(signed_in, account):
    judged = [
        {"text": "Pass  the audit", "judgement": "met"},
        {"text": "Train all", "judgement": "partly"},
        {"text": "Train all", "judgement": "not_met"},
        {"text": "Renew\nin May", "judgement": "met"},
        {"text": "Left out", "judgement": "met"},
    ]
    with change(account, by=None, via="page", now=NOW):
        onboarding(account).set_objectives(judged)
    shown = signed_in.get(url(account)).context["goals_form"]["goals"].value()
    assert shown.splitlines() == ["Pass the audit", "Train all", "Renew in May", "Left out"]
    goals = shown.replace("Left out", "Grow")
    signed_in.post(url(account, "goals"), {"initial-goals": shown, "goals": goals})
    here = [(goal.text, goal.judgement) for goal in onboarding(account).objectives.all()]
    assert here == [(goal["text"], goal["judgement"]) for goal in judged[:4]] + [("Grow", "")]


def test_onb_1_goals_of_two_people_are_both_kept(signed_in, account):
    signed_in.post(url(account, "goals"), {"initial-goals": "", "goals": "Theirs"})
    signed_in.post(url(account, "goals"), {"initial-goals": "", "goals": "Mine"})
    assert {goal.text for goal in onboarding(account).objectives.all()} == {"Theirs", "Mine"}


def test_onb_3_a_training_is_recorded_and_only_of_this_account(signed_in, account, alice):
    session = TrainingSession.objects.get(account=account, product="learning")
    given = {
        "completed_on": "2026-06-18",
        "participants": "Dana",
        "modules": "Courses",
        "recording_confirmed": "on",
    }
    assert signed_in.post(url(account, "training", session.pk), given).status_code == 302
    session.refresh_from_db()
    assert (session.completed_on, session.participants, session.recording_confirmed) == (
        date(2026, 6, 18),
        "Dana",
        True,
    )
    assert (
        signed_in.post(url(account, "training", session.pk), {"completed_on": "2026-06-19"}).status_code
        == 422
    )
    assert signed_in.post(url(account, "training-recap", session.pk)).status_code == 302
    session.refresh_from_db()
    assert session.recap_sent_at == NOW
    other = make_account(csm=alice, products=["learning"])
    foreign = TrainingSession.objects.get(account=other)
    assert signed_in.post(url(account, "training", foreign.pk), given).status_code == 404


def test_onb_4_when_every_training_is_held_its_last_day_is_offered(signed_in, account):
    for session, day in zip(
        TrainingSession.objects.filter(account=account), ("2026-06-10", "2026-06-16"), strict=True
    ):
        signed_in.post(url(account, "training", session.pk), {"completed_on": day})
    assert 'value="2026-06-16"' in text(signed_in.get(url(account)))


def trained(account, **days):
    with change(account, by=None, via="page", now=NOW):
        for product, day in days.items():
            TrainingSession.objects.get(account=account, product=product).record(
                {"completed_on": date.fromisoformat(day)}, today=NOW.date()
            )


def offered(page):
    return page.context["complete_form"].initial["training_completed_on"]


def test_onb_4_a_product_that_was_dropped_asks_for_no_training(signed_in, account):
    trained(account, learning="2026-06-16")
    assert offered(signed_in.get(url(account))) is None
    with change(account, by=None, via="page", now=NOW) as work:
        work.account.record({"products": ["learning"]})
    page = signed_in.get(url(account))
    assert offered(page) == date(2026, 6, 16)
    assert "Compliance training" not in text(page)
    assert "1 of 1" in text(signed_in.get(reverse("accounts:detail", args=[account.pk])))


def test_onb_3_a_training_held_of_a_product_dropped_since_stays_on_the_page_and_sets_no_day(
    signed_in, account
):
    trained(account, learning="2026-06-16", compliance="2026-06-17")
    with change(account, by=None, via="page", now=NOW) as work:
        work.account.record({"products": ["learning"]})
    page = signed_in.get(url(account))
    assert offered(page) == date(2026, 6, 16)
    assert "Compliance training" in text(page)


@pytest.mark.parametrize(
    ("call", "day"), [("2026-06-15", date(2026, 6, 16)), ("2026-06-17", date(2026, 6, 17))]
)
def test_onb_4_the_day_offered_is_never_before_the_call(signed_in, account, call, day):
    trained(account, learning="2026-06-16", compliance="2026-06-10")
    signed_in.post(url(account, "call"), {"call_completed_on": call})
    assert offered(signed_in.get(url(account))) == day


def test_cad_1_the_preview_says_what_completing_creates_and_keeps_nothing(signed_in, account):
    page = signed_in.post(url(account, "complete"), {"training_completed_on": "2026-06-18", "preview": "1"})
    assert page.status_code == 200
    words = "Creates 30-day (Sat, Jul 18) and 90-day (Wed, Sep 16), emails you and Joss. Adds TL check-ins at day 75 and 150."
    assert words in text(page)
    assert not Adoption.objects.exists()
    assert onboarding(account).training_completed_on is None


def test_cad_1_completing_creates_the_adoption_once_however_often_it_is_sent(signed_in, account):
    for _ in range(2):
        page = signed_in.post(url(account, "complete"), {"training_completed_on": "2026-06-18", "save": "1"})
        assert page.status_code == 302
    assert Adoption.objects.count() == 1
    assert sorted(Stage.objects.values_list("day", flat=True)) == [30, 90]
    assert "30-day adoption" in text(signed_in.get(url(account)))


def test_cad_1_a_completion_before_the_call_is_refused_with_the_reason(signed_in, account):
    signed_in.post(url(account, "call"), {"call_completed_on": "2026-06-17"})
    page = signed_in.post(url(account, "complete"), {"training_completed_on": "2026-06-16", "preview": "1"})
    assert page.status_code == 422
    assert "before the call was held" in text(page)


def test_cad_6_correcting_day_0_says_which_dates_move_before_they_do(signed_in, account):
    signed_in.post(url(account, "complete"), {"training_completed_on": "2026-06-18"})
    given = {
        "initial-training_completed_on": "2026-06-18",
        "training_completed_on": "2026-06-16",
        "preview": "1",
    }
    page = signed_in.post(url(account, "complete"), given)
    assert "Moves 30-day to Thu, Jul 16 and 90-day to Mon, Sep 14." in text(page)
    assert Adoption.objects.get().day_zero == date(2026, 6, 18)


def test_cad_6_clearing_day_0_after_work_began_is_refused_with_the_reason(signed_in, account):
    signed_in.post(url(account, "complete"), {"training_completed_on": "2026-06-18"})
    stage = Stage.objects.get(day=30)
    with change(account, by=None, via="page", now=NOW):
        Stage.objects.get(pk=stage.pk).record({"notes": "began"}, by=None, now=NOW, today=NOW.date())
    given = {"initial-training_completed_on": "2026-06-18", "training_completed_on": ""}
    page = signed_in.post(url(account, "complete"), given)
    assert page.status_code == 422
    assert "cannot be cleared: the adoption has been started" in text(page)


def test_mails_sent_outside_the_app_are_marked_once(signed_in, account):
    for _ in range(2):
        signed_in.post(url(account, "recap"))
        signed_in.post(url(account, "completed-mail"))
    kept = onboarding(account)
    assert kept.recap_sent_at == kept.completed_mail_sent_at == NOW


def test_an_archived_account_is_read_only(signed_in, account):
    with change(account, by=None, via="page", now=NOW) as work:
        work.account.archive(now=NOW)
    assert "This account is archived." in text(signed_in.get(url(account)))
    assert signed_in.post(url(account, "call"), {"discovery_notes": "x"}).status_code == 409
