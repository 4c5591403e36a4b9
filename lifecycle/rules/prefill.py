"""STAGE-1: what the app knows of an account before a meeting: checklist answers, and what is unusual."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

YES, NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class Figures:
    """One usage snapshot; None where telemetry does not say."""

    taken_on: date
    active_users: int | None = None
    employees: int | None = None
    non_admin_active_users: int | None = None
    courses_assigned: int | None = None
    courses_completed: int | None = None
    documents_uploaded: int | None = None
    documents_assigned: int | None = None
    pending_actions: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the account itself says. `employee_sync`: whether the employee integration is right, None without one;
    `domain_allowlisted`: whether our mail may come in, None where nobody asked."""

    contracted_users: int
    employee_sync: bool | None = None
    domain_allowlisted: bool | None = None


@dataclass(frozen=True, slots=True)
class Flag:
    """One unusual figure, in words."""

    figure: str
    text: str


@dataclass(frozen=True, slots=True)
class Prefill:
    """`answers` by item of the checklist, to be offered where nobody answered yet; `taken_on` is the day of the
    newest snapshot, None without any."""

    answers: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    taken_on: date | None = None


def prefill(known: Known, snapshots: Sequence[Figures]) -> Prefill:
    """STAGE-1: answers and flags from the account and its usage snapshots, newest first. An item that no figure
    speaks of is left out: it is a person's to answer. Never raises."""
    now = snapshots[0] if snapshots else None
    answers = {
        "roster_matches": _yes(known.employee_sync),
        "email_arrives": _yes(known.domain_allowlisted),
        **(_from_usage(known, now) if now else {}),
    }
    return Prefill(
        answers={item: value for item, value in answers.items() if value},
        flags=tuple(_flags(known, snapshots)),
        taken_on=now and now.taken_on,
    )


def _from_usage(known: Known, now: Figures) -> dict[str, str]:
    active, documents = now.active_users, (now.documents_uploaded, now.documents_assigned)
    return {
        "active_users": "" if active is None else str(active),
        "users_in_contract": _yes(None if active is None else active <= known.contracted_users),
        "others_active": _yes(None if now.non_admin_active_users is None else now.non_admin_active_users > 0),
        # None assigned is a clear no; how many each employee has, the figures do not say.
        "courses_assigned": NO if now.courses_assigned == 0 else "",
        "policies_assigned": _yes(None if None in documents else all(documents)),
    }


def _flags(known: Known, snapshots: Sequence[Figures]) -> Iterator[Flag]:
    if known.employee_sync is False:
        yield Flag("employee_sync", "The employee integration does not bring the right people.")
    if not snapshots:
        return
    now, contracted = snapshots[0], known.contracted_users
    if now.active_users is not None and now.active_users < contracted:
        yield Flag("active_users", f"{now.active_users:,} active of {contracted:,} contracted users.")
    if now.active_users is not None and now.active_users > contracted:
        text = f"{now.active_users:,} active users, {contracted:,} contracted: speak about added users."
        yield Flag("active_users", text)
    if now.employees is not None and now.employees > contracted:
        text = f"{now.employees:,} employees, {contracted:,} contracted users: speak about added users."
        yield Flag("employees", text)
    if now.non_admin_active_users == 0:
        yield Flag("non_admin_active_users", "Nobody but the super admins is active.")
    before = next((s.pending_actions for s in snapshots[1:] if s.pending_actions is not None), None)
    if now.pending_actions is not None and before is not None and now.pending_actions > before:
        text = f"{now.pending_actions:,} pending actions, {before:,} before: they are growing."
        yield Flag("pending_actions", text)


def _yes(answer: bool | None) -> str:
    return "" if answer is None else YES if answer else NO
