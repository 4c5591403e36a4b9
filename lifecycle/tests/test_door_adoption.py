"""CAD-1, CAD-6, CAD-7 through the door: the adoption follows its day 0 and its service level."""

from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, UsageSnapshot, User
from accounts.tests.factories import make_account, make_accounts, make_csm, make_lead, make_team
from adoption.models import Adoption, Checklist, Stage
from adoption.tests.factories import SAID_FINAL
from lifecycle.change import change
from lifecycle.events.models import Event
from lifecycle.milestones.models import Milestone, Notice
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.refused import GateClosed, Refused
from onboarding.models import Onboarding

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 30, 15, tzinfo=UTC)


def complete(account, on, *, at=NOW):
    with change(account, by=account.csm, via="page", now=at) as work:
        Onboarding.objects.get(account=account).record(
            {"training_completed_on": on}, today=work.today(work.account)
        )


def relevel(account, level, *, at=NOW):
    with change(account, by=None, via="api", now=at) as work:
        work.account.record({"service_level": level})


def on_stage(account, day, *, at=NOW, **values):
    with change(account, by=account.csm, via="page", now=at) as work:
        stage = Stage.objects.get(account=account, day=day)
        stage.record(values, by=None, now=at, today=work.today(work.account))


def close_final(account, held):
    said = {"meeting_held": True, "meeting_held_on": held.date(), "recap_sent_at": held, **SAID_FINAL}
    on_stage(account, 60, at=held, **said)
    with change(account, by=account.csm, via="page", now=held):
        stage = Stage.objects.get(account=account)
        checklist = Checklist.begin(stage)
        checklist.exports.create(account=stage.account, content_hash="0" * 64, file_name="x.pdf")
        stage.close(checklist, now=held)


def dates(account, status="open"):
    rows = Milestone.objects.filter(account=account, status=status, kind__in=("stage", "check_in"))
    return {(row.kind, row.day): str(row.due_on) for row in rows}


def at(day, hour=15):
    return datetime(2026, *day, hour, tzinfo=UTC)


@pytest.fixture
def csm():
    return make_csm(pool="core", team=make_team("East", lead=make_lead()))


@pytest.fixture
def premium(csm):
    return make_account(service_level="premium", csm=csm)


@pytest.fixture
def basic(csm):
    return make_account(service_level="basic", csm=csm)


def test_cad_2_a_premium_account_gets_its_four_dates(premium):
    complete(premium, date(2026, 1, 30))
    assert dates(premium) == {
        ("stage", 30): "2026-03-01",
        ("check_in", 75): "2026-04-15",
        ("stage", 90): "2026-04-30",
        ("check_in", 150): "2026-06-29",
    }
    assert str(Milestone.objects.get(kind="stage", day=30).act_by) == "2026-02-27"  # day 30 is a Sunday


def test_cad_3_a_basic_account_gets_day_60_alone(basic):
    complete(basic, date(2026, 1, 30))
    assert dates(basic) == {("stage", 60): "2026-03-31"}
    assert Stage.objects.get().final


def test_cad_1_entering_the_date_again_makes_nothing_new(basic):
    complete(basic, date(2026, 1, 30))
    events = Event.objects.count()
    complete(basic, date(2026, 1, 30))
    assert (Adoption.objects.count(), Event.objects.count()) == (1, events)


def test_cad_1_nothing_else_is_required_and_open_onboarding_rows_end(basic):
    (row,) = Milestone.objects.filter(account=basic)
    assert (row.kind, row.status) == ("book_call", "open")
    complete(basic, date(2026, 1, 30))
    row.refresh_from_db()
    assert (row.status, row.reason, row.remind_at) == ("cancelled", "Onboarding was completed.", None)
    account = Account.objects.get(pk=basic.pk)
    assert (account.phase, account.onboarded_by) == ("adoption", basic.csm)
    assert Event.objects.filter(type="onboarding.completed").count() == 1


@pytest.mark.parametrize(("on", "fine"), [(date(2026, 1, 30), True), (date(2026, 1, 31), False)])
def test_cad_1_no_date_after_today(basic, on, fine):
    if fine:
        complete(basic, on)
    else:
        with pytest.raises(Refused, match="in the future"):
            complete(basic, on)
    assert Adoption.objects.count() == int(fine)


