"""What an SMB account is told before day 0: policy manuals, Customer Support, the Open Forum (ONB-5, ONB-6)."""

from datetime import UTC, date, datetime

import pytest
from django.urls import reverse

from accounts.tests.factories import make_account, make_csm
from lifecycle import clock
from lifecycle.change import change
from lifecycle.mail.models import Link
from onboarding.models import Forum, Onboarding

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 18, 15, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def thursday():
    with clock.at(NOW):
        yield


@pytest.fixture
def alice(client):
    alice = make_csm("alice@example.com")
    client.force_login(alice)
    return alice


def page_of(client, account):
    return " ".join(client.get(reverse("onboarding:page", args=[account.pk])).content.decode().split())


def test_onb_2_the_page_says_what_to_announce_before_the_recap(client, alice):
    shown = page_of(client, make_account(csm=alice, starter_package=True))
    assert "your booking link, the training dates and the launch kit. Say in the call that it comes." in shown


def test_onb_5_that_manuals_can_be_copied_is_told_and_ticked(client, alice):
    account = make_account(csm=alice, starter_package=True)
    url = reverse("onboarding:manuals", args=[account.pk])
    assert client.post(url, {"manuals_told_on": "2026-06-17"}).status_code == 302
    assert Onboarding.objects.get(account=account).manuals_told_on == date(2026, 6, 17)
    assert "copy or download" in page_of(client, account)


def test_onb_5_the_manuals_the_presentation_and_support_stand_on_the_page_as_cs_ops_entered_them(
    client, alice
):
    account = make_account(csm=alice, starter_package=True)
    with change(None, by=None, via="admin", now=NOW):
        Link.objects.create(key="policy_manuals_link", value="https://library.example.com/manuals")
        Link.objects.create(key="presentation_link", value="https://library.example.com/smb")
        Link.objects.create(key="support_email", value="support@example.com")
    shown = page_of(client, account)
    assert 'href="https://library.example.com/manuals"' in shown
    assert "support@example.com" in shown
    assert 'href="https://library.example.com/smb"' in shown
    assert "library.example.com/smb" not in page_of(client, make_account(csm=alice))


def test_onb_6_the_page_of_an_smb_reminds_of_the_forum_and_says_when_the_next_is(client, alice):
    with change(None, by=None, via="admin", now=NOW):
        Forum.objects.create(held_on=date(2026, 7, 2), host=alice)
    small, regular = make_account(csm=alice, traits=["start_up"]), make_account(csm=alice)
    shown = page_of(client, small)
    _, said, after = shown.partition(": each month with other customers, next on ")
    assert said and "Jul 2" in after[:120]
    assert "each month with other customers" not in page_of(client, regular)
