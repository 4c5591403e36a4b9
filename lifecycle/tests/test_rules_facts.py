"""Facts for the tests of the rules, and what facts know of themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lifecycle.rules.facts import (
    SMB_TRAITS,
    AccountFacts,
    AdoptionFacts,
    CheckInFacts,
    OnboardingFacts,
    SessionFacts,
    StageFacts,
    is_smb,
    required_trainings,
)

pytestmark = pytest.mark.sqlite_only

CSM, LEAD = 7, 9
NEW_YORK = ZoneInfo("America/New_York")
DAY_ZERO = date(2026, 1, 30)
DAY_90 = date(2026, 4, 30)


def account(**changes: Any) -> AccountFacts:
    facts = AccountFacts(
        id=1,
        service_level="basic",
        contracted_users=10,
        mrr=Decimal("250.00"),
        products=("learning", "compliance"),
        zone=NEW_YORK,
        csm=CSM,
        lead=LEAD,
    )
    return replace(facts, **changes)


def stage(**changes: Any) -> StageFacts:
    return replace(StageFacts(id=3, day=90, final=True, due_on=DAY_90), **changes)


def check_in(**changes: Any) -> CheckInFacts:
    return replace(CheckInFacts(id=4, day=75, due_on=date(2026, 4, 15)), **changes)


def adopting(*rows: StageFacts | CheckInFacts, **changes: Any) -> AccountFacts:
    """An account with a running adoption of these stages and check-ins."""
    stages = tuple(row for row in rows if isinstance(row, StageFacts))
    check_ins = tuple(row for row in rows if isinstance(row, CheckInFacts))
    adoption = AdoptionFacts(2, DAY_ZERO, "standard", stages=stages, check_ins=check_ins)
    return account(adoption=adoption, **changes)


def onboarding(learning: date | None, compliance: date | None, **changes: Any) -> OnboardingFacts:
    sessions = (
        SessionFacts(1, "learning", completed_on=learning),
        SessionFacts(2, "compliance", completed_on=compliance),
    )
    return replace(OnboardingFacts(6, call_completed_on=date(2026, 1, 20), sessions=sessions), **changes)


def new_york(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=NEW_YORK).astimezone(UTC)


@pytest.mark.parametrize("trait", SMB_TRAITS)
def test_seg_1_any_one_trait_makes_an_account_smb(trait: str) -> None:
    assert is_smb(starter_package=False, traits=frozenset({trait}))


def test_seg_1_there_are_four_traits() -> None:
    assert len(set(SMB_TRAITS)) == 4


@pytest.mark.parametrize(
    ("starter", "traits", "smb"),
    [
        (True, frozenset(), True),
        (True, frozenset({"small_team"}), True),
        (False, frozenset(), False),
        (False, frozenset({"friendly"}), False),
    ],
)
def test_seg_1_the_starter_package_makes_an_account_smb_and_nothing_unknown_does(
    starter: bool, traits: frozenset[str], smb: bool
) -> None:
    assert account(starter_package=starter, traits=traits).smb is smb


@pytest.mark.parametrize(
    ("products", "smb", "required"),
    [
        ((), False, ()),
        ((), True, ("learning", "compliance")),
        (("credentialing_service",), False, ("credentialing_service",)),
        (("credentialing_software",), True, ("learning", "compliance", "credentialing_software")),
        (("compliance", "learning"), True, ("learning", "compliance")),
    ],
)
def test_onb_3_one_training_per_product_and_smb_always_has_learning_and_compliance(
    products: tuple[str, ...], smb: bool, required: tuple[str, ...]
) -> None:
    assert required_trainings(products=products, smb=smb) == required


@pytest.mark.parametrize(
    ("row", "started"),
    [
        (stage(), False),
        (stage(meeting_at=new_york(2026, 4, 28, 15), recap_sent=True, checklist_exported=True), False),
        (stage(started=True), True),
        (stage(closed=True), True),
        (check_in(), False),
        (check_in(started=True), True),
        (check_in(done=True), True),
    ],
)
def test_cad_6_an_adoption_is_started_when_a_person_recorded_something(row: Any, started: bool) -> None:
    assert adopting(row).adoption.started is started


@pytest.mark.parametrize(
    ("archived", "churned", "is_open"),
    [(False, False, True), (True, False, False), (False, True, False), (True, True, False)],
)
def test_route_6_open_means_neither_archived_nor_churned(
    archived: bool, churned: bool, is_open: bool
) -> None:
    assert account(archived=archived, churned=churned).open is is_open
