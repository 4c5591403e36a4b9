"""The guard: every way of writing a domain row outside the door is refused, and nothing is written."""

import asyncio
from datetime import UTC, datetime

import pytest
from django.core import serializers
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, Contact, Team, User
from accounts.tests.factories import make_account, make_csm
from lifecycle.change import NestedDoorError, change
from lifecycle.guard import DomainModel, OutsideTheDoorError

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def new_account():
    return Account(name="Past the door", contracted_users=1, mrr_cents=0)


def saved_raw(account):
    account.save_base(raw=True)


def loaded_from_a_fixture(account):
    text = serializers.serialize("json", [account])
    for row in serializers.deserialize("json", text):
        row.save()


WAYS = {
    "save": lambda account: account.save(),
    "save with update_fields": lambda account: account.save(update_fields=["name"]),
    "save_base": saved_raw,
    "fixture": loaded_from_a_fixture,
    "delete": lambda account: account.delete(),
    "asave": lambda account: asyncio.run(account.asave()),
    "objects.create": lambda account: Account.objects.create(name="x", contracted_users=1, mrr_cents=0),
    "get_or_create": lambda account: Account.objects.get_or_create(name="x", contracted_users=1, mrr_cents=0),
    "update_or_create": lambda account: Account.objects.update_or_create(
        pk=account.pk, defaults={"name": "x"}
    ),
    "queryset.update": lambda account: Account.objects.filter(pk=account.pk).update(name="x"),
    "named queryset.update": lambda account: Account.objects.naming([account.pk]).update(name="x"),
    "queryset.delete": lambda account: Account.objects.filter(pk=account.pk).delete(),
    "queryset._raw_delete": lambda account: Account.objects.filter(pk=account.pk)._raw_delete("default"),
    "bulk_create": lambda account: Account.objects.bulk_create([new_account()]),
    "bulk_update": lambda account: Account.objects.bulk_update([account], ["name"]),
    "_base_manager": lambda account: Account._base_manager.filter(pk=account.pk).update(name="x"),
    "_default_manager": lambda account: Account._default_manager.create(
        name="x", contracted_users=1, mrr_cents=0
    ),
    "related create": lambda account: account.contacts.create(name="x"),
    "related update": lambda account: account.contacts.update(name="x"),
    "related set": lambda account: account.csm.accounts.update(name="x"),
    "related add": lambda account: account.csm.accounts.add(account, bulk=True),
    "_update": lambda account: Account.objects.filter(pk=account.pk)._update([(field("name"), None, "x")]),
}


def field(name):
    return Account._meta.get_field(name)


@pytest.fixture
def account():
    csm = make_csm(pool="digital")
    account = make_account(name="Cedar Family Practice", csm=csm)
    with change(account, by=None, via="task", now=NOW):
        Contact.objects.create(account=account, name="Dana Whitlow")
    return Account.objects.select_related("csm").get(pk=account.pk)


@pytest.mark.parametrize("way", WAYS)
def test_writing_past_the_door_is_refused(account, way):
    account.name = "Changed past the door"
    with pytest.raises(OutsideTheDoorError), transaction.atomic():
        WAYS[way](account)
    assert list(Account.objects.values_list("name", flat=True)) == ["Cedar Family Practice"]
    assert list(Contact.objects.values_list("name", flat=True)) == ["Dana Whitlow"]


def test_every_domain_model_is_guarded_in_its_base_manager():
    unguarded = [
        m for m in DomainModel.__subclasses__() if not m._meta.abstract and m._meta.base_manager_name is None
    ]
    assert unguarded == []


def test_a_set_based_update_names_its_accounts(account):
    with pytest.raises(OutsideTheDoorError, match="naming"), change(account, by=None, via="task", now=NOW):
        Account.objects.filter(pk=account.pk).update(name="x")


def test_the_door_closes_behind_an_error(account):
    with pytest.raises(ZeroDivisionError), change(account, by=None, via="task", now=NOW):
        1 / 0  # noqa: B018 - anything that goes wrong
    with pytest.raises(OutsideTheDoorError):
        account.archive(now=NOW)


def test_signing_in_and_a_new_password_pass_the_guard():
    user = make_csm()
    user.last_login = NOW
    user.save(update_fields=["last_login"])
    user.set_password("a new and long one")
    user.save(update_fields=["password"])
    assert User.objects.get(pk=user.pk).check_password("a new and long one")


@pytest.mark.parametrize("fields", [["last_login", "role"], ["role"], None])
def test_no_other_field_of_a_user_passes(fields):
    user = make_csm()
    user.last_login, user.role, user.pool = NOW, "admin", ""
    with pytest.raises(OutsideTheDoorError):
        user.save(update_fields=fields)
    assert User.objects.get(pk=user.pk).role == "csm"


def test_a_nested_door_joins_the_outer_one(account):
    with (
        change(account, by=None, via="task", now=NOW) as outer,
        change(account, by=None, via="page", now=NOW) as inner,
    ):
        inner.account.record({"name": "Renamed inside"})
        assert inner.via == outer.via
    assert Account.objects.get(pk=account.pk).name == "Renamed inside"


def test_a_nested_door_names_no_strange_account(account):
    other = make_account(name="Somebody else")
    outer, inner = (change(row, by=None, via="task", now=NOW) for row in (account, other))
    with pytest.raises(NestedDoorError), outer, inner:
        pass


def test_people_and_teams_go_through_the_same_door():
    with pytest.raises(OutsideTheDoorError):
        Team.objects.create(name="Past the door")
    with change(None, by=None, via="admin", now=NOW):
        Team.objects.create(name="East")
    assert Team.objects.get().name == "East"


def test_a_dry_run_inside_another_change_is_refused_since_it_would_be_kept(account):
    with (
        pytest.raises(NestedDoorError),
        change(account, by=None, via="task", now=NOW),
        change(account, by=None, via="task", now=NOW, dry_run=True) as inner,
    ):
        inner.account.record({"name": "Only tried"})
    assert Account.objects.get(pk=account.pk).name == account.name


def test_saving_leaves_alone_what_somebody_else_wrote_since_the_row_was_read(account):
    with change(account, by=None, via="task", now=NOW) as work:
        other = Account.objects.get(pk=account.pk)
        other.name = "Renamed by another"
        other.save()
        work.account.contracted_users = 40
        work.account.save()
    account.refresh_from_db()
    assert (account.name, account.contracted_users) == ("Renamed by another", 40)


def test_a_change_that_is_no_news_is_written_all_the_same():
    user = make_csm()
    with change(None, by=None, via="admin", now=NOW):
        user.set_password("a new and long one")
        user.save()
    fresh = User.objects.get(pk=user.pk)
    assert fresh.check_password("a new and long one")
    assert fresh.version == user.version


@pytest.mark.postgres
def test_an_account_written_to_without_being_held_is_locked_before_it_is_settled(account):
    with (
        CaptureQueriesContext(
            connection,
        ) as seen,
        change(None, by=None, via="task", now=NOW),
    ):
        Contact.objects.create(account=account, name="Dana")
    asked = [query["sql"] for query in seen]
    locked = [n for n, sql in enumerate(asked) if "accounts_account" in sql and "FOR UPDATE" in sql]
    settled = [n for n, sql in enumerate(asked) if 'FROM "onboarding_onboarding"' in sql]
    assert locked and locked[0] < settled[0]
