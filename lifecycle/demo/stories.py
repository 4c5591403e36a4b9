"""What happened to each customer so far, told as deeds at past instants, done through the one door."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from accounts.models import Account, Contact, UsageSnapshot, User
from adoption import pdfs
from adoption.models import CheckIn, Checklist, Stage, Survey
from lifecycle.change import change_many
from lifecycle.demo.book import Customer
from onboarding.models import Onboarding, TrainingSession

CONTACTS = ("Dana Whitlow", "Rory Maddock", "Elise Tran", "Marcus Bell", "Yasmin Ortega", "Theo Lindholm")
GOALS = (
    "New hires finish required courses in 10 days",
    "All policies signed before the accreditation visit",
    "One place for every incident report",
    "No license expires unnoticed",
)
ANSWERS = {
    "scores": {"useful": 5, "easy": 4, "help": 5, "understood": 5, "recommend": 4},
    "words": {"easy": "Reports take too many clicks."},
}
GAP = timedelta(hours=20)  # look-agains this close together are one visit through the door
SNAPSHOT_DAYS = (84, 63, 42, 28, 14, 2)
GROWING = 14  # one customer in so many


@dataclass(frozen=True, slots=True)
class Deed:
    """Something done at an instant; `act(account, now, today)`, with no account yet when it is made."""

    at: datetime
    by: User | None
    via: str
    story: Story | None
    act: Callable[[Any, datetime, Any], None]


@dataclass
class Play:
    """Deeds in the order of their instants; between them time passes as the planner would see it."""

    now: datetime
    people: dict[str, User]
    dice: random.Random
    deeds: list[Deed] = field(default_factory=list)

    def add(self, deed: Deed) -> None:
        self.deeds.append(deed)

    def run(self) -> None:
        in_order = sorted(self.deeds, key=lambda deed: deed.at)
        for _, of_a_day in groupby(in_order, key=lambda deed: deed.at.date()):
            for together in _rounds(of_a_day):
                self._do(together)
        self._let_pass(self.now)

    def _do(self, together: list[Deed]) -> None:
        now = min(together[-1].at, self.now)
        self._let_pass(now)
        ids = [deed.story.account_id for deed in together if deed.story and deed.story.account_id]
        with change_many(ids, by=together[0].by, via=together[0].via, now=now) as work:
            for deed in together:
                account = work.accounts.get(deed.story.account_id) if deed.story else None
                deed.act(account, now, work.today(account) if account else None)

    def _let_pass(self, until: datetime) -> None:
        """MIL-2: look again at accounts whose answer time alone has changed."""
        while (
            first := self._waiting(until).order_by("recheck_at").values_list("recheck_at", flat=True).first()
        ):
            instant = min(first + GAP, until)
            ids = self._waiting(instant).values_list("pk", flat=True)
            with change_many(list(ids), by=None, via="rule", now=instant):
                pass

    def _waiting(self, until: datetime) -> Any:
        return Account.objects.filter(recheck_at__isnull=False, recheck_at__lte=until)


def _rounds(deeds: Iterable[Deed]) -> Iterator[list[Deed]]:
    """What one person did that day for several customers goes through the door at once: the demo is in a hurry."""
    rounds: dict[tuple[Any, str], list[Deed]] = {}
    busy: set[Story | None] = set()
    for deed in deeds:
        if deed.story in busy:
            yield from rounds.values()
            rounds, busy = {}, set()
        rounds.setdefault((deed.by and deed.by.pk, deed.via), []).append(deed)
        busy.add(deed.story)
    yield from rounds.values()


class Story:
    """One customer's. Days are counted back from today, in the CSM's zone: `ago(3)` is three days before."""

    def __init__(self, play: Play, customer: Customer, number: int) -> None:
        self.play, self.customer, self.number = play, customer, number
        self.csm = play.people[customer.csm]
        self.lead = play.people["joss" if self.csm.team.name == "East" else "maren"]
        self.zone = ZoneInfo(self.csm.time_zone)
        self.today = play.now.astimezone(self.zone).date()
        self.account_id = 0
        self.zero = self.today - timedelta(days=customer.day)

    # --- when

    def ago(self, days: int) -> date:
        return self.today - timedelta(days=days)

    def at(self, on: date, hour: int = 10, minute: int = 0) -> datetime:
        return datetime.combine(on, time(hour, minute), self.zone)

    @staticmethod
    def workday(on: date, step: int = -1) -> date:
        while on.weekday() > 4:
            on += timedelta(days=step)
        return on

    # --- what people do

    def do(
        self, instant: datetime, act: Callable[[Account, datetime, date], None], by: User | None = None
    ) -> None:
        self.play.add(Deed(instant, by or self.csm, "page", self, act))

    def sign(self, on: date) -> None:
        """The contract closed; the account comes in with Monday's import, and its admin's contact."""
        monday = on - timedelta(days=on.weekday())
        at = datetime.combine(monday, time(8, 30), UTC)
        self.play.add(
            Deed(at, None, "import", self, lambda *_: self._sign(self.workday(monday - timedelta(days=3))))
        )

    def _sign(self, on: date) -> None:
        c = self.customer
        values = {
            "external_id": f"0015g00000{self.number:05}AAV",
            "contracted_users": c.users,
            "mrr": Decimal(c.mrr),
            "service_level": c.level,
            "starter_package": c.starter,
            "traits": ["small_team"] if c.smb else [],
            "products": list(c.products),
            "close_date": on,
            "time_zone": c.zone,
            "rsm_name": "Beatriz Oakley",
            "rsm_email": "beatriz@example.com",
            "csm": self.csm,
        }
        account = Account(name=c.name)
        account.record(values)
        self.account_id = account.pk
        domain = "".join(letter for letter in c.name.lower() if letter.isalpha()) + ".example"
        for place in range(1 + self.number % 2):
            person = CONTACTS[(self.number + place) % len(CONTACTS)]
            email = f"{person.split()[0].lower()}@{domain}"
            title = ("Compliance lead", "Office manager")[place]
            roles = {"is_main": place == 0, "is_billing": place == 1}
            Contact(account=account).record({"name": person, "email": email, "title": title, **roles})

    def onboarding(self, instant: datetime, goals: int = 0, **values: Any) -> None:
        def act(account: Account, now: datetime, today: date) -> None:
            row = Onboarding.objects.get(account=account)
            row.record(values, today=today, now=now)
            if goals:
                wanted = [GOALS[(self.number + n) % len(GOALS)] for n in range(goals)]
                row.set_objectives([{"text": text} for text in wanted])

        self.do(instant, act)

    def call_held(self, on: date) -> None:
        self.onboarding(
            self.at(on, 16),
            goals=2,
            call_scheduled_at=self.at(on, 14),
            call_completed_on=on,
            discovery_notes="Two locations; one office manager does compliance besides her other work.",
            recap_sent_at=self.at(on, 16),
        )

    def trainings_held(self, days: list[date], *, completed: bool = False) -> None:
        """The first trainings that the products require, held on these days; the last day perhaps completes."""

        def act(account: Account, now: datetime, today: date) -> None:
            here = TrainingSession.objects.filter(account=account).order_by("pk")
            for session, on in zip(here, days, strict=False):
                held = {"completed_on": on, "participants": CONTACTS[self.number % len(CONTACTS)]}
                session.record(
                    {**held, "recording_confirmed": True, "recap_sent_at": now}, today=today, now=now
                )
            if completed:
                told = {"manuals_told_on": days[-1], "completed_mail_sent_at": now} if account.is_smb else {}
                Onboarding.objects.get(account=account).record(
                    {"training_completed_on": days[-1], **told}, today=today, now=now
                )

        self.do(self.at(days[-1], 16), act)

    def onboard(self) -> None:
        """Everything up to day 0, in about four weeks."""
        self.sign(self.workday(self.zero - timedelta(days=27)))
        self.call_held(self.workday(self.zero - timedelta(days=19)))
        first = self.workday(self.zero - timedelta(days=8))
        held = [first, first, self.zero, self.zero] if len(self.customer.products) > 2 else [first, self.zero]
        self.trainings_held(held, completed=True)

    def due(self, day: int) -> date:
        return self.zero + timedelta(days=day)

    def stage(self, day: int, instant: datetime, by: User | None = None, **values: Any) -> None:
        who = by or self.csm
        self.do(instant, lambda account, now, today: self._record(account, day, now, today, values, who), who)

    def _record(
        self,
        account: Account,
        day: int,
        now: datetime,
        today: date,
        values: dict[str, Any],
        by: User | None = None,
    ) -> None:
        stage = Stage.objects.get(account=account, day=day)
        stage.record(values, by=by or self.csm, now=now, today=today)

    def book(self, day: int, on: date, hour: int = 11) -> None:
        asked = self.workday(min(on - timedelta(days=10), self.today))
        booked = {"meeting_scheduled_at": self.at(on, hour), "recording_confirmed": True}

        def act(account: Account, now: datetime, today: date) -> None:
            self._record(account, day, now, today, booked)
            if survey := self._survey(account, day):
                survey.mark_sent(now=now)

        self.do(self.at(asked, 13), act)

    @staticmethod
    def _survey(account: Account, day: int) -> Survey | None:
        return Survey.objects.filter(stage__account=account, stage__day=day, withdrawn_at=None).first()

    def prepare(self, day: int, on: date, share: float = 1.0) -> None:
        self.do(self.at(on, 9, 40), lambda account, now, today: self._answer(account, day, now, share))

    def _answer(self, account: Account, day: int, now: datetime, share: float = 1.0) -> None:
        checklist = Checklist.begin(Stage.objects.get(account=account, day=day))
        items = [item for item in checklist.items().values() if not item["meeting"]]
        for item in items[: round(len(items) * share)]:
            word = self.play.dice.choice(("yes", "yes", "yes", "no"))
            value = str(round(account.contracted_users * 0.8)) if item["kind"] == "number" else word
            checklist.answer(item["key"], value=value, comment="", by=self.csm, now=now)
        if share == 1.0:
            checklist.mark_ready(now=now)

    def meet(self, day: int, on: date, *, recap: bool = True, prepared: bool = True) -> None:
        """The meeting was held; the checklist was filled before, else it is now."""
        final = {"engagement": "steady", "contacts_unchanged": True, "reference": "no"}
        outcome = {"investment": "neutral", **(final if day > 30 else {"engaged": True})}
        values: dict[str, Any] = {"meeting_held": True, "meeting_held_on": on, **outcome}
        values["summary"] = (
            "New hires get their courses on the first day; reports still take too many clicks."
        )
        values["expectations"] = "We look at the report shortcuts together before the next meeting."
        if recap:
            values["recap_sent_at"] = self.at(on, 15)

        def act(account: Account, now: datetime, today: date) -> None:
            if not prepared:
                self._answer(account, day, now)
            self._record(account, day, now, today, values)
            if day > 30:
                onboarding = Onboarding.objects.get(account=account)
                goals = onboarding.objectives.values_list("pk", flat=True)
                onboarding.set_objectives([{"id": pk, "judgement": "met"} for pk in goals])

        self.do(self.at(on, 15), act)

    def close(self, day: int, on: date) -> None:
        """STAGE-8, STAGE-10: attach the checklist and close. The PDF itself is made when somebody opens it."""

        def act(account: Account, now: datetime, today: date) -> None:
            stage = Stage.objects.select_related("account__csm", "adoption").get(account=account, day=day)
            checklist = Checklist.begin(stage)
            digest, name = pdfs.sheet(stage)["hash"], pdfs.file_name(stage, today=today)
            checklist.attach(content_hash=digest, file_name=name, by=self.csm, fillable=False)
            if survey := self._survey(account, day):
                survey.answer(ANSWERS, respondent=CONTACTS[self.number % len(CONTACTS)], now=now)
            stage.close(checklist, now=now)

        self.do(self.at(on, 16, 30), act)

    def whole_stage(self, day: int) -> None:
        on = self.workday(self.due(day))
        self.book(day, on)
        self.meet(day, on, prepared=False)
        self.close(day, self.workday(on + timedelta(days=1), 1))

    def check_in(self, day: int) -> None:
        def act(account: Account, now: datetime, today: date) -> None:
            answers = {
                "supervision": "Training reminders save us hours.",
                "relationship": "Quick answers, always.",
            }
            row = CheckIn.objects.get(account=account, day=day)
            row.record({"answers": answers, "done_on": today}, now=now, today=today)

        self.do(self.at(self.workday(self.due(day)), 11), act, self.lead)

    def past(self) -> None:
        """Whatever of the plan lies well behind: stages closed, check-ins sent."""
        days = (30, 90) if self.customer.level != "basic" else (60,)
        for day in days:
            if self.customer.day >= day + 12:
                self.whole_stage(day)
        for day in (75, 150) if self.customer.level != "basic" else ():
            if self.customer.day >= day + 4:
                self.check_in(day)

    @property
    def present(self) -> int:
        """The stage that today's work is about."""
        return 60 if self.customer.level == "basic" else 30 if self.customer.day < 42 else 90


def take_snapshots(stories: list[Story], days: int, now: datetime) -> None:
    """What the product's telemetry told of everybody who had begun, that many days ago."""
    here = {story.account_id: story for story in stories if story.account_id and story.zero < now.date()}
    accounts = Account.objects.filter(pk__in=here, archived_at=None)
    rows = [_snapshot(here[account.pk], account, days, now.date()) for account in accounts]
    UsageSnapshot.objects.bulk_create(rows)


def _snapshot(story: Story, account: Account, days: int, on: date) -> UsageSnapshot:
    users = account.contracted_users
    growing = story.number % GROWING == 1  # over contract since the newest snapshot: the RSM is to be told
    share = 0.55 + ((1.06 if growing else (0.7, 0.9)[story.number % 2]) - 0.55) * (1 - days / 100)
    active = max(1, round(users * share))
    return UsageSnapshot(
        account=account,
        taken_on=on,
        active_users=active,
        employees=max(active, round(users * 0.96)),
        non_admin_active_users=max(0, active - 2),
        courses_assigned=users * 6,
        courses_completed=round(active * 4.5),
        documents_uploaded=20 + story.number % 30,
        documents_assigned=users * 3,
        pending_actions=story.number % 14,
    )
