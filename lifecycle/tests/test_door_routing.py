"""ROUTE-6 through the door: first routings, re-route rows, and what a lead decides."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from accounts.models import Account, Reroute
from accounts.tests.factories import make_account, make_csm, make_lead, make_team
from lifecycle.change import change
from lifecycle.events.models import Event
from lifecycle.milestones.models import Milestone
from lifecycle.rules.refused import Refused

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def record(account, *, at=NOW, by=None, **facts):
    with change(account, by=by, via="page", now=at) as work:
        work.account.record(facts)
    return Account.objects.get(pk=account.pk)


def open_reroute(account):
    return Milestone.objects.open().filter(account=account, kind="reroute").first()


@pytest.fixture
def team():
    return make_team("East", lead=make_lead(name="Joss Vandermeer"))


def test_route_6_the_first_owner_is_the_least_loaded_csm_of_the_pool():
    first, second = make_csm(pool="digital"), make_csm(pool="digital")
    make_csm(pool="core")
    owners = [make_account(contracted_users=10).csm for _ in range(3)]
    assert owners == [first, second, first]


def test_route_6_archived_and_churned_accounts_are_no_load():
    first, second = make_csm(pool="digital"), make_csm(pool="digital")
    gone = make_account(contracted_users=10)
    assert gone.csm == first
    with change(gone, by=None, via="page", now=NOW) as work:
        work.account.archive(now=NOW)
    assert make_account(contracted_users=10).csm == first
    assert make_account(contracted_users=10).csm == second


def test_route_6_an_inactive_csm_gets_nothing():
    make_csm(pool="digital", is_active=False)
    assert make_account(contracted_users=10).csm is None


def test_route_6_a_csm_given_in_the_write_stands():
    core = make_csm(pool="core")
    make_csm(pool="digital")
    account = make_account(contracted_users=10, csm=core)
    assert (account.pool, account.csm) == ("digital", core)
    assert not Reroute.objects.exists()


def test_route_6_without_a_csm_the_account_waits_and_a_later_change_is_a_first_routing():
    account = make_account(contracted_users=10)
    assert account.csm is None
    csm = make_csm(pool="digital")
    assert record(account, contracted_users=11).csm == csm
    assert not Reroute.objects.exists()


@pytest.mark.parametrize(("users", "mrr", "pool"), [(50, "500.00", "digital"), (51, "500.00", "core")])
@pytest.mark.parametrize("level", ["basic"])
def test_route_2_boundaries_hold_through_the_door(users, mrr, level, pool):
    account = make_account(contracted_users=users, mrr=Decimal(mrr), service_level=level)
    assert account.pool == pool


def test_route_6_a_later_change_of_pool_asks_the_lead_and_moves_nobody(team):
    digital, _core = make_csm(pool="digital", team=team), make_csm(pool="core", team=team)
    account = record(make_account(contracted_users=50), contracted_users=51)
    assert (account.pool, account.csm) == ("core", digital)
    row = open_reroute(account)
    assert (row.title, row.owner, str(row.due_on)) == ("Move to Core?", team.lead, "2026-03-04")
    question = Reroute.objects.get()
    assert (question.from_pool, question.to_pool) == ("digital", "core")
    assert question.reasons[0]["text"] == "51 contracted users > 50"


def test_route_6_the_question_goes_away_with_its_reason(team):
    make_csm(pool="digital", team=team)
    account = record(make_account(contracted_users=50), contracted_users=51)
    account = record(account, contracted_users=50)
    assert open_reroute(account) is None
    assert Milestone.objects.get(kind="reroute").status == "cancelled"


def test_route_6_accepting_moves_the_account_to_a_csm_of_the_new_pool(team):
    digital, core = make_csm(pool="digital", team=team), make_csm(pool="core", team=team)
    account = record(make_account(contracted_users=50), contracted_users=51)
    with pytest.raises(Refused, match="does not serve"), change(account, by=team.lead, via="page", now=NOW):
        Reroute.objects.get().accept(digital, by=team.lead, now=NOW)
    with change(account, by=team.lead, via="page", now=NOW):
        Reroute.objects.get().accept(core, by=team.lead, now=NOW)
    account.refresh_from_db()
    assert account.csm == core
    assert Milestone.objects.get(kind="reroute").status == "done"


def test_route_6_keeping_asks_again_only_when_the_facts_change(team):
    make_csm(pool="digital", team=team)
    account = record(make_account(contracted_users=50), contracted_users=51)
    with change(account, by=team.lead, via="page", now=NOW) as work:
        Reroute.objects.get().keep(work.policy, by=team.lead, now=NOW)
    assert open_reroute(account) is None
    assert open_reroute(record(account, name="Renamed")) is None
    assert open_reroute(record(account, contracted_users=52)) is not None
    assert Reroute.objects.count() == 2


def test_route_4_a_hand_set_pool_stays_until_released(team):
    make_csm(pool="digital", team=team)
    account = make_account(contracted_users=10)
    with change(account, by=team.lead, via="page", now=NOW) as work:
        work.account.set_pool("strategic", by=team.lead, reason="A name everybody knows", now=NOW)
    assert Reroute.objects.get().reasons[0]["text"] == "set by hand: A name everybody knows"
    account = record(account, contracted_users=99)
    assert (account.pool, [reason["fact"] for reason in account.reasons]) == (
        "strategic",
        ["contracted_users"],
    )
    with change(account, by=team.lead, via="page", now=NOW) as work:
        work.account.release_pool()
    account.refresh_from_db()
    assert account.pool == "core"


def test_route_4_a_hand_set_pool_needs_a_reason(team):
    account = make_account(contracted_users=10)
    with pytest.raises(Refused, match="Say why"), change(account, by=team.lead, via="page", now=NOW) as work:
        work.account.set_pool("strategic", by=team.lead, reason="  ", now=NOW)


def test_an_unchanged_write_leaves_no_trace():
    make_csm(pool="digital")
    account = make_account(contracted_users=10)
    events, version = Event.objects.count(), account.version
    account = record(account, contracted_users=10, name=account.name)
    assert (Event.objects.count(), account.version) == (events, version)


def test_every_change_names_who_how_and_under_which_policy(team):
    account = make_account(contracted_users=10)
    record(account, by=team.lead, contracted_users=51)
    updated = Event.objects.filter(type="account.updated").last()
    assert (updated.actor, updated.via, updated.policy) == (team.lead, "page", 1)
    assert updated.changed["contracted_users"] == [10, 51]
    assert updated.changed["pool"] == ["digital", "core"]
    assert Event.objects.filter(type="account.routed").count() == 2


def test_seg_6_a_smb_account_that_bought_standard_asks_for_a_review_once(team):
    make_csm(pool="core", team=team)
    account = make_account(starter_package=True, service_level="standard", now=NOW)
    row = Milestone.objects.get(kind="level_review")
    assert (row.owner, str(row.due_on)) == (account.csm, "2026-03-09")
    with change(account, by=account.csm, via="page", now=NOW):
        Milestone.objects.get(pk=row.pk).complete(by=account.csm, now=NOW)
    account = record(account, service_level="premium")
    assert not Milestone.objects.open().filter(kind="level_review").exists()
    account = record(account, service_level="basic")
    account = record(account, service_level="standard")
    assert Milestone.objects.open().filter(kind="level_review").exists()


def test_a_duty_that_a_fact_clears_is_not_done_by_hand(team):
    make_csm(pool="digital", team=team)
    account = record(make_account(contracted_users=50), contracted_users=51)
    with pytest.raises(Refused, match="not by hand"), change(account, by=team.lead, via="page", now=NOW):
        open_reroute(account).complete(by=team.lead, now=NOW)


def test_an_archived_account_takes_no_decision(team):
    make_csm(pool="digital", team=team)
    account = record(make_account(contracted_users=50), contracted_users=51)
    with change(account, by=team.lead, via="page", now=NOW) as work:
        work.account.archive(now=NOW)
    with pytest.raises(Refused, match="archived"), change(account, by=team.lead, via="page", now=NOW) as work:
        work.account.set_pool("strategic", by=team.lead, reason="A name", now=NOW)
    with pytest.raises(Refused, match="archived"), change(account, by=team.lead, via="page", now=NOW) as work:
        Reroute.objects.get().keep(work.policy, by=team.lead, now=NOW)
