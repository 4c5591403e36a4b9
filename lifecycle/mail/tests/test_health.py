"""MIL-7: what load balancers and monitors are told."""

from __future__ import annotations

import pytest

from lifecycle import clock
from lifecycle.mail.tests.sending import chicago
from lifecycle.milestones.planner import plan

pytestmark = pytest.mark.django_db


def test_livez_asks_nothing_of_the_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/livez").status_code == 200


@pytest.mark.parametrize(
    ("when", "status"),
    [("02-15 08:00", 200), ("02-15 08:15", 200), ("02-15 08:16", 503), ("02-14 08:00", 503)],
)
def test_mil_7_healthz_complains_when_no_planner_ran_for_fifteen_minutes(client, when, status):
    plan(chicago("02-15 08:00"))
    with clock.at(chicago(when)):
        assert client.get("/healthz").status_code == status


def test_mil_7_healthz_complains_when_no_planner_ever_ran(client):
    assert client.get("/healthz").status_code == 503
    assert client.post("/healthz").status_code == 405
