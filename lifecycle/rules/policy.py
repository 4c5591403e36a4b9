"""POL: every number of the SOPs, typed and immutable. Nowhere else may one appear."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, get_type_hints

LEVELS = ("basic", "standard", "premium")
AMOUNT = re.compile(r"[0-9]+(\.[0-9]{1,2})?")
MOST_MONEY = Decimal("1000000000.00")
MOST_DAYS = 3650
MOST_SCORE = 5  # of a survey's question


class PolicyError(ValueError):
    """A policy body that cannot be read; `field` is the dotted path, `text` what was expected."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field, self.text = field, text


@dataclass(frozen=True, slots=True)
class RoutingRules:
    """ROUTE-2, ROUTE-3: what sends an account to Core. "Over" is strict."""

    core_over_users: int = 50
    core_over_mrr: Decimal = Decimal("500.00")
    core_levels: tuple[str, ...] = ("standard", "premium")
    regular_to_core: bool = False
    near_percent: int = 10


@dataclass(frozen=True, slots=True)
class PackageRules:
    """SEG-2: the starter package is flat up to and including this many users."""

    flat_users: int = 10
    flat_mrr: Decimal = Decimal("250.00")


@dataclass(frozen=True, slots=True)
class LevelPlan:
    """CAD-2, CAD-3: days of one service level. The last stage day is the final stage (CAD-4)."""

    stage_days: tuple[int, ...]
    check_in_days: tuple[int, ...] = ()

    @property
    def final_day(self) -> int:
        return self.stage_days[-1]


@dataclass(frozen=True, slots=True)
class CadenceRules:
    """CAD-2, CAD-3, CAD-8: the calendar of an adoption, by service level."""

    basic: LevelPlan = LevelPlan(stage_days=(60,))
    standard: LevelPlan = LevelPlan(stage_days=(30, 90), check_in_days=(75, 150))
    premium: LevelPlan = LevelPlan(stage_days=(30, 90), check_in_days=(75, 150))
    reference_months_high: int = 6
    reference_months_low: int = 12
    reference_high_mrr: Decimal = Decimal("1000.00")

    def plan(self, service_level: str) -> LevelPlan:
        """The days of a service level; KeyError for an unknown one."""
        if service_level not in LEVELS:
            raise KeyError(service_level)
        return getattr(self, service_level)


@dataclass(frozen=True, slots=True)
class SurveyRules:
    """SUR-1, SUR-4: from which MRR on a final stage asks for the survey, after how many days without an answer the
    CSM is reminded, and up to which score (1 to 5) an answer is low."""

    from_mrr: Decimal = Decimal("1000.00")
    reminder_days: int = 7
    low_score: int = 2


@dataclass(frozen=True, slots=True)
class DutyRules:
    """STAGE-2 and the table of `model.md`: when duties appear and how long they may take (days)."""

    checklist_opens_days: int = 10
    booking_opens_days: int = 21
    booking_due_days: int = 7
    meeting_minutes: int = 30
    explain_working_days: int = 1
    close_working_days: int = 3
    gap_working_days: int = 2
    reroute_working_days: int = 2
    level_review_working_days: int = 5
    call_booking_working_days: int = 2
    training_booking_days: int = 7
    follow_up_working_days: int = 2
    bug_silence_days: int = 7
    tell_rsm_days: int = 10
    tell_rsm_working_days: int = 2
    billing_working_days: int = 5
    lead_review_working_days: int = 2
    forum_invite_opens_days: int = 10
    forum_invite_due_days: int = 7
    forum_minutes: int = 30
    recap_hour: int = 18


@dataclass(frozen=True, slots=True)
class ReminderRules:
    """MIL-3, MIL-4: days before (negative) and after the due date, the morning hour, the ceiling."""

    stage_prepare_days: int = 14
    stage_late_days: int = 3
    check_in_prepare_days: int = 3
    check_in_late_days: int = 7
    other_late_working_days: int = 2
    repeat_days: int = 7
    rearm_days: int = 7
    look_back_days: int = 30
    digest_hour: int = 8
    daily_ceiling: int = 5


