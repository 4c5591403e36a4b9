"""The forms of the account pages: two people on one page, and what a line of text may hold."""

import pytest
from django.urls import reverse

from accounts.models import Account, Contact
from accounts.tests.factories import make_account, make_csm, make_user
from lifecycle import clock
from lifecycle.change import change

pytestmark = pytest.mark.django_db


@pytest.fixture
def ops(client):
    user = make_user(role="cs_ops")
    make_csm()
    client.force_login(user)
    return client


def as_shown(page):
    """What a browser sends of a form in which nothing was touched."""
    sent = {}
    for bound in page.context["form"]:
        names = [bound.html_name] + ([bound.html_initial_name] if bound.field.show_hidden_initial else [])
        value = bound.field.prepare_value(bound.initial)
        if value not in (None, False, []) and not bound.field.disabled:
            sent |= dict.fromkeys(names, value)
        elif bound.field.show_hidden_initial:
            sent[bound.html_initial_name] = value if value is not None else ""
    return sent


def rewritten(account, **values):
    with change(account, by=None, via="api", now=clock.now()) as work:
        work.account.record(values)


def test_a_form_saves_what_was_changed_and_leaves_what_others_wrote_meanwhile(ops):
    account = make_account("Northwind", traits=["small_team"], products=["learning"])
    address = reverse("accounts:edit", args=[account.pk])
    page = ops.get(address)
    assert f'name="{page.context["form"]["name"].html_initial_name}"' in page.content.decode()
    rewritten(account, contracted_users=60)
    assert ops.post(address, as_shown(page) | {"name": "Northwind Clinics"}).status_code == 302
    account.refresh_from_db()
    assert (account.name, account.contracted_users) == ("Northwind Clinics", 60)
    assert (account.traits, account.products) == (["small_team"], ["learning"])


def test_the_same_field_changed_by_two_people_is_shown_before_it_is_overwritten(ops):
    account = make_account("Northwind")
    address = reverse("accounts:edit", args=[account.pk])
    mine = as_shown(ops.get(address)) | {"mrr": "300.00"}
    rewritten(account, mrr=account.mrr + 100)
    answer = ops.post(address, mine)
    assert answer.status_code == 409
    assert "350.00" in answer.content.decode()
    account.refresh_from_db()
    assert str(account.mrr) == "350.00"


def test_an_account_is_made_with_everything_that_was_entered(ops):
    address = reverse("accounts:create")
    sent = as_shown(ops.get(address)) | {"name": "New", "contracted_users": "60", "mrr": "10.00"}
    assert ops.post(address, sent).status_code == 302
    account = Account.objects.get()
    assert (account.name, account.contracted_users, account.service_level) == ("New", 60, "basic")


def test_an_external_id_that_is_taken_is_said_at_its_field(ops):
    make_account("First", external_id="A-1")
    sent = {"name": "Second", "external_id": "A-1", "contracted_users": "1", "mrr": "1.00"}
    sent |= {"service_level": "basic", "time_zone": "UTC"}
    answer = ops.post(reverse("accounts:create"), sent)
    assert answer.status_code == 422
    assert "Another account has this external id." in answer.content.decode()


@pytest.mark.parametrize("letter", ["\u202e", "\u200b", "\x07"])
def test_a_name_holds_no_character_that_nobody_sees(ops, letter):
    account = make_account()
    edit, add = (
        reverse("accounts:edit", args=[account.pk]),
        reverse("accounts:add-contact", args=[account.pk]),
    )
    assert ops.post(edit, as_shown(ops.get(edit)) | {"name": f"North{letter}wind"}).status_code == 422
    assert ops.post(add, {"name": f"Da{letter}na"}).status_code == 422
    assert not Contact.objects.exists()


def test_an_archived_account_says_so_to_who_adds_a_contact(ops):
    account = make_account()
    with change(account, by=None, via="api", now=clock.now()) as work:
        work.account.archive(now=work.now)
    answer = ops.post(reverse("accounts:add-contact", args=[account.pk]), {"name": "Dana"})
    assert answer.status_code == 409
    assert "This account is archived." in answer.content.decode()
