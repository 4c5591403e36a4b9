"""Lists: cursor pages, filters, orders; what is unknown is refused, never ignored."""

import base64
import json
from datetime import date
from urllib.parse import urlsplit

import pytest

from accounts.models import Account
from accounts.tests.factories import complete_onboarding, make_account, make_accounts, make_contact
from lifecycle.api.tests.calling import NOW
from lifecycle.change import change

ACCOUNTS = "/api/v1/accounts/"
OF_AN_ACCOUNT = ("onboardings", "training-sessions", "adoptions", "stages", "check-ins", "milestones")


@pytest.fixture
def ops(people, api):
    return api(people.ops)


def ids(answer):
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def walk(client, url, between=lambda: None):
    seen = []
    while url:
        page = client.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
        between()
    return seen


def test_a_page_has_links_both_ways_as_members_and_as_header(ops):
    rows = [account.pk for account in make_accounts(5)]
    first = ops.get(f"{ACCOUNTS}?page_size=2")
    assert ids(first) == rows[:2]
    assert set(first.json()) == {"next", "previous", "next_cursor", "results"}
    assert first.json()["previous"] is None
    assert first["Link"] == f'<{first.json()["next"]}>; rel="next"'
    second = ops.get(first.json()["next"])
    assert ids(second) == rows[2:4]
    assert 'rel="next"' in second["Link"] and 'rel="previous"' in second["Link"]
    assert ids(ops.get(second.json()["previous"])) == rows[:2]
    third = ops.get(f"{ACCOUNTS}?page_size=2&cursor={second.json()['next_cursor']}")
    assert ids(third) == rows[4:]
    assert (third.json()["next"], third.json()["next_cursor"]) == (None, None)
    assert ids(ops.get(third.json()["previous"])) == rows[2:4]


def test_an_exactly_full_last_page_has_no_next(ops):
    make_accounts(4)
    second = ops.get(ops.get(f"{ACCOUNTS}?page_size=2").json()["next"])
    assert len(ids(second)) == 2 and second.json()["next"] is None


@pytest.mark.parametrize("size", ["1", "500"])
def test_page_size_takes_1_to_500(ops, size):
    assert ops.get(f"{ACCOUNTS}?page_size={size}").status_code == 200


@pytest.mark.parametrize("size", ["0", "501", "-1", "x", "", "1.0", "1e2", "٣"])
def test_other_page_sizes_are_refused(ops, size):
    assert ops.get(ACCOUNTS, {"page_size": size}).status_code == 400


def test_a_page_holds_100_unless_told(ops):
    make_accounts(101)
    assert len(ids(ops.get(ACCOUNTS))) == 100


def test_rows_are_counted_on_demand_only(ops):
    make_accounts(3)
    assert ops.get(f"{ACCOUNTS}?count=true&page_size=1").json()["count"] == 3
    assert "count" not in ops.get(f"{ACCOUNTS}?count=false").json()
    assert ops.get(f"{ACCOUNTS}?count=1").status_code == 400


