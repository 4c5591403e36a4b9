"""Accounts in, in bulk: what lands, what is refused, and that a repetition says nothing."""

import threading
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import close_old_connections, connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from accounts.tests.factories import make_account, make_csm, make_lead, make_team, make_user
from lifecycle.change import change
from lifecycle.events.models import Event
from lifecycle.imports.upsert import CHUNK, upsert_accounts

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def row(key="A-1", **facts):
    return {"external_id": key, "name": "Cedar", "contracted_users": 10, "mrr": "250.00", **facts}


def upsert(*rows, by=None, **options):
    return upsert_accounts(list(enumerate(rows)), by=by, via="api", now=NOW, **options)


def counts(outcome):
    return outcome.created, outcome.updated, outcome.unchanged, outcome.failed


def codes(outcome):
    return [(row.index, error.field, error.code) for row in outcome.errors for error in row.errors]


def stored(key="A-1"):
    return Account.objects.get(external_id=key)


def test_a_new_account_lands_with_everything_it_said(db):
    csm = make_csm("ana@example.com")
    facts = {
        "starter_package": True,
        "traits": ["small_team", "start_up", "small_team"],
        "service_level": "basic",
        "close_date": "2026-01-15",
        "products": ["compliance", "learning"],
        "time_zone": "America/Chicago",
        "csm": "ANA@example.com",
        "rsm_name": "Beatriz Oakley",
        "rsm_email": "b@example.com",
        "employee_sync": None,
        "domain_allowlisted": True,
        "churned_on": None,
    }
    assert counts(upsert(row(**facts))) == (1, 0, 0, 0)
    account = stored()
    assert (account.mrr, account.csm, account.traits) == (Decimal("250.00"), csm, ["start_up", "small_team"])
    assert (account.products, str(account.close_date)) == (["learning", "compliance"], "2026-01-15")
    assert (account.segment, account.pool, account.phase) == ("smb", "digital", "new")
    assert account.onboardings.count() == 1


def test_the_same_rows_again_change_nothing_and_say_nothing(db):
    make_csm()
    upsert(row(), row("A-2", products=["learning"]))
    before, version = Event.objects.count(), stored().version
    assert counts(upsert(row(), row("A-2", products=["learning"]))) == (0, 0, 2, 0)
    assert (Event.objects.count(), stored().version) == (before, version)


