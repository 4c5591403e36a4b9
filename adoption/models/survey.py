"""SUR: the sentiment survey of a final stage, behind a link that nobody can guess, and what the customer answered."""

from __future__ import annotations

import base64
import secrets
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.core.validators import URLValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import AccountRow, User
from accounts.models.account import VisibleQuerySet
from adoption.models.adoption import Stage
from lifecycle.mail.models import Link
from lifecycle.rules.facts import SurveyFacts
from lifecycle.rules.policy import MOST_SCORE
from lifecycle.rules.refused import Refused

LONGEST_WORDS = 20_000
LONGEST_NAME = 150
# Of the links that CS Ops keep: a form of another product, used instead of our page.
FORM_LINK = "survey_form_link"
# Each is answered with a score from 1 to MOST_SCORE, and words where somebody wants to say more.
QUESTIONS = {
    "useful": "How useful is the system in your daily work?",
    "easy": "How easy is it for your team to use?",
    "help": "When you asked for help, how well were you helped?",
    "understood": "How well does your contact with us understand what you need?",
    "recommend": "How likely are you to recommend us to somebody in your place?",
}
OPEN_QUESTION = "What should we change, or keep as it is?"
SCORES = {1: "Not at all", 2: "A little", 3: "Somewhat", 4: "Quite", 5: "Very"}
WEB = URLValidator(("https", "http"))


def _nonce() -> str:
    return secrets.token_hex(16)


class SurveyQuerySet(VisibleQuerySet):
    def visible_to(self, user: User, *, today: date | None = None) -> SurveyQuerySet:
        """As rows of accounts are, but not to who runs the system: a link opens the customer's page (security.md)."""
        return self.none() if user.role == "admin" else super().visible_to(user, today=today)


