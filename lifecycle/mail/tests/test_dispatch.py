"""reliability.md: what becomes of a message, whatever the mail server answers and wherever a sender dies."""

from __future__ import annotations

import email.policy
import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from accounts.tests.factories import make_csm
from lifecycle import clock
from lifecycle.mail.dispatch import MOST_TRIES, SMTP, Mail, claim, drain, outcomes, queue, reap, register_kind
from lifecycle.mail.dispatch.handover import FencedError, Reply
from lifecycle.mail.dispatch.kinds import KINDS
from lifecycle.mail.models import Attempt, Circuit, Message
from lifecycle.mail.tests.rude import RudeServer
from lifecycle.mail.tests.sending import due_message

pytestmark = [pytest.mark.django_db, pytest.mark.servers]

NOW = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def written() -> Iterator[list[int]]:
    """A kind of message that is always wanted; answers which rows were written, in order."""
    rows: list[int] = []

    def render(message: Message, now: datetime) -> Mail:
        rows.append(message.pk)
        return Mail(f"Hello {message.pk}", f"Written {len(rows)} times.", "<p>Hello</p>")

    register_kind("test", wanted=lambda message, now: "", render=render)
    yield rows
    del KINDS["test"]


@pytest.fixture
def server(settings, written):
    with RudeServer() as rude:
        settings.MAIL_TRANSPORT = "lifecycle.mail.backends.SmtpBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", rude.port
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        yield rude


def fresh(message: Message) -> Message:
    return Message.objects.get(pk=message.pk)


def history(message: Message) -> list[tuple]:
    return list(message.history.values_list("phase", "outcome", "smtp_code"))


# --- the good day


def test_a_due_message_is_sent_once_and_the_servers_answer_is_kept(server):
    message = due_message("dana@example.com", now=NOW)
    assert drain(now=NOW) == {"sent": 1}
    assert drain(now=NOW + MINUTE) == {}
    message = fresh(message)
    assert (message.state, message.attempts, message.sent_at, message.uncertain) == ("sent", 1, NOW, False)
    assert history(message) == [("data", "sent", 250)]
    assert len(server.received) == 1


def test_a_message_that_is_not_due_yet_waits(server):
    due_message("dana@example.com", now=NOW, not_before=NOW + MINUTE)
    assert drain(now=NOW) == {}
    assert drain(now=NOW + MINUTE) == {"sent": 1}


def test_the_oldest_due_leaves_first_and_a_limit_is_kept(server):
    for n in (1, 3, 2):
        due_message(f"d{n}@example.com", now=NOW, number=n, not_before=NOW - n * MINUTE)
    assert drain(now=NOW, limit=2) == {"sent": 2}
    assert [r.recipient for r in server.received] == ["d3@example.com", "d2@example.com"]


def test_a_mail_says_what_it_is_in_text_and_html_with_an_id_made_of_its_key(server, settings):
    settings.BASE_URL = "https://waymark.example.com"
    due_message("dana@example.com", now=NOW)
    drain(now=NOW)
    mail = message_from_bytes(server.received[0].raw, policy=email.policy.default)
    assert mail["To"] == "dana@example.com"
    key = hashlib.sha256(b"test:dana@example.com:1").hexdigest()[:32]
    assert mail["Message-ID"] == f"<{key}@waymark.example.com>"
    assert mail["Date"].datetime == NOW
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe" not in mail
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


def test_a_thousand_dots_arrive_as_they_were_written(server, monkeypatch):
    register_kind("test", wanted=lambda m, now: "", render=lambda m, now: Mail("Dots", ".\r\n..\r\n" * 500))
    message = due_message("dana@example.com", now=NOW)
    drain(now=NOW)
    assert server.received[0].raw.rstrip() == bytes(fresh(message).raw).rstrip()


def test_what_is_no_longer_wanted_is_cancelled_with_its_reason(server):
    register_kind("test", wanted=lambda m, now: "The stage was closed.", render=lambda m, now: Mail("", ""))
    message = due_message("dana@example.com", now=NOW)
    assert drain(now=NOW) == {"cancelled": 1}
    assert (fresh(message).state, fresh(message).reason) == ("cancelled", "The stage was closed.")
    assert server.received == []


