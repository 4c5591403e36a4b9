"""The database itself refuses what the outbox must never hold."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.db import IntegrityError, transaction

from accounts.tests.factories import complete_onboarding, make_account, make_csm
from lifecycle import clock
from lifecycle.mail.models import Circuit, Message, ServiceBeat
from lifecycle.mail.tests.sending import due_message
from lifecycle.milestones.models import Milestone, Reminder

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "values",
    [
        {"state": "lost"},
        {"state": "claimed"},
        {"state": "claimed", "claim": "token"},
        {"state": "claimed", "lease_until": NOW},
        {"state": "sent"},
    ],
)
def test_a_message_is_in_a_known_state_with_what_belongs_to_it(values):
    message = due_message("dana@example.com", now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.filter(pk=message.pk).update(**values)


def test_mil_5_a_reminder_is_one_row_for_an_occasion_and_a_recipient():
    with clock.at(NOW):
        csm = make_csm()
        complete_onboarding(make_account("Northwind"), on=date(2026, 3, 1))
    row = {"milestone": Milestone.objects.get(kind="stage"), "occasion": "day", "recipient": csm}
    Reminder.objects.create(**row, send_on=NOW.date(), created_at=NOW)
    Reminder.objects.create(**row, ordinal=1, send_on=NOW.date(), created_at=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        Reminder.objects.create(
            **row, send_on=date(2026, 4, 1), created_at=NOW
        )  # the date is no part of the key


@pytest.mark.parametrize(("model", "more"), [(Circuit, {}), (ServiceBeat, {"at": NOW})])
def test_there_is_one_row_a_name(model, more):
    model.objects.create(name="smtp", **more)
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.create(name="smtp", **more)
