"""`doctor` finds what was tampered with, and nothing where all is well."""

from datetime import timedelta
from io import StringIO

from django.core.management import call_command

from accounts.tests.factories import complete_onboarding, make_account, make_csm, make_lead, make_team
from lifecycle import clock
from lifecycle.change import change
from lifecycle.mail.models import Message
from lifecycle.milestones.models import Milestone


def said():
    out = StringIO()
    try:
        call_command("doctor", stdout=out)
    except SystemExit as left:
        return left.code, out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def adopting():
    team = make_team()
    make_lead(team=team)
    account = make_account(
        csm=make_csm(pool="core", team=team), service_level="standard", products=["learning"]
    )
    return complete_onboarding(account, on=clock.now().date() - timedelta(days=3))


def test_all_is_well_with_a_running_adoption(db):
    adopting()
    assert said() == (0, ["all well"])


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


def test_mail_without_proof_and_a_stale_lease_are_found(db):
    now = clock.now()
    common = {
        "channel": "mail",
        "audience": "staff",
        "recipient": make_csm(),
        "not_before": now,
        "created_at": now,
    }
    Message.objects.create(dedup="one", state="sent", sent_at=now, **common)
    Message.objects.create(
        dedup="two", state="claimed", claim="x", lease_until=now - timedelta(minutes=2), **common
    )
    code, lines = said()
    assert (code, lines[-1]) == (1, "2 wrong")
