"""Why did or didn't I get this, and the coming mail: the words, who sees what, who decides, at which cost (MIL-5)."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from itertools import product

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Account, Cover, User
from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_accounts,
    make_csm,
    make_lead,
    make_team,
    make_user,
)
from adoption.models import Stage
from lifecycle import clock
from lifecycle.change import change, change_many
from lifecycle.dashboards.reminders import words
from lifecycle.mail import dispatch
from lifecycle.mail.models import Message
from lifecycle.mail.tests.sending import chicago
from lifecycle.milestones.models import Milestone, Notice, Reminder
from lifecycle.milestones.planner import plan
from lifecycle.milestones.planner.decisions import Chosen, hold, release, send_now, skip
from lifecycle.rules.reminders import Case, Stranger, answer, why_not
from onboarding.models import Onboarding

pytestmark = pytest.mark.django_db
DAY_ZERO = date(2026, 1, 30)  # day 30 is Sunday, March 1; act by Friday, February 27
BEGAN = chicago("01-30 15:00")


@pytest.fixture(autouse=True)
def mail_as_files(settings, tmp_path):
    settings.EMAIL_FILE_PATH = str(tmp_path)


@pytest.fixture
def joss() -> User:
    team = make_team("East", now=BEGAN)
    return make_lead(
        "joss@example.com", name="Joss Vandermeer", team=team, time_zone="America/Chicago", now=BEGAN
    )


@pytest.fixture
def imani(joss: User) -> User:
    more = {"name": "Imani Castellan", "time_zone": "America/Chicago", "now": BEGAN}
    return make_csm("imani@example.com", pool="core", team=joss.team, **more)


@pytest.fixture
def kofi(joss: User) -> User:
    more = {"name": "Kofi Strand", "time_zone": "America/Chicago", "now": BEGAN}
    return make_csm("kofi@example.com", pool="core", team=joss.team, **more)


@pytest.fixture
def northwind(imani: User) -> Account:
    return adopted("Northwind", imani)


def adopted(name: str, csm: User) -> Account:
    account = make_account(name, service_level="premium", mrr=Decimal("900.00"), csm=csm, now=BEGAN)
    return complete_onboarding(account, on=DAY_ZERO, now=BEGAN)


def stage_of(account: Account, kind: str = "stage", day: int = 30) -> Milestone:
    return Milestone.objects.get(account=account, kind=kind, day=day)


def look(when: str) -> None:
    plan(chicago(when))
    dispatch.drain(now=chicago(when))


def chosen(milestone: Milestone, occasion: str, person: User) -> Chosen:
    return Chosen(milestone.pk, occasion, milestone.ordinal, person.pk)


def record(account: Account, when: str, *, by: User | None = None, **values: object) -> None:
    now = chicago(when)
    with change(account, by=by, via="page", now=now) as work:
        Stage.objects.get(account=work.account, day=30).record(
            values, by=by, now=now, today=work.today(work.account)
        )


def ask(
    client, account: Account, who: User, when: str, viewer: User, title: str = "30-day adoption"
) -> tuple:
    """What the page answers `who` about one duty: the word, the sentence, the rule."""
    client.force_login(viewer)
    with clock.at(chicago(when)):
        page = client.get(reverse("dashboards:reminders", args=[account.pk]), {"who": who.pk})
    assert page.status_code == 200
    found = {duty.milestone.title: entry for duty, entry in page.context["answers"]}[title]
    assert found.why in page.content.decode().replace("&#x27;", "'")
    return found.word, found.why, found.rule


# --- the words


def test_mil_5_every_answer_of_the_rules_has_its_sentence():
    now = chicago("02-15 08:00")
    days, flags = (None, now.date(), now.date() + timedelta(days=1)), (False, True)
    parts = {
        "leaves": (now - timedelta(days=40), now, now + timedelta(days=1)),
        "closed_at": (None, now - timedelta(hours=1), now),
        "state": ("", *Reminder.STATES),
        "why": ("", "newer", "closed", "not_theirs", "inactive", "moved"),
        "mail": ("", "due", "retry", "claimed", "sent", "marked"),
        "mail_on": days[1:],
        **dict.fromkeys(
            ("cancelled", "snoozed", "by_hand", "at_once", "caused_it", "ceiling", "expired"), flags
        ),
    }
    dice = random.Random(1)  # noqa: S311 - dice of a test
    cases = [{name: dice.choice(values) for name, values in parts.items()} for _ in range(20_000)]
    codes = {answer(Case(now=now, look_back_days=30, came_on=now.date(), **case)).code for case in cases}
    strangers = product(flags, (frozenset(), frozenset({"csm"})), flags, flags)
    codes |= {why_not(Stranger(*stranger)).code for stranger in strangers}
    assert codes == set(words.WHY)


def test_mil_5_what_was_sent_says_when_and_in_which_mail(client, northwind, imani):
    look("02-15 08:00")
    assert ask(client, northwind, imani, "02-15 09:00", imani) == (
        "Sent",
        "Left at 8:00 AM in Chicago on Sun, Feb 15, in the digest of that day.",
        "MIL-4",
    )
    mail = Message.objects.get(recipient=imani)
    assert (
        reverse("dashboards:outbox-mail", args=[mail.pk])
        in client.get(reverse("dashboards:reminders", args=[northwind.pk])).content.decode()
    )


def test_mil_5_the_hour_is_the_recipients_not_the_viewers(client, northwind, imani, joss):
    with change(None, by=None, via="admin", now=chicago("02-01 09:00")):
        User.objects.get(pk=imani.pk).record({"time_zone": "Asia/Tokyo", "digest_hour": 6})
    assert ask(client, northwind, imani, "02-10 09:00", joss) == (
        "Coming",
        "Leaves at 6:00 AM in Tokyo on Sun, Feb 15.",
        "MIL-3",
    )


def test_mil_5_what_waits_says_for_what(client, northwind, imani, joss):
    plan(chicago("02-15 08:00"))
    digest = "Leaves with the digest at 8:00 AM in Chicago on Sun, Feb 15."
    assert ask(client, northwind, imani, "02-15 08:00", joss) == ("Coming", digest, "MIL-4")
    Message.objects.filter(recipient=imani).update(state="retry", not_before=chicago("02-15 08:05"))
    retried = "Its mail could not be handed over yet and is tried again at 8:05 AM in Chicago on Sun, Feb 15."
    assert ask(client, northwind, imani, "02-15 08:01", joss) == ("Coming", retried, "MIL-5")
    lease = {"claim": "x", "lease_until": chicago("02-15 08:20")}
    Message.objects.filter(recipient=imani).update(state="claimed", **lease)
    assert ask(client, northwind, imani, "02-15 08:05", joss) == (
        "Coming",
        "Leaves within a minute.",
        "MIL-5",
    )
    due = "Due. The planner takes it up with its next look, within a minute."
    assert ask(client, adopted("Harbor", imani), imani, "02-15 08:05", joss) == ("Coming", due, "MIL-5")


def test_mil_5_a_digest_that_came_too_late_is_named(client, northwind, imani, joss):
    plan(chicago("02-15 08:00"))
    dispatch.drain(now=chicago("02-16 08:00"))  # a day late: it expires
    assert ask(client, northwind, imani, "02-16 08:00", joss)[1:] == (
        "The digest of Sun, Feb 15 could not leave before the next morning, so this goes with the next one.",
        "MIL-5",
    )


def test_mil_5_a_mail_that_failed_says_why(client, northwind, imani, joss):
    plan(chicago("02-15 08:00"))
    mail = Message.objects.get(recipient=imani)
    Message.objects.filter(pk=mail.pk).update(state="dead", reason="No such mailbox.")
    Reminder.objects.filter(message=mail).update(state="failed", reason="No such mailbox.")
    answer = ("Failed", "Its mail failed: No such mailbox.", "MIL-5")
    assert ask(client, northwind, imani, "02-15 09:00", joss) == answer


def test_mil_5_what_people_decided_is_said_with_their_names(client, northwind, imani, joss):
    stage, now = stage_of(northwind), chicago("02-10 09:00")
    hold(chosen(stage, "prepare", imani), by=joss, now=now)
    skip(chosen(stage, "prepare", joss), by=joss, now=now)
    look("02-15 08:00")
    held = "Held by Joss Vandermeer on Tue, Feb 10. It stays until somebody releases it."
    assert ask(client, northwind, imani, "02-15 09:00", imani) == ("Held", held, "MIL-5")
    skipped = "Skipped by Joss Vandermeer on Tue, Feb 10."
    assert ask(client, northwind, joss, "02-15 09:00", imani) == ("Not sent", skipped, "MIL-5")
    send_now(chosen(stage, "prepare", imani), by=imani, now=chicago("02-15 09:00"))
    look("02-15 09:01")
    early = "Imani Castellan sent it early; it left at 9:01 AM in Chicago on Sun, Feb 15."
    assert ask(client, northwind, imani, "02-15 10:00", joss) == ("Sent", early, "MIL-5")


def test_mil_5_what_was_released_after_the_hour_says_why_it_waited(client, northwind, imani, joss):
    stage = stage_of(northwind)
    hold(chosen(stage, "prepare", imani), by=joss, now=chicago("02-10 09:00"))
    release(chosen(stage, "prepare", imani), by=joss, now=chicago("02-16 09:00"))
    look("02-17 08:00")
    left = "Left at 8:00 AM in Chicago on Tue, Feb 17, in the digest: that of Mon, Feb 16 had left before this came up."
    assert ask(client, northwind, imani, "02-17 09:00", joss) == ("Sent", left, "MIL-4")


def test_mil_3_of_several_due_at_once_the_older_ones_say_so(client, northwind, imani):
    look("03-12 15:00")
    client.force_login(imani)
    with clock.at(chicago("03-12 16:00")):
        page = client.get(reverse("dashboards:reminders", args=[northwind.pk]))
    (duty,) = [d for d in page.context["duties"] if d.milestone.kind == "stage" and d.milestone.day == 30]
    mine = [(e.occasion, e.word, e.rule) for e in duty.entries if e.person == imani]
    assert mine == [
        ("14 days before", "Not sent", "MIL-3"),
        ("On the day", "Not sent", "MIL-3"),
        ("3 days late", "Not sent", "MIL-3"),
        ("10 days late", "Sent", "MIL-4"),
        ("17 days late", "Coming", "MIL-3"),
    ]


def test_mil_5_what_was_done_before_it_was_due_says_when(client, northwind, imani):
    with change(northwind, by=imani, via="page", now=chicago("02-10 09:00")) as work:
        work.account.archive(now=work.now)
    assert ask(client, northwind, imani, "02-16 09:00", imani) == (
        "Not sent",
        "No longer needed since Tue, Feb 10, before it was due.",
        "MIL-5",
    )


def test_mil_5_what_was_done_before_its_mail_left_says_so(client, northwind, imani):
    plan(chicago("02-15 08:00"))
    with change(northwind, by=imani, via="page", now=chicago("02-15 08:00")) as work:
        work.account.archive(now=work.now)
    dispatch.drain(now=chicago("02-15 08:01"))
    closed = "The duty was done or cancelled before the mail left."
    assert ask(client, northwind, imani, "02-15 09:00", imani) == ("Not sent", closed, "MIL-5")


def test_mil_5_a_snoozed_duty_says_until_when(client, northwind, imani):
    with change(northwind, by=imani, via="page", now=chicago("02-10 09:00")):
        row = stage_of(northwind)
        row.snoozed_until = date(2026, 2, 20)
        row.save()
    snoozed = "Snoozed until Fri, Feb 20; leaves at 8:00 AM in Chicago on Fri, Feb 20."
    assert ask(client, northwind, imani, "02-16 09:00", imani) == ("Coming", snoozed, "MIL-5")


def test_mil_4_what_comes_up_after_todays_digest_says_why_it_waits(client, northwind, imani, joss):
    record(northwind, "02-16 09:00", by=imani, meeting_scheduled_at=chicago("02-26 10:00"))
    look("02-25 08:00")
    Notice.objects.create(recipient=imani, text="Good morning.", created_at=chicago("02-26 07:00"))
    look("02-26 07:30")
    look("02-26 08:00")
    look("02-26 10:31")
    title = "Record the outcome"
    waits = "Waits for the digest at 8:00 AM in Chicago on Fri, Feb 27: that of Thu, Feb 26 had left before this came up."
    assert ask(client, northwind, imani, "02-26 10:40", joss, title) == ("Coming", waits, "MIL-4")
    look("02-27 08:00")
    left = "Left at 8:00 AM in Chicago on Fri, Feb 27, in the digest: that of Thu, Feb 26 had left before this came up."
    assert ask(client, northwind, imani, "02-27 09:00", joss, title) == ("Sent", left, "MIL-4")


@pytest.mark.parametrize("by_imani", [True, False])
def test_mil_4_a_recap_says_why_it_left_at_once_or_waits(client, northwind, imani, joss, by_imani):
    record(northwind, "02-16 09:00", by=imani, meeting_scheduled_at=chicago("02-26 10:00"))
    Notice.objects.create(recipient=imani, text="Good morning.", created_at=chicago("02-26 07:00"))
    look("02-26 07:30")
    look("02-26 08:00")
    record(northwind, "02-26 11:00", by=imani if by_imani else joss, meeting_held=True)
    look("02-26 11:01")
    waits = "Waits for the digest at 8:00 AM in Chicago on Fri, Feb 27: Imani Castellan recorded what caused it, so no mail leaves at once."
    left = "Left at 11:01 AM in Chicago on Thu, Feb 26 in a mail of its own, because it could not wait for the morning."
    found = ask(client, northwind, imani, "02-26 12:00", joss, "Send the 30-day recap")
    assert found == (("Coming", waits, "MIL-4") if by_imani else ("Sent", left, "MIL-4"))


def test_mil_4_who_had_five_mails_is_told_so(client, northwind, imani, joss):
    record(northwind, "02-16 09:00", by=imani, meeting_scheduled_at=chicago("02-26 10:00"))
    today = chicago("02-26 08:00")
    for dedup, kind in (
        ("digest:{}:2026-02-26", "digest"),
        *((f"now:{{}}:2026-02-26:{n}", "now") for n in range(1, 5)),
    ):
        Message.objects.create(
            dedup=dedup.format(imani.pk),
            kind=kind,
            recipient=imani,
            address=imani.email,
            state="sent",
            sent_at=today,
            not_before=today,
            created_at=today,
        )
    record(northwind, "02-26 11:00", by=joss, meeting_held=True)
    look("02-26 11:01")
    full = "Waits for the digest at 8:00 AM in Chicago on Fri, Feb 27: Imani Castellan had the most mails a day, 5, on Thu, Feb 26."
    assert ask(client, northwind, imani, "02-26 12:00", joss, "Send the 30-day recap") == (
        "Coming",
        full,
        "MIL-4",
    )


# --- who is no recipient


def test_mil_3_who_is_not_involved_is_told_who_is(client, northwind, imani, joss, kofi):
    others = "Reminders of this go to Imani Castellan and Joss Vandermeer."
    assert ask(client, northwind, kofi, "02-10 09:00", joss) == ("Not sent", others, "MIL-3")


def test_mil_3_the_tl_hears_of_a_step_only_when_it_is_late(client, northwind, joss):
    look("02-10 09:00")
    booking = ask(client, northwind, joss, "02-10 09:00", joss, "Book the 30-day meeting")
    assert booking == ("Coming", "Leaves at 8:00 AM in Chicago on Tue, Feb 24.", "MIL-3")


def test_mil_6_who_is_on_leave_is_told_who_covers(client, northwind, imani, joss, kofi):
    with change(None, by=None, via="page", now=chicago("02-01 09:00")):
        Cover.objects.create(user=imani, substitute=kofi, from_on=date(2026, 2, 1), to_on=date(2026, 12, 31))
    covered = "Kofi Strand covers for Imani Castellan and gets it instead."
    assert ask(client, northwind, imani, "02-10 09:00", joss) == ("Not sent", covered, "MIL-6")
    coming = "Leaves at 8:00 AM in Chicago on Sun, Feb 15."
    assert ask(client, northwind, kofi, "02-10 09:00", joss) == ("Coming", coming, "MIL-3")


def test_mil_6_a_new_owner_gets_it_and_the_old_one_is_told(client, northwind, imani, joss, kofi):
    plan(chicago("02-15 08:00"))
    with change(northwind, by=joss, via="page", now=chicago("02-15 08:00")) as work:
        work.account.csm = kofi
        work.account.save()
    look("02-15 08:01")
    look("02-15 08:02")
    other = "Somebody else looked after it when the mail left."
    assert ask(client, northwind, imani, "02-15 09:00", joss) == ("Not sent", other, "MIL-6")
    assert ask(client, northwind, kofi, "02-15 09:00", joss)[0] == "Sent"


def test_mil_6_who_left_gets_no_mail(client, northwind, joss, kofi):
    with change(None, by=None, via="admin", now=chicago("02-01 09:00")):
        User.objects.get(pk=kofi.pk).record({"is_active": False})
    gone = "Kofi Strand no longer works here, so no mail goes out."
    assert ask(client, northwind, kofi, "02-10 09:00", joss) == ("Not sent", gone, "MIL-6")


def test_mil_5_a_reminder_of_a_date_before_says_that_the_date_moved(client, northwind, imani, joss):
    plan(chicago("02-15 08:00"))
    hold(chosen(stage_of(northwind), "prepare", joss), by=joss, now=chicago("02-15 08:00"))
    with change(northwind, by=joss, via="page", now=chicago("02-15 08:00")) as work:
        row = Onboarding.objects.get(account=work.account)
        row.record({"training_completed_on": date(2026, 2, 9)}, today=work.today(work.account))
    look("02-15 08:01")
    client.force_login(joss)
    with clock.at(chicago("02-15 09:00")):
        page = client.get(reverse("dashboards:reminders", args=[northwind.pk]))
    (duty,) = [d for d in page.context["duties"] if d.milestone.kind == "stage" and d.milestone.day == 30]
    moved = [e for e in duty.entries if e.why.startswith("The date moved by more than a week")]
    assert [e.person for e in moved] == [imani]


# --- who sees what


def test_what_is_not_yours_does_not_exist(client, northwind, kofi):
    other = make_csm(team=make_team(lead=make_lead(now=BEGAN), now=BEGAN), now=BEGAN)
    lead = other.team.lead
    stage = stage_of(northwind)
    for stranger in (kofi, other, lead):
        client.force_login(stranger)
        with clock.at(chicago("02-10 09:00")):
            foreign = client.get(f"/accounts/{northwind.pk}/reminders/")
            missing = client.get("/accounts/999999/reminders/")
            assert (foreign.status_code, foreign.content) == (404, missing.content)
            posted = client.post(f"/milestones/{stage.pk}/reminders/", {"verb": "hold"})
            nothing = client.post("/milestones/999999/reminders/", {"verb": "hold"})
            assert (posted.status_code, posted.content) == (404, nothing.content)
            mine = client.get("/outbox/forecast/").content.decode()
            assert "Northwind" not in mine


@pytest.mark.parametrize(
    ("role", "status"), [("manager", 200), ("cs_ops", 200), ("viewer", 200), ("admin", 200)]
)
def test_who_only_reads_sees_no_buttons_and_no_mail_of_others(client, northwind, role, status):
    look("02-15 08:00")
    client.force_login(make_user(role=role, now=BEGAN))
    with clock.at(chicago("02-16 09:00")):
        page = client.get(reverse("dashboards:reminders", args=[northwind.pk]))
    assert page.status_code == status
    text = page.content.decode()
    assert ('name="verb"' in text) is (role in ("manager", "cs_ops"))
    assert ("See the mail" in text) is (role != "viewer")


@pytest.mark.parametrize(
    ("who", "address", "status"),
    [
        ("csm", "", 200),
        ("csm", "?who=own", 200),
        ("csm", "?who=mate", 403),
        ("csm", "?team=own", 403),
        ("lead", "", 200),
        ("lead", "?who=mate", 200),
        ("lead", "?team=own", 200),
        ("lead", "?team=other", 404),
        ("lead", "?who=stranger", 404),
        ("manager", "?team=other", 200),
        ("manager", "?who=stranger", 200),
        ("cs_ops", "?team=other", 200),
        ("admin", "?team=other", 200),
        ("viewer", "", 403),
        ("manager", "?team=999999", 404),
        ("manager", "?who=%00", 404),
        ("manager", "?who=9999999999999999999999", 404),
    ],
)
def test_whose_coming_mail_one_may_see(client, northwind, imani, joss, kofi, who, address, status):
    other = make_team("West", now=BEGAN)
    stranger = make_csm(team=other, now=BEGAN)
    user = {"csm": imani, "lead": joss}.get(who) or make_user(role=who, now=BEGAN)
    ids = {"own": imani.pk if "who" in address else joss.team.pk, "mate": kofi.pk}
    ids |= {"other": other.pk, "stranger": stranger.pk}
    for word, pk in ids.items():
        address = address.replace(f"={word}", f"={pk}")
    client.force_login(user)
    with clock.at(chicago("02-10 09:00")):
        assert client.get(f"/outbox/forecast/{address}").status_code == status


def test_nobody_signed_in_is_sent_to_sign_in(client, northwind):
    for url in ("/outbox/forecast/", f"/accounts/{northwind.pk}/reminders/"):
        assert client.get(url)["Location"] == f"/sign-in/?next={url}"
    assert client.post(f"/milestones/{stage_of(northwind).pk}/reminders/").status_code == 302


def test_who_covers_sees_what_they_cover_for_and_nothing_once_it_is_over(client, northwind, imani, kofi):
    with change(None, by=None, via="page", now=chicago("02-01 09:00")):
        Cover.objects.create(user=imani, substitute=kofi, from_on=date(2026, 2, 10), to_on=date(2026, 2, 16))
    client.force_login(kofi)
    for when, seen in (("02-09 12:00", False), ("02-10 12:00", True), ("02-17 12:00", False)):
        with clock.at(chicago(when)):
            text = client.get("/outbox/forecast/").content.decode()
        assert ("Northwind" in text) is seen
        assert ("leave cover that begins later" in text) is (when == "02-09 12:00")


# --- what is coming


def coming(page) -> list[tuple]:
    return [
        (
            f"{day.on:%m-%d}",
            mail.recipient.name.split()[0],
            mail.when,
            [(s.milestone.title, s.occasion) for s in mail.lines],
        )
        for day in page.context["days"]
        for mail in day.mails
    ]


def test_mil_5_the_coming_mail_of_a_person_by_day_and_mail(client, northwind, imani):
    client.force_login(imani)
    with clock.at(chicago("02-10 09:00")):
        page = client.get("/outbox/forecast/")
    stage, book, prepare = "30-day adoption", "Book the 30-day meeting", "Prepare the 30-day checklist"
    say = "Say why the 30-day meeting was missed"
    eight = "8:00 AM in Chicago"
    assert coming(page) == [
        ("02-15", "Imani", eight, [(stage, "14 days before")]),
        ("02-20", "Imani", eight, [(book, "On the day")]),
        ("02-24", "Imani", eight, [(book, "2 days late")]),
        ("02-27", "Imani", eight, [(stage, "On the day"), (prepare, "On the day")]),
        ("03-03", "Imani", eight, [(book, "9 days late"), (prepare, "4 days late"), (say, "On the day")]),
        ("03-04", "Imani", eight, [(stage, "3 days late")]),
        ("03-05", "Imani", eight, [(say, "2 days late")]),
        ("03-10", "Imani", eight, [(book, "16 days late"), (prepare, "11 days late")]),
        ("03-11", "Imani", eight, [(stage, "10 days late")]),
        ("03-12", "Imani", eight, [(say, "9 days late")]),
    ]
    text = page.content.decode()
    assert "Mon, Mar 2</time>; can be held or skipped from then on." in text  # the duty is not there yet


def test_mil_5_a_team_sees_the_mail_of_its_people(client, northwind, imani, joss, kofi):
    adopted("Harbor", kofi)
    client.force_login(joss)
    with clock.at(chicago("02-14 12:00")):
        page = client.get("/outbox/forecast/")
    first = [(who, [title for title, _ in lines]) for day, who, _, lines in coming(page) if day == "02-15"]
    both = ["30-day adoption", "30-day adoption"]
    assert first == [("Imani", both[:1]), ("Joss", both), ("Kofi", both[:1])]


# --- deciding on the page


def post(client, milestone: Milestone, verb: str, person: User, occasion: str = "prepare", **more: str):
    data = {"verb": verb, "occasion": occasion, "ordinal": milestone.ordinal, "recipient": person.pk, **more}
    return client.post(f"/milestones/{milestone.pk}/reminders/", data)


def test_mil_5_a_lead_holds_releases_skips_and_sends_on_the_page(client, northwind, imani, joss):
    stage = stage_of(northwind)
    client.force_login(joss)
    page = f"/accounts/{northwind.pk}/reminders/"
    with clock.at(chicago("02-10 09:00")):
        for verb, words_, shown in (
            ("hold", "Held until somebody releases it", "Held by Joss Vandermeer on Tue, Feb 10."),
            ("release", "Released", ""),
            (
                "skip",
                "Skipped. The next reminder comes when it is due",
                "Skipped by Joss Vandermeer on Tue, Feb 10.",
            ),
            ("send", "Leaves within a minute", "within a minute"),
        ):
            answer = post(client, stage, verb, imani, next=page)
            assert (answer.status_code, answer["Location"]) == (302, page)
            text = client.get(page).content.decode()
            assert words_ in text
            assert shown in text


def test_mil_4_sent_now_after_five_mails_it_says_that_it_waits(client, northwind, imani, joss):
    now = chicago("02-10 09:00")
    for n in range(5):
        dedup = f"now:{imani.pk}:2026-02-10:{n}" if n else f"digest:{imani.pk}:2026-02-10"
        Message.objects.create(
            dedup=dedup,
            kind="now",
            recipient=imani,
            address=imani.email,
            state="sent",
            sent_at=now,
            not_before=now,
            created_at=now,
        )
    client.force_login(joss)
    with clock.at(now):
        post(client, stage_of(northwind), "send", imani, next="/day/")
        text = client.get("/day/").content.decode()
    assert "Imani Castellan had the most mails a day already. It goes with tomorrow’s digest" in text


def test_mil_5_a_csm_decides_about_their_own_mail_alone(client, northwind, imani, joss):
    stage = stage_of(northwind)
    client.force_login(imani)
    with clock.at(chicago("02-10 09:00")):
        text = client.get(f"/accounts/{northwind.pk}/reminders/").content.decode()
        assert "Hold: 30-day adoption, 14 days before, Imani Castellan" in text
        assert "14 days before, Joss Vandermeer" not in text
        assert post(client, stage, "hold", imani).status_code == 302
        assert post(client, stage, "hold", joss).status_code == 403
    assert Reminder.objects.filter(state="held").count() == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"verb": "delete"},
        {"verb": ""},
        {"occasion": "late99"},
        {"occasion": "\0"},
        {"occasion": "x" * 500},
        {"ordinal": "7"},
        {"ordinal": "nonsense"},
        {"recipient": "999999"},
        {"recipient": ""},
        {"recipient": "9" * 40},
    ],
)
def test_mil_5_a_form_that_makes_no_sense_changes_nothing(client, northwind, imani, joss, bad):
    client.force_login(joss)
    stage = stage_of(northwind)
    data = {"verb": "hold", "occasion": "prepare", "ordinal": "0", "recipient": str(imani.pk), **bad}
    with clock.at(chicago("02-10 09:00")):
        answer = client.post(f"/milestones/{stage.pk}/reminders/", data)
    assert answer.status_code in (302, 404)
    assert not Reminder.objects.exists()


def test_mil_5_a_form_leads_back_to_our_own_pages_only(client, northwind, imani, joss):
    client.force_login(joss)
    with clock.at(chicago("02-10 09:00")):
        answer = post(client, stage_of(northwind), "hold", imani, next="https://elsewhere.example/")
    assert answer["Location"].startswith("/")


def test_mil_5_the_timeline_says_what_was_decided(client, northwind, imani, joss):
    hold(chosen(stage_of(northwind), "prepare", imani), by=joss, now=chicago("02-10 09:00"))
    client.force_login(imani)
    with clock.at(chicago("02-10 10:00")):
        text = client.get(reverse("accounts:activity", args=[northwind.pk])).content.decode()
    assert "Reminder held" in text


# --- what it costs


def cost(client, url: str) -> int:
    with clock.at(chicago("02-10 09:00")):
        client.get(url)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url).status_code == 200
    return len(queries)


def adopt_many(csm: User, number: int) -> list[Account]:
    rows = make_accounts(number, csm=csm, service_level="premium", now=BEGAN)
    with change_many([row.pk for row in rows], by=None, via="task", now=BEGAN):
        for onboarding in Onboarding.objects.filter(account__in=rows):
            onboarding.record({"training_completed_on": DAY_ZERO}, today=BEGAN.date())
    return rows


@pytest.mark.parametrize("who", ["imani", "joss"])
def test_the_coming_mail_costs_the_same_with_one_account_and_with_thirty(client, northwind, imani, joss, who):
    user = {"imani": imani, "joss": joss}[who]
    plan(chicago("02-10 08:00"))
    client.force_login(user)
    one = cost(client, "/outbox/forecast/")
    adopt_many(imani, 29)
    plan(chicago("02-10 08:30"))
    assert cost(client, "/outbox/forecast/") == one


def test_an_accounts_reminders_cost_the_same_with_one_row_and_with_thirty(client, northwind, imani, joss):
    look("02-15 08:00")
    client.force_login(imani)
    url = f"/accounts/{northwind.pk}/reminders/?who={imani.pk}"
    one = cost(client, url)
    stage, now = stage_of(northwind), chicago("02-15 08:00")
    people = [make_csm(team=joss.team, now=BEGAN) for _ in range(30)]
    mails = [
        Message.objects.create(
            dedup=f"digest:{person.pk}:2026-02-15",
            kind="digest",
            recipient=person,
            address=person.email,
            state="sent",
            sent_at=now,
            not_before=now,
            created_at=now,
        )
        for person in people
    ]
    Reminder.objects.bulk_create(
        Reminder(
            milestone=stage,
            occasion="prepare",
            recipient=person,
            send_on=now.date(),
            state="sent",
            message=mail,
            created_at=now,
        )
        for person, mail in zip(people, mails, strict=True)
    )
    assert cost(client, url) == one


def test_reading_changes_nothing(client, northwind, imani, joss):
    plan(chicago("02-15 08:00"))
    client.force_login(joss)

    def rows():
        return [
            list(model.objects.order_by("pk").values()) for model in (Milestone, Reminder, Message, Notice)
        ]

    before = rows()
    for url in ("/outbox/forecast/", f"/accounts/{northwind.pk}/reminders/?who={imani.pk}"):
        with clock.at(chicago("02-20 09:00")):
            assert client.get(url).status_code == 200
    assert rows() == before
