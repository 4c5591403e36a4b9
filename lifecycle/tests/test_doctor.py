"""`doctor` finds what was tampered with, and nothing where all is well (reliability.md, "Invariants")."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, models, transaction

from accounts.tests.factories import complete_onboarding, make_account, make_csm, make_lead, make_team
from lifecycle import clock
from lifecycle.api.tests.calling import settled
from lifecycle.change import change
from lifecycle.events.models import Event, EventHead
from lifecycle.events.seal import seal
from lifecycle.events.tests.test_seal import triggers_off
from lifecycle.invariants import check
from lifecycle.mail import outbox
from lifecycle.mail.dispatch.kinds import KINDS
from lifecycle.mail.models import Attempt, Message, ServiceBeat
from lifecycle.milestones.models import Milestone, Reminder
from lifecycle.milestones.planner import PLANNER, plan


def said(*words):
    out = StringIO()
    try:
        call_command("doctor", *words, stdout=out)
    except SystemExit as left:
        return left.code, out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def adopting(days=3):
    team = make_team()
    make_lead(team=team)
    account = make_account(
        csm=make_csm(pool="core", team=team), service_level="standard", products=["learning"]
    )
    return complete_onboarding(account, on=clock.now().date() - timedelta(days=days))


def make_mail(dedup, state, now, **values):
    return Message.objects.create(
        **{
            "dedup": dedup,
            "state": state,
            "kind": "plain",
            "address": "dana@example.com",
            "payload": {"subject": "Hi", "text": "Hi"},
            "not_before": now,
            "created_at": now,
            **values,
        }
    )


def tried(message, *outcomes, n=1, code=None):
    for place, outcome in enumerate(outcomes):
        Attempt.objects.create(
            message=message,
            n=n + place,
            started_at=clock.now(),
            phase="data",
            outcome=outcome,
            smtp_code=code or (250 if outcome.startswith("sent") else None),
        )
    return message


@pytest.fixture
def wrong(db):
    """What is wrong with the invariants now, besides nothing at all before."""
    assert check(clock.now()) == []
    return lambda: check(clock.now())


# --- all is well


def test_all_is_well_with_a_running_adoption(db):
    adopting()
    assert said() == (0, ["all well"])


def test_all_is_well_where_mail_went_every_honest_way(wrong):
    now = clock.now()
    adopting(days=40)
    plan(now)
    assert Reminder.objects.exclude(message=None).exists()
    tried(make_mail("plain:1", "sent", now, sent_at=now), "sent")
    tried(make_mail("plain:2", "sent", now, sent_at=now, uncertain=True), "unknown", "sent")
    tried(make_mail("plain:3", "held", now, uncertain=True, audience="customer"), "unknown")
    tried(make_mail("plain:4", "sent", now, sent_at=now), "retry", "interrupted", "sent")
    zombie = make_mail("plain:5", "sent", now, sent_at=now, uncertain=True, audience="customer")
    tried(zombie, "unknown")
    tried(zombie, "sent")  # its answer came after all, in the same try
    noted_twice = make_mail("plain:8", "sent", now, sent_at=now)  # the database crashed in between
    tried(noted_twice, "sent")
    tried(noted_twice, "sent after all")
    make_mail("plain:6", "marked", now, sent_at=now)
    make_mail("plain:7", "sending", now, lease_until=now - timedelta(seconds=50))
    assert wrong() == []


# --- I1


def test_i1_a_reminder_without_a_message_or_a_reason_is_found(wrong):
    adopting(days=40)
    plan(clock.now())
    row = Reminder.objects.exclude(message=None).first()
    Reminder.objects.filter(pk=row.pk).update(state="failed", message=None, reason="")
    assert wrong() == [f"I1: reminder {row.pk} is failed without a message or a reason"]


def test_i1_a_reminder_that_waits_for_a_mail_that_ended_is_found(wrong):
    adopting(days=40)
    plan(clock.now())
    row = Reminder.objects.filter(state="planned").exclude(message=None).first()
    message = tried(row.message, "sent")
    Message.objects.filter(pk=message.pk).update(state="sent", sent_at=clock.now())
    assert f"I1: reminder {row.pk} waits for message {message.pk}, which is sent" in wrong()


def test_i1_what_a_planner_passed_over_is_found(wrong):
    now = clock.now()
    adopting(days=40)
    plan(now)
    with change(None, by=None, via="task", now=now):
        row = Milestone.objects.filter(status="open", kind="stage").first()
        long_ago = now - timedelta(hours=1)
        mine = Milestone.objects.naming([]).filter(pk=row.pk)
        mine.update(remind_at=long_ago, updated_at=now - timedelta(seconds=59))
        assert wrong() == []  # somebody may have been at it when the planner came by
        mine.update(updated_at=now - timedelta(seconds=61))
    assert wrong() == [
        f"I1: milestone {row.pk} was to remind at {long_ago:%Y-%m-%d %H:%M}, and was passed over"
    ]
    for at in (long_ago - timedelta(hours=1), now + timedelta(days=1)):
        ServiceBeat.objects.filter(name=PLANNER).update(at=at)
        assert wrong() == []  # no planner came by since, but one that was only tried out


def test_i1_a_reminder_that_no_mail_took_along_is_found(wrong):
    now = clock.now()
    adopting(days=40)
    plan(now)
    row = Reminder.objects.filter(state="planned").first()
    day = now.date() - timedelta(days=2)
    Reminder.objects.filter(pk=row.pk).update(message=None, created_at=now - timedelta(minutes=2))
    Reminder.objects.filter(pk=row.pk).update(send_on=day + timedelta(days=1))
    assert wrong() == []  # its morning may not have come everywhere
    Reminder.objects.filter(pk=row.pk).update(send_on=day)
    assert wrong() == [f"I1: reminder {row.pk} of {day} waits for a message"]


# --- I2, I3


@pytest.mark.parametrize(
    ("outcome", "code"), [("sent", 354), ("sent", 451), ("retry", 250), ("dead", 550), ("unknown", 250)]
)
def test_i2_mail_counted_as_sent_that_no_server_took_is_found(wrong, outcome, code):
    message = make_mail("plain:1", "sent", clock.now(), sent_at=clock.now(), uncertain=outcome == "unknown")
    tried(message, outcome, code=code)
    assert wrong() == [f"I2: message {message.pk} is sent, but no attempt was accepted"]


@pytest.mark.django_db(transaction=True)
def test_i3_two_rows_of_one_key_are_found(monkeypatch):
    now = clock.now()
    adopting(days=40)
    plan(now)
    for model in (Message, Reminder):
        (once,) = (c for c in model._meta.constraints if isinstance(c, models.UniqueConstraint))
        others = [c for c in model._meta.constraints if c is not once]
        monkeypatch.setattr(model._meta, "constraints", others)
        with connection.schema_editor() as editor:
            editor.remove_constraint(model, once)
    for _ in range(2):
        make_mail("digest:7:2026-03-01", "due", now)
    row = Reminder.objects.order_by("pk").first()
    Reminder.objects.bulk_create([Reminder(**{name: getattr(row, name) for name in REMINDER})])
    assert check(now) == [
        "I3: 2 rows of message share dedup digest:7:2026-03-01",
        f"I3: 2 rows of reminder share milestone {row.milestone_id}, occasion {row.occasion}, "
        f"ordinal {row.ordinal}, recipient {row.recipient_id}",
    ]


REMINDER = (
    "milestone_id",
    "occasion",
    "ordinal",
    "recipient_id",
    "send_on",
    "state",
    "reason",
    "message_id",
    "created_at",
)


# --- I4, I5


@pytest.mark.parametrize("outcomes", [("unknown",), ("unknown", "sent"), ("sent", "sent after all")])
def test_i4_mail_that_may_have_gone_out_twice_without_a_mark_is_found(wrong, outcomes):
    now = clock.now()
    message = tried(make_mail("plain:1", "sent", now, sent_at=now), *outcomes)
    if "sent" not in outcomes:
        Message.objects.filter(pk=message.pk).update(state="held")
    assert wrong() == [
        f"I4: message {message.pk} was handed over {len(outcomes)} times or in doubt, "
        "and is not marked uncertain"
    ]
    Message.objects.filter(pk=message.pk).update(uncertain=True)
    assert wrong() == []


def test_i4_a_customers_mail_handed_over_again_by_itself_is_found(wrong, monkeypatch):
    now = clock.now()
    monkeypatch.setitem(KINDS, "test", replace(KINDS["plain"], private=False))
    of = {"kind": "test", "audience": "customer", "uncertain": True, "account": make_account()}
    message = tried(make_mail("plain:1", "held", now, **of), "unknown")
    assert wrong() == []
    with transaction.atomic():
        outbox.retry(message.pk, by=make_lead(), now=now)
        tried(message, "unknown", n=2)
        assert wrong() == []  # somebody asked for it
        tried(message, "sent", n=3)
    assert wrong() == [
        f"I4: message {message.pk} was handed over to a customer 3 times, and nobody asked for it"
    ]


@pytest.mark.parametrize("state", ["claimed", "sending"])
def test_i5_a_lease_that_ended_a_minute_ago_is_found(wrong, state):
    now = clock.now()
    message = make_mail("plain:1", state, now, claim="x", lease_until=now - timedelta(seconds=50))
    assert wrong() == []
    until = now - timedelta(seconds=61)
    Message.objects.filter(pk=message.pk).update(lease_until=until)
    assert wrong() == [f"I5: message {message.pk} is {state}, and its lease ended: {until:%Y-%m-%d %H:%M}"]


def test_i5_a_mail_under_way_without_a_lease_is_found(wrong):
    message = make_mail("plain:1", "sending", clock.now())
    assert wrong() == [f"I5: message {message.pk} is sending, and its lease ended: never"]


# --- I6


@pytest.mark.django_db(transaction=True)
def test_i6_a_tampered_log_is_found_and_a_cut_tail_by_its_head():
    adopting()
    settled()
    seal(now=clock.now())
    head = EventHead.objects.get()
    told = f"--head={head.seq}:{head.hash}"
    assert said("--audit", told) == said(told) == (0, ["all well"])
    with transaction.atomic(), triggers_off():
        Event.objects.filter(pk=head.seq).update(policy=9)
    assert said() == said("--audit")
    code, lines = said()
    assert (code, lines[-1]) == (1, "1 wrong")
    assert lines[0].endswith("is not what was sealed")


@pytest.mark.parametrize("words", ["x", "0:" + "a" * 64, "5", "5:abc", "-1:" + "a" * 64])
def test_a_head_that_is_none_is_one_plain_sentence(words):
    with pytest.raises(CommandError, match="expected a head as the log tells it"):
        call_command("doctor", f"--head={words}")


# --- duties


def test_a_missing_a_moved_and_an_ownerless_milestone_are_found(db):
    account = adopting()
    with change(None, by=None, via="task", now=clock.now()):
        mine = Milestone.objects.naming([]).filter(account=account)
        mine.filter(kind="stage", day=30).update(status="cancelled")
        mine.filter(kind="stage", day=90).update(due_on="2030-01-01")
        mine.filter(kind="check_in", day=75).update(owner=None)
    code, lines = said()
    assert (code, lines[-1]) == (1, "3 wrong")
    assert lines[0].endswith("has no owner")
    assert lines[1:3] == [
        f"account {account.pk}: stage (30-day adoption) is missing",
        f"account {account.pk}: stage (90-day adoption) has moved",
    ]
    assert Milestone.objects.get(account=account, kind="stage", day=30).status == "cancelled"