def test_an_update_writes_what_moved_and_keeps_what_was_left_out(db):
    upsert(row(rsm_name="Beatriz"), row("A-2"))
    outcome = upsert({"external_id": "A-1", "contracted_users": 51}, row("A-2"))
    assert counts(outcome) == (0, 1, 1, 0)
    account = stored()
    assert (account.contracted_users, account.rsm_name, account.mrr) == (51, "Beatriz", Decimal("250.00"))
    assert account.pool == "core"
    event = Event.objects.filter(type="account.updated").latest("pk")
    assert event.changed["contracted_users"] == [10, 51]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("contracted_users", 0),
        ("contracted_users", 1_000_000),
        ("mrr", "0"),
        ("mrr", "0.00"),
        ("mrr", "500.5"),
        ("mrr", "9999999.99"),
        ("name", "x" * 255),
        ("name", "Zoë's Praxis für Kinder 🩺"),
        ("close_date", "2024-02-29"),
        ("close_date", None),
        ("traits", []),
        ("time_zone", "Asia/Kathmandu"),
        ("rsm_email", ""),
        ("csm", None),
    ],
)
def test_values_at_the_edge_are_taken(db, field, value):
    assert codes(upsert(row(**{field: value}))) == []


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("contracted_users", -1, "invalid"),
        ("contracted_users", 1_000_001, "invalid"),
        ("contracted_users", 10.0, "invalid"),
        ("contracted_users", True, "invalid"),
        ("contracted_users", "10", "invalid"),
        ("contracted_users", None, "invalid"),
        ("mrr", 500.01, "invalid"),
        ("mrr", 500, "invalid"),
        ("mrr", float("nan"), "invalid"),
        ("mrr", "NaN", "invalid"),
        ("mrr", "1e3", "invalid"),
        ("mrr", "-1.00", "invalid"),
        ("mrr", "500.001", "invalid"),
        ("mrr", "1,180.00", "invalid"),
        ("mrr", "٥٠٠", "invalid"),
        ("mrr", "500.00\n", "invalid"),
        ("mrr", "10000000.00", "max_value"),
        ("mrr", None, "invalid"),
        ("name", "", "blank"),
        ("name", "   ", "blank"),
        ("name", "x" * 256, "max_length"),
        ("name", 5, "invalid"),
        ("name", None, "invalid"),
        ("name", "Ce\0dar", "invalid"),
        ("name", "Ce\ndar", "invalid"),
        ("name", "\u202eradeC", "invalid"),
        ("name", "Ce\u200bdar", "invalid"),
        ("name", "Ce\udcffdar", "invalid"),
        ("name", "Ce\uffffdar", "invalid"),
        ("service_level", "gold", "invalid_choice"),
        ("service_level", "Basic", "invalid_choice"),
        ("service_level", ["basic"], "invalid_choice"),
        ("traits", ["small_team", "rich"], "invalid_choice"),
        ("traits", "small_team", "invalid"),
        ("products", {"learning": 1}, "invalid"),
        ("starter_package", 1, "invalid"),
        ("starter_package", None, "invalid"),
        ("close_date", "2026-02-30", "invalid"),
        ("close_date", "20260115", "invalid"),
        ("close_date", "2026-01-15T00:00:00Z", "invalid"),
        ("close_date", 20260115, "invalid"),
        ("time_zone", "Mars/Olympus", "invalid"),
        ("time_zone", "../etc/passwd", "invalid"),
        ("time_zone", "", "invalid"),
        ("time_zone", None, "invalid"),
        ("employee_sync", "yes", "invalid"),
        ("rsm_email", "not an address", "invalid"),
        ("rsm_email", "a@example.com\nBcc: b@example.com", "invalid"),
        ("rsm_name", "x" * 151, "max_length"),
        ("csm", "nobody@example.com", "invalid"),
        ("csm", 7, "invalid"),
        ("segment", "smb", "read_only"),
        ("routing", {}, "read_only"),
        ("id", 1, "read_only"),
        ("colour", "red", "unknown"),
    ],
)
def test_a_bad_value_is_refused_by_field_and_the_others_land(db, field, value, code):
    outcome = upsert(row(**{field: value}), row("A-2"))
    assert codes(outcome) == [(0, field, code)]
    assert counts(outcome) == (1, 0, 0, 1)
    assert list(Account.objects.values_list("external_id", flat=True)) == ["A-2"]


@pytest.mark.parametrize(
    ("key", "code"),
    [(None, "invalid"), ("", "blank"), (17, "invalid"), ("x" * 256, "max_length"), ("A\0", "invalid")],
)
def test_a_row_needs_a_proper_external_id(db, key, code):
    assert codes(upsert(row(key))) == [(0, "external_id", code)]


def test_a_row_without_external_id_says_so(db):
    assert codes(upsert({"name": "Cedar"})) == [(0, "external_id", "required")]


def test_a_new_account_needs_name_users_and_mrr_and_all_errors_come_at_once(db):
    outcome = upsert({"external_id": "A-1", "service_level": "gold"})
    assert codes(outcome) == [
        (0, "service_level", "invalid_choice"),
        (0, "name", "required"),
        (0, "contracted_users", "required"),
        (0, "mrr", "required"),
    ]


def test_of_several_rows_with_one_id_the_last_wins(db):
    outcome = upsert(row(name="First"), row("A-2"), row(name="Second"), row(name="Third"))
    assert codes(outcome) == [(0, "external_id", "superseded"), (2, "external_id", "superseded")]
    assert counts(outcome) == (2, 0, 0, 2)
    assert stored().name == "Third"


def test_atomic_is_all_or_nothing(db):
    make_account(external_id="A-1", name="Before")
    outcome = upsert(row(name="After"), row("A-2"), row("A-3", mrr="x"), atomic=True)
    assert counts(outcome) == (0, 0, 0, 1)
    assert stored().name == "Before"
    assert Account.objects.count() == 1
    assert counts(upsert(row(name="After"), row("A-2"), atomic=True)) == (1, 1, 0, 0)


def test_a_dry_run_counts_and_keeps_nothing(db):
    make_csm()
    outcome = upsert(row(), row("A-2", mrr=1), dry_run=True)
    assert counts(outcome) == (1, 0, 0, 1)
    assert not Account.objects.exists()
    assert not Event.objects.filter(type__startswith="account").exists()


def test_an_archived_account_takes_nothing_not_even_the_same(db):
    account = make_account(external_id="A-1", name="Cedar")
    with change(account, by=None, via="task", now=NOW) as work:
        work.account.archive(now=NOW)
    assert codes(upsert(row())) == [(0, "", "archived")]


