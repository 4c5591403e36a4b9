"""The letters of an onboarding: recaps of the call and of each training, and the one that ends it (ONB-2..4)."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.urls import reverse

from accounts.models import Account, User
from lifecycle.dashboards.templatetags.waymark import time_words
from lifecycle.mail.drafts import Letter, register_letter
from onboarding.models import Onboarding, TrainingSession

CALL_FIELDS = {
    "call_date": "Day of the onboarding call",
    "goals": "The goals, one a line",
    "training_dates": "The trainings and when they take place",
}
TRAINING_FIELDS = {
    "product": "Product of the training",
    "held_on": "Day of the training",
    "participants": "Who took part",
    "modules": "What was covered",
    "pending_subjects": "What is pending",
    "relevant_links": "Links of the training",
}
COMPLETED_FIELDS = {"final_day": "Day of the last adoption stage"}
TO_BE_AGREED = "date to be agreed"


def register() -> None:
    """Tell the letters about those of this app; called by `LifecycleConfig.ready()`."""
    for key, title in (
        ("onboarding_recap", "Onboarding recap"),
        ("onboarding_recap_smb", "Onboarding recap, SMB"),
    ):
        register_letter(
            Letter(
                key,
                title,
                Onboarding,
                back=lambda row: _page(row.account_id, "recap"),
                fields=CALL_FIELDS,
                values=_of_call,
                sent="recap_sent_at",
                due="the day of the call",
            )
        )
    register_letter(
        Letter(
            "training_recap",
            "Training recap",
            TrainingSession,
            back=lambda row: _page(row.account_id, f"training-{row.pk}"),
            fields=TRAINING_FIELDS,
            values=_of_training,
            sent="recap_sent_at",
            due="the day of the training",
        )
    )
    register_letter(
        Letter(
            "onboarding_completed",
            "Onboarding completed",
            Onboarding,
            back=lambda row: _page(row.account_id, "complete"),
            fields=COMPLETED_FIELDS,
            values=_of_completion,
            sent="completed_mail_sent_at",
            due="the day onboarding was completed",
        )
    )


def recap_key(account: Account) -> str:
    """ONB-2: which recap of the onboarding call an account gets."""
    return "onboarding_recap_smb" if account.is_smb else "onboarding_recap"


def _page(account: int, part: str) -> str:
    return f"{reverse('onboarding:page', args=[account])}#{part}"


def _of_call(onboarding: Onboarding, writer: User) -> dict[str, str]:
    zone = ZoneInfo(onboarding.account.time_zone)
    sessions = onboarding.sessions.all()
    coming = [
        f"- {session.get_product_display()}: {_when(session.scheduled_at, zone)}" for session in sessions
    ]
    return {
        "call_date": day(onboarding.call_completed_on),
        "goals": "\n".join(f"- {objective.text}" for objective in onboarding.objectives.all()),
        "training_dates": "\n".join(coming),
    }


def _of_training(session: TrainingSession, writer: User) -> dict[str, str]:
    return {
        "product": session.get_product_display(),
        "held_on": day(session.completed_on),
        "participants": session.participants.strip(),
        "modules": session.modules.strip(),
        "pending_subjects": session.pending_subjects.strip() or "Nothing for now.",
        "relevant_links": session.relevant_links.strip() or "None for now.",
    }


def _of_completion(onboarding: Onboarding, writer: User) -> dict[str, str]:
    adoption = getattr(onboarding, "adoption", None)
    final = adoption and adoption.stages.filter(final=True, cancelled_at=None).first()
    return {"final_day": day(final.due_on) if final else ""}


def _when(at: datetime | None, zone: ZoneInfo) -> str:
    if at is None:
        return TO_BE_AGREED
    local = at.astimezone(zone)
    return f"{day(local.date())}, {time_words(local)} ({zone.key.rpartition('/')[2].replace('_', ' ')})"


def day(on: date | None) -> str:
    """A day as a letter writes it; empty while there is none."""
    return f"{on:%A, %B} {on.day}" if on else ""
