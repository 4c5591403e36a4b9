"""What the onboarding page shows: the parts with their state, and what completing it would do, in words."""

from __future__ import annotations

from copy import copy
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from accounts.models import Account, User
from adoption.models import Answer
from lifecycle.change.reconcile import PlannedMove
from lifecycle.dashboards.access import may_work
from lifecycle.mail.models import Link
from lifecycle.policies.models import PolicyVersion
from lifecycle.words import day_words, time_words
from onboarding.emails import recap_key
from onboarding.forms import CallForm, CompleteForm, GoalsForm, ManualsForm, SessionForm
from onboarding.models import Forum, Onboarding, TrainingSession


def onboarding_context(
    onboarding: Onboarding, user: User, *, now: datetime, forms: dict[str, Any]
) -> dict[str, Any]:
    """The page; `forms` brings those that were refused, to be shown with their words."""
    today, account = user.today(now), onboarding.account
    sessions = onboarding.trainings()
    shut = "This account is archived. Nothing can be changed." if account.archived else ""
    return {
        "onboarding": onboarding,
        "account": account,
        "steps": _steps(onboarding, sessions, today=today, zone=user.zone),
        "call_form": forms.get("call") or CallForm(instance=copy(onboarding)),
        "goals_form": forms.get("goals") or GoalsForm(instance=copy(onboarding)),
        "manuals_form": forms.get("manuals") or ManualsForm(instance=copy(onboarding)),
        "complete_form": forms.get("complete") or _complete_form(onboarding),
        "trainings": [
            _training(session, forms, today=today, zone=user.zone)
            | {"clock": recap_clock(session.completed_on, session.recap_sent_at, account, now=now)}
            for session in sessions
        ],
        "stages": _stages(onboarding),
        "warning": _warning(onboarding, account, today),
        "works": may_work(onboarding, user, now=now) and not shut,
        "shut": shut,
        "saved_at": onboarding.updated_at if onboarding.version > 1 else None,
        "for_them": _for_them(onboarding.call_scheduled_at, account, user),
        "recap": recap_key(account),
        "clock": recap_clock(onboarding.call_completed_on, onboarding.recap_sent_at, account, now=now),
        "links": {link.key: link.value for link in Link.objects.all()},
        "forum": Forum.objects.coming(today).order_by("held_on").first() if account.is_smb else None,
        "known": _known(onboarding) or "Not started",
        "undoable": _undoable(onboarding),
        "today": today,
        "zone": user.zone,
    }


def recap_clock(
    held: date | None, sent: datetime | None, account: Account, *, now: datetime
) -> dict[str, str]:
    """ONB-2, ONB-3, STAGE-7: a recap goes out the day of what it recaps, by the hour of the policy, in the CSM's zone."""
    if held is None or sent is not None:
        return {}
    local = now.astimezone(account.csm.zone if account.csm_id else ZoneInfo(account.time_zone))
    hour = PolicyVersion.in_force(local.date()).duties.recap_hour
    if held == local.date() and local.hour < hour:
        return {"state": "today", "text": f"Due today by {time_words(local.replace(hour=hour, minute=0))}"}
    days = (local.date() - held).days
    words = f"{days} day{'s' if days > 1 else ''} late" if days else "Late: it was due today by "
    return {
        "state": "overdue",
        "text": words if days else words + time_words(local.replace(hour=hour, minute=0)),
    }


def _known(onboarding: Onboarding) -> str:
    answered = Answer.objects.filter(checklist__onboarding=onboarding).exclude(value="").count()
    return f"{answered} answered" if answered else ""


def _undoable(onboarding: Onboarding) -> bool:
    """CAD-6: day 0 may be taken back while nobody has started a stage or check-in."""
    adoption = getattr(onboarding, "adoption", None)
    if onboarding.training_completed_on is None or adoption is None or adoption.withdrawn_at:
        return False
    rows = [*adoption.stages.all(), *adoption.check_ins.all()]
    return not any(row.finished or row.started_at for row in rows if row.cancelled_at is None)


def plan_in_words(moves: list[PlannedMove], account: Account, user: User, *, now: datetime) -> dict[str, Any]:
    """CAD-1: "Creates 30-day (Fri, Jul 17) and 90-day (Wed, Sep 16), emails you and Joss, and adds check-ins"."""
    today = user.today(now)
    stages = [move for move in moves if move.kind == "stage"]
    added = [f"{move.day}-day ({day_words(move.due_on, today)})" for move in stages if move.action == "add"]
    moved = [f"{move.day}-day to {day_words(move.due_on, today)}" for move in stages if move.action == "move"]
    gone = [f"{move.day}-day" for move in stages if move.action == "cancel"]
    checks = [str(move.day) for move in moves if move.kind == "check_in" and move.action == "add"]
    parts = [f"Creates {_and(added)}, emails {_told(account, user)}"] if added else []
    parts += [f"Adds TL check-ins at day {_and(checks)}"] if checks else []
    parts += [f"Moves {_and(moved)}"] if moved else []
    parts += [f"Withdraws {_and(gone)}"] if gone else []
    return {
        "sentence": f"{'. '.join(parts)}." if parts else "No dates change.",
        "moves": sorted(moves, key=lambda move: (move.due_on, move.title)),
    }