def test_an_account_is_given_to_another_csm_but_never_taken_away(db):
    ana, bob = make_csm("ana@example.com"), make_csm("bob@example.com")
    make_account(external_id="A-1", csm=ana)
    assert codes(upsert(row(csm=None))) == [(0, "csm", "invalid")]
    assert counts(upsert(row(csm="bob@example.com"))) == (0, 1, 0, 0)
    assert stored().csm == bob


def test_only_active_csms_are_given_accounts(db):
    make_lead("joss@example.com")
    make_csm("gone@example.com", is_active=False)
    outcome = upsert(row(csm="joss@example.com"), row("A-2", csm="gone@example.com"))
    assert codes(outcome) == [(0, "csm", "invalid"), (1, "csm", "invalid")]


def test_a_csm_updates_their_own_accounts_only_and_gives_none_away(db):
    team = make_team()
    alice, bob = make_csm("alice@example.com", team=team), make_csm("bob@example.com", team=team)
    make_account(external_id="A-1", csm=alice)
    make_account(external_id="B-1", csm=bob)
    outcome = upsert({"external_id": "A-1", "mrr": "9.00"}, {"external_id": "B-1", "mrr": "9.00"}, by=alice)
    assert codes(outcome) == [(1, "external_id", "not_found")]
    assert (stored().mrr, stored("B-1").mrr) == (Decimal("9.00"), Decimal("250.00"))
    given = upsert({"external_id": "A-1", "csm": "bob@example.com"}, by=alice)
    assert codes(given) == [(0, "csm", "forbidden")]
    lead = make_lead(team=team)
    assert counts(upsert({"external_id": "A-1", "csm": "bob@example.com"}, by=lead)) == (0, 1, 0, 0)
    assert Event.objects.latest("pk").actor in (lead, None)


def test_new_accounts_are_spread_over_the_pool(db):
    csms = [make_csm(), make_csm(), make_csm()]
    make_account(csm=csms[0])
    upsert(*(row(f"A-{n}") for n in range(8)))
    assert sorted(csm.accounts.count() for csm in csms) == [3, 3, 3]


def test_more_than_a_chunk_lands_in_chunks(db):
    rows = [row(f"A-{n}") for n in range(CHUNK + 1)]
    rows[5]["mrr"] = rows[CHUNK]["mrr"] = "x"
    outcome = upsert(*rows)
    assert counts(outcome) == (CHUNK - 1, 0, 0, 2)
    assert [error.index for error in outcome.errors] == [5, CHUNK]


def test_nothing_in_is_nothing_out(db):
    assert counts(upsert()) == (0, 0, 0, 0)
    assert counts(upsert(atomic=True)) == (0, 0, 0, 0)


def queries(*rows):
    with CaptureQueriesContext(connection) as captured:
        upsert(*rows)
    return len(captured)


@pytest.mark.postgres
def test_queries_do_not_grow_with_the_rows(db):
    # SQLite takes 999 values a statement, so there a chunk is a few statements more; the count is PostgreSQL's.
    make_csm()
    make_csm(pool="core")
    few = [row(f"A-{n}") for n in range(2)]
    many = [row(f"B-{n}") for n in range(60)]
    assert queries(*few) == queries(*many)
    for rows in (few, many):
        for one in rows:
            one["contracted_users"] = 20
    assert queries(*few) == queries(*many)
    assert queries(*few) == queries(*many) <= 6  # unchanged


@pytest.mark.django_db(transaction=True)
def test_concurrent_upserts_of_the_same_ids_make_each_account_once():
    make_csm()
    make_csm()
    problems, outcomes = [], []
    start = threading.Barrier(6)

    def client(number):
        try:
            start.wait()
            order = range(20) if number % 2 else reversed(range(20))
            outcomes.append(upsert(*(row(f"A-{n}", contracted_users=number) for n in order)))
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_old_connections()
    assert problems == []
    assert Account.objects.count() == 20
    assert sum(outcome.created for outcome in outcomes) == 20
    assert all(outcome.failed == 0 for outcome in outcomes)
    assert Event.objects.filter(type="account.created").count() == 20


def test_the_person_is_in_the_events(db):
    ops = make_user(role="cs_ops")
    upsert(row(), by=ops)
    assert set(Event.objects.filter(object_type="account").values_list("actor", flat=True)) == {ops.pk}