@pytest.mark.parametrize("ordering", ["id", "-id", "name", "-name", "close_date", "-close_date", "mrr"])
def test_following_next_sees_every_lasting_row_once_while_others_come_and_go(ops, ordering):
    """Ties, nulls, rows made and archived between two pages."""
    lasting = [
        make_account(name="Same", close_date=date(2026, 1, 1 + n // 3) if n % 3 else None) for n in range(9)
    ]
    leaving = make_accounts(4, name="Same")

    def between():
        make_account(name="Same")
        if leaving:
            with change(leaving.pop(0), by=None, via="task", now=NOW) as work:
                work.account.archive(now=NOW)

    seen = walk(ops, f"{ACCOUNTS}?page_size=2&ordering={ordering}", Between(between, 6))
    assert len(seen) == len(set(seen))
    assert {account.pk for account in lasting} <= set(seen)


class Between:
    """Calls a function a limited number of times."""

    def __init__(self, act, times):
        self.act, self.times = act, times

    def __call__(self):
        if self.times:
            self.times -= 1
            self.act()


@pytest.mark.parametrize("ordering", ["name", "close_date", "-close_date", "-mrr"])
def test_an_order_reads_the_same_forward_and_backward(ops, ordering):
    for n in range(7):
        make_account(name=f"A{n % 3}", close_date=date(2026, 1, 2) if n % 2 else None)
    forward = walk(ops, f"{ACCOUNTS}?page_size=2&ordering={ordering}")
    assert len(forward) == 7
    last = ops.get(f"{ACCOUNTS}?page_size=500&ordering={ordering}")
    assert ids(last) == forward
    page = ops.get(f"{ACCOUNTS}?page_size=2&ordering={ordering}")
    while page.json()["next"]:
        page = ops.get(page.json()["next"])
    backward = ids(page)
    while page.json()["previous"]:
        page = ops.get(page.json()["previous"])
        backward = ids(page) + backward
    assert backward == forward


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "%00",
        base64.urlsafe_b64encode(b'["next","id",[1,2]]').decode(),
        base64.urlsafe_b64encode(b'["next","-name",["a",1]]').decode(),
        base64.urlsafe_b64encode(b'["sideways","id",[1]]').decode(),
        base64.urlsafe_b64encode(b'["next","id",[null]]').decode(),
        base64.urlsafe_b64encode(b'["next","id",[' + b"9" * 40 + b"]]").decode(),
        base64.urlsafe_b64encode(b"[" * 1000).decode(),
    ],
)
def test_a_cursor_that_is_none_is_refused(ops, cursor):
    assert ops.get(f"{ACCOUNTS}?cursor={cursor}").status_code == 400


def test_the_links_keep_the_filters(ops):
    make_accounts(3, service_level="standard")
    make_accounts(2)
    page = ops.get(f"{ACCOUNTS}?service_level=standard&page_size=2&count=true").json()
    assert "service_level=standard" in urlsplit(page["next"]).query
    assert len(walk(ops, f"{ACCOUNTS}?service_level=standard&page_size=2")) == 3


@pytest.mark.parametrize(
    "query",
    [
        "foo=1", "name__gte=a", "mrr__in=", "mrr=250.001", "mrr__gte=-1", "mrr__gte=1e3", "mrr__lte=NaN",
        "contracted_users=ten", "contracted_users__gte=-1", "contracted_users__gte=1.5", "service_level=gold",
        "service_level__in=basic,gold", "close_date=2026-02-30", "close_date__gte=20260101", "archived=1",
        "archived=True", "starter_package=yes", "updated_since=2026-01-01", "updated_since=yesterday",
        "updated_since=2026-01-01T00:00:00", "ordering=phase", "ordering=--id", "ordering=id,name", "id=0x1",
        "search__in=a", "name=a&name=b", "close_date__=2026-01-01", "__gte=1", "page=2", "dry_run=true",
        "csm__gte=1", "traits=tall", "products__in=learning,x", "created_at=2026-01-01T00:00:00Z", "name=%00", "search=%00", "mrr_cents=1",
    ],
)  # fmt: skip
def test_unknown_parameters_and_bad_values_are_400_never_everything(ops, query):
    make_account()
    answer = ops.get(f"{ACCOUNTS}?{query}")
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content)["errors"][0]["parameter"]


