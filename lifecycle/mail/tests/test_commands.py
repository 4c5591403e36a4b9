"""`remind` and `dispatch` as an operator meets them."""

from __future__ import annotations

import signal
import threading
import time
from datetime import date
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.tests.factories import complete_onboarding, make_account, make_csm, make_lead, make_team
from lifecycle import clock
from lifecycle.mail.models import Message, ServiceBeat
from lifecycle.mail.tests.rude import RudeServer
from lifecycle.mail.tests.sending import chicago, due_message
from lifecycle.management.commands import dispatch
from lifecycle.milestones.models import Reminder

pytestmark = [pytest.mark.servers]

ON_THE_DAY = "2026-02-15T08:00:00-06:00"


def make_book() -> None:
    """One Premium account whose day 30 is prepared for on February 15."""
    with clock.at(chicago("01-30 15:00")):
        team = make_team()
        make_lead("joss@example.com", team=team, time_zone="America/Chicago")
        make_csm("imani@example.com", pool="core", team=team, time_zone="America/Chicago")
        account = make_account("Northwind", service_level="premium", mrr=Decimal("900.00"))
        complete_onboarding(account, on=date(2026, 1, 30))


def remind(now: str | None = None) -> tuple[str, str, int]:
    out, err, code = StringIO(), StringIO(), 0
    try:
        call_command("remind", now=now, stdout=out, stderr=err)
    except SystemExit as stop:
        code = stop.code
    return out.getvalue(), err.getvalue(), code


@pytest.mark.django_db
def test_remind_says_in_its_last_line_what_became_of_the_reminders(sink):
    make_book()
    out, err, code = remind(ON_THE_DAY)
    assert out.splitlines()[-1] == "planned 2, sent 2, superseded 0, held 0, failed 0"
    assert (err, code) == ("", 0)
    out, _, _ = remind(ON_THE_DAY)
    assert out.splitlines()[-1] == "planned 0, sent 0, superseded 0, held 0, failed 0"


@pytest.mark.django_db
def test_remind_counts_what_a_newer_reminder_replaced_and_what_failed(settings):
    make_book()
    with RudeServer(answers={"RCPT": "550 Mailbox does not exist"}) as rude:
        settings.MAIL_TRANSPORT = "lifecycle.mail.backends.SmtpBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", rude.port
        out, _, code = remind("2026-02-28T08:00:00-06:00")
    # The stage's day and booking's and checklist's for Imani, the stage's and booking's late one for Joss.
    assert out.splitlines()[-1] == "planned 5, sent 0, superseded 3, held 0, failed 5"
    assert code == 0
    assert set(Reminder.objects.filter(state="failed").values_list("reason", flat=True)) == {
        "The mail server refused it: 550 Mailbox does not exist"
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    "words", ["tomorrow", "2026-02-30T08:00:00+00:00", "2026-02-15T08:00:00", "2026-02-15"]
)
def test_a_bad_instant_is_one_plain_sentence(words):
    with pytest.raises(CommandError) as caught:
        remind(words)
    assert str(caught.value) == (
        f"--now: {words!r} is not an instant with its offset, such as 2026-03-01T08:00:00+00:00."
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("", False),
        ("smtp://127.0.0.1:25", False),
        ("smtp://localhost:25", False),
        ("smtp+tls://u:p@mail.example.com:587", True),
        ("smtp://10.0.0.5", True),
    ],
)
def test_another_instant_is_refused_while_mail_goes_to_a_real_server(settings, url, refused, sink):
    settings.EMAIL_URL = url
    if refused:
        with pytest.raises(CommandError, match="refused while EMAIL_URL is a real mail server"):
            remind(ON_THE_DAY)
    else:
        remind(ON_THE_DAY)


