"""A book of accounts seen from three desks: alice owns, bob is in her team, charlie is an outsider."""

from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from threading import Thread
from time import monotonic, sleep
from types import SimpleNamespace

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.tests.factories import make_csm, make_lead, make_team, make_user
from lifecycle import clock
from lifecycle.api.models import ApiToken
from lifecycle.change import change
from lifecycle.events import feed
from lifecycle.events.models import Event

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


@pytest.fixture
def one_instant():
    with clock.at(NOW):
        yield


@pytest.fixture
def later():
    """Move the clock on by so much, inside a block."""
    return lambda **much: clock.at(NOW + timedelta(**much))


@pytest.fixture
def api(one_instant):
    """A client that calls as somebody, with a token of some scope."""

    def calling(user, scope="write"):
        client = APIClient()
        token = ApiToken.issue(user, scope, now=clock.now(), days=1)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return client

    return calling


@pytest.fixture
def people(db, one_instant):
    with change(None, by=None, via="task", now=NOW):
        return make_people()


def make_people():
    ours, theirs = make_team("Ours"), make_team("Theirs")
    return SimpleNamespace(
        alice=make_csm("alice@example.com", team=ours),
        bob=make_csm("bob@example.com", team=ours, pool="core"),
        charlie=make_csm("charlie@example.com", team=theirs, pool="strategic"),
        lead=make_lead("lead@example.com", team=ours),
        other_lead=make_lead("other@example.com", team=theirs),
        manager=make_user("manager@example.com", role="manager"),
        ops=make_user("ops@example.com", role="cs_ops"),
        viewer=make_user("viewer@example.com", role="viewer"),
        admin=make_user("admin@example.com", role="admin"),
    )


def settled(within=60):
    """Wait until every event has its place in the feed. On PostgreSQL transactions of other databases of the
    server delay it too, and other test processes have theirs."""
    end = monotonic() + within
    while Event.objects.filter(numbered=None).exists() and monotonic() < end:
        feed.publish()
        sleep(0.02)


def at_once(acts):
    """Run functions in threads of their own, at the test's instant; connections are closed behind them."""

    def run(act):
        try:
            act()
        finally:
            connection.close()

    threads = [Thread(target=copy_context().run, args=(run, act)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
