"""The kit itself: what the other tests believe is true."""

from __future__ import annotations

import smtplib
import time

import pytest

from lifecycle.mail.models import Message
from lifecycle.tests.faults.kit import Cluster, Redis, World

pytestmark = [pytest.mark.fault, pytest.mark.fault_small, pytest.mark.sqlite_only]


def test_a_dispatcher_process_sends_what_is_due_and_the_sink_writes_it_down(world: World):
    world.make_due(3)
    world.make_due(2, audience="customer")
    world.dispatcher()
    world.settle()
    assert world.states() == {"sent": 5}
    assert sorted(line["to"] for line in world.sink.contents()) == sorted(
        Message.objects.values_list("address", flat=True)
    )
    assert {line["id"] for line in world.sink.contents()} == set(
        Message.objects.values_list("message_id", flat=True)
    )
    world.check()
    tally = world.tally(5)
    assert (tally["sent"], tally["lost"], tally["repeated_rows"], tally["wire_repeats"]) == (5, 0, 0, 0)


def test_a_mail_that_is_sent_by_the_rows_but_not_on_the_wire_counts_as_lost(world: World):
    world.make_due(3)
    world.dispatcher()
    world.settle()
    Message.objects.filter(address="staff-1@example.com").update(message_id="<never@example.com>")
    Message.objects.filter(address="staff-2@example.com").update(state="dead", reason="")
    assert world.tally(3)["lost"] == 2


def test_a_repeat_that_no_row_admits_or_that_differs_is_found(world: World):
    world.make_due(1)
    world.dispatcher()
    world.settle()
    world.check()
    mail = Message.objects.get()
    with smtplib.SMTP("127.0.0.1", world.sink.port, timeout=5) as line:
        head = f"Message-ID: {mail.message_id}\r\nDate: {mail.sent_date}\r\n\r\n"
        line.sendmail("a@example.com", [mail.address], head + "Something else\r\n")
    with pytest.raises(AssertionError, match="I4"):
        world.check()
    Message.objects.update(uncertain=True)
    with pytest.raises(AssertionError, match="other bytes"):
        world.check()


def test_a_process_that_is_sending_is_told_from_one_that_waits(world: World):
    world.sink.set(delay=0.5)
    first, second = world.dispatcher(), world.dispatcher()
    time.sleep(3)
    assert not world.is_sending(first)
    world.make_due(1)
    deadline = time.monotonic() + 20
    while not (world.is_sending(first) or world.is_sending(second)):
        assert time.monotonic() < deadline
    assert not (world.is_sending(first) and world.is_sending(second))


def test_the_sink_refuses_and_hangs_up_as_told(world: World):
    def hand_over() -> int:
        with smtplib.SMTP("127.0.0.1", world.sink.port, timeout=5) as line:
            line.sendmail("a@example.com", ["b@example.com"], "Message-ID: <1@x>\r\n\r\nHi\r\n")
        return len(world.sink.contents())

    assert hand_over() == 1
    world.sink.set(never=1.0, at="rcpt")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        hand_over()
    world.sink.set(never=0.0, later=1.0, at="end")
    with pytest.raises(smtplib.SMTPDataError, match="451"):
        hand_over()
    world.sink.set(later=0.0, drop=1.0)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        hand_over()
    world.sink.set(drop=0.0, open=False)
    with pytest.raises(ConnectionRefusedError):
        hand_over()
    world.sink.set(open=True)
    assert hand_over() == 4  # with the refused and the dropped one
    assert world.sink.repeats() == {"<1@x>": 2}  # the one refused with 451 was never taken


def test_what_was_committed_survives_a_crash_of_the_database(world: World, cluster: Cluster):
    world.make_due(5)
    cluster.restart("immediate")
    assert world.states() == {"due": 5}


def test_a_killed_redis_comes_back_empty_on_its_port(redis: Redis):
    import redis as client

    with client.from_url(redis.url) as line:
        line.set("a", 1)
        redis.kill()
        redis.start()
        assert line.get("a") is None