def test_cad_1_today_is_the_csms(csm, basic):
    with change(None, by=None, via="admin", now=NOW):
        csm.time_zone = "Pacific/Auckland"
        csm.save()
    complete(basic, date(2026, 1, 31))  # it is already Saturday there
    assert Adoption.objects.get().day_zero == date(2026, 1, 31)


def test_cad_1_not_before_the_call(basic):
    with pytest.raises(Refused, match="before the call"), change(basic, by=None, via="api", now=NOW) as work:
        Onboarding.objects.get().record(
            {"call_completed_on": date(2026, 1, 20), "training_completed_on": date(2026, 1, 19)},
            today=work.today(work.account),
        )


def test_cad_6_a_corrected_day_0_moves_what_is_open(premium):
    complete(premium, date(2026, 1, 30))
    complete(premium, date(2026, 1, 29))
    assert dates(premium)["stage", 30] == "2026-02-28"
    assert dates(premium)["check_in", 150] == "2026-06-28"


def test_cad_6_clearing_withdraws_what_was_not_started_and_entering_revives_it(premium):
    complete(premium, date(2026, 1, 30))
    complete(premium, None)
    adoption = Adoption.objects.get()
    assert adoption.withdrawn_at == NOW
    assert dates(premium) == {}
    complete(premium, date(2026, 1, 28))
    assert Adoption.objects.get().pk == adoption.pk
    assert dates(premium)["stage", 90] == "2026-04-28"
    assert Milestone.objects.filter(kind="stage").count() == 2  # opened again, not made again


def test_cad_6_clearing_is_refused_once_somebody_recorded_a_field(premium):
    complete(premium, date(2026, 1, 30))
    on_stage(premium, 30, notes="They want a refresher.")
    with pytest.raises(Refused, match="has been started"):
        complete(premium, None)
    assert Onboarding.objects.get(account=premium).training_completed_on == date(2026, 1, 30)


def test_cad_7_from_premium_to_basic_after_day_60_the_final_stage_is_due_today(premium):
    complete(premium, date(2026, 1, 30))
    relevel(premium, "basic", at=at((4, 10)))
    assert dates(premium) == {("stage", 60): "2026-04-10"}
    assert Stage.objects.get(day=60).final


def test_cad_7_what_was_started_stays(premium):
    complete(premium, date(2026, 1, 30))
    on_stage(premium, 30, at=at((2, 20)), notes="Booked by phone.")
    relevel(premium, "basic", at=at((2, 21)))
    assert dates(premium) == {("stage", 30): "2026-03-01", ("stage", 60): "2026-03-31"}


def test_cad_7_from_basic_to_standard_adds_what_is_still_ahead(basic):
    complete(basic, date(2026, 1, 30))
    relevel(basic, "standard", at=at((3, 15)))
    assert dates(basic) == {
        ("check_in", 75): "2026-04-15",
        ("stage", 90): "2026-04-30",
        ("check_in", 150): "2026-06-29",
    }
    told = set(Notice.objects.values_list("recipient__role", flat=True))
    assert told == {"csm", "team_lead"}
    assert "60-day stage cancelled" in Notice.objects.first().text


def test_cad_7_there_and_back_revives_the_same_rows(basic):
    complete(basic, date(2026, 1, 30))
    relevel(basic, "standard")
    relevel(basic, "basic")
    assert dates(basic) == {("stage", 60): "2026-03-31"}
    assert Stage.objects.filter(day=60).count() == 1


def test_stage_10_the_gate_names_what_is_missing_and_then_opens(basic):
    complete(basic, date(2026, 1, 30))
    with pytest.raises(GateClosed) as closed, change(basic, by=basic.csm, via="page", now=NOW):
        Stage.objects.get().close(None, now=NOW)
    asked = ["meeting_held", "engagement", "investment", "summary", "recap_sent_at", "checklist"]
    assert [lack.field for lack in closed.value.missing] == asked
    held = at((3, 30))
    close_final(basic, held)
    assert Adoption.objects.get().completed_on == held.date()
    assert Account.objects.get(pk=basic.pk).phase == "adopted"
    assert not Milestone.objects.open().filter(account=basic).exists()
    with pytest.raises(Refused, match="closed"):
        on_stage(basic, 60, at=held, notes="Too late")


