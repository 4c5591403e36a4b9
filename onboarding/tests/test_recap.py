"""The training dates in the recap of the onboarding call: what is still to come, and nothing else (ONB-2, ONB-3)."""

from datetime import UTC, date, datetime

import pytest

from accounts.models import Account
from lifecycle.change import change
from lifecycle.mail.tests.test_letters import (  # noqa: F401 - fixtures
    NOW,
    account,
    alice,
    links,
    one_instant,
    recap,
)
from onboarding.models import TrainingSession

pytestmark = pytest.mark.django_db


def dates(account, alice):  # noqa: F811
    """The lines below the heading."""
    return recap(account, alice).body.partition("Your training dates:\n\n")[2].partition("\n\n")[0]


def write(account, alice, product, **values):  # noqa: F811
    with change(account, by=alice, via="page", now=NOW):
        TrainingSession.objects.get(product=product).record(values, today=NOW.date())


def test_onb_2_a_booked_training_stands_with_its_day_and_time_where_the_account_is(account, alice):  # noqa: F811
    write(account, alice, "learning", scheduled_at=datetime(2026, 6, 26, 2, 30, tzinfo=UTC))
    assert dates(account, alice) == (
        "- Learning: Thursday, June 25, 9:30 PM (Chicago)\n- Compliance: date to be agreed"
    )


def test_onb_2_a_training_that_was_held_is_no_date_to_come(account, alice):  # noqa: F811
    booked = datetime(2026, 6, 17, 15, 0, tzinfo=UTC)
    write(account, alice, "learning", scheduled_at=booked, completed_on=date(2026, 6, 17))
    assert dates(account, alice) == "- Compliance: date to be agreed"
    write(account, alice, "compliance", completed_on=date(2026, 6, 18))
    assert dates(account, alice) == "All of them took place."


def test_onb_3_a_training_of_a_product_that_was_given_up_is_no_date_to_come(account, alice):  # noqa: F811
    for products in (["learning", "compliance", "credentialing_software"], ["learning", "compliance"]):
        with change(account, by=alice, via="page", now=NOW):
            Account.objects.get(pk=account.pk).record({"products": products})
    assert TrainingSession.objects.filter(product="credentialing_software").exists()
    assert "Credentialing" not in dates(account, alice)
