"""What people do to mail: each verb on each state, once however often it is asked for, and on the record."""

from __future__ import annotations

import json
import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from accounts.models import Activity, Contact
from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_contact,
    make_csm,
    make_lead,
    make_team,
)
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.tests.mailing import UNKNOWN_USER, point_at, post, send_all
from lifecycle.events.models import Event
from lifecycle.mail import outbox
from lifecycle.mail.dispatch import Mail, claim, drain, register_kind
from lifecycle.mail.dispatch.handover import FencedError
from lifecycle.mail.dispatch.kinds import KINDS
from lifecycle.mail.dispatch.queue import mark_sending
from lifecycle.mail.emails import post as post_plain
from lifecycle.mail.models import Bounce, Draft, Message
from lifecycle.mail.models.outbox import STATES
from lifecycle.mail.tests.rude import RudeServer
from lifecycle.mail.tests.sending import due_message
from lifecycle.milestones.models import Reminder
from lifecycle.milestones.planner import plan
from lifecycle.rules.refused import Refused
from onboarding.models import Onboarding

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 15, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

# reliability.md, "Dead letter page": what each verb makes of each state. "=" it was done already, "-" refused.
VERBS = ("retry", "send_again", "mark_sent", "cancel", "undo", "readdress")
TABLE = {
    #            retry    send_again   mark_sent  cancel       undo         readdress
    "due":        ("=",     "-",         "marked",  "cancelled", "cancelled", "due"),
    "retry":      ("retry", "-",         "marked",  "cancelled", "-",         "due"),
    "claimed":    ("=",     "-",         "marked",  "cancelled", "cancelled", "due"),
    "sending":    ("=",     "-",         "-",       "-",         "-",         "-"),
    "sent":       ("-",     "sent",      "-",       "-",         "-",         "-"),
    "held":       ("due",   "cancelled", "marked",  "cancelled", "-",         "due"),
    "dead":       ("due",   "cancelled", "marked",  "cancelled", "-",         "due"),
    "cancelled":  ("-",     "cancelled", "-",       "=",         "=",         "-"),
    "expired":    ("-",     "expired",   "-",       "-",         "-",         "-"),
    "suppressed": ("-",     "suppressed", "-",      "-",         "-",         "due"),
    "marked":     ("-",     "marked",    "=",       "-",         "-",         "-"),
}  # fmt: skip
CASES = [(verb, state, after) for state, row in TABLE.items() for verb, after in zip(VERBS, row, strict=True)]


@pytest.fixture(autouse=True)
def tuesday():
    with clock.at(NOW):
        yield


@pytest.fixture
def settled():
    """A kind of message that notes which rows were settled, and how."""
    rows: list[tuple[int, str]] = []
    register_kind(
        "test",
        wanted=lambda message, now: "",
        render=lambda message, now: Mail("Hello", "A secret word: heliotrope."),
        settled=lambda message, now: rows.append((message.pk, message.state)),
    )
    yield rows
    del KINDS["test"]


@pytest.fixture
def joss():
    return make_lead("joss@example.com", name="Joss Vandermeer")


@pytest.fixture
def imani(joss):
    team = make_team("East", lead=joss)
    return make_csm("imani@example.com", pool="core", team=team, name="Imani Castellan")


@pytest.fixture
def account(imani):
    account = make_account("Halden Vale Imaging", csm=imani, service_level="premium", products=["learning"])
    make_contact(account, "Dana Whitlow", email="DWhitlow@haldenvale.example")
    with change(account, by=imani, via="page", now=NOW):
        Onboarding.objects.get(account=account).record(
            {"call_completed_on": date(2026, 9, 15)}, today=NOW.date()
        )
    return account


@pytest.fixture
def server(settings):
    with RudeServer() as rude:
        point_at(settings, rude)
        yield rude


def at_state(state, account=None):
    held_by_sender = (
        {"claim": "token", "lease_until": NOW + MINUTE} if state in ("claimed", "sending") else {}
    )
    return due_message(
        "dana@customer.example",
        now=NOW,
        audience="customer",
        account=account,
        state=state,
        not_before=NOW + MINUTE if state == "retry" else NOW,
        subject="A secret subject: amaranth",
        attempts=3,
        sent_at=NOW if state in ("sent", "marked") else None,
        **held_by_sender,
    )


def do(verb, message, by, *, now=NOW):
    more = ["dana.whitlow@customer.example"] if verb == "readdress" else []
    return getattr(outbox, verb)(message.pk, *more, by=by, now=now)


def fresh(message):
    return Message.objects.get(pk=message.pk)


def acts():
    return Event.objects.filter(object_type="message")


