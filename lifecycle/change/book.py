"""The pages of the book that a change touches: all rows its facts are made of, read set-based."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

from django.db.models import Count, Max, Q

from accounts.models import (
    Account,
    Activity,
    Cover,
    Opportunity,
    Reroute,
    Roster,
    Team,
    UsageSnapshot,
    User,
)
from adoption.models import Adoption, CheckIn, Checklist, Stage, Survey
from lifecycle.guard import DomainModel, Ledger, Written
from lifecycle.milestones.models import Milestone, Notice
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.facts import AccountFacts, ActivityFacts, AdoptionFacts
from lifecycle.rules.policy import Policy
from onboarding.models import Onboarding, TrainingSession


@dataclass
class Book:
    """Everything the rules need of some accounts. Queries do not grow with their number."""

    now: datetime
    by: User | None
    ledger: Ledger
    roster: Roster
    policy: Policy
    made: frozenset[int]
    accounts: dict[int, Account]
    onboardings: dict[int, Onboarding]
    sessions: dict[int, list[TrainingSession]]
    adoptions: dict[int, Adoption]
    stages: dict[int, list[Stage]]
    check_ins: dict[int, list[CheckIn]]
    checklists: dict[int, Checklist]
    surveys: dict[int, Survey]
    reroutes: dict[int, Reroute]
    activities: dict[int, list[Activity]]
    opportunities: dict[int, list[Opportunity]]
    usage: dict[int, UsageSnapshot]
    touched: dict[int, datetime]
    milestones: dict[int, list[Milestone]]

    @classmethod
    def load(
        cls, ids: list[int], *, roster: Roster, policy: Policy, now: datetime, by: User | None, ledger: Ledger
    ) -> Book:
        made = frozenset(
            pk for (model, pk), entry in ledger.written.items() if model is Account and entry.created
        )

        def of(model: type[DomainModel]) -> dict[str, list[int]]:
            """An account made in this change has such rows only where this change wrote some."""
            wrote = any(written is model for written, _ in ledger.written)
            return {"account_id__in": ids if wrote else [pk for pk in ids if pk not in made]}

        exports = Count("exports")
        return cls(
            now=now,
            by=by,
            ledger=ledger,
            roster=roster,
            policy=policy,
            made=made,
            accounts={row.pk: row for row in Account.objects.filter(pk__in=ids).order_by("pk")},
            onboardings={
                row.account_id: row for row in Onboarding.objects.filter(**of(Onboarding)).order_by("pk")
            },
            sessions=_listed(TrainingSession.objects.filter(**of(TrainingSession)), "onboarding_id"),
            adoptions={row.account_id: row for row in Adoption.objects.filter(**of(Adoption)).order_by("pk")},
            stages=_listed(Stage.objects.filter(**of(Stage)), "adoption_id"),
            check_ins=_listed(CheckIn.objects.filter(**of(CheckIn)), "adoption_id"),
            checklists={
                row.stage_id: row
                for row in Checklist.objects.filter(**of(Checklist), stage__isnull=False).annotate(
                    export_count=exports
                )
            },
            surveys={row.stage_id: row for row in Survey.objects.filter(**of(Survey))},
            reroutes={row.account_id: row for row in Reroute.objects.filter(**of(Reroute)).order_by("pk")},
            activities=_listed(Activity.objects.asking().filter(**of(Activity)).defer("text"), "account_id"),
            opportunities=_listed(Opportunity.objects.filter(**of(Opportunity)).defer("text"), "account_id"),
            usage={
                row.account_id: row for row in UsageSnapshot.objects.filter(**of(UsageSnapshot)).latest_each()
            },
            touched=dict(
                Activity.objects.in_touch()
                .filter(**of(Activity))
                .order_by()
                .values_list("account_id")
                .annotate(Max("happened_at"))
            ),
            milestones=_listed(
                Milestone.objects.filter(
                    Q(status="open") | Q(status="done", lapsed_at=None), **of(Milestone)
                ),
                "account_id",
            ),
        )

    @cached_property
    def people_changed(self) -> bool:
        """MIL-4, MIL-6: whether colleagues, teams or cover changed, so that mail may leave at another hour."""
        return any(feeds_accounts(entry) for entry in self.ledger.written.values())

    def today(self, account: Account) -> date:
        return self.now.astimezone(account.zone(self.roster)).date()

    def plain_facts(self, account: Account) -> AccountFacts:
        """What routing needs."""
        return account.facts(self.roster, now=self.now)

    def facts(self, account: Account) -> AccountFacts:
        """Everything duties need."""
        onboarding = self.onboardings.get(account.pk)
        adoption = self.adoptions.get(account.pk)
        reroute = self.reroutes.get(account.pk)
        usage = self.usage.get(account.pk)
        done = [row for row in self.milestones[account.pk] if row.status == "done" and row.by_hand]
        return account.facts(
            self.roster,
            now=self.now,
            onboarding=onboarding and onboarding.facts(self.sessions[onboarding.pk]),
            adoption=adoption and self._adopting(adoption),
            reroutes=(reroute.facts(),) if reroute and reroute.withdrawn_at is None else (),
            activities=tuple(self._asking(row, account) for row in self.activities[account.pk]),
            opportunities=tuple(row.facts() for row in self.opportunities[account.pk]),
            usage=usage and usage.facts(),
            by_hand={row.key: row.due_on for row in done},
        )

    def _adopting(self, adoption: Adoption) -> AdoptionFacts:
        facts = adoption.facts(self.stages[adoption.pk], self.check_ins[adoption.pk], self.checklists)
        surveyed = (
            replace(stage, survey=self.surveys[stage.id].facts()) if stage.id in self.surveys else stage
            for stage in facts.stages
        )
        return replace(facts, stages=tuple(surveyed))

    def _asking(self, activity: Activity, account: Account) -> ActivityFacts:
        stays = self.roster.works(activity.author_id, account.csm_id)
        return activity.facts(author=activity.author_id if stays else None)

    def policies_of_adoptions(self) -> dict[int, Policy]:
        """An adoption keeps the days of the version it began with (POL)."""
        numbers = {adoption.policy for adoption in self.adoptions.values()} - {self.policy.number}
        return {self.policy.number: self.policy, **(PolicyVersion.numbered(numbers) if numbers else {})}

    def tell(self, account: Account, text: str) -> None:
        """MIL-4: a notice for the account's CSM and lead, never to the person who caused it."""
        self._notify(account, text, {account.csm_id, self.roster.lead_of(account.csm_id)})

    def tell_closed(self, account: Account, text: str) -> None:
        """MIL-4: the same of a stage that was closed; a lead may do without these."""
        lead = self.roster.lead_of(account.csm_id)
        wants = lead is None or self.roster.users[lead].stage_mail
        self._notify(account, text, {account.csm_id, lead if wants else None})

    def tell_lead(self, account: Account, text: str) -> None:
        """A notice for the lead alone (SEG-6)."""
        self._notify(account, text, {self.roster.lead_of(account.csm_id)})

    def _notify(self, account: Account, text: str, people: set[int | None]) -> None:
        told = people - {None, self.by and self.by.pk}
        Notice.objects.bulk_create(
            [
                Notice(recipient_id=person, account=account, text=text, created_at=self.now)
                for person in sorted(told)
                if self.roster.users[person].is_active
            ]
        )

    def save_accounts(self) -> None:
        """Write what the steps computed, where it differs."""
        Account.objects.bulk_update(self.accounts.values(), COMPUTED)
        # The last contact is no news to the log: written apart where nothing else moved.
        spoken: dict[date | None, list[int]] = defaultdict(list)
        for account in self.accounts.values():
            if account.last_contact_on != account.remembered("last_contact_on"):
                spoken[account.last_contact_on].append(account.pk)
        for day, ids in spoken.items():
            Account.objects.naming(ids).filter(pk__in=ids).update(last_contact_on=day)


COMPUTED = ("segment", "pool", "reasons", "policy", "phase", "csm", "onboarded_by", "last_contact_on")


def feeds_accounts(entry: Written) -> bool:
    """MIL-4, MIL-6: whether what was written of a colleague, team or cover changes who owes what, or when mail
    leaves. Another name or theme moves no account."""
    row = entry.row
    if isinstance(row, User):
        return entry.created or bool(row.feeds & entry.before.keys())
    return isinstance(row, Team | Cover)


def _listed(rows: Any, key: str) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows.order_by("pk"):
        found[getattr(row, key)].append(row)
    return found