def test_what_came_too_late_expires(server):
    message = due_message("dana@example.com", now=NOW, expires_at=NOW + MINUTE)
    assert drain(now=NOW + MINUTE) == {"expired": 1}
    assert fresh(message).reason


def test_a_mail_to_a_colleague_who_left_is_suppressed(server):
    gone = make_csm(is_active=False)
    message = due_message("dana@example.com", now=NOW, recipient=gone)
    assert drain(now=NOW) == {"suppressed": 1}
    assert fresh(message).reason


# --- what the server may answer


@pytest.mark.parametrize(("verb", "phase"), [("RCPT", "rcpt"), ("DATA", "data"), ("END", "data")])
def test_a_5xx_for_this_message_ends_it_and_says_why(server, verb, phase):
    server.answers[verb] = "550 Mailbox does not exist"
    message = due_message("dana@example.com", now=NOW)
    assert drain(now=NOW) == {"dead": 1}
    assert "Mailbox does not exist" in fresh(message).reason
    assert history(message) == [(phase, "dead", 550)]


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "END"])
def test_a_4xx_is_tried_again_later_and_written_anew(server, written, verb):
    server.answers[verb] = "451 Not now"
    message = due_message("dana@example.com", now=NOW)
    assert drain(now=NOW) == {"retry": 1}
    waiting = fresh(message)
    assert (waiting.state, waiting.uncertain, waiting.raw) == ("retry", False, None)
    assert outcomes.BACKOFF[0] * 0.8 <= waiting.not_before - NOW <= outcomes.BACKOFF[0] * 1.2
    server.answers.clear()
    assert drain(now=waiting.not_before) == {"sent": 1}
    assert "Written 2 times." in server.received[-1].raw.decode()


def test_the_pauses_grow_and_the_eighth_try_is_the_last(server):
    server.answers["RCPT"] = "451 Not now"
    message, now = due_message("dana@example.com", now=NOW), NOW
    for pause in outcomes.BACKOFF:
        assert drain(now=now) == {"retry": 1}
        assert pause * 0.8 <= fresh(message).not_before - now <= pause * 1.2
        now = fresh(message).not_before
    assert drain(now=now) == {"dead": 1}
    assert fresh(message).attempts == MOST_TRIES == 8
    assert "451 Not now" in fresh(message).reason


def test_one_bad_recipient_does_not_hold_up_the_next(server):
    server.answers["RCPT"] = "550 No"
    due_message("a@example.com", now=NOW, number=1)
    due_message("b@example.com", now=NOW, number=2)
    assert drain(now=NOW) == {"dead": 2}


def test_a_line_that_breaks_before_the_content_is_known_to_be_unsent(server):
    server.answers["RCPT"] = ""
    message = due_message("dana@example.com", now=NOW)
    assert drain(now=NOW) == {"retry": 1}
    assert fresh(message).uncertain is False


def test_an_idle_connection_that_the_server_closed_is_opened_anew(server):
    server.before_answer = lambda: server.answers.update({"END": "250 kept"})
    for n in (1, 2):
        due_message(f"d{n}@example.com", now=NOW, number=n)
    server.talk, talk = (lambda line: hang_up_after_one(server, talk, line)), server.talk
    assert drain(now=NOW) == {"sent": 2}


def hang_up_after_one(server, talk, line):
    content = server.content

    def once(line, recipient):
        content(line, recipient)
        return False

    server.content = once
    talk(line)


# --- nobody knows whether it left


def test_staff_mail_without_an_answer_is_sent_again_byte_for_byte_and_marked(server):
    server.answers["END"] = ""
    message = due_message("dana@example.com", now=NOW)
    assert drain(now=NOW) == {"retry": 1}
    assert fresh(message).uncertain
    server.answers.clear()
    assert drain(now=fresh(message).not_before) == {"sent": 1}
    first, second = server.received
    assert first.raw == second.raw
    assert fresh(message).uncertain  # for good: people see that it may have come twice
    assert history(message) == [("data", "unknown", None), ("data", "sent", 250)]


def test_customer_mail_without_an_answer_is_held_for_a_person(server):
    server.answers["END"] = ""
    message = due_message("admin@customer.example", now=NOW, audience="customer")
    assert drain(now=NOW) == {"held": 1}
    assert drain(now=NOW + timedelta(days=1)) == {}
    assert fresh(message).uncertain and "somebody decides" in fresh(message).reason
    assert len(server.received) == 1


