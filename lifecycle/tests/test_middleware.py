"""Sessions end, and what a person saw signed in is kept in no cache."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from accounts.models import User
from accounts.tests.factories import make_user

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def signed_in(client):
    """Asked of a page that everybody signed in may see."""
    return client.get("/auth/password/change/").status_code == 200


@pytest.fixture
def alice(client):
    with time_machine.travel(MONDAY, tick=False):
        client.force_login(make_user("alice@example.com", password="a long enough phrase"))
        assert signed_in(client)
    return client


@pytest.mark.parametrize(("hours", "still"), [(7.9, True), (8.1, False)])
def test_a_session_ends_after_eight_idle_hours(alice, hours, still):
    with time_machine.travel(MONDAY + timedelta(hours=hours), tick=False):
        assert signed_in(alice) is still


def test_a_session_in_use_lives_on_for_seven_days_and_no_longer(alice):
    for hours in range(6, 7 * 24 + 1, 6):
        with time_machine.travel(MONDAY + timedelta(hours=hours), tick=False):
            assert signed_in(alice), f"after {hours} hours"
    with time_machine.travel(MONDAY + timedelta(days=7, minutes=1), tick=False):
        assert not signed_in(alice)


def test_using_a_session_writes_it_at_most_once_a_minute(alice):
    with time_machine.travel(MONDAY + timedelta(seconds=59), tick=False):
        before = alice.session["seen"]
        signed_in(alice)
        assert alice.session["seen"] == before
    with time_machine.travel(MONDAY + timedelta(seconds=60), tick=False):
        signed_in(alice)
        assert alice.session["seen"] == before + 60


def test_no_cache_keeps_what_a_person_saw_signed_in(alice):
    with time_machine.travel(MONDAY, tick=False):
        assert "no-store" in alice.get("/auth/password/change/")["Cache-Control"]
        assert "no-store" in alice.get("/nowhere/")["Cache-Control"]


def test_what_a_token_fetches_is_in_no_cache_either(client):
    answer = client.get("/nowhere/", headers={"Authorization": "Bearer nothing"})
    assert "no-store" in answer["Cache-Control"]


def test_nobody_signs_up(client):
    client.post("/auth/signup/", {"email": "new@example.com", "password1": "a long enough phrase"})
    assert not User.objects.filter(email="new@example.com").exists()