def test_cad_7_an_adoption_opened_again_follows_the_level_at_once_and_settles(basic):
    complete(basic, date(2026, 1, 30))
    close_final(basic, at((3, 30)))
    relevel(basic, "premium", at=at((3, 31)))
    assert dates(basic) == {}  # completed, it is not planned anew
    lead = basic.csm.team.lead
    with change(basic, by=lead, via="page", now=at((4, 1))):
        Stage.objects.select_related("account").get().reopen("More to say.", by=lead)
    expected = {
        ("stage", 60): "2026-03-31",  # started, so it stays
        ("check_in", 75): "2026-04-15",
        ("stage", 90): "2026-04-30",
        ("check_in", 150): "2026-06-29",
    }
    assert dates(basic) == expected
    with change(basic, by=None, via="task", now=at((4, 1))) as work:
        pass
    assert (work.moves, dates(basic)) == ([], expected)


def test_cad_7_a_stage_of_both_levels_becomes_the_final_one(premium):
    cadence = {"basic": {"stage_days": [30]}, "premium": {"stage_days": [30, 90], "check_in_days": []}}
    with change(None, by=None, via="admin", now=NOW):
        PolicyVersion.objects.create(number=2, body={"cadence": cadence}, note="x", effective_on=NOW.date())
    complete(premium, date(2026, 1, 30))
    relevel(premium, "basic")
    assert list(Stage.objects.filter(cancelled_at=None).values_list("day", "final")) == [(30, True)]
    relevel(premium, "premium")
    rows = Stage.objects.filter(cancelled_at=None).order_by("day")
    assert list(rows.values_list("day", "final")) == [(30, False), (90, True)]


def test_cad_7_another_level_and_another_day_0_at_once_count_from_the_new_day_0(premium):
    complete(premium, date(2026, 1, 30))
    on_stage(premium, 30, at=at((2, 20)), notes="Booked by phone.")
    with change(premium, by=premium.csm, via="page", now=at((4, 10))) as work:
        onboarding = Onboarding.objects.get(account=premium)
        onboarding.record({"training_completed_on": date(2026, 1, 28)}, today=work.today(work.account))
        work.account.record({"service_level": "basic"})
    assert dates(premium) == {("stage", 30): "2026-02-27", ("stage", 60): "2026-04-10"}


@pytest.mark.parametrize(("days", "short"), [(6, True), (7, False)])
def test_stage_2_a_meeting_booked_fewer_than_seven_days_ahead_is_marked(premium, days, short):
    complete(premium, date(2026, 1, 30))
    new_york = ZoneInfo("America/New_York")
    late = datetime(2026, 2, 13, 1, tzinfo=UTC)  # the evening of the 12th in New York
    with change(premium, by=premium.csm, via="page", now=late):
        meeting = {"meeting_scheduled_at": late + timedelta(days=days, hours=-1)}
        stage = Stage.objects.select_related("account").get(day=30)
        stage.record(meeting, by=premium.csm, now=late, today=date(2026, 2, 12))
    assert Stage.objects.get(day=30).short_notice(new_york, days=7) is short
    on_stage(premium, 30, meeting_scheduled_at=None)
    assert not Stage.objects.get(day=30).short_notice(new_york, days=7)


def test_stage_3_only_a_lead_decides_about_the_gap_and_a_retry_may_bring_its_date(premium):
    complete(premium, date(2026, 1, 30))
    on_stage(premium, 30, at=at((2, 27)), meeting_held=False, no_meeting_reason="Nobody came.")
    lead, now = premium.csm.team.lead, at((2, 27), 16)
    for person, fine in ((premium.csm, False), (lead, True)):
        refused = nullcontext() if fine else pytest.raises(PermissionDenied)
        with refused, change(premium, by=person, via="page", now=now):
            decision = {"gap_decision": "retry", "notes": "Once more.", "meeting_scheduled_at": at((3, 10))}
            stage = Stage.objects.select_related("account").get(day=30)
            stage.record(decision, by=person, now=now, today=now.date())
    stage = Stage.objects.get(day=30)
    assert (stage.meeting_held, stage.meeting_scheduled_at, stage.notes) == (None, at((3, 10)), "Once more.")
    assert not Milestone.objects.open().filter(kind="book_meeting", day=30).exists()


