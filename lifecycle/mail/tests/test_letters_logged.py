"""Whom a letter names: in its greeting, and in the contact log once it left (ACT-1, ONB-2)."""

from datetime import timedelta

import pytest
from django.urls import reverse

from accounts.models import Account, Activity, Contact
from accounts.tests.factories import make_csm, make_team, make_user
from lifecycle.change import change
from lifecycle.mail import drafts, outbox
from lifecycle.mail.dispatch import drain
from lifecycle.mail.models import Message
from lifecycle.mail.tests.test_letters import (  # noqa: F401 - fixtures
    NOW,
    account,
    alice,
    links,
    one_instant,
    recap,
)

pytestmark = pytest.mark.django_db
NEXT_DAY = NOW + timedelta(days=1)


def leave(draft, by, to, *, now=NOW):
    draft.to, draft.version = to, 1
    draft.save()
    drafts.send(draft, by=by, now=now)
    assert drain(now=now + timedelta(minutes=1)) == {"sent": len(to)}


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_act_1_who_sees_addresses_masked_reads_in_the_log_who_got_a_letter_and_not_where(
    client,
    account,  # noqa: F811
    alice,  # noqa: F811
    links,  # noqa: F811
    role,
):
    leave(recap(account, alice), alice, ["Dana@example.com", "front.desk@example.com"])
    assert Activity.objects.get().text.endswith("” to Dana Whitlow, the customer")
    client.force_login(make_user("reader@example.com", role=role))
    for page in (
        reverse("accounts:detail", args=[account.pk]),
        reverse("accounts:activity", args=[account.pk]),
        "/api/v1/activities/",
    ):
        shown = client.get(page)
        assert shown.status_code == 200
        assert "Dana Whitlow, the customer" in shown.content.decode(), page
        assert "dana@example.com" not in shown.content.decode().lower(), page
        assert "front.desk" not in shown.content.decode(), page
    for words in ("dana@example", "front.desk"):  # nor can it be found by asking
        assert client.get("/api/v1/activities/", {"search": words}).json()["results"] == []


def test_act_1_a_letter_to_nobody_who_is_known_went_to_the_customer(account, alice, links):  # noqa: F811
    with change(account, by=alice, via="page", now=NOW):
        Contact.objects.get().delete()
    draft = recap(account, alice)
    draft.body = draft.body.replace("{contact_first_name}", "all")
    leave(draft, alice, ["front.desk@example.com"])
    assert Activity.objects.get().text.endswith("” to the customer")


@pytest.fixture
def main_contact_without_address(account, alice):  # noqa: F811
    with change(account, by=alice, via="page", now=NOW):
        Contact.objects.get().record({"is_main": False})
        Contact(account=account, name="Sam Ortiz", is_main=True).record({})


def test_onb_2_a_letter_greets_who_gets_it(account, alice, main_contact_without_address):  # noqa: F811
    draft = recap(account, alice)
    assert draft.to == ["dana@example.com"]
    assert "Hello Dana," in draft.body


def test_onb_2_a_letter_greets_the_main_contact_where_nobody_has_an_address(
    account,  # noqa: F811
    alice,  # noqa: F811
    main_contact_without_address,
):
    with change(account, by=alice, via="page", now=NOW):
        Contact.objects.get(name="Dana Whitlow").record({"email": ""})
    draft = recap(account, alice)
    assert draft.to == []
    assert "Hello Sam," in draft.body


def test_act_3_the_rsm_is_introduced_to_who_gets_our_letters(
    account,  # noqa: F811
    alice,  # noqa: F811
    main_contact_without_address,
):
    draft = drafts.draft_of(drafts.LETTERS["rsm_added_users"], account, writer=alice, now=NOW)
    assert "introduce you to Dana Whitlow." in draft.body


@pytest.fixture
def rsm_letter(account, alice):  # noqa: F811
    with change(account, by=alice, via="page", now=NOW) as work:
        work.account.record({"rsm_name": "Rae Stone", "rsm_email": "rae@example.com"})
    row = Account.objects.get(pk=account.pk)
    draft = drafts.draft_of(drafts.LETTERS["rsm_added_users"], row, writer=alice, now=NOW)
    draft.body = "Hello Rae"
    return draft


def test_act_1_a_letter_to_the_rsm_is_a_note_and_no_contact_with_the_customer(account, alice, rsm_letter):  # noqa: F811
    leave(rsm_letter, alice, ["rae@example.com", "other@example.com"], now=NEXT_DAY)
    entry = Activity.objects.get()
    assert (entry.kind, entry.text.partition("” ")[2]) == ("note", "to Rae Stone, a colleague")
    account.refresh_from_db()
    assert account.last_contact_on == NOW.date()  # the onboarding call


def test_act_1_a_letter_to_the_rsm_that_the_customer_gets_too_is_contact(account, alice, rsm_letter):  # noqa: F811
    leave(rsm_letter, alice, ["rae@example.com", "Dana@example.com"], now=NEXT_DAY)
    entry = Activity.objects.get()
    assert (entry.kind, entry.text.partition("” ")[2]) == ("email", "to Rae Stone, Dana Whitlow")
    account.refresh_from_db()
    assert account.last_contact_on == NEXT_DAY.date()


def test_a_letter_to_the_rsm_is_a_colleagues_mail_and_the_contacts_copy_a_customers(
    alice,  # noqa: F811
    rsm_letter,
):
    rsm_letter.cc, rsm_letter.version = ["Dana@example.com"], 1
    rsm_letter.save()
    sent = drafts.send(rsm_letter, by=alice, now=NOW)
    assert [message.audience for message in sent] == ["staff", "customer"]


def test_a_letter_to_the_rsm_is_seen_and_taken_back_like_any_letter(client, account, alice, rsm_letter):  # noqa: F811
    rsm_letter.version = 1
    rsm_letter.save()
    (message,) = drafts.send(rsm_letter, by=alice, now=NOW)
    charlie = make_csm("charlie@example.com", team=make_team("West"))
    seen = [Message.objects.visible_to(user).count() for user in (alice, alice.team.lead, charlie)]
    assert seen == [1, 1, 0]
    client.force_login(alice)
    page = client.get(reverse("dashboards:outbox-mail", args=[message.pk])).content.decode()
    assert "rae@example.com" in page and reverse("dashboards:outbox-act", args=[message.pk, "undo"]) in page
    outbox.readdress(message.pk, "rae.stone@example.com", by=alice.team.lead, now=NOW)
    outbox.undo(message.pk, by=alice, now=NOW)
    rsm_letter.refresh_from_db()
    assert rsm_letter.is_open and rsm_letter.to == ["rae.stone@example.com"]
