"""The demo: every role, every phase, and something to do today."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account, Reroute, User
from accounts.models.people import ROLES
from lifecycle import clock
from lifecycle.events.models import Event
from lifecycle.milestones.models import Milestone, Notice

NOW = datetime(2026, 9, 15, 15, tzinfo=UTC)  # a Tuesday morning in New York


@pytest.mark.timeout(300)
def test_the_demo_shows_the_product(db):
    with clock.at(NOW):
        call_command("demo", "--accounts", "18", stdout=StringIO())
    assert Account.objects.count() == 18
    phases = set(Account.objects.values_list("phase", flat=True))
    assert phases == {"onboarding", "adoption", "adopted", "churned"}
    assert set(User.objects.values_list("role", flat=True)) == set(ROLES)
    assert all(user.check_password("waymark demo 2026") for user in User.objects.all()[:1])
    here = User.objects.get(email="imani@example.com")
    assert (here.name, here.pool, here.team.lead.name) == ("Imani Castellan", "core", "Joss Vandermeer")
    due = Milestone.objects.open()
    for name in ("imani", "kofi", "joss"):
        assert due.filter(owner__email=f"{name}@example.com", act_by__lt=NOW.date()).exists(), name
    for name in ("imani", "kofi", "joss"):
        assert due.filter(owner__email=f"{name}@example.com", act_by=NOW.date()).exists(), name
    assert Account.objects.filter(archived_at__isnull=False).count() == 1
    assert Account.objects.get(override_pool="strategic").override_reason
    assert Reroute.objects.filter(accepted_at=None, kept_at=None, withdrawn_at=None).count() == 1
    assert not due.filter(owner=None).exists()
    to_tell = due.filter(kind="tell_rsm")
    assert 1 <= to_tell.count() <= 5  # a handful, and fresh
    assert not to_tell.filter(act_by__lt=NOW.date()).exists()
    assert not Event.objects.filter(at__gt=NOW).exists()
    assert Notice.objects.count() < 20
    with pytest.raises(CommandError, match="has accounts already"):
        call_command("demo")


@pytest.mark.parametrize("number", ["0", "-1", "5001"])
def test_a_number_that_cannot_be_is_refused(db, number):
    with pytest.raises(CommandError, match="expected a number from 1 to 5,000"):
        call_command("demo", f"--accounts={number}")