def test_stage_1_the_app_fills_in_what_it_knows_before_the_meeting(premium):
    complete(premium, date(2026, 1, 30))
    with change(premium, by=None, via="import", now=NOW) as work:
        for day, pending in ((20, 3), (27, 5)):
            taken = date(2026, 1, day)
            UsageSnapshot.objects.create(
                account=work.account, taken_on=taken, active_users=10, pending_actions=pending
            )
    known = Stage.objects.select_related("account").get(day=30).prefill()
    assert (known.taken_on, dict(known.answers)) == (
        date(2026, 1, 27),
        {"active_users": "10", "users_in_contract": "yes"},
    )
    assert [flag.figure for flag in known.flags] == ["pending_actions"]


def test_archiving_cancels_and_restoring_brings_back(premium):
    complete(premium, date(2026, 1, 30))
    before = dates(premium)
    with change(premium, by=None, via="page", now=NOW) as work:
        work.account.archive(now=NOW)
    assert dates(premium) == {}
    reasons = Milestone.objects.filter(status="cancelled", kind__in=("stage", "check_in"))
    assert set(reasons.values_list("reason", flat=True)) == {"The account was archived."}
    with pytest.raises(Refused, match="archived"):
        relevel(premium, "basic")
    with change(premium, by=None, via="page", now=NOW) as work:
        work.account.restore()
    assert dates(premium) == before


def test_mil_2_time_alone_brings_the_steps_of_a_stage(premium):
    complete(premium, date(2026, 1, 30))
    account = Account.objects.get(pk=premium.pk)
    assert account.recheck_at == at((2, 8), 0)
    with change(premium, by=None, via="task", now=account.recheck_at):
        pass
    row = Milestone.objects.get(kind="book_meeting")
    assert (row.day, str(row.due_on), str(row.act_by), row.title) == (
        30,
        "2026-02-22",
        "2026-02-20",
        "Book the 30-day meeting",
    )
    assert Milestone.objects.queued().filter(kind="stage", day=30).count() == 0


def test_mil_2_a_recorded_fact_clears_its_row_and_time_brings_the_next(premium):
    complete(premium, date(2026, 1, 30))
    booked = at((2, 27))
    on_stage(premium, 30, at=at((2, 10)), meeting_scheduled_at=booked)
    with change(premium, by=None, via="task", now=at((2, 27), 16)):
        pass
    rows = {row.kind: row.status for row in Milestone.objects.filter(day=30)}
    assert rows == {"stage": "open", "prepare_checklist": "open", "record_meeting": "open"}


def test_mil_2_settling_twice_changes_nothing(premium):
    complete(premium, date(2026, 1, 30))
    later = at((3, 5))
    for _ in range(2):
        with change(premium, by=None, via="task", now=later):
            pass
        seen = list(Milestone.objects.order_by("pk").values())
    events = Event.objects.count()
    with change(premium, by=None, via="task", now=later) as work:
        pass
    assert list(Milestone.objects.order_by("pk").values()) == seen
    assert (Event.objects.count(), work.moves) == (events, [])


def test_a_dry_run_tells_and_keeps_nothing(premium):
    complete(premium, date(2026, 1, 30))
    before = dates(premium)
    with change(premium, by=None, via="api", now=NOW, dry_run=True) as work:
        Onboarding.objects.get(account=premium).record(
            {"training_completed_on": date(2026, 1, 1)}, today=NOW.date()
        )
    assert {move.action for move in work.moves} >= {"move"}
    assert dates(premium) == before


def test_stage_10_the_day_an_adoption_was_completed_stays_when_its_csm_moves(basic):
    complete(basic, date(2026, 1, 30))
    close_final(basic, at((3, 30)))
    with change(None, by=None, via="admin", now=at((4, 2))):
        mover = User.objects.get(pk=basic.csm_id)
        mover.time_zone = "Pacific/Auckland"
        mover.save()
    assert str(Adoption.objects.get().completed_on) == "2026-03-30"
    assert Event.objects.filter(type="adoption.completed").count() == 1


