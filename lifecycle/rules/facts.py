"""What the rules know of the world: frozen facts, read from rows by the models, changed by nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from lifecycle.rules.cadence import WorkCalendar

SMB_TRAITS = ("start_up", "small_team", "new_to_compliance", "limited_budget")
PRODUCTS = ("learning", "compliance", "credentialing_software", "credentialing_service")
PRODUCT_NAMES = {
    "learning": "Learning",
    "compliance": "Compliance",
    "credentialing_software": "Credentialing Software",
    "credentialing_service": "Credentialing Service",
}
SMB_PRODUCTS = ("learning", "compliance")


class Key(NamedTuple):
    """What makes a milestone one and the same on its account (`day` 0 = no day)."""

    kind: str
    source_type: str
    source_id: int
    day: int = 0


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """One training session (ONB-3)."""

    id: int
    product: str
    scheduled_at: datetime | None = None
    completed_on: date | None = None
    recap_sent: bool = False


@dataclass(frozen=True, slots=True)
class OnboardingFacts:
    """One open or completed onboarding (ONB-1)."""

    id: int
    call_scheduled_at: datetime | None = None
    call_completed_on: date | None = None
    training_completed_on: date | None = None
    recap_sent: bool = False
    completed_mail_sent: bool = False
    sessions: tuple[SessionFacts, ...] = ()

    @property
    def open(self) -> bool:
        return self.training_completed_on is None


@dataclass(frozen=True, slots=True)
class SurveyFacts:
    """SUR: the sentiment survey of a final stage. `sent_at`: when its link first went out; `waived` with a reason;
    `lowest` is the lowest score of the answer, None without any."""

    id: int
    sent_at: datetime | None = None
    answered: bool = False
    waived: bool = False
    lowest: int | None = None

    @property
    def settled(self) -> bool:
        """SUR-3, SUR-4: nothing more is asked of the customer."""
        return self.answered or self.waived


@dataclass(frozen=True, slots=True)
class StageFacts:
    """One adoption stage (STAGE-1..10). `due_on` was stored when it was planned.

    Read for the gate alone: `objectives_open` counts objectives nobody judged yet (STAGE-9);
    `export_outdated`: an SMB's checklist whose PDFs are all from before the meeting (STAGE-8).
    """

    id: int
    day: int
    final: bool
    due_on: date
    cancelled: bool = False
    started: bool = False
    closed: bool = False
    meeting_at: datetime | None = None
    meeting_held: bool | None = None
    meeting_held_on: date | None = None
    no_meeting_reason: str = ""
    gap_decision: str = ""
    notes: str = ""
    recap_sent: bool = False
    checklist_ready: bool = False
    checklist_exported: bool = False
    survey: SurveyFacts | None = None  # None where SUR-1 asks for none
    engaged: bool | None = None
    disengagement_reasons: tuple[str, ...] = ()
    reengage_on: date | None = None
    action: str = ""
    engagement: str = ""
    root_causes: tuple[str, ...] = ()
    cause_side: str = ""
    contacts_unchanged: bool | None = None
    investment: str = ""
    summary: str = ""
    expectations: str = ""
    reference: str = "not_asked"
    objectives_open: int = 0
    export_outdated: bool = False

    @property
    def live(self) -> bool:
        return not self.cancelled and not self.closed


@dataclass(frozen=True, slots=True)
class CheckInFacts:
    """One team-lead check-in (TLC-1)."""

    id: int
    day: int
    due_on: date
    cancelled: bool = False
    started: bool = False
    done: bool = False


@dataclass(frozen=True, slots=True)
class AdoptionFacts:
    """One running or completed adoption (CAD-1)."""

    id: int
    day_zero: date
    service_level: str
    completed: bool = False
    withdrawn: bool = False
    stages: tuple[StageFacts, ...] = ()
    check_ins: tuple[CheckInFacts, ...] = ()

    @property
    def started(self) -> bool:
        """CAD-6: a person recorded something; pre-fill and mail do not count."""
        return any(s.started or s.closed for s in self.stages) or any(
            c.started or c.done for c in self.check_ins
        )


@dataclass(frozen=True, slots=True)
class RerouteFacts:
    """The latest question to the TL about this account (ROUTE-6); `decided` once accepted or kept."""

    id: int
    to_pool: str
    decided: bool = False


@dataclass(frozen=True, slots=True)
class ActivityFacts:
    """One entry of the contact log that may ask for something (ACT-1, ACT-2).

    `author`: who wrote it, None once they no longer work this account. `noted_at`: the last word on it.
    """

    id: int
    kind: str
    author: int | None
    noted_at: datetime
    follow_up_on: date | None = None
    open_bug: bool = False


@dataclass(frozen=True, slots=True)
class OpportunityFacts:
    """One upsell opportunity (ACT-3); `told` once the RSM was informed."""

    id: int
    kind: str
    open: bool = True
    told: bool = False


@dataclass(frozen=True, slots=True)
class UsageFacts:
    """The latest usage snapshot; None where telemetry does not say."""

    id: int
    taken_on: date
    active_users: int | None = None
    employees: int | None = None

    @property
    def most_people(self) -> int:
        """How many people use or could use the product, as far as known."""
        return max(self.active_users or 0, self.employees or 0)


@dataclass(frozen=True, slots=True)
class ForumFacts:
    """One Open Forum (ONB-6); `zone` is the host's."""

    id: int
    held_on: date
    host: int
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    skipped: bool = False
    invited: bool = False
    day: int = 0


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """One account with everything its duties depend on.

    `zone` is the CSM's, else the account's: the zone of "today" and "same day". `lead` is who does a
    team lead's duties for this account; `csm` may be None (ROUTE-6). `by_hand` are the keys of
    duties somebody declared done, with the day each was due, until their condition lapses.
    """

    id: int
    service_level: str
    contracted_users: int
    mrr: Decimal
    starter_package: bool = False
    traits: frozenset[str] = frozenset()
    products: tuple[str, ...] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    calendar: WorkCalendar = field(default_factory=WorkCalendar)
    csm: int | None = None
    lead: int | None = None
    override_pool: str = ""
    archived: bool = False
    churned: bool = False
    onboarding: OnboardingFacts | None = None
    adoption: AdoptionFacts | None = None
    reroutes: tuple[RerouteFacts, ...] = ()
    activities: tuple[ActivityFacts, ...] = ()
    opportunities: tuple[OpportunityFacts, ...] = ()
    usage: UsageFacts | None = None
    by_hand: Mapping[Key, date] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        return not self.archived and not self.churned

    @property
    def onboarded(self) -> bool:
        """CAD-1: day 0 was entered."""
        return self.onboarding is not None and not self.onboarding.open

    @property
    def smb(self) -> bool:
        return is_smb(starter_package=self.starter_package, traits=self.traits)


def is_smb(*, starter_package: bool, traits: frozenset[str]) -> bool:
    """SEG-1: on the starter package, or carrying at least one of the four traits."""
    return starter_package or bool(traits & set(SMB_TRAITS))


def required_trainings(*, products: tuple[str, ...], smb: bool) -> tuple[str, ...]:
    """ONB-3: one per purchased product; SMB always has Learning and Compliance."""
    wanted = set(products) | (set(SMB_PRODUCTS) if smb else set())
    return tuple(product for product in PRODUCTS if product in wanted)
