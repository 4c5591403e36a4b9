"""The KYC checklist (ONB-1, CHK-1): questions by product, answers kept as they are made, nobody overwritten."""

from datetime import UTC, date, datetime

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts.tests.factories import make_account, make_csm, make_team, make_user
from adoption.models import Answer, Checklist, ChecklistTemplate, Stage
from lifecycle import clock
from lifecycle.change import change
from onboarding.models import Onboarding

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 18, 15, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def one_instant():
    with clock.at(NOW):
        yield


@pytest.fixture
def alice():
    return make_csm("alice@example.com", team=make_team("East"))


@pytest.fixture
def account(alice):
    return make_account("Bright Harbor", csm=alice, products=["learning"])


def page(account):
    return reverse("adoption:kyc", args=[account.pk])


def answer(client, account, item, value="", comment="", seen=0, **headers):
    given = {"value": value, "comment": comment, "seen": seen}
    return client.post(f"{page(account)}{item}/", given, headers=headers)


def test_chk_1_an_account_is_asked_about_the_products_it_bought(client, account, alice):
    client.force_login(alice)
    words = client.get(page(account)).content.decode()
    assert "Which courses do they need first?" in words
    assert "Which payers come first?" not in words
    assert not Checklist.objects.exists()  # reading writes nothing


def test_chk_1_the_list_is_of_ten_to_twenty_questions():
    sections = ChecklistTemplate.newest("kyc").sections
    assert 10 <= sum(len(section["items"]) for section in sections) <= 20


@pytest.mark.parametrize(
    ("item", "value", "status"),
    [
        ("locations", "3", 302),
        ("locations", "three", 422),
        ("first_program", "yes", 302),
        ("first_program", "perhaps", 422),
        ("decides", "مريم 🌱 Söhne", 302),
        ("decides", "x" * 5000, 302),
        ("decides", "x" * 5001, 422),
        ("payers", "theirs", 422),  # of a product that they did not buy
        ("unknown", "x", 422),
    ],
)
def test_chk_1_an_answer_is_kept_whole_or_refused_with_words(client, account, alice, item, value, status):
    client.force_login(alice)
    said = answer(client, account, item, value)
    assert said.status_code == status
    if status == 302:
        assert Answer.objects.get(item=item).value == value
        assert value in client.get(page(account)).content.decode()
    else:
        assert not Answer.objects.exists()


def test_chk_3_two_people_in_one_field_see_both_values(client, account, alice):
    client.force_login(alice)
    answer(client, account, "decides", "Dana")
    said = answer(client, account, "decides", "Marcus", seen=0)
    assert said.status_code == 409
    words = said.content.decode()
    assert "Dana" in words and "Marcus" in words and "Keep mine" in words
    assert Answer.objects.get().value == "Dana"
    assert answer(client, account, "decides", "Marcus", seen=1).status_code == 302


def test_chk_3_with_htmx_only_what_changed_comes_back(client, account, alice):
    client.force_login(alice)
    words = answer(client, account, "decides", "Dana", hx_request="true").content.decode()
    assert 'id="seen-decides" name="seen" value="1"' in words
    assert "1 of 14 answered" in words
    assert "<h1>" not in words


def test_kyc_answers_start_no_stage(client, account, alice):
    client.force_login(alice)
    with change(account, by=alice, via="page", now=NOW):
        onboarding = Onboarding.objects.get()
        onboarding.record({"training_completed_on": date(2026, 6, 17)}, today=NOW.date())
    assert answer(client, account, "decides", "Dana").status_code == 302
    assert set(Stage.objects.values_list("started_at", flat=True)) == {None}


def test_an_archived_account_takes_no_answers(client, account, alice):
    client.force_login(alice)
    with change(account, by=alice, via="page", now=NOW) as work:
        work.account.archive(now=NOW)
    assert answer(client, account, "decides", "Dana").status_code == 409
    assert not Answer.objects.exists()


def test_a_foreign_list_is_a_missing_one_and_a_viewer_reads(client, account):
    client.force_login(make_csm("charlie@example.com", team=make_team("West")))
    foreign = client.get(page(account))
    assert foreign.status_code == 404
    assert foreign.content == client.get(page(account).replace(f"/{account.pk}/", "/99999/")).content
    assert answer(client, account, "decides", "x").status_code == 404
    client.force_login(make_user("viewer@example.com", role="viewer"))
    assert client.get(page(account)).status_code == 200
    assert answer(client, account, "decides", "x").status_code == 403


def test_a_checklist_belongs_to_a_stage_or_to_an_onboarding(account, alice):
    template = ChecklistTemplate.newest("kyc")
    with (
        pytest.raises(IntegrityError),
        transaction.atomic(),
        change(account, by=alice, via="page", now=NOW),
    ):
        Checklist.objects.create(account=account, template=template)
