"""Row 14 of reliability.md: clocks that somebody sets, seen from the machine's own, which nobody does."""

from datetime import UTC, datetime, timedelta

import pytest

from lifecycle import clock
from lifecycle.clock import Drift
from lifecycle.mail.dispatch import claim, reap
from lifecycle.mail.models import Message
from lifecycle.mail.tests.sending import due_message

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_small_steps_are_followed_and_a_jump_stays_a_drift_until_it_is_taken_back():
    watch = Drift()
    looks = [(1000, 0), (1070, 10), (1190, 20), (1320.5, 30), (1440.5, 150), (1310, 140)]
    assert [watch.seconds(wall, machine) for wall, machine in looks] == [0, 60, 110, 120.5, 120.5, 0]


@pytest.mark.parametrize(
    ("steps", "jumped_at"), [([0, 119, 120], None), ([0, 121, 121], 1), ([0, 500, 0], 2)]
)
def test_a_jump_is_remembered_there_and_back(steps, jumped_at):
    watch = Drift()
    for machine, off in enumerate(steps):
        watch.seconds(1000 + machine + off, machine)
    assert watch.jumped_at == jumped_at


@pytest.mark.django_db
def test_to_a_clock_set_forward_no_sender_is_dead_for_the_time_of_a_lease(monkeypatch, settings):
    monkeypatch.setattr(clock, "_drifts", (Drift(), Drift()))
    now = clock.now()
    due_message("dana@example.com", now=now)
    assert claim()
    for instant in (now, now + HOUR):  # the sender is at work, and the clock is set
        clock.drift(instant)
    assert reap(now=now + HOUR) == {}
    assert Message.objects.get().state == "claimed"
    settings.MAIL_LEASE_SECONDS = 0  # a lease later
    assert reap(now=now + HOUR) == {"retry": 1}
