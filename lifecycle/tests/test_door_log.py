"""ACT, ONB, CAD-1 through the door: what the contact log and the onboarding ask for, once, again, and of whom."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, Activity, Opportunity, UsageSnapshot, User
from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_accounts,
    make_csm,
    make_lead,
    make_team,
    make_user,
)
from adoption.models import CheckIn, Stage
from lifecycle import clock
from lifecycle.change import change
from lifecycle.milestones.models import Milestone
from lifecycle.rules.refused import Refused
from onboarding.models import Onboarding, TrainingSession

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)  # a Monday
WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def monday():
    with clock.at(NOW):
        yield


@pytest.fixture
def team():
    return make_team("East", lead=make_lead("joss@example.com"))


@pytest.fixture
def alice(team):
    return make_csm("alice@example.com", team=team, time_zone="America/New_York")


@pytest.fixture
def account(alice):
    return make_account(csm=alice, traits=["small_team"], products=["learning", "compliance"])


def logged(account, by, *, kind="call", at=NOW, **values):
    with change(account, by=by, via="page", now=at) as work:
        entry = Activity(account=work.account, kind=kind, text="As they told us.")
        entry.record(values, by=by, now=at)
    return entry


def correct(entry, *, at=NOW, **values):
    with change(entry.account_id, by=entry.author, via="page", now=at):
        Activity.objects.get(pk=entry.pk).record(values, by=entry.author, now=at)


def on_onboarding(account, *, at=NOW, **values):
    with change(account, by=account.csm, via="page", now=at) as work:
        Onboarding.objects.get(account=account).record(values, today=work.today(work.account), now=at)


def pass_time(account, at):
    with change(account, by=None, via="task", now=at):
        pass


def say_done(row, *, at=NOW):
    with change(row.account_id, by=row.owner, via="page", now=at):
        Milestone.objects.get(pk=row.pk).complete(by=row.owner, now=at)


def rows(account, kind):
    found = Milestone.objects.filter(account=account, kind=kind).order_by("pk")
    return [(row.status, str(row.due_on)) for row in found]


def open_row(account, kind):
    return Milestone.objects.open().get(account=account, kind=kind)


# --- follow-ups


def test_act_1_a_follow_up_done_is_asked_for_again_when_it_gets_another_day_even_today(account, alice):
    entry = logged(account, alice, follow_up_on=date(2026, 3, 1))
    say_done(open_row(account, "follow_up"))
    pass_time(account, NOW + WEEK)
    assert rows(account, "follow_up") == [("done", "2026-03-01")]
    correct(entry, follow_up_on=date(2026, 3, 2))
    assert rows(account, "follow_up") == [("done", "2026-03-01"), ("open", "2026-03-02")]
    say_done(open_row(account, "follow_up"))
    pass_time(account, NOW + WEEK)
    assert [status for status, _ in rows(account, "follow_up")] == ["done", "done"]


def test_act_1_an_open_follow_up_moves_with_its_day_and_waits_for_a_later_one(account, alice):
    entry = logged(account, alice, follow_up_on=date(2026, 3, 1))
    correct(entry, follow_up_on=date(2026, 2, 27))
    assert rows(account, "follow_up") == [("open", "2026-02-27")]
    correct(entry, follow_up_on=date(2026, 3, 9))
    assert rows(account, "follow_up") == [("cancelled", "2026-02-27")]
    begins = datetime(2026, 3, 9, 4, tzinfo=UTC)  # in New York, where clocks went forward the night before
    pass_time(account, begins - timedelta(seconds=1))
    assert rows(account, "follow_up") == [("cancelled", "2026-02-27")]
    pass_time(account, begins)
    assert rows(account, "follow_up") == [("open", "2026-03-09")]


def test_act_1_a_follow_up_stays_with_who_wrote_it_while_they_work_the_account(account, alice, team):
    ops, bob = make_user("ops@example.com", role="cs_ops"), make_csm("bob@example.com", team=team)
    elsewhere = make_lead("west@example.com", team=make_team("West"))
    for author, owner in (
        (alice, alice),
        (team.lead, team.lead),
        (ops, ops),
        (bob, alice),
        (elsewhere, alice),
    ):
        entry = logged(account, author, follow_up_on=date(2026, 3, 2))
        row = Milestone.objects.get(kind="follow_up", source_id=entry.pk)
        assert row.owner == owner, author


def test_mil_6_a_follow_up_goes_to_the_csm_when_its_author_leaves_or_hands_over(account, alice, team):
    ops, bob = make_user("ops@example.com", role="cs_ops"), make_csm("bob@example.com", team=team)
    logged(account, ops, follow_up_on=date(2026, 3, 2))
    with change(None, by=None, via="admin", now=NOW):
        User.objects.get(pk=ops.pk).record({"is_active": False})
    assert open_row(account, "follow_up").owner == alice
    with change(account, by=None, via="page", now=NOW) as work:
        work.account.record({"csm": bob})
    assert open_row(account, "follow_up").owner == bob


# --- bugs


def test_act_2_an_open_bug_is_followed_up_each_week_until_it_is_fixed(account, alice):
    bug = logged(account, alice, kind="bug")
    assert Account.objects.get(pk=account.pk).recheck_at == NOW + WEEK
    pass_time(account, NOW + WEEK)
    assert rows(account, "follow_up") == [("open", "2026-03-11")]
    later = NOW + WEEK + timedelta(days=1)
    say_done(open_row(account, "follow_up"), at=later)
    bug.refresh_from_db()
    assert bug.noted_at == later
    assert rows(account, "follow_up") == [("done", "2026-03-11")]
    pass_time(account, later + WEEK)
    assert rows(account, "follow_up") == [("done", "2026-03-11"), ("open", "2026-03-19")]
    logged(account, alice, at=later + WEEK, kind="note", about=bug)
    assert [status for status, _ in rows(account, "follow_up")] == ["done", "done"]
    with change(account, by=alice, via="page", now=later + WEEK):
        Activity.objects.get(pk=bug.pk).resolve(now=later + WEEK)
    assert Account.objects.get(pk=account.pk).recheck_at is None


# --- what is told once


def test_act_3_an_opportunity_untold_is_asked_for_again(account, alice):
    with change(account, by=alice, via="page", now=NOW) as work:
        opportunity = Opportunity(account=work.account, kind="module")
        opportunity.record({}, by=alice, now=NOW, today=NOW.date())
    say_done(open_row(account, "tell_rsm"))
    opportunity.refresh_from_db()
    assert opportunity.rsm_told_at == NOW
    with change(account, by=alice, via="page", now=NOW):
        Opportunity.objects.get().record({"rsm_told_at": None}, by=alice, now=NOW, today=NOW.date())
    assert [status for status, _ in rows(account, "tell_rsm")] == ["done", "open"]


def test_act_3_added_users_are_told_again_once_the_contract_was_raised_and_outgrown(account, alice):
    def used_by(people, day, **facts):
        with change(account, by=None, via="api", now=NOW) as work:
            work.account.record(facts)
            UsageSnapshot.objects.create(account=work.account, taken_on=day, active_users=people)

    used_by(10, date(2026, 2, 1))
    assert rows(account, "tell_rsm") == []
    used_by(11, date(2026, 2, 8))
    say_done(open_row(account, "tell_rsm"))
    used_by(14, date(2026, 2, 15))
    assert [status for status, _ in rows(account, "tell_rsm")] == ["done"]
    used_by(14, date(2026, 2, 22), contracted_users=14)
    used_by(15, date(2026, 3, 1))
    assert [status for status, _ in rows(account, "tell_rsm")] == ["done", "open"]


# --- up to day 0


def test_onb_1_a_booking_taken_back_asks_for_another_and_the_time_booked_for_nothing(account):
    on_onboarding(account, call_scheduled_at=NOW - timedelta(hours=1))
    assert rows(account, "book_call") == [("done", "2026-03-04")]
    assert rows(account, "record_call") == [("open", "2026-03-02")]
    on_onboarding(account, at=NOW + WEEK, call_scheduled_at=None)
    assert rows(account, "book_call") == [("done", "2026-03-04"), ("open", "2026-03-11")]
    assert rows(account, "record_call") == [("cancelled", "2026-03-02")]


def test_cad_1_day_zero_cancels_what_is_open_with_its_reason_and_clearing_it_brings_that_back(account):
    on_onboarding(account, call_completed_on=date(2026, 3, 2))
    waiting = {"recap_call", "book_training"}
    assert set(Milestone.objects.open().values_list("kind", flat=True)) == waiting
    on_onboarding(account, training_completed_on=date(2026, 3, 2))
    gone = Milestone.objects.filter(status="cancelled")
    assert {(row.kind, row.reason) for row in gone} == {
        (kind, "Onboarding was completed.") for kind in waiting
    }
    on_onboarding(account, training_completed_on=None)
    assert set(Milestone.objects.open().values_list("kind", flat=True)) == waiting
    assert Milestone.objects.filter(kind="book_training").count() == 2  # opened again, not made again
    reasons = dict(Milestone.objects.filter(status="cancelled").values_list("kind", "reason"))
    assert reasons == {"stage": "The adoption was withdrawn.", "send_completed": "No longer applies."}


def test_cad_6_while_an_adoption_is_withdrawn_other_rows_give_their_own_reasons(account, alice):
    on_onboarding(account, training_completed_on=date(2026, 3, 2))
    on_onboarding(account, training_completed_on=None)
    logged(account, alice, kind="workflow")
    with change(account, by=alice, via="page", now=NOW):
        Activity.objects.get().remove(by=alice, now=NOW)
    assert Milestone.objects.get(kind="lead_review").reason == "No longer applies."


def test_onb_3_a_product_given_up_takes_its_training_along_and_bought_again_brings_it_back(alice):
    account = make_account(csm=alice, products=["learning", "credentialing_service"])
    on_onboarding(account, call_completed_on=date(2026, 3, 2))

    def buy(*products):
        with change(account, by=None, via="api", now=NOW) as work:
            work.account.record({"products": list(products)})
        return sorted(row.title for row in Milestone.objects.open().filter(kind="book_training"))

    assert buy("learning") == ["Book the Learning training"]
    assert buy("learning", "credentialing_service") == [
        "Book the Credentialing Service training",
        "Book the Learning training",
    ]
    assert TrainingSession.objects.filter(account=account).count() == 2


def test_mil_2_a_mail_whose_row_was_cancelled_is_no_longer_said_to_be_sent(account, alice):
    on_onboarding(account, call_completed_on=date(2026, 3, 2))
    row = open_row(account, "recap_call")
    on_onboarding(account, training_completed_on=date(2026, 3, 2))
    with pytest.raises(Refused, match="cancelled meanwhile"), change(account, by=alice, via="page", now=NOW):
        Milestone.objects.get(pk=row.pk).complete(by=alice, now=NOW)
    assert Onboarding.objects.get(account=account).recap_sent_at is None


@pytest.mark.parametrize("gone", ["archived", "churned"])
def test_mil_2_an_account_that_goes_takes_its_rows_along_and_done_ones_stay_done(account, alice, gone):
    logged(account, alice, kind="workflow")
    logged(account, alice, follow_up_on=date(2026, 3, 2))
    say_done(open_row(account, "lead_review"))

    def leave(away):
        with change(account, by=None, via="page", now=NOW) as work:
            if gone == "churned":
                work.account.record({"churned_on": NOW.date() if away else None})
            else:
                work.account.archive(now=NOW) if away else work.account.restore()
        return dict(Milestone.objects.filter(account=account).values_list("kind", "status"))

    assert leave(True) == {"book_call": "cancelled", "follow_up": "cancelled", "lead_review": "done"}
    assert leave(False) == {"book_call": "open", "follow_up": "open", "lead_review": "done"}


# --- the last contact


def last_contact(account):
    return Account.objects.get(pk=account.pk).last_contact_on


def test_act_1_the_last_contact_is_the_latest_call_email_or_meeting_in_the_csms_zone(account, alice):
    assert last_contact(account) is None
    for kind in ("note", "bug", "workflow", "improvement", "upsell", "request"):
        logged(account, alice, kind=kind)
    assert last_contact(account) is None
    for day, kind in ((20, "call"), (22, "email"), (24, "meeting")):
        logged(account, alice, kind=kind, happened_at=datetime(2026, 2, day, 3, tzinfo=UTC))
        assert last_contact(account) == date(2026, 2, day - 1)  # the evening before, in New York
    with change(account, by=alice, via="page", now=NOW):
        Activity.objects.get(kind="meeting").remove(by=alice, now=NOW)
    assert last_contact(account) == date(2026, 2, 21)


def test_act_1_what_was_held_or_sent_elsewhere_counts_as_contact_too(alice):
    account = make_account(csm=alice, service_level="premium", products=["learning"])
    on_onboarding(account, call_completed_on=date(2025, 11, 3))
    assert last_contact(account) == date(2025, 11, 3)
    on_onboarding(account, recap_sent_at=datetime(2025, 11, 5, 2, tzinfo=UTC))
    assert last_contact(account) == date(2025, 11, 4)
    complete_onboarding(account, on=date(2025, 11, 10), call_on=date(2025, 11, 3), by=alice)
    assert last_contact(account) == date(2025, 11, 10)
    with change(account, by=alice, via="page", now=NOW):
        stage = Stage.objects.get(day=30)
        stage.record(
            {"meeting_held": True, "meeting_held_on": date(2026, 2, 3)}, by=None, now=NOW, today=NOW.date()
        )
    assert last_contact(account) == date(2026, 2, 3)
    with change(account, by=alice, via="page", now=NOW):
        CheckIn.objects.get(day=75).record({"done_on": date(2026, 2, 4)}, now=NOW, today=NOW.date())
    assert last_contact(account) == date(2026, 2, 4)


# --- what it costs


def test_a_new_account_is_not_asked_for_what_it_cannot_have_yet(alice):
    def queries(act):
        with CaptureQueriesContext(connection) as seen:
            act()
        return [query["sql"] for query in seen]

    def read_from(asked):
        selects = [sql for sql in asked if sql.startswith("SELECT")]
        return [sql.partition(' FROM "')[2].partition('"')[0] for sql in selects if "FROM" in sql]

    def reads(asked, table):
        return [sql for sql in asked if sql.startswith("SELECT") and f'FROM "{table}"' in sql]

    tables = ("accounts_activity", "accounts_opportunity", "accounts_usagesnapshot", "adoption_stage")
    tables += ("onboarding_trainingsession", "accounts_reroute", "adoption_checklist", "adoption_checkin")
    made = queries(lambda: make_accounts(1, csm=alice))
    assert {table: len(reads(made, table)) for table in tables} == dict.fromkeys(tables, 0)
    shown = (
        "accounts_account",
        "onboarding_onboarding",
        "onboarding_objective",
        "milestones_milestone",
    )
    needed = ("accounts_user", "accounts_team", "policies_policyversion", "accounts_account")
    # What decides; then each new row once more, as the log shows it; then the factory's own look.
    assert read_from(made) == [*needed, *shown, "accounts_account"]
    many = queries(lambda: make_accounts(30, csm=alice))
    assert read_from(many) == read_from(made)
    known = make_account(csm=alice)
    again = queries(lambda: pass_time(known, NOW))
    assert all(len(reads(again, table)) == 1 for table in tables if table != "accounts_activity")
    assert len(reads(again, "accounts_activity")) == 2  # what asks for something, and when they last spoke
    assert not any(f'"{name}"' in sql for sql in reads(again, "accounts_activity") for name in ("text",))


def test_what_a_new_account_is_given_in_the_same_change_is_seen(alice):
    account = Account(name="Cedar")
    with change(None, by=alice, via="api", now=NOW):
        account.record({"external_id": "C-1", "contracted_users": 10, "mrr": 250, "csm": alice})
        Activity(account=account, kind="workflow", text="It is slow.").record({}, by=alice, now=NOW)
        UsageSnapshot.objects.create(account=account, taken_on=NOW.date(), active_users=11)
    kinds = set(Milestone.objects.open().filter(account=account).values_list("kind", flat=True))
    assert kinds == {"book_call", "lead_review", "tell_rsm"}