def test_a_refusal_of_a_repeat_does_not_make_it_certain(server):
    server.answers["END"] = ""
    message = due_message("dana@example.com", now=NOW)
    drain(now=NOW)
    server.answers["END"] = "451 Not now"
    drain(now=fresh(message).not_before)
    assert fresh(message).uncertain and fresh(message).raw is not None


# --- the server itself fails


@pytest.mark.parametrize(
    ("verb", "reply"),
    [
        ("HELLO", "554 go away"),
        ("EHLO", ""),
        ("MAIL", "421 closing"),
        ("MAIL", "530 sign in first"),
        ("RCPT", "421 closing"),
        ("END", "421 closing"),
    ],
)
def test_a_failing_server_costs_no_try_and_opens_the_circuit(server, verb, reply):
    server.answers[verb] = reply
    if verb == "EHLO":
        server.answers["HELO"] = ""
    messages = [due_message(f"d{n}@example.com", now=NOW, number=n) for n in range(3)]
    assert drain(now=NOW) == {"waiting": 1}
    assert drain(now=NOW + timedelta(seconds=59)) == {"waiting": 1}
    assert {(fresh(m).attempts, fresh(m).uncertain) for m in messages} == {(0, False)}
    assert Circuit.objects.get().opened_at == NOW
    assert Attempt.objects.count() == 1
    server.answers.clear()
    assert drain(now=NOW + MINUTE) == {"sent": 3}
    assert Circuit.objects.get().opened_at is None


def test_a_refused_connection_probes_once_a_minute_oldest_first(server):
    port = server.port
    server.__exit__()
    messages = [due_message(f"d{n}@example.com", now=NOW, number=n) for n in range(3)]
    for minute in range(60):
        assert drain(now=NOW + minute * MINUTE) == {"waiting": 1}
    assert {(fresh(m).attempts, fresh(m).state == "dead") for m in messages} == {(0, False)}
    assert Attempt.objects.count() == 1
    server.server = type(server.server)(("127.0.0.1", port), server.server.RequestHandlerClass, False)
    server.server.allow_reuse_address = True
    server.server.server_bind()
    server.server.server_activate()
    threading.Thread(target=server.server.serve_forever, args=(0.05,), daemon=True).start()
    assert drain(now=NOW + 60 * MINUTE) == {"sent": 3}
    assert [r.recipient for r in server.received] == [f"d{n}@example.com" for n in range(3)]


def test_what_expired_meanwhile_uses_up_no_probe(server):
    server.answers["HELLO"] = "554 go away"
    for n in range(3):
        due_message(f"d{n}@example.com", now=NOW, number=n, expires_at=NOW + MINUTE)
    assert drain(now=NOW) == {"waiting": 1}
    due_message("d3@example.com", now=NOW, number=3)
    server.answers.clear()
    assert drain(now=NOW + MINUTE) == {"expired": 3, "sent": 1}


def test_a_server_without_starttls_gets_nothing(server, settings):
    settings.EMAIL_USE_TLS = True
    due_message("dana@example.com", now=NOW)
    assert drain(now=NOW) == {"waiting": 1}
    assert server.received == []


# --- senders that die or freeze


def test_whoever_dies_before_the_mark_has_sent_nothing(server):
    message = due_message("dana@example.com", now=NOW)
    taken = claim(now=NOW)
    assert taken.pk == message.pk
    assert claim(now=NOW) is None
    end = fresh(message).lease_until
    assert timedelta(seconds=890) < end - clock.real() <= timedelta(seconds=900)
    assert reap(now=end - timedelta(seconds=1)) == {}
    assert reap(now=end) == {"retry": 1}
    assert (fresh(message).state, fresh(message).uncertain) == ("retry", False)
    assert drain(now=NOW) == {"sent": 1}


def test_a_lease_is_real_time_whatever_instant_is_tried_out(server):
    """`remind --now` of another day beside a live server: neither takes the other's work for abandoned."""
    for days in (-300, 300):
        due_message(f"d{days}@example.com", now=NOW)
        with clock.at(NOW + timedelta(days=days)):
            taken = claim(now=NOW)
        assert timedelta(seconds=890) < taken.lease_until - clock.real() <= timedelta(seconds=900)
        with clock.at(NOW + timedelta(days=days)):
            queue.mark_sending(taken, b"x")