def _told(account: Account, user: User) -> str:
    lead = account.csm.team.lead if account.csm_id and account.csm.team_id else None
    people = [person for person in (account.csm, lead) if person is not None]
    return _and(["you" if person == user else person.name.split()[0] for person in people]) or "nobody yet"


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _complete_form(onboarding: Onboarding) -> CompleteForm:
    """ONB-4: once every training is held, the last day is offered."""
    offered = onboarding.offered_day()
    form = CompleteForm(instance=copy(onboarding))
    if offered and not onboarding.training_completed_on:
        form.fields["training_completed_on"].show_hidden_initial = False
        form.initial["training_completed_on"] = offered
    return form


def _training(
    session: TrainingSession, forms: dict[str, Any], *, today: date, zone: ZoneInfo
) -> dict[str, Any]:
    key = f"training-{session.pk}"
    form = forms.get(key) or SessionForm(instance=copy(session), auto_id=f"{key}_%s")
    state, text = _session_state(session, today=today, zone=zone)
    return {"session": session, "key": key, "form": form, "state": state, "text": text}


def _session_state(session: TrainingSession, *, today: date, zone: ZoneInfo) -> tuple[str, str]:
    if session.completed_on:
        recap = "recap sent" if session.recap_sent_at else "recap not sent"
        return (
            "done" if session.recap_sent_at else "progress"
        ), f"Held {day_words(session.completed_on, today)}, {recap}"
    if session.scheduled_at:
        return "progress", f"Booked {_when(session.scheduled_at, today, zone)}"
    return "todo", "No date yet"


def _steps(
    onboarding: Onboarding, sessions: list[TrainingSession], *, today: date, zone: ZoneInfo
) -> list[dict[str, str]]:
    call, booked = onboarding.call_completed_on, onboarding.call_scheduled_at
    sent, done = onboarding.recap_sent_at, onboarding.training_completed_on
    called = (
        f"Held {day_words(call, today)}"
        if call
        else f"Booked {_when(booked, today, zone)}"
        if booked
        else "No date yet"
    )
    recap = f"Sent {day_words(sent.astimezone(zone).date(), today)}" if sent else "Same day as the call"
    rows = [
        ("call", "Onboarding call", called, "done" if call else "progress" if booked else "todo"),
        (
            "recap",
            "Send the onboarding recap",
            recap,
            "done" if sent else "today" if call == today else "todo",
        ),
    ]
    known = _known(onboarding)
    rows.append(("kyc", "KYC checklist", known or "Not started", "progress" if known else "todo"))
    for session in sessions:
        state, text = _session_state(session, today=today, zone=zone)
        rows.append((f"training-{session.pk}", str(session), text, state))
    told = onboarding.manuals_told_on
    rows += [
        (
            "manuals",
            "Manuals and Support",
            f"Told {day_words(told, today)}" if told else "Policy manuals, contacts",
            "done" if told else "todo",
        ),
        (
            "complete",
            "Complete onboarding",
            f"Day 0 is {day_words(done, today)}" if done else "Creates the adoption",
            "done" if done else "todo",
        ),
    ]
    return [{"key": key, "title": title, "text": text, "state": state} for key, title, text, state in rows]


def _stages(onboarding: Onboarding) -> list[Any]:
    adoption = getattr(onboarding, "adoption", None)
    return list(adoption.stages.filter(cancelled_at=None)) if adoption and not adoption.withdrawn_at else []


def _warning(onboarding: Onboarding, account: Account, today: date) -> str:
    call = onboarding.call_completed_on
    if call and account.close_date and call < account.close_date:
        return f"The call was held before the contract closed ({day_words(account.close_date, today)}). Is the date right?"
    return ""


def _for_them(at: datetime | None, account: Account, user: User) -> str:
    theirs = ZoneInfo(account.time_zone)
    if at is None or at.astimezone(theirs).utcoffset() == at.astimezone(user.zone).utcoffset():
        return ""
    return f"{time_words(at.astimezone(theirs))} in {theirs.key.rpartition('/')[2].replace('_', ' ')}"


def _when(at: datetime, today: date, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{day_words(local.date(), today)}, {time_words(local)}"