@pytest.mark.parametrize("path", ["accounts/1/", "users/1/", "policies/current/", "events/"])
def test_single_objects_take_no_parameters_they_do_not_know(ops, path):
    assert ops.get(f"/api/v1/{path}?name=x").status_code == 400


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=Alpha", {"a"}),
        ("name__in=Alpha,Beta", {"a", "b"}),
        ("contracted_users__gte=50", {"b", "c"}),
        ("contracted_users__gte=51", {"c"}),
        ("contracted_users__lte=50", {"a", "b"}),
        ("contracted_users__in=10,51", {"a", "c"}),
        ("mrr__gte=500.00", {"b", "c"}),
        ("mrr__gte=500.01", {"c"}),
        ("mrr=250.00", {"a"}),
        ("service_level=standard", {"b"}),
        ("service_level__in=standard,premium", {"b", "c"}),
        ("close_date__gte=2026-01-15", {"b"}),
        ("close_date__lte=2026-01-15", {"a", "b"}),
        ("pool=core", {"b", "c"}),
        ("pool=digital", {"a"}),
        ("segment=smb", {"a", "b"}),
        ("starter_package=true", {"a"}),
        ("starter_package=false", {"b", "c"}),
        ("employee_sync=true", {"c"}),
        ("csm=alice@example.com", {"a"}),
        ("csm=ALICE@example.com", {"a"}),
        ("external_id=X-A", {"a"}),
        ("search=alp", {"a"}),
        ("search=x-b", {"b"}),
        ("search=%", set()),
        ("search=zoe%CC%88", {"c"}),
        ("search=zo%C3%AB", {"c"}),
        ("name=alpha&service_level=basic", set()),
        ("updated_since=2026-03-02T15:00:00Z", {"a", "b", "c"}),
        ("updated_since=2026-03-02T16:00:00+01:00", {"a", "b", "c"}),
        ("updated_since=2026-03-02T15:00:00.000001Z", set()),
        ("created_at__lte=2026-03-02T14:59:59Z", set()),
        ("phase=new", {"a", "b", "c"}),
        ("archived=true", set()),
        ("archived=false", {"a", "b", "c"}),
        ("traits=small_team", {"a"}),
        ("traits__in=small_team,start_up", {"a", "b"}),
        ("products=compliance", {"c"}),
        ("rsm_name=Rae", {"b"}),
    ],
)
def test_filters_are_named_after_fields(people, ops, query, found):
    rows = {
        "a": make_account(
            "Alpha", external_id="X-A", starter_package=True, close_date=date(2026, 1, 14), csm=people.alice,
            traits=["small_team", "limited_budget"],
        ),
        "b": make_account(
            "Beta", external_id="X-B", contracted_users=50, mrr=500, service_level="standard",
            close_date=date(2026, 1, 15), csm=people.bob, traits=["start_up"], rsm_name="Rae",
        ),
        "c": make_account(
            "Zoë", external_id="X-C", contracted_users=51, mrr=501, service_level="premium",
            employee_sync=True, csm=people.bob, products=["learning", "compliance"],
        ),
    }  # fmt: skip
    assert set(ids(ops.get(f"{ACCOUNTS}?{query}"))) == {rows[name].pk for name in found}


def test_owners_are_found_by_email_or_id(people, ops):
    account = make_account(csm=people.alice)
    for value in ("alice@example.com", people.alice.pk, f"{people.bob.pk},alice@example.com"):
        name = "csm__in" if "," in str(value) else "csm"
        assert ids(ops.get(ACCOUNTS, {name: value})) == [account.pk]


def test_a_list_of_few_contacts_by_account(ops):
    account, other = make_accounts(2)
    contact = make_contact(account)
    make_contact(other)
    assert ids(ops.get(f"/api/v1/contacts/?account={account.pk}")) == [contact.pk]


@pytest.mark.parametrize("name", OF_AN_ACCOUNT)
def test_what_belongs_to_an_account_is_searched_by_its_name_or_external_id(ops, name):
    url = f"/api/v1/{name}/"
    for title, key in (("Cedar Clinic", "crm-7"), ("Birch Clinic", "crm-8")):
        account = make_account(title, external_id=key, service_level="premium", products=["learning"])
        complete_onboarding(account, on=NOW.date())
    of_cedar = ids(ops.get(f"{url}?account={Account.objects.get(external_id='crm-7').pk}"))
    assert 0 < len(of_cedar) < len(ids(ops.get(url)))
    assert ids(ops.get(f"{url}?search=cedar")) == ids(ops.get(f"{url}?search=CRM-7")) == of_cedar
    assert ids(ops.get(f"{url}?search=elm")) == []


def test_ids_have_ranges(ops):
    one, two, three = make_accounts(3)
    assert ids(ops.get(f"{ACCOUNTS}?id__gte={two.pk}")) == [two.pk, three.pk]
    assert ids(ops.get(f"{ACCOUNTS}?id__lte={two.pk}&id__in={one.pk},{three.pk}")) == [one.pk]
