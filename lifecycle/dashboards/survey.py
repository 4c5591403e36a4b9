"""What pages show of a survey: its link, how it stands, what was answered, and what can be done (SUR)."""

from __future__ import annotations

from copy import copy
from datetime import date, datetime, timedelta
from typing import Any

from django.urls import reverse

from accounts.models import User
from adoption.forms.survey import LinksForm, WaiveForm
from adoption.models import Stage, Survey
from adoption.models.survey import OPEN_QUESTION, QUESTIONS, SCORES
from lifecycle.dashboards.access import may_work
from lifecycle.mail.drafts import LETTERS
from lifecycle.milestones.models import Milestone
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.duties.surveys import reminded_from
from lifecycle.rules.policy import Policy
from lifecycle.words import day_words

LETTER_KEYS = ("survey_link", "survey_reminder")


def survey_of(stage: Stage) -> Survey | None:
    """The survey of a stage; None where SUR-1 asks for none, so that no page speaks of it."""
    return Survey.objects.filter(stage=stage, withdrawn_at=None).first()


def survey_link(stage: Stage) -> str:
    """SUR-2: the link as a mail writes it; empty where no answer is awaited."""
    survey = survey_of(stage)
    return survey.address(form_of_all=Survey.form_of_all()) if survey and survey.is_open else ""


def survey_panel(
    stage: Stage, user: User, *, now: datetime, back: str = "", **more: Any
) -> dict[str, Any] | None:
    """Everything that `adoption/_survey.html` shows, as `panel`; None where there is no survey. `back` is the page
    to come back to after an act, `more` a form to show again."""
    survey = survey_of(stage)
    if survey is None or user.role == "admin":  # security.md: neither link nor answers
        return None
    survey.stage, survey.account = stage, stage.account
    today, form_of_all = user.today(now), Survey.form_of_all()
    policy = PolicyVersion.in_force(today)
    return {
        "survey": survey,
        "stage": stage,
        "works": may_work(survey, user, now=now) and survey.is_asked and not stage.account.archived,
        "link": survey.address(form_of_all=form_of_all),
        "is_own_page": not (survey.external_url or form_of_all),
        "reminder": _reminder(survey, stage, user, policy, today=today),
        "opens": _opens(survey, stage, policy, today=today),
        "answers": _answers(survey, policy),
        "open": survey.answers.get("open", ""),
        "open_question": OPEN_QUESTION,
        "letters": _letters(survey),
        "reviews": _reviews(survey, user, today=today),
        "links_form": LinksForm(instance=copy(survey)),
        "waive_form": WaiveForm(auto_id="id_survey_%s"),
        "back": back or reverse("adoption:survey", args=[stage.account_id]),
        "zone": user.zone,
        "today": today,
        **more,
    }


def _opens(survey: Survey, stage: Stage, policy: Policy, *, today: date) -> str:
    """The day from which the link is to be sent, in words, while that lies ahead and it has not gone out."""
    on = stage.due_on - timedelta(days=policy.duties.booking_opens_days)
    return day_words(on, today) if on > today and survey.sent_at is None else ""


def _reminder(survey: Survey, stage: Stage, user: User, policy: Policy, *, today: date) -> str:
    """SUR-4: the day of the reminder, in words; empty while nothing tells it, and once nobody waits any more."""
    csm = stage.account.csm
    on = reminded_from(
        held_on=stage.meeting_held_on,
        meeting_at=stage.meeting_scheduled_at,
        sent_at=survey.sent_at,
        zone=csm.zone if csm else user.zone,
        policy=policy,
    )
    return day_words(on, today) if on and survey.is_open else ""


def _answers(survey: Survey, policy: Policy) -> list[dict[str, Any]]:
    scores, words = survey.answers.get("scores", {}), survey.answers.get("words", {})
    return [
        {
            "question": question,
            "score": scores.get(name),
            "score_words": SCORES.get(scores.get(name), "No score"),
            "words": words.get(name, ""),
            "low": name in scores and scores[name] <= policy.survey.low_score,
        }
        for name, question in QUESTIONS.items()
        if name in scores or name in words
    ]


def _reviews(survey: Survey, user: User, *, today: date) -> list[Milestone]:
    """What a low answer asks of the lead, for those who may say that they looked at it."""
    rows = Milestone.objects.worked_by(user, today=today).open().select_related("owner")
    return list(rows.filter(account=survey.account_id, source_type="survey", source_id=survey.pk))


def _letters(survey: Survey) -> list[tuple[str, str]]:
    """The drafts that carry the link: title and page."""
    return [
        (LETTERS[key].title, reverse("mail:letter", args=[survey.account_id, key, survey.pk]))
        for key in LETTER_KEYS
    ]
