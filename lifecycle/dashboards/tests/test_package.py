"""What an SMB account bought, and whether its price still fits (SEG-2..5)."""

from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.tests.factories import make_account, make_csm
from lifecycle.milestones.models import Milestone

pytestmark = pytest.mark.django_db
NEXT = "The next user moves them to the standard rate"


@pytest.mark.parametrize(
    ("users", "mrr", "words"),
    [
        (9, "250.00", ""),
        (10, "250.00", NEXT),
        (10, "249.99", "Off the flat rate"),
        (10, "250.01", "Off the flat rate"),
        (11, "250.00", "Rack rate due"),
        (11, "250.01", ""),
    ],
)
def test_seg_3_the_page_and_the_row_say_when_the_price_does_not_fit(client, users, mrr, words):
    alice = make_csm("alice@example.com")
    account = make_account("Alder", csm=alice, starter_package=True, contracted_users=users, mrr=Decimal(mrr))
    client.force_login(alice)
    page = client.get(reverse("accounts:detail", args=[account.pk])).content.decode()
    said = [text for text in (NEXT, "Off the flat rate", "Rack rate due") if f"<b>{text}</b>" in page]
    assert said == ([words] if words else [])
    rows = list(Milestone.objects.filter(kind="billing_check").values_list("title", flat=True))
    assert rows == ([words] if words and words != NEXT else [])


def test_seg_4_an_smb_account_shows_what_is_in_the_package_and_what_is_not(client):
    alice = make_csm("alice@example.com")
    smb = make_account("Alder", csm=alice, traits=["small_team"])
    regular = make_account("Birch", csm=alice)
    client.force_login(alice)
    page = client.get(reverse("accounts:detail", args=[smb.pk])).content.decode()
    for words in ("Policy manuals", "Monthly Open Forums", "Consulting", "Document upload"):
        assert words in page
    assert (
        "What is in the starter package"
        not in client.get(reverse("accounts:detail", args=[regular.pk])).content.decode()
    )