def frozen(message: Message) -> Message:
    """Claimed and marked: the bytes are about to go out."""
    claimed = claim(now=NOW)
    assert claimed.pk == message.pk
    queue.mark_sending(claimed, b"x")
    return claimed


@pytest.mark.parametrize(("audience", "state"), [("staff", "retry"), ("customer", "held")])
def test_whoever_dies_after_the_mark_may_have_sent(server, audience, state):
    message = due_message("dana@example.com", now=NOW, audience=audience)
    frozen(message)
    assert reap(now=fresh(message).lease_until) == {state: 1}
    assert fresh(message).uncertain and fresh(message).reason


def test_a_sender_frozen_past_its_lease_sends_nothing(server):
    message = due_message("dana@example.com", now=NOW)
    claimed = claim(now=NOW)
    Message.objects.filter(pk=message.pk).update(lease_until=clock.real())
    with pytest.raises(FencedError):
        queue.mark_sending(claimed, b"")
    reap(now=clock.real())
    again = claim(now=NOW)
    with pytest.raises(FencedError):
        queue.mark_sending(claimed, b"")
    assert again.claim != claimed.claim
    assert fresh(message).state == "claimed"


def test_an_answer_that_comes_after_the_reaper_still_counts(server):
    message = due_message("dana@example.com", now=NOW)
    claimed = frozen(message)
    reap(now=fresh(message).lease_until)
    assert fresh(message).state == "retry"
    assert outcomes.sent(claimed, Reply(250, "kept", "rude")) == "sent"
    assert fresh(message).state == "sent"


def test_an_answer_that_comes_after_somebody_else_claimed_it_is_only_noted(server):
    message = due_message("dana@example.com", now=NOW)
    claimed = frozen(message)
    reap(now=fresh(message).lease_until)
    claim(now=NOW)
    assert outcomes.sent(claimed, Reply(250, "kept", "rude")) == "fenced"
    assert fresh(message).state == "claimed"
    assert history(message)[-1] == ("data", "sent after all", 250)


# --- the rest


def test_a_message_that_cannot_be_written_is_tried_again_and_harms_no_other(server, caplog):
    def render(message: Message, now: datetime) -> Mail:
        if message.address.startswith("bad"):
            raise ValueError("no")
        return Mail("Hello", "Hello")

    register_kind("test", wanted=lambda m, now: "", render=render)
    due_message("bad@example.com", now=NOW, number=1)
    due_message("good@example.com", now=NOW, number=2)
    assert drain(now=NOW) == {"unwritten": 1, "sent": 1}


def test_a_line_break_in_a_subject_reaches_no_server(server):
    register_kind("test", wanted=lambda m, now: "", render=lambda m, now: Mail("Hi\r\nBcc: x@y.z", "Hello"))
    message = due_message("dana@example.com", now=NOW)
    Circuit.trip(SMTP, "It refused.", now=NOW - 2 * MINUTE)
    assert drain(now=NOW) == {"unwritten": 1}
    assert server.received == [] and fresh(message).last_error
    assert Circuit.objects.get().opened_at is not None  # nobody asked the failing server


def test_two_messages_never_share_a_key(server):
    due_message("dana@example.com", now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        due_message("dana@example.com", now=NOW)


def test_without_a_server_each_message_is_a_file_whole_or_not_at_all(written, settings, tmp_path):
    settings.MAIL_TRANSPORT = "lifecycle.mail.backends.FileBackend"
    settings.MAIL_DIR = tmp_path / "mail"
    message = due_message("dana@example.com", now=NOW)
    assert drain(now=NOW) == {"sent": 1}
    (file,) = Path(settings.MAIL_DIR).iterdir()
    assert file.suffix == ".eml" and file.read_bytes() == bytes(fresh(message).raw)


def test_a_folder_that_cannot_be_written_is_a_failing_server(written, settings, tmp_path):
    settings.MAIL_TRANSPORT = "lifecycle.mail.backends.FileBackend"
    (tmp_path / "mail").write_text("not a folder")
    settings.MAIL_DIR = tmp_path / "mail"
    message = due_message("dana@example.com", now=NOW)
    assert drain(now=NOW) == {"waiting": 1}
    assert (fresh(message).state, fresh(message).attempts) == ("retry", 0)
