"""The letters of an onboarding: recaps of the call and of each training, and the one that ends it (ONB-2..4)."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.urls import reverse

from accounts.models import Account, User
from lifecycle.change import change, change_many
from lifecycle.mail import drafts
from lifecycle.mail.dispatch.kinds import Attachment
from lifecycle.mail.drafts import LETTERS, Letter, register_letter
from lifecycle.mail.drafts.invitations import calendar_file
from lifecycle.mail.models import Link, Message
from lifecycle.policies.models import PolicyVersion
from lifecycle.words import letter_day, time_words
from onboarding.models import INVITATION, Forum, ForumGuest, Onboarding, TrainingSession

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
FORUM_FIELDS = {
    "forum_day": "Day of the forum",
    "forum_time": "Time of the forum, where the account is",
    "topic": "Topic of the forum",
    "note": "A word on a moved date",
}
TO_BE_AGREED = "date to be agreed"
ALL_HELD = "All of them took place."


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
    register_letter(
        Letter(
            INVITATION,
            "Open Forum invitation",
            ForumGuest,
            back=lambda row: reverse("onboarding:forum", args=[row.forum_id]),
            fields=FORUM_FIELDS,
            values=_of_forum,
            sent="invited_at",
            attachments=lambda row: [_calendar_file(row.forum)],
            about=lambda row: _takes_place(row.forum),
            overtaken="The forum was moved or left out after this was written.",
            undone=_none_left,
        )
    )


def invite(forum: Forum, *, by: User, now: datetime) -> tuple[int, int]:
    """ONB-6: one invitation to each open SMB account, through the outbox, from the host; those invited before
    get none again. How many go out, and how many accounts have nobody to write to.

    Raises Refused for a forum that is skipped or over, or while a link is missing that the invitation needs.
    """
    letter = LETTERS[INVITATION]
    accounts = ForumGuest.candidates()
    with change_many(accounts.values_list("pk", flat=True), by=by, via="page", now=now):
        forum = _locked(forum.pk)
        forum.refuse_unless_coming(today=by.today(now))
        known = set(ForumGuest.objects.filter(forum=forum).values_list("account_id", flat=True))
        ForumGuest.objects.bulk_create(
            [ForumGuest(forum=forum, account=account) for account in accounts if account.pk not in known]
        )
        waiting = ForumGuest.objects.filter(forum=forum, account__in=accounts).exclude(_is_told(forum))
        guests = waiting.select_related("account", "forum__host")
        written = [drafts.draft_of(letter, guest, writer=forum.host, now=now) for guest in guests]
        ready = [draft for draft in written if draft.to and draft.is_open]
        for draft in ready:
            draft.version = draft.version or 1
            draft.save()
            drafts.send(draft, by=forum.host, now=now)
        if forum.invited_at is None and forum.guests.filter(_is_told(forum)).exists():
            forum.record({"invited_at": now})
    return len(ready), len(written) - len(ready)


def _locked(forum: int) -> Forum:
    return Forum.objects.select_for_update(of=("self",)).select_related("host").get(pk=forum)


def _takes_place(forum: Forum) -> str:
    return "not at all" if forum.skipped_at else forum.begins_at.isoformat()


def _is_told(forum: Forum) -> Q:
    """Which guests were invited, or will be by what is on its way."""
    going = Message.objects.exclude(state="cancelled").filter(
        draft__kind=INVITATION, draft__recorded_at=None, payload__about=_takes_place(forum)
    )
    return Q(invited_at__isnull=False) | Q(pk__in=going.values("draft__source_id"))


def _none_left(guest: ForumGuest, now: datetime) -> None:
    """ONB-6: nobody is invited any more, so the invitations are owed again."""
    with change(None, by=None, via="task", now=now):
        forum = _locked(guest.forum_id)
        if forum.invited_at is not None and not forum.guests.filter(_is_told(forum)).exists():
            forum.record({"invited_at": None})


def _of_forum(guest: ForumGuest, writer: User, now: datetime) -> dict[str, str]:
    forum, zone = guest.forum, ZoneInfo(guest.account.time_zone)
    local = forum.begins_at.astimezone(zone)
    moved = f"It was moved from {letter_day(forum.moved_from)}: {forum.note}" if forum.moved_from else ""
    return {
        "forum_day": letter_day(local.date()),
        "forum_time": f"{time_words(local)} ({zone.key.rpartition('/')[2].replace('_', ' ')})",
        "topic": forum.topic or "your questions",
        "note": moved or f"It takes {_minutes(forum)} minutes.",
    }


def _minutes(forum: Forum) -> int:
    return PolicyVersion.in_force(forum.held_on).duties.forum_minutes


def _calendar_file(forum: Forum) -> Attachment:
    link = Link.objects.filter(key="forum_link").first()
    return calendar_file(
        "open-forum",
        uid=f"forum-{forum.pk}",
        version=forum.version,
        stamped_at=forum.updated_at,
        begins_at=forum.begins_at,
        minutes=_minutes(forum),
        summary=f"Open Forum: {forum.topic}" if forum.topic else "Open Forum",
        location=link.value if link else "",
    )


def recap_key(account: Account) -> str:
    """ONB-2: which recap of the onboarding call an account gets."""
    return "onboarding_recap_smb" if account.is_smb else "onboarding_recap"


def _page(account: int, part: str) -> str:
    return f"{reverse('onboarding:page', args=[account])}#{part}"


def _of_call(onboarding: Onboarding, writer: User, now: datetime) -> dict[str, str]:
    zone = ZoneInfo(onboarding.account.time_zone)
    trainings = onboarding.trainings()
    coming = [
        f"- {session.get_product_display()}: {_when(session.scheduled_at, zone)}"
        for session in trainings
        if session.completed_on is None
    ]
    return {
        "call_date": letter_day(onboarding.call_completed_on),
        "goals": "\n".join(f"- {objective.text}" for objective in onboarding.objectives.all()),
        "training_dates": "\n".join(coming) or (ALL_HELD if trainings else ""),
    }


def _of_training(session: TrainingSession, writer: User, now: datetime) -> dict[str, str]:
    return {
        "product": session.get_product_display(),
        "held_on": letter_day(session.completed_on),
        "participants": session.participants.strip(),
        "modules": session.modules.strip(),
        "pending_subjects": session.pending_subjects.strip() or "Nothing for now.",
        "relevant_links": session.relevant_links.strip() or "None for now.",
    }


def _of_completion(onboarding: Onboarding, writer: User, now: datetime) -> dict[str, str]:
    adoption = getattr(onboarding, "adoption", None)
    final = adoption and adoption.stages.filter(final=True, cancelled_at=None).first()
    return {"final_day": letter_day(final.due_on) if final else ""}


def _when(at: datetime | None, zone: ZoneInfo) -> str:
    if at is None:
        return TO_BE_AGREED
    local = at.astimezone(zone)
    return (
        f"{letter_day(local.date())}, {time_words(local)} ({zone.key.rpartition('/')[2].replace('_', ' ')})"
    )