@pytest.mark.django_db
def test_an_unreachable_mail_server_is_one_plain_sentence_and_nothing_is_lost(settings, sink):
    make_book()
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    out, err, code = remind(ON_THE_DAY)
    assert err.splitlines() == [
        "The mail server at 127.0.0.1:1 does not work (Connection refused). "
        "What was due waits and is sent when it does."
    ]
    assert out.splitlines()[-1] == "planned 2, sent 0, superseded 0, held 0, failed 0"
    assert code == 1
    settings.EMAIL_PORT = port
    out, _, code = remind("2026-02-15T08:01:00-06:00")
    assert (out.splitlines()[-1], code) == ("planned 0, sent 2, superseded 0, held 0, failed 0", 0)


# --- the loop, as a process


@pytest.fixture
def due_now(transactional_db) -> Message:
    """A mail that any process can send: the sign-in mails' kind needs no registering by a test."""
    return due_message(
        "dana@example.com", now=clock.now(), kind="plain", payload={"subject": "Hi", "text": "Hi"}
    )


def wait_for(question, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


@pytest.mark.django_db
def test_a_clock_that_jumped_is_told_at_each_turn_though_a_loop_whose_clock_is_right_shares_the_mark(
    monkeypatch, settings, tmp_path
):
    settings.MAIL_DIR = tmp_path
    loop = dispatch.Command()
    loop.stopping, loop.seal_at = threading.Event(), float("inf")
    ServiceBeat.mark(dispatch.DISPATCHER, now=clock.now())
    loop.work()
    assert ServiceBeat.objects.get(name=dispatch.DISPATCHER).wall_minus_mono == 0
    monkeypatch.setattr(clock, "drift", lambda instant: -7200.0)
    loop.work()
    assert ServiceBeat.objects.get(name=dispatch.DISPATCHER).wall_minus_mono == -7200


def test_the_loop_sends_what_is_due_and_stops_when_asked(due_now, smtp_sink, spawn):
    loop = spawn("manage.py", "dispatch")
    wait_for(lambda: smtp_sink.to("dana@example.com"))
    asked = time.monotonic()
    assert loop.end(signal.SIGTERM) == 0
    assert time.monotonic() - asked < 10
    due_now.refresh_from_db()
    assert due_now.state == "sent"


def test_a_loop_asked_to_stop_finishes_the_mail_under_way(due_now, spawn):
    with RudeServer(delay=2) as rude:
        loop = spawn("manage.py", "dispatch", EMAIL_URL=rude.url)
        wait_for(lambda: rude.received)
        assert loop.end(signal.SIGTERM) == 0
    due_now.refresh_from_db()
    assert (due_now.state, due_now.uncertain) == ("sent", False)


def test_a_loop_does_not_wait_for_a_server_that_dawdles(due_now, spawn):
    with RudeServer(delay=60) as rude:
        loop = spawn("manage.py", "dispatch", EMAIL_URL=rude.url)
        wait_for(lambda: rude.received)
        asked = time.monotonic()
        assert loop.end(signal.SIGTERM) == 0
        assert time.monotonic() - asked < 10
    due_now.refresh_from_db()
    assert due_now.state == "sending"  # taken back, marked and sent again once its lease is over


def test_a_dispatcher_killed_before_the_answer_sends_again_under_the_same_id_and_says_so(due_now, spawn):
    with RudeServer(delay=60) as rude:
        loop = spawn("manage.py", "dispatch", EMAIL_URL=rude.url, MAIL_LEASE_SECONDS="2")
        wait_for(lambda: rude.received)
        due_now.refresh_from_db()
        assert due_now.state == "sending"
        loop.end(signal.SIGKILL)
    with RudeServer() as polite:
        spawn("manage.py", "dispatch", EMAIL_URL=polite.url, MAIL_LEASE_SECONDS="2")
        wait_for(lambda: polite.received)
        wait_for(lambda: Message.objects.get(pk=due_now.pk).state == "sent")
    first, second = rude.received[0], polite.received[0]
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.raw == second.raw
    message = Message.objects.get(pk=due_now.pk)
    assert message.uncertain
    assert list(message.history.values_list("outcome", flat=True)) == ["unknown", "sent"]