def test_every_state_is_in_the_table():
    assert tuple(sorted(TABLE)) == tuple(sorted(STATES))


@pytest.mark.parametrize(("verb", "state", "after"), CASES)
def test_each_verb_on_each_state(settled, joss, verb, state, after):
    message = at_state(state)
    if after == "-":
        with pytest.raises(Refused, match=r"^This mail ") as refusal:
            do(verb, message, joss)
        assert refusal.value.conflict
    else:
        do(verb, message, joss)
    expected = state if after in ("=", "-") else after
    assert fresh(message).state == expected
    assert acts().count() == (after not in ("=", "-"))


@pytest.mark.parametrize(("verb", "state", "after"), [case for case in CASES if case[2] not in ("=", "-")])
def test_asked_for_twice_each_happens_once(settled, joss, verb, state, after):
    message = at_state(state)
    do(verb, message, joss)
    rows, told = Message.objects.count(), acts().count()
    try:
        do(verb, message, joss)
    except Refused as no:
        assert verb in ("retry", "readdress"), no
    assert (Message.objects.count(), fresh(message).state) == (rows, after)
    assert acts().count() == told


@pytest.mark.parametrize("verb", VERBS)
def test_each_act_is_on_the_record_and_tells_nothing_of_the_mail(settled, joss, account, verb):
    message = at_state("due" if verb == "undo" else "held", account)
    do(verb, message, joss)
    event = acts().get()
    assert (event.actor, event.via, event.account, event.object_id) == (joss, "page", account, message.pk)
    assert event.type.startswith("message.")
    said = json.dumps([event.type, event.changed, event.data])
    assert not any(word in said for word in ("heliotrope", "amaranth", "dana", "customer.example", "Joss"))


def test_a_reason_names_who_did_it(settled, joss):
    for verb, words in (
        ("cancel", "Cancelled by Joss Vandermeer."),
        ("mark_sent", "Marked as sent by Joss Vandermeer."),
        ("send_again", "Sent again by Joss Vandermeer."),
    ):
        message = at_state("held")
        do(verb, message, joss)
        assert fresh(message).reason == words
        Message.objects.all().delete()


def test_what_follows_is_settled_with_the_act_or_neither_happens(settled, joss):
    def refuse(message, now):
        raise Refused("", "no", "No.")

    first = at_state("held")
    outbox.mark_sent(first.pk, by=joss, now=NOW)
    assert settled == [(first.pk, "marked")]
    Message.objects.all().delete()
    register_kind("test", wanted=lambda m, now: "", render=lambda m, now: Mail("", ""), settled=refuse)
    second = at_state("held")
    with pytest.raises(Refused):
        outbox.mark_sent(second.pk, by=joss, now=NOW)
    assert fresh(second).state == "held"
    assert acts().count() == 1


# --- retry


@pytest.mark.servers
@pytest.mark.parametrize("answer", ["xyz", "354 go on", "302 elsewhere"])
def test_an_answer_after_the_content_that_says_nothing_is_no_answer(server, joss, imani, account, answer):
    """The mail may have arrived: a customer's waits for a person, and is not sent a second time."""
    message = post(account, imani, now=NOW)
    assert send_all(server, now=NOW, END=answer) == {"held": 1}
    message.refresh_from_db()
    assert (message.state, message.uncertain) == ("held", True)


@pytest.mark.servers
def test_a_held_mail_that_is_retried_is_byte_for_byte_the_one_that_may_have_arrived(
    server, joss, imani, account
):
    message = post(account, imani, now=NOW)
    assert send_all(server, now=NOW, END="") == {"held": 1}
    outbox.retry(message.pk, by=joss, now=NOW + MINUTE)
    assert send_all(server, now=NOW + MINUTE) == {"sent": 1}
    first, second = server.received
    assert first.raw == second.raw
    assert (fresh(message).state, fresh(message).uncertain) == ("sent", True)


@pytest.mark.servers
def test_a_failed_mail_that_is_retried_is_written_anew_with_all_its_tries(server, joss, imani, account):
    message = post(account, imani, now=NOW)
    assert send_all(server, now=NOW, END="554 no") == {"dead": 1}
    assert fresh(message).raw is not None
    Draft.objects.filter(pk=message.draft_id).update(body="Other words.")
    outbox.retry(message.pk, by=joss, now=NOW + MINUTE)
    assert (fresh(message).attempts, fresh(message).raw, fresh(message).reason) == (0, None, "")
    assert send_all(server, now=NOW + MINUTE) == {"sent": 1}
    assert b"Other words." in server.received[-1].raw


