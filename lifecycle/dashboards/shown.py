"""What each kind of duty says in a queue, and where its button leads. A kind is a row of SHOWN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse

from lifecycle.dashboards.scene import Scene
from lifecycle.milestones.models import Milestone


@dataclass(frozen=True, slots=True)
class Shown:
    button: str
    why: Callable[[Milestone, Scene], str]
    url: Callable[[Milestone], str]
    posts: bool = False


def _to_step(step: str) -> Callable[[Milestone], str]:
    return lambda row: f"{reverse('adoption:stage', args=[row.account_id, row.day])}#{step}"


def _to_checklist(row: Milestone) -> str:
    return reverse("adoption:checklist", args=[row.account_id, row.day])


def _to_onboarding(part: str = "") -> Callable[[Milestone], str]:
    anchor = f"#{part}" if part else ""
    return lambda row: reverse("onboarding:page", args=[row.account_id]) + anchor


def _to_training(row: Milestone) -> str:
    return f"{reverse('onboarding:page', args=[row.account_id])}#training-{row.source_id}"


def _to_letter(kind: str) -> Callable[[Milestone], str]:
    return lambda row: reverse("mail:letter", args=[row.account_id, kind, row.source_id])


def _to_call_recap(row: Milestone) -> str:
    return _to_letter("onboarding_recap_smb" if row.account.is_smb else "onboarding_recap")(row)


def _to_stage_recap(row: Milestone) -> str:
    return reverse("adoption:recap-letter", args=[row.account_id, row.day])


def _to_account(row: Milestone) -> str:
    return reverse("accounts:detail", args=[row.account_id])


def _to_entry(row: Milestone) -> str:
    return reverse("accounts:entry", args=[row.account_id, row.source_id])


def _to_rsm_letter(row: Milestone) -> str:
    return _to_letter("rsm_upsell" if row.source_type == "opportunity" else "rsm_added_users")(row)


def _by_hand(row: Milestone) -> str:
    return reverse("dashboards:complete", args=[row.pk])


def _why_call_booked(row: Milestone, scene: Scene) -> str:
    return f"It was booked for {scene.when(scene.source(row).call_scheduled_at)}."


def _why_training_booked(row: Milestone, scene: Scene) -> str:
    return f"It was booked for {scene.when(scene.source(row).scheduled_at)}."


def _why_held(row: Milestone, scene: Scene) -> str:
    return f"Held {scene.on(row.due_on)}. Recaps go out the same day."


def _why_entry(row: Milestone, scene: Scene) -> str:
    text = " ".join(scene.source(row).text.split())
    return text if len(text) <= 90 else f"{text[:89].rstrip()}…"


def _why_rsm(row: Milestone, scene: Scene) -> str:
    if row.source_type == "opportunity":
        return f"{scene.source(row).get_kind_display()}, came up {scene.on(scene.source(row).surfaced_on)}."
    return f"More people than the {row.account.contracted_users:,} contracted users."


def _why_billing(row: Milestone, scene: Scene) -> str:
    account = row.account
    return f"{account.contracted_users:,} contracted users at ${account.mrr:,.2f} a month."


def _why_stage(row: Milestone, scene: Scene) -> str:
    stage = scene.source(row)
    if stage.meeting_scheduled_at and stage.meeting_held is None:
        return f"Day {scene.day_of(stage)}. Meeting is {scene.when(stage.meeting_scheduled_at)}."
    return f"Day {scene.day_of(stage)}. Due on day {row.day}."


def _why_check_in(row: Milestone, scene: Scene) -> str:
    return f"Day {scene.day_of(scene.source(row))}. Your own email to the admin."


def _why_book(row: Milestone, scene: Scene) -> str:
    stage = scene.source(row)
    return f"Day {scene.day_of(stage)}, no date set. Meeting is due {scene.on(stage.due_on)}."


def _why_prepare(row: Milestone, scene: Scene) -> str:
    stage = scene.source(row)
    start = f"{stage.answered} answered" if stage.answered else "Not started"
    if stage.meeting_scheduled_at:
        return f"{start}. Meeting is {scene.when(stage.meeting_scheduled_at)}."
    return f"{start}. Day {row.day} is {scene.on(stage.due_on)}."


def _why_record(row: Milestone, scene: Scene) -> str:
    return f"The meeting was booked for {scene.when(scene.source(row).meeting_scheduled_at)}."


def _why_explain(row: Milestone, scene: Scene) -> str:
    stage = scene.source(row)
    if stage.meeting_held is False:
        return "The meeting did not happen. Your TL reviews the reason with you."
    return f"Day {scene.day_of(stage)}, no meeting held or booked."


def _why_gap(row: Milestone, scene: Scene) -> str:
    return scene.source(row).no_meeting_reason


def _why_recap(row: Milestone, scene: Scene) -> str:
    return f"Meeting was {scene.on(row.due_on)}. Recaps go out the same day."


def _why_survey(row: Milestone, scene: Scene) -> str:
    stage = scene.source(row)
    return f"Day {scene.day_of(stage)}, at ${row.account.mrr:,.2f} a month. It goes out with the invitation."


def _why_survey_reminder(row: Milestone, scene: Scene) -> str:
    stage = scene.source(row)
    if stage.meeting_held_on:
        return f"No answer yet. The meeting was {scene.on(stage.meeting_held_on)}."
    return "No answer yet."


def _to_survey(row: Milestone) -> str:
    return reverse("adoption:survey", args=[row.account_id])


def _why_review(row: Milestone, scene: Scene) -> str:
    if row.source_type != "survey":
        return _why_entry(row, scene)
    survey = scene.source(row)
    return f"{survey.respondent or 'The customer'} gave {survey.lowest} of 5."


def _to_review(row: Milestone) -> str:
    return _to_survey(row) if row.source_type == "survey" else _to_entry(row)


def _why_close(row: Milestone, scene: Scene) -> str:
    stage = scene.source(row)
    if stage.meeting_held_on:
        return f"Meeting held {scene.on(stage.meeting_held_on)}. {stage.answered} answered."
    return "No meeting; your TL decided how to go on."


def _why_reroute(row: Milestone, scene: Scene) -> str:
    asked = scene.source(row)
    texts = [reason["text"] for reason in asked.reasons] or ["no trigger holds any more"]
    return f"{asked.from_pool.capitalize()} to {asked.to_pool.capitalize()}: {', '.join(texts)}."


SHOWN: dict[str, Shown] = {
    "stage": Shown("Open", _why_stage, _to_step("steps")),
    "check_in": Shown(
        "Review", _why_check_in, lambda row: reverse("adoption:check-in", args=[row.account_id, row.day])
    ),
    "complete_onboarding": Shown(
        "Review and complete", lambda row, scene: "All trainings are held.", _to_onboarding("complete")
    ),
    "prepare_checklist": Shown("Start", _why_prepare, _to_checklist),
    "book_meeting": Shown("Set date", _why_book, _to_step("book")),
    "record_meeting": Shown("Record", _why_record, _to_step("hold")),
    "explain_no_meeting": Shown("Add reason", _why_explain, _to_step("missed")),
    "close_gap": Shown("Review", _why_gap, _to_step("missed")),
    "recap_meeting": Shown("Open draft", _why_recap, _to_stage_recap),
    "close_stage": Shown("Export PDF", _why_close, _to_step("close")),
    "level_review": Shown(
        "Done",
        lambda row, scene: f"SMB account on {row.account.get_service_level_display()}.",
        _by_hand,
        posts=True,
    ),
    "book_call": Shown("Set date", lambda row, scene: "No date yet.", _to_onboarding("call")),
    "record_call": Shown("Enter date", _why_call_booked, _to_onboarding("call")),
    "recap_call": Shown("Open draft", _why_held, _to_call_recap),
    "book_training": Shown(
        "Set date", lambda row, scene: "The onboarding call was held; no date yet.", _to_training
    ),
    "record_training": Shown("Record", _why_training_booked, _to_training),
    "recap_training": Shown("Open draft", _why_held, _to_letter("training_recap")),
    "send_completed": Shown(
        "Open draft",
        lambda row, scene: f"Onboarding was completed {scene.on(row.due_on)}.",
        _to_letter("onboarding_completed"),
    ),
    "follow_up": Shown("Add note", _why_entry, _to_entry),
    "lead_review": Shown("Review", _why_review, _to_review),
    "send_survey": Shown("Send link", _why_survey, _to_survey),
    "survey_reminder": Shown("Send reminder", _why_survey_reminder, _to_survey),
    "tell_rsm": Shown("Open draft", _why_rsm, _to_rsm_letter),
    "billing_check": Shown("Done", _why_billing, _by_hand, posts=True),
    "forum_invite": Shown(
        "Invite",
        lambda row, scene: f"The forum is {scene.on(scene.source(row).held_on)}.",
        lambda row: reverse("onboarding:forum", args=[row.source_id]),
    ),
    "reroute": Shown("Decide", _why_reroute, lambda row: reverse("accounts:reroute", args=[row.account_id])),
}


def path_of(row: Milestone) -> str:
    """The page on which a duty is done; that of the account where a button of the queue does it."""
    shown = SHOWN[row.kind]
    return _to_account(row) if shown.posts else shown.url(row)
