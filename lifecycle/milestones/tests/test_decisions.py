"""MIL-5: a reminder that has not left is held, skipped, let go or sent early, and the planner abides by it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied

from accounts.models import Account, Cover, User
from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_csm,
    make_lead,
    make_team,
    make_user,
)
from lifecycle import clock
from lifecycle.change import change
from lifecycle.events.models import Event
from lifecycle.invariants import check
from lifecycle.mail import dispatch
from lifecycle.mail.models import Message
from lifecycle.mail.tests.sending import chicago
from lifecycle.milestones.models import Milestone, Notice, Reminder
from lifecycle.milestones.planner import plan
from lifecycle.milestones.planner.decisions import Chosen, hold, release, send_now, skip
from lifecycle.milestones.planner.forecast import forecast
from lifecycle.milestones.planner.postroom import Postroom
from lifecycle.rules.refused import Refused
from onboarding.models import Onboarding

pytestmark = pytest.mark.django_db
DAY_ZERO = date(2026, 1, 30)  # day 30 is Sunday, March 1; act by Friday, February 27


@pytest.fixture(autouse=True)
def mail_as_files(settings, tmp_path):
    settings.EMAIL_FILE_PATH = str(tmp_path)


@pytest.fixture
def joss() -> User:
    with clock.at(chicago("01-30 15:00")):
        return make_lead(
            "joss@example.com", name="Joss Vandermeer", team=make_team(), time_zone="America/Chicago"
        )


@pytest.fixture
def imani(joss: User) -> User:
    with clock.at(chicago("01-30 15:00")):
        return make_csm("imani@example.com", pool="core", team=joss.team, time_zone="America/Chicago")


@pytest.fixture
def northwind(imani: User) -> Account:
    with clock.at(chicago("01-30 15:00")):
        account = make_account("Northwind", service_level="premium", mrr=Decimal("900.00"), csm=imani)
        return complete_onboarding(account, on=DAY_ZERO)


@pytest.fixture
def stage(northwind: Account) -> Milestone:
    return Milestone.objects.get(account=northwind, kind="stage", day=30)


def look(when: str) -> set[tuple[str, str]]:
    """Plan and send as of an instant; answers who was reminded of which occasion of the 30-day stage just then."""
    now = chicago(when)
    plan(now)
    dispatch.drain(now=now)
    sent = Reminder.objects.filter(
        state="sent", message__sent_at=now, milestone__kind="stage", milestone__day=30
    )
    return {(row.recipient.email.partition("@")[0], row.occasion) for row in sent.select_related("recipient")}


def chosen(stage: Milestone, occasion: str, person: User) -> Chosen:
    ordinal = Milestone.objects.get(pk=stage.pk).ordinal
    return Chosen(stage.pk, occasion, ordinal, person.pk)


def row_of(stage: Milestone, occasion: str, person: User) -> Reminder:
    return Reminder.objects.filter(milestone=stage, occasion=occasion, recipient=person).latest("pk")


BOTH = {("imani", "prepare"), ("joss", "prepare")}


# --- hold


def test_mil_5_what_is_held_ahead_of_its_day_stays_and_the_others_leave(stage, imani, joss):
    hold(chosen(stage, "prepare", imani), by=joss, now=chicago("02-10 09:00"))
    row = row_of(stage, "prepare", imani)
    assert (row.state, row.reason) == ("held", "Held by Joss Vandermeer on Tue, Feb 10.")
    assert (row.decided_by, row.send_on, row.message) == (joss, date(2026, 2, 15), None)
    assert look("02-15 08:00") == {("joss", "prepare")}
    for later in ("02-15 08:01", "02-16 08:00", "02-20 08:00"):
        assert look(later) == set()
    assert row_of(stage, "prepare", imani).state == "held"
    assert look("02-27 08:00") == {("imani", "day"), ("joss", "day")}  # the next occasion is another one


def test_mil_5_what_was_held_in_a_mail_that_waits_leaves_it(stage, imani, joss):
    plan(chicago("02-15 08:00"))
    assert row_of(stage, "prepare", imani).message is not None
    hold(chosen(stage, "prepare", imani), by=joss, now=chicago("02-15 08:00"))
    assert look("02-15 08:01") == {("joss", "prepare")}
    assert Message.objects.get(recipient=imani).state == "cancelled"  # nothing was left to say


def test_mil_5_released_ahead_of_its_day_it_is_forgotten_and_planned_as_ever(stage, imani, joss):
    line = chosen(stage, "prepare", imani)
    hold(line, by=joss, now=chicago("02-10 09:00"))
    release(line, by=joss, now=chicago("02-11 09:00"))
    assert not Reminder.objects.exists()
    assert look("02-15 08:00") == BOTH


def test_mil_5_released_after_its_day_it_goes_with_the_next_mail(stage, imani, joss):
    line = chosen(stage, "prepare", imani)
    hold(line, by=joss, now=chicago("02-10 09:00"))
    look("02-15 08:00")
    release(line, by=imani, now=chicago("02-16 07:00"))
    assert look("02-16 07:30") == set()
    assert look("02-16 08:00") == {("imani", "prepare")}


def test_mil_5_what_is_let_go_after_days_is_not_taken_for_a_forgotten_one(stage, imani, joss):
    line = chosen(stage, "prepare", imani)
    hold(line, by=joss, now=chicago("02-10 09:00"))
    for day in (15, 20):
        look(f"02-{day} 08:00")
    now = chicago("02-20 09:00")
    release(line, by=joss, now=now)
    assert [words for words in check(now) if "reminder" in words] == []


def test_mil_5_released_after_a_newer_one_left_it_stays_out(stage, imani, joss):
    line = chosen(stage, "prepare", imani)
    hold(line, by=joss, now=chicago("02-10 09:00"))
    look("02-15 08:00")
    look("02-27 08:00")
    release(line, by=joss, now=chicago("02-27 09:00"))
    row = row_of(stage, "prepare", imani)
    assert (row.state, row.reason) == ("superseded", "A newer reminder took its place.")
    assert look("02-28 08:00") == set()


# --- skip


def test_mil_5_what_is_skipped_stays_out_and_the_next_one_comes(stage, imani, joss):
    skip(chosen(stage, "day", imani), by=joss, now=chicago("02-20 09:00"))
    assert look("02-27 08:00") == {("joss", "day")}
    row = row_of(stage, "day", imani)
    assert (row.state, row.reason) == ("superseded", "Skipped by Joss Vandermeer on Fri, Feb 20.")
    assert look("03-04 08:00") == {("imani", "late1"), ("joss", "late1")}


def test_mil_5_a_later_one_skipped_in_advance_does_not_silence_an_earlier_one(stage, imani, joss):
    now = chicago("02-20 09:00")
    skip(chosen(stage, "late1", imani), by=joss, now=now)
    assert look("02-27 08:00") == {("imani", "day"), ("joss", "day")}
    assert look("03-04 08:00") == {("joss", "late1")}
    assert look("03-11 08:00") == {("imani", "late2"), ("joss", "late2")}


def test_mil_5_what_was_skipped_can_be_brought_back(stage, imani, joss):
    line = chosen(stage, "day", imani)
    skip(line, by=joss, now=chicago("02-20 09:00"))
    release(line, by=joss, now=chicago("02-20 09:01"))
    assert look("02-27 08:00") == {("imani", "day"), ("joss", "day")}


# --- a date that moves


def move(account: Account, to: date, when: str) -> None:
    with change(account, by=None, via="page", now=chicago(when)) as work:
        row = Onboarding.objects.get(account=work.account)
        row.record({"training_completed_on": to}, today=work.today(work.account))


@pytest.mark.parametrize("verb", [hold, skip])
def test_mil_5_a_move_of_a_week_leaves_what_was_decided(northwind, stage, imani, joss, verb):
    verb(chosen(stage, "prepare", imani), by=joss, now=chicago("02-10 09:00"))
    move(northwind, date(2026, 2, 6), "02-10 10:00")
    assert look("02-15 08:00") == set()
    assert look("02-22 08:00") == {("joss", "prepare")}


@pytest.mark.parametrize("verb", [hold, skip])
def test_mil_5_a_move_of_more_than_a_week_re_arms_what_was_decided(northwind, stage, imani, joss, verb):
    verb(chosen(stage, "prepare", imani), by=joss, now=chicago("02-10 09:00"))
    move(northwind, date(2026, 2, 7), "02-10 10:00")
    assert look("02-23 08:00") == BOTH
    assert row_of(stage, "prepare", imani).ordinal == 1


def test_mil_5_a_page_that_was_open_while_the_date_moved_decides_nothing(northwind, stage, imani, joss):
    line = chosen(stage, "prepare", imani)
    hold(line, by=joss, now=chicago("02-10 09:00"))
    move(northwind, date(2026, 2, 7), "02-10 10:00")
    with pytest.raises(Refused, match="The date moved meanwhile"):
        release(line, by=joss, now=chicago("02-10 11:00"))


# --- send now


def test_mil_4_sent_now_it_leaves_with_the_next_look_in_a_mail_of_its_own(stage, imani, joss):
    line = chosen(stage, "prepare", imani)
    send_now(line, by=joss, now=chicago("02-10 06:30"))  # before that day's hour
    assert look("02-10 06:31") == {("imani", "prepare")}
    assert Message.objects.get().dedup == f"now:{imani.pk}:2026-02-10:1"
    assert look("02-15 08:00") == {("joss", "prepare")}  # never twice
    row = row_of(stage, "prepare", imani)
    assert (row.state, row.decided_by, row.send_on) == ("sent", joss, date(2026, 2, 10))


def test_mil_4_after_the_hour_it_is_todays_digest_that_leaves_where_none_has(stage, imani, joss):
    send_now(chosen(stage, "prepare", imani), by=joss, now=chicago("02-10 14:00"))
    assert look("02-10 14:01") == {("imani", "prepare")}
    assert Message.objects.get().dedup == f"digest:{imani.pk}:2026-02-10"


def test_mil_4_sent_now_counts_towards_five_mails_a_day(northwind, imani, joss):
    stages = [Milestone.objects.get(account=northwind, kind="stage", day=30)]
    with clock.at(chicago("01-30 15:00")):
        for n in range(5):
            other = make_account(f"Account {n}", service_level="premium", mrr=Decimal("900.00"), csm=imani)
            complete_onboarding(other, on=DAY_ZERO)
            stages.append(Milestone.objects.get(account=other, kind="stage", day=30))
    Notice.objects.create(recipient=imani, text="Good morning.", created_at=chicago("02-10 07:00"))
    look("02-10 07:30")
    look("02-10 08:00")
    for n, each in enumerate(stages):
        now = chicago(f"02-10 09:{n:02}")
        send_now(chosen(each, "prepare", imani), by=joss, now=now)
        plan(now)
        dispatch.drain(now=now)
    mails = Message.objects.filter(recipient=imani).order_by("pk").values_list("dedup", "state")
    today = [(f"now:{imani.pk}:2026-02-10:{n}", "sent") for n in range(1, 5)]
    waits = [(f"digest:{imani.pk}:2026-02-11", "due")]
    assert list(mails) == [(f"digest:{imani.pk}:2026-02-10", "sent"), *today, *waits]
    assert Reminder.objects.filter(state="planned", message__dedup=waits[0][0]).count() == 2


def test_mil_5_what_is_held_or_skipped_can_still_be_sent_now(stage, imani, joss):
    for decide, person in ((hold, imani), (skip, joss)):
        decide(chosen(stage, "prepare", person), by=joss, now=chicago("02-10 09:00"))
        send_now(chosen(stage, "prepare", person), by=joss, now=chicago("02-10 09:01"))
    assert look("02-10 09:02") == BOTH


def test_mil_5_what_left_is_not_decided_again(stage, imani, joss):
    look("02-15 08:00")
    line = chosen(stage, "prepare", imani)
    for verb in (hold, skip, release, send_now):
        with pytest.raises(Refused, match="It was sent already"):
            verb(line, by=joss, now=chicago("02-15 09:00"))
    assert look("02-15 09:01") == set()


def test_mil_5_what_is_being_handed_over_is_too_late_to_hold(stage, imani, joss):
    plan(chicago("02-15 08:00"))
    lease = chicago("02-15 08:15")
    Message.objects.update(state="claimed", claim="x", lease_until=lease)
    with pytest.raises(Refused, match="It is leaving just now"):
        hold(chosen(stage, "prepare", imani), by=joss, now=chicago("02-15 08:00"))


# --- whatever is asked for twice, or makes no sense


@pytest.mark.parametrize("verb", [hold, skip, release, send_now])
def test_mil_5_asked_for_twice_it_happens_once(stage, imani, joss, verb):
    line = chosen(stage, "prepare", imani)
    if verb is release:
        hold(line, by=joss, now=chicago("02-10 08:59"))
    before = Event.objects.filter(type__startswith="reminder.").count()
    for minute in (0, 1):
        verb(line, by=joss, now=chicago(f"02-10 09:0{minute}"))
    events = Event.objects.filter(type__startswith="reminder.").order_by("pk")[before:]
    assert [(event.actor, event.account_id, event.via) for event in events] == [
        (joss, stage.account_id, "page")
    ]
    assert Reminder.objects.count() == (0 if verb is release else 1)


def test_mil_5_each_decision_is_in_the_log(stage, imani, joss):
    line = chosen(stage, "prepare", imani)
    for n, verb in enumerate((hold, skip, release, send_now)):
        verb(line, by=joss, now=chicago(f"02-10 09:0{n}"))
    found = Event.objects.filter(object_type="reminder").order_by("pk")
    kinds = ["reminder.held", "reminder.skipped", "reminder.released", "reminder.sent_now"]
    assert [event.type for event in found] == kinds
    assert found[1].changed == {"state": ["held", "superseded"]}


@pytest.mark.parametrize("occasion", ["late9", "nonsense", "", "late0"])
def test_mil_3_an_occasion_that_is_far_off_or_is_none_cannot_be_decided(stage, imani, joss, occasion):
    with pytest.raises(Refused, match="within the next 30 days"):
        hold(chosen(stage, occasion, imani), by=joss, now=chicago("02-10 09:00"))


def test_mil_3_nobody_else_s_occasion_can_be_made_up(stage, joss):
    stranger = make_csm(now=chicago("01-30 15:00"))
    with pytest.raises(Refused, match="Nothing of the kind is planned"):
        hold(chosen(stage, "prepare", stranger), by=joss, now=chicago("02-10 09:00"))
    assert not Reminder.objects.exists()


def test_mil_5_what_is_over_is_not_decided(northwind, stage, imani, joss):
    with change(northwind, by=None, via="page", now=chicago("02-10 08:00")) as work:
        work.account.archive(now=work.now)
    with pytest.raises(Refused, match="This is over"):
        hold(chosen(stage, "prepare", imani), by=joss, now=chicago("02-10 09:00"))


# --- who may


@pytest.mark.parametrize(
    ("who", "may"),
    [
        ("lead", True),
        ("manager", True),
        ("cs_ops", True),
        ("other lead", False),
        ("viewer", False),
        ("admin", False),
    ],
)
@pytest.mark.parametrize("verb", [hold, skip, send_now, release])
def test_mil_5_leads_managers_and_ops_decide_for_their_people(stage, imani, joss, who, may, verb):
    now = chicago("01-30 15:00")
    other = make_lead(team=make_team(now=now), now=now)
    by = {"lead": joss, "other lead": other}.get(who) or make_user(role=who, now=now)
    line = chosen(stage, "prepare", imani)
    if may:
        verb(line, by=by, now=chicago("02-10 09:00"))
    else:
        with pytest.raises(PermissionDenied):
            verb(line, by=by, now=chicago("02-10 09:00"))
        assert not Reminder.objects.exists()


@pytest.mark.parametrize("occasion", ["prepare", "day", "late1"])
def test_mil_5_everybody_decides_about_their_own_mail_and_nobody_elses(stage, imani, joss, occasion):
    now = chicago("02-10 09:00")
    hold(chosen(stage, occasion, imani), by=imani, now=now)
    with pytest.raises(PermissionDenied):
        hold(chosen(stage, occasion, joss), by=imani, now=now)


@pytest.mark.parametrize(("occasion", "may"), [("day", True), ("late1", False)])
def test_mil_5_who_covers_for_the_lead_does_not_silence_what_is_late(
    northwind, stage, imani, joss, occasion, may
):
    kofi = make_csm("kofi@example.com", pool="core", team=joss.team, now=chicago("01-30 15:00"))
    with change(None, by=None, via="page", now=chicago("02-01 09:00")):
        Cover.objects.create(user=joss, substitute=kofi, from_on=date(2026, 2, 20), to_on=date(2026, 3, 20))
    line, now = chosen(stage, occasion, kofi), chicago("02-21 09:00")
    if may:
        skip(line, by=kofi, now=now)
    else:
        for verb in (hold, skip):
            with pytest.raises(PermissionDenied):
                verb(line, by=kofi, now=now)
    send_now(line, by=kofi, now=now)


def test_mil_5_who_covers_for_the_owner_decides_about_what_is_theirs_for_now(stage, imani, joss):
    kofi = make_csm("kofi@example.com", pool="core", team=joss.team, now=chicago("01-30 15:00"))
    with change(None, by=None, via="page", now=chicago("02-01 09:00")):
        Cover.objects.create(user=imani, substitute=kofi, from_on=date(2026, 2, 20), to_on=date(2026, 3, 20))
    hold(chosen(stage, "late1", kofi), by=kofi, now=chicago("02-21 09:00"))
    assert look("03-04 08:00") == {("joss", "late1")}


# --- the forecast knows


def ahead(account: Account, when: str) -> dict[tuple[str, str], str]:
    lines = forecast([account.pk], room=Postroom.load(chicago(when)))
    first = [line for line in lines if line.milestone.kind == "stage" and line.milestone.day == 30]
    return {
        (line.recipient.email.partition("@")[0], line.reminder.occasion): line.reminder.state
        if line.mail is None
        else f"{line.leaves.astimezone(line.recipient.zone):%m-%d %H:%M}"
        for line in first
    }


def test_mil_5_the_forecast_shows_what_was_decided(northwind, stage, imani, joss):
    assert ahead(northwind, "02-10 09:00") == {
        ("imani", "prepare"): "02-15 08:00",
        ("joss", "prepare"): "02-15 08:00",
        ("imani", "day"): "02-27 08:00",
        ("joss", "day"): "02-27 08:00",
        ("imani", "late1"): "03-04 08:00",
        ("joss", "late1"): "03-04 08:00",
        ("imani", "late2"): "03-11 08:00",
        ("joss", "late2"): "03-11 08:00",
    }
    now = chicago("02-10 09:00")
    hold(chosen(stage, "prepare", imani), by=joss, now=now)
    skip(chosen(stage, "day", imani), by=joss, now=now)
    send_now(chosen(stage, "late1", imani), by=joss, now=now)
    after = ahead(northwind, "02-10 09:00")
    assert after["imani", "prepare"] == "held"
    assert after["imani", "day"] == "superseded"
    assert after["imani", "late1"] == "02-10 09:00"
    assert after["imani", "late2"] == "03-11 08:00"
    look("02-15 08:00")
    assert ahead(northwind, "02-16 09:00")["imani", "prepare"] == "held"  # until it is let go
    release(chosen(stage, "prepare", imani), by=joss, now=chicago("02-16 10:00"))
    assert ahead(northwind, "02-16 10:00")["imani", "prepare"] == "02-16 10:00"