@dataclass(frozen=True, slots=True)
class Policy:
    """POL: one version of all numbers. `number` names the version in every stored decision."""

    number: int = 1
    routing: RoutingRules = field(default_factory=RoutingRules)
    package: PackageRules = field(default_factory=PackageRules)
    cadence: CadenceRules = field(default_factory=CadenceRules)
    survey: SurveyRules = field(default_factory=SurveyRules)
    duties: DutyRules = field(default_factory=DutyRules)
    reminders: ReminderRules = field(default_factory=ReminderRules)

    def body(self) -> dict[str, Any]:
        """The numbers as JSON: money as decimal strings. `from_body` reads it back unchanged."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name != "number"}

    def merged(self, body: Mapping[str, Any], *, number: int | None = None) -> Policy:
        """This policy with the values of a (partial) body put over it (POL, what-if).

        Raises PolicyError naming the dotted field for an unknown name or a value of the wrong form.
        """
        merged = _merge(self, body, "")
        merged = replace(merged, number=self.number if number is None else number)
        _check(merged)
        return merged

    @classmethod
    def from_body(cls, body: Mapping[str, Any], *, number: int) -> Policy:
        """The policy a stored version holds; raises PolicyError when it cannot be read."""
        return cls().merged(body, number=number)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Decimal) else value


def _merge(into: Any, body: Any, path: str) -> Any:
    if not isinstance(body, Mapping):
        raise PolicyError(path.rstrip(".") or "policy", "expected an object")
    known = {f.name for f in fields(into)} - {"number"}
    for name in body:
        if name not in known:
            raise PolicyError(f"{path}{name}", "is not a setting of the policy")
    hints = get_type_hints(type(into))
    return replace(
        into,
        **{n: _value(getattr(into, n), v, str(hints[n]), f"{path}{n}") for n, v in body.items()},
    )


def _value(old: Any, new: Any, hint: str, path: str) -> Any:
    if is_dataclass(old):
        return _merge(old, new, f"{path}.")
    if isinstance(old, bool):
        if not isinstance(new, bool):
            raise PolicyError(path, "expected true or false")
        return new
    if isinstance(old, int):
        if isinstance(new, bool) or not isinstance(new, int) or not 0 <= new <= 1_000_000:
            raise PolicyError(path, "expected a whole number from 0 to 1,000,000")
        return new
    if isinstance(old, Decimal):
        return _money(new, path)
    item = int if "int" in hint else str
    if not isinstance(new, list | tuple) or not all(
        isinstance(x, item) and not isinstance(x, bool) for x in new
    ):
        raise PolicyError(path, "expected a list")
    return tuple(new)


def _money(value: Any, path: str) -> Decimal:
    if not isinstance(value, str):
        raise PolicyError(path, 'expected an amount as a string, like "500.00"')
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise PolicyError(path, 'expected an amount as a string, like "500.00"') from None
    if not AMOUNT.fullmatch(value) or amount > MOST_MONEY:
        raise PolicyError(path, "expected an amount from 0 to 1,000,000,000 with at most two places")
    return amount.quantize(Decimal("0.01"))


def _check(policy: Policy) -> None:
    for level in LEVELS:
        plan = policy.cadence.plan(level)
        if not plan.stage_days:
            raise PolicyError(f"cadence.{level}.stage_days", "needs at least one stage: the final one")
        for name, days in (("stage_days", plan.stage_days), ("check_in_days", plan.check_in_days)):
            if list(days) != sorted(set(days)) or any(not 1 <= day <= MOST_DAYS for day in days):
                raise PolicyError(f"cadence.{level}.{name}", f"expected rising days from 1 to {MOST_DAYS}")
    for level in policy.routing.core_levels:
        if level not in LEVELS:
            raise PolicyError("routing.core_levels", f"{level!r} is not a service level")
    if not 0 <= policy.reminders.digest_hour <= 23:
        raise PolicyError("reminders.digest_hour", "expected an hour from 0 to 23")
    if policy.survey.reminder_days > MOST_DAYS:
        raise PolicyError("survey.reminder_days", f"expected at most {MOST_DAYS}")
    if policy.survey.low_score > MOST_SCORE:
        raise PolicyError("survey.low_score", f"expected a score from 0 to {MOST_SCORE}")
    for group in ("duties", "reminders"):
        for name, number in _plain(getattr(policy, group)).items():
            if number > MOST_DAYS:
                raise PolicyError(f"{group}.{name}", f"expected at most {MOST_DAYS}")
    for name in ("repeat_days", "stage_late_days", "check_in_late_days", "look_back_days", "daily_ceiling"):
        if getattr(policy.reminders, name) < 1:
            raise PolicyError(f"reminders.{name}", "expected 1 or more")