@pytest.mark.servers
def test_a_digest_that_failed_takes_its_reminders_along_when_retried(server, joss, imani):
    account = make_account("Wrenfield Podiatry", csm=imani, service_level="premium")
    complete_onboarding(account, on=NOW.date() - timedelta(days=34))
    plan(NOW)
    digest = Message.objects.get(recipient=imani)
    assert send_all(server, now=NOW, RCPT="550 5.1.1 unknown").get("dead")
    told = Reminder.objects.filter(message=digest)
    assert set(told.values_list("state", flat=True)) == {"failed"}
    outbox.retry(digest.pk, by=joss, now=NOW + MINUTE)
    assert set(told.values_list("state", flat=True)) == {"planned"}
    assert send_all(server, now=NOW + MINUTE).get("sent")
    assert set(told.values_list("state", flat=True)) == {"sent"}


def test_a_retried_mail_that_had_run_out_of_time_has_time_again(settled, joss):
    message = due_message("imani@example.com", now=NOW, state="dead", expires_at=NOW - MINUTE)
    outbox.retry(message.pk, by=joss, now=NOW)
    assert fresh(message).expires_at == NOW + timedelta(days=1)


# --- send again


@pytest.mark.servers
def test_a_mail_sent_again_is_a_new_one_and_leaves_after_the_time_for_an_undo(server, joss, imani, account):
    message = post(account, imani, now=NOW)
    assert send_all(server, now=NOW, END="") == {"held": 1}
    again = outbox.send_again(message.pk, by=joss, now=NOW + MINUTE)
    assert again.dedup == f"{message.dedup}:again:1"
    assert again.not_before == NOW + MINUTE + timedelta(seconds=20)
    assert again.reason == "Sent again by Joss Vandermeer. It may be a repeat."
    assert outbox.send_again(message.pk, by=joss, now=NOW + MINUTE) == again
    assert send_all(server, now=NOW + MINUTE) == {"sent": 1}
    first, second = (mail.message["Message-ID"] for mail in server.received)
    assert first != second
    assert outbox.send_again(again.pk, by=joss, now=NOW + MINUTE).dedup == f"{message.dedup}:again:2"


def test_a_digest_whose_reminders_moved_on_is_not_sent_again(joss, imani):
    digest = due_message("imani@example.com", now=NOW, kind="digest", recipient=imani, state="expired")
    with pytest.raises(Refused, match="Nothing is left to send"):
        outbox.send_again(digest.pk, by=joss, now=NOW)
    assert Message.objects.count() == 1
    assert acts().count() == 0


def test_nothing_is_sent_again_to_who_left(joss, imani):
    digest = due_message("imani@example.com", now=NOW, kind="digest", recipient=imani, state="dead")
    with change(None, by=None, via="admin", now=NOW):
        imani.is_active = False
        imani.save()
    for verb in (outbox.retry, outbox.send_again):
        with pytest.raises(Refused, match="no longer works here"):
            verb(digest.pk, by=joss, now=NOW)


def test_a_sign_in_mail_whose_words_were_not_kept_is_not_sent_again(joss):
    message = post_plain("imani@example.com", "Your link", "https://...", now=NOW)
    Message.objects.update(state="dead")
    for verb in (outbox.retry, outbox.send_again):
        with pytest.raises(Refused, match="was not kept"):
            verb(message.pk, by=joss, now=NOW)


def test_a_letter_that_is_a_draft_again_is_sent_from_there(joss, imani, account):
    message = post(account, imani, now=NOW)
    outbox.undo(message.pk, by=imani, now=NOW)
    assert Draft.objects.get().is_open
    with pytest.raises(Refused, match="It is a draft again"):
        outbox.send_again(message.pk, by=joss, now=NOW)


def test_who_has_an_address_tried_again_says_that_it_is_right(settled, joss):
    for _ in range(3):
        Bounce.note("dana@customer.example", "550", now=NOW)
    outbox.send_again(at_state("suppressed").pk, by=joss, now=NOW)
    assert Bounce.of(["dana@customer.example"]) == {}


# --- mark, cancel, undo


def test_a_letter_marked_as_sent_records_its_fact_once(joss, imani, account):
    message = post(account, imani, now=NOW)
    outbox.mark_sent(message.pk, by=joss, now=NOW + MINUTE)
    outbox.mark_sent(message.pk, by=joss, now=NOW + 2 * MINUTE)
    assert Onboarding.objects.get(account=account).recap_sent_at == NOW + MINUTE
    assert Activity.objects.filter(account=account, kind="email").count() == 1


def test_a_digest_marked_as_sent_counts_as_sent(joss, imani):
    account = make_account("Wrenfield Podiatry", csm=imani, service_level="premium")
    complete_onboarding(account, on=NOW.date() - timedelta(days=34))
    plan(NOW)
    digest = Message.objects.get(recipient=imani)
    outbox.mark_sent(digest.pk, by=joss, now=NOW)
    assert set(digest.reminders.values_list("state", flat=True)) == {"sent"}