def test_cad_7_the_checklist_of_a_cancelled_stage_takes_nothing(premium):
    complete(premium, date(2026, 1, 30))
    relevel(premium, "basic")
    with pytest.raises(Refused, match="cancelled"), change(premium, by=None, via="page", now=NOW):
        Checklist.begin(Stage.objects.get(account=premium, day=30)).mark_ready(now=NOW)


def test_mil_4_another_mail_hour_moves_the_reminders_of_a_whole_book_with_few_queries(csm):
    def queries(hour):
        with CaptureQueriesContext(connection) as seen, change(None, by=None, via="admin", now=NOW):
            user = User.objects.get(pk=csm.pk)
            user.digest_hour = hour
            user.save()
        return len(seen)

    for account in make_accounts(2, csm=csm):
        complete(account, date(2026, 1, 30))
    asleep = NOW + timedelta(days=300)

    def all_asleep():
        with change(None, by=None, via="task", now=NOW):
            Milestone.objects.naming(()).update(remind_at=asleep)

    all_asleep()
    few = queries(6)
    for account in make_accounts(6, csm=csm):
        complete(account, date(2026, 1, 30))
    all_asleep()
    assert queries(7) == few
    assert not Milestone.objects.open().filter(remind_at=asleep).exists()


def test_stage_3_a_second_miss_asks_anew_though_nobody_booked_again(premium):
    complete(premium, date(2026, 1, 30))
    on_stage(premium, 30, at=at((2, 10)), meeting_scheduled_at=at((2, 26)))
    on_stage(premium, 30, at=at((2, 27)), meeting_held=False, no_meeting_reason="Nobody came.")
    on_stage(premium, 30, at=at((2, 27), 16), gap_decision="retry")
    on_stage(premium, 30, at=at((3, 3)), meeting_held=False, no_meeting_reason="They called it off.")
    stage = Stage.objects.get(day=30)
    assert (stage.no_meeting_reason, stage.gap_decision) == ("They called it off.", "")
    assert Milestone.objects.open().filter(account=premium, day=30, kind="close_gap").exists()


def test_stage_7_a_recap_is_not_of_the_future_and_not_of_a_meeting_that_was_not(premium):
    complete(premium, date(2026, 1, 30))
    now = at((3, 2))
    with pytest.raises(Refused, match="in the future"):
        on_stage(premium, 30, at=now, meeting_held=True, recap_sent_at=now + timedelta(seconds=1))
    on_stage(premium, 30, at=now, meeting_held=True, recap_sent_at=now)
    on_stage(premium, 30, at=now, meeting_held=False, no_meeting_reason="It was another account's.")
    assert Stage.objects.get(day=30).recap_sent_at is None


def test_stage_3_a_lead_who_says_retry_brings_the_booking_back(premium):
    complete(premium, date(2026, 1, 30))
    missed = at((2, 26))
    on_stage(premium, 30, at=at((2, 10)), meeting_scheduled_at=missed)
    on_stage(premium, 30, at=at((2, 27)), meeting_held=False, no_meeting_reason="Nobody came.")
    on_stage(premium, 30, at=at((2, 27), 16), gap_decision="retry")
    rows = {row.kind: str(row.due_on) for row in Milestone.objects.open().filter(account=premium, day=30)}
    assert rows["book_meeting"] == "2026-03-03"  # two working days after the decision
    assert "explain_no_meeting" not in rows and "close_gap" not in rows
    on_stage(premium, 30, at=at((3, 2)), meeting_scheduled_at=at((3, 10)))
    stage = Stage.objects.get(day=30)
    assert (stage.meeting_held, stage.no_meeting_reason, stage.gap_decision) == (None, "", "")
    assert not Milestone.objects.open().filter(kind="book_meeting", day=30).exists()
    on_stage(premium, 30, at=at((3, 10), 16), meeting_held=False)
    assert (
        Milestone.objects.open().filter(kind="explain_no_meeting", day=30).exists()
    )  # a second miss asks anew