class Survey(AccountRow):
    """SUR-1..4: the survey of one final stage. The door makes it, takes it back where the MRR no longer asks for it
    (`withdrawn_at`), and brings it back.

    `answers` is {"scores": {question: 1..5}, "words": {question: text}, "open": text}, empty where another product's
    form holds them. `filled_by` is the colleague who typed them together with the customer.
    """

    resource = "survey"
    personal = ("respondent", "answers")
    quiet = AccountRow.quiet | {"nonce"}

    stage = models.OneToOneField(Stage, on_delete=models.PROTECT, related_name="survey")
    nonce = models.CharField(max_length=32, default=_nonce, editable=False)
    renewed_at = models.DateTimeField(null=True, editable=False)
    external_url = models.URLField(blank=True, max_length=500, validators=[WEB])
    second_url = models.URLField(blank=True, max_length=500, validators=[WEB])
    sent_at = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answers = models.JSONField(default=dict, blank=True)
    respondent = models.CharField(max_length=LONGEST_NAME, blank=True)
    filled_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, editable=False, related_name="+")
    waived_at = models.DateTimeField(null=True, blank=True)
    waived_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, editable=False, related_name="+")
    waive_reason = models.CharField(max_length=500, blank=True)
    withdrawn_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    objects = SurveyQuerySet.as_manager()

    class Meta(AccountRow.Meta):
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(waived_at=None, waive_reason="")
                | (Q(waived_at__isnull=False) & ~Q(waive_reason="")),
                name="survey_waived_with_reason",
            ),
            models.CheckConstraint(
                condition=Q(answered_at=None) | Q(waived_at=None), name="survey_settled_once"
            ),
        ]

    def __str__(self) -> str:
        return f"Survey of the {self.stage}"

    # --- its link

    @property
    def token(self) -> str:
        """What makes the link unguessable: nothing in the database tells it, and a new nonce revokes it."""
        return f"{self.pk}-{_seal(self.pk, self.nonce)}"

    @classmethod
    def opened_by(cls, token: str) -> Survey | None:
        """The survey that a token opens; None for one that was guessed, cut short or revoked."""
        number, _, seal = token.partition("-")
        pk = int(number) if number.isascii() and number.isdigit() and len(number) <= 18 else 0
        found = cls.objects.select_related("account__csm", "stage__adoption").filter(pk=pk).first()
        known = _seal(pk, found.nonce if found else "")
        return found if constant_time_compare(known, seal) and found else None

    @property
    def own_address(self) -> str:
        """Where our own page asks."""
        return settings.BASE_URL + reverse("adoption:survey-public", args=[self.token])

    @staticmethod
    def form_of_all() -> str:
        """The form of another product that CS Ops set for all accounts; "" where our page asks."""
        return Link.objects.filter(key=FORM_LINK).values_list("value", flat=True).first() or ""

    def address(self, *, form_of_all: str) -> str:
        """SUR-2: the link that goes into mails: this account's own form elsewhere, else the form of all accounts,
        else our page."""
        return self.external_url or form_of_all or self.own_address

    # --- how it stands

    @property
    def answered(self) -> bool:
        """SUR-3."""
        return self.answered_at is not None

    @property
    def is_asked(self) -> bool:
        """Whether the account is asked at all: the stage is one of its stages, and its MRR calls for it (SUR-1)."""
        gone = self.stage.cancelled_at or self.stage.adoption.withdrawn_at or self.withdrawn_at
        return gone is None

    @property
    def is_open(self) -> bool:
        """Whether an answer is still awaited; only then does the link go into mails (SUR-2)."""
        shut = self.account.archived or self.account.churned_on is not None
        return self.is_asked and not self.answered and self.waived_at is None and not shut

    @property
    def may_be_asked_again(self) -> bool:
        """Whether `reopen` takes anything back: a waiver, or a tick without answers."""
        return not self.answers and (self.answered or self.waived_at is not None)

    @property
    def lowest(self) -> int | None:
        """The lowest score given; None without any."""
        return min(self.answers.get("scores", {}).values(), default=None)

    def facts(self) -> SurveyFacts | None:
        """This row as the rules see it; None where it is no longer asked for."""
        if self.withdrawn_at is not None:
            return None
        return SurveyFacts(
            id=self.pk,
            sent_at=self.sent_at,
            answered=self.answered,
            waived=self.waived_at is not None,
            lowest=self.lowest,
        )

    # --- verbs; each is called inside change() and is safe to repeat

    def record(self, values: dict[str, Any], *, now: datetime) -> None:
        """SUR-2: take the links, and when they were sent. Raises Refused for a time in the future."""
        self._refuse_if_shut()
        for name, value in values.items():
            setattr(self, name, value)
        for name in ("sent_at", "reminded_at"):
            if values.get(name) and values[name] > now:
                raise Refused(name, "future", "This is in the future.", rule="SUR-2")
        self.save()

    def mark_sent(self, *, now: datetime) -> None:
        """SUR-2: the link went out, in whatever mail; the first time counts."""
        if self.sent_at is None:
            self.record({"sent_at": now}, now=now)

    def renew(self, *, now: datetime) -> None:
        """Make a new link; the one that went out opens nothing any more, so it is to be sent again: by its own
        letter, or with the reminder where the stage is closed already."""
        self._refuse_if_shut()
        self._refuse_if_settled()
        self.nonce, self.renewed_at = _nonce(), now
        if self.stage.closed_at is None:
            self.sent_at = None
        self.save()

    def answer(
        self, answers: dict[str, Any], *, respondent: str = "", by: User | None = None, now: datetime
    ) -> None:
        """SUR-3: keep what the customer answered, once; `by` is the colleague who typed it.

        Raises Refused for scores and questions that are none, words of more than LONGEST_WORDS letters, no answer
        at all, and (409) once it was answered, waived or is no longer asked.
        """
        self._refuse_if_shut()
        self._refuse_if_settled()
        self.answers = _checked(answers)
        self.respondent, self.filled_by, self.answered_at = respondent, by, now
        self.save()

    def tick_answered(self, *, now: datetime) -> None:
        """SUR-3: the answer is in, in the form of another product."""
        self._refuse_if_shut()
        if not self.answered:
            self._refuse_if_settled()
            self.answered_at = now
            self.save()

    def waive(self, reason: str, *, by: User, now: datetime) -> None:
        """SUR-4: do without an answer. Raises Refused without a reason, and (409) once it was answered."""
        self._refuse_if_shut()
        if not reason.strip():
            text = "Say why we do without an answer."
            raise Refused("waive_reason", "required", text, rule="SUR-4")
        if self.answered:
            self._refuse_if_settled()
        self.waive_reason, self.waived_by = reason.strip(), by
        self.waived_at = self.waived_at or now
        self.save()

    def reopen(self) -> None:
        """Take back a waiver, or a tick without answers. Raises Refused (409) where the customer answered."""
        self._refuse_if_shut()
        if self.answers:
            self._refuse_if_settled()
        self.answered_at = self.waived_at = self.waived_by = None
        self.waive_reason = ""
        self.save()

    def ask(self, wanted: bool, *, now: datetime) -> None:
        """SUR-1: the account's MRR asks for it, or no longer does; what was answered stays. The door saves."""
        if wanted or self.answered:
            self.withdrawn_at = None
        else:
            self.withdrawn_at = self.withdrawn_at or now

    def _refuse_if_shut(self) -> None:
        self.refuse_if_archived()
        if not self.is_asked:
            text = "This account is not asked for the survey (any more)."
            raise Refused("", "not_asked", text, rule="SUR-1", conflict=True)

    def _refuse_if_settled(self) -> None:
        if self.answered:
            raise Refused("", "answered", "The survey was answered already.", rule="SUR-3", conflict=True)
        if self.waived_at is not None:
            raise Refused("", "waived", "The survey was waived.", rule="SUR-4", conflict=True)


def _seal(pk: int, nonce: str) -> str:
    """HMAC(SECRET_KEY, id, nonce), as an address writes it."""
    digest = salted_hmac("adoption.survey", f"{pk}:{nonce}", algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _checked(answers: dict[str, Any]) -> dict[str, Any]:
    """The answers without what is empty; Refused for anything that is no answer."""
    scores = {name: score for name, score in answers.get("scores", {}).items() if score is not None}
    words = {name: text.strip() for name, text in answers.get("words", {}).items() if text.strip()}
    said = answers.get("open", "").strip()
    for name in (*scores, *words):
        if name not in QUESTIONS:
            raise Refused("answers", "unknown", f"The survey has no question {name!r}.", rule="SUR-3")
    if any(score not in SCORES for score in scores.values()):
        raise Refused("answers", "invalid", f"A score is a number from 1 to {MOST_SCORE}.", rule="SUR-3")
    if any(len(text) > LONGEST_WORDS for text in (*words.values(), said)):
        text = f"Keep each answer to {LONGEST_WORDS:,} characters."
        raise Refused("answers", "too_long", text, rule="SUR-3")
    if not (scores or words or said):
        raise Refused("answers", "empty", "Answer one question at least.", rule="SUR-3")
    return {"scores": scores, "words": words, "open": said}