def test_a_digest_cancelled_after_it_may_have_arrived_is_never_taken_for_new_reminders(joss, imani):
    account = make_account("Wrenfield Podiatry", csm=imani, service_level="premium")
    complete_onboarding(account, on=NOW.date() - timedelta(days=34))
    plan(NOW)
    digest = Message.objects.get(recipient=imani)
    Message.objects.filter(pk=digest.pk).update(state="dead", uncertain=True, raw=b"old words")
    outbox.cancel(digest.pk, by=joss, now=NOW)
    other = make_account("Cask Hollow Podiatry", csm=imani, service_level="premium")
    complete_onboarding(other, on=NOW.date() - timedelta(days=34))
    plan(NOW + MINUTE)
    assert fresh(digest).state == "cancelled"
    assert Message.objects.filter(recipient=imani).count() == 2


def test_a_dispatcher_that_took_a_mail_before_it_was_cancelled_sends_nothing(settled, joss):
    message = due_message("dana@customer.example", now=NOW, audience="customer")
    taken = claim(now=NOW)
    assert taken.pk == message.pk
    outbox.cancel(message.pk, by=joss, now=NOW)
    with pytest.raises(FencedError):
        mark_sending(taken, b"words")
    assert fresh(message).state == "cancelled"


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_an_undo_that_races_the_dispatcher_either_wins_or_says_that_it_was_too_late(server, settled, joss):
    server.delay = 0.005
    for n in range(12):
        message = due_message("dana@customer.example", now=NOW, number=n, audience="customer")
        before, undone = len(server.received), []

        def undo(pk=message.pk, undone=undone):
            try:
                outbox.undo(pk, by=joss, now=NOW)
                undone.append(True)
            except Refused:
                undone.append(False)
            finally:
                connection.close()

        racer = threading.Thread(target=undo)
        racer.start()
        drain(now=NOW)
        racer.join()
        sent = len(server.received) - before
        assert (sent, fresh(message).state) == ((0, "cancelled") if undone == [True] else (1, "sent"))


# --- the address


@pytest.mark.servers
def test_a_corrected_address_is_corrected_everywhere_and_the_mail_leaves_there(server, joss, imani, account):
    other = make_account("Stonewick Behavioral", csm=imani)
    stranger = make_contact(other, "Dana Elsewhere", email="dwhitlow@haldenvale.example")
    message = post(account, imani, now=NOW)
    assert send_all(server, now=NOW, RCPT=UNKNOWN_USER) == {"dead": 1}
    outbox.readdress(message.pk, "dana@haldenvale.example", by=joss, now=NOW + MINUTE)
    assert Contact.objects.get(account=account).email == "dana@haldenvale.example"
    assert Contact.objects.get(pk=stranger.pk).email == "dwhitlow@haldenvale.example"
    assert Draft.objects.get().to == ["dana@haldenvale.example"]
    assert send_all(server, now=NOW + MINUTE) == {"sent": 1}
    assert server.received[-1].recipient == "dana@haldenvale.example"
    assert server.received[-1].message["To"] == "dana@haldenvale.example"


def test_an_address_is_corrected_for_customers_only_and_only_to_another(settled, joss, imani):
    staff = due_message("imani@example.com", now=NOW, recipient=imani, state="dead")
    with pytest.raises(Refused, match="goes to a colleague"):
        outbox.readdress(staff.pk, "i@example.com", by=joss, now=NOW)
    with pytest.raises(Refused, match="address it has already"):
        outbox.readdress(at_state("dead").pk, "dana@customer.example", by=joss, now=NOW)


def test_nothing_of_an_archived_account_is_corrected(settled, joss, account):
    message = at_state("dead", account)
    Message.objects.update(address="dwhitlow@haldenvale.example")
    with change(account, by=None, via="admin", now=NOW) as work:
        work.account.archive(now=NOW)
    with pytest.raises(Refused, match="archived"):
        outbox.readdress(message.pk, "dana@haldenvale.example", by=joss, now=NOW)
    assert fresh(message).address == "dwhitlow@haldenvale.example"


def test_a_mail_about_to_leave_leaves_at_its_hour_for_its_new_address(settled, joss):
    message = due_message("d@customer.example", now=NOW, audience="customer", not_before=NOW + MINUTE)
    outbox.readdress(message.pk, "dana@customer.example", by=joss, now=NOW)
    assert (fresh(message).not_before, fresh(message).address) == (NOW + MINUTE, "dana@customer.example")
