"""The sentiment surveys of final stages over REST (SUR-1..4)."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from adoption.models import Survey
from adoption.models.survey import LONGEST_WORDS, QUESTIONS
from lifecycle.api import fields, filters
from lifecycle.api.serializers import RowSerializer, StrictSerializer
from lifecycle.api.views import Patched, Resource
from lifecycle.change import Work
from lifecycle.rules.policy import MOST_SCORE
from lifecycle.rules.refused import Refused


class ScoresSerializer(StrictSerializer):
    """A score for each question, 1 (not at all) to 5 (very)."""

    def get_fields(self) -> dict[str, serializers.Field]:
        one = {"required": False, "min_value": 1, "max_value": MOST_SCORE}
        return {name: fields.Whole(help_text=text, **one) for name, text in QUESTIONS.items()}


class WordsSerializer(StrictSerializer):
    """What was said beside the scores."""

    def get_fields(self) -> dict[str, serializers.Field]:
        one = {"required": False, "allow_blank": True, "max_length": LONGEST_WORDS}
        return {name: fields.Text(**one) for name in QUESTIONS}


class AnswersSerializer(StrictSerializer):
    """What the customer answered; an empty object while nothing is in, or where another form holds it."""

    scores = ScoresSerializer(required=False)
    words = WordsSerializer(required=False)
    open = fields.Text(required=False, allow_blank=True, max_length=LONGEST_WORDS)

    def to_representation(self, instance: dict[str, Any]) -> dict[str, Any]:
        return instance


class SurveySerializer(RowSerializer):
    link = serializers.SerializerMethodField(
        help_text="What goes into mails. Not told by events: who holds it can answer."
    )
    answered = fields.Flag(required=False)
    answers = AnswersSerializer(required=False)
    filled_by = fields.Person(read_only=True, allow_null=True)
    waived_by = fields.Person(read_only=True, allow_null=True)

    class Meta:
        model = Survey
        fields = (
            *("id", "account", "stage", "link", "external_url", "second_url", "sent_at", "reminded_at"),
            *("answered", "answered_at", "answers", "respondent", "filled_by"),
            *("waived_at", "waived_by", "waive_reason", "created_at", "updated_at"),
        )
        read_only_fields = ("answered_at", "waived_at", "created_at", "updated_at")
        related = ("account", "stage", "filled_by", "waived_by")

    @extend_schema_field({"type": ["string", "null"], "format": "uri"})
    def get_link(self, survey: Survey) -> str | None:
        if "view" not in self.context:
            return None
        if "form_of_all" not in self.context:  # read once, however many surveys are shown
            self.context["form_of_all"] = Survey.form_of_all()
        return survey.address(form_of_all=self.context["form_of_all"])


class SurveyViewSet(Patched, Resource):
    """The survey of a final stage, where the MRR asks for one. `answers` or `answered` brings the answer in, once;
    `waive_reason` does without it."""

    model = Survey
    serializer_class = SurveySerializer
    search = ("account__name", "account__external_id")
    ordering = ("id", "sent_at", "answered_at", "updated_at")
    filters = {
        "id": filters.identity(),
        "account": filters.identity("account"),
        "stage": filters.identity("stage"),
        "sent_at": filters.instant("sent_at"),
        "answered_at": filters.instant("answered_at"),
        "waived_at": filters.instant("waived_at"),
        "updated_at": filters.instant("updated_at"),
    }

    def visible(self) -> Any:
        """SUR-1: an account that is not asked has no survey."""
        asked = super().visible().filter(withdrawn_at=None, stage__cancelled_at=None)
        return asked.filter(stage__adoption__withdrawn_at=None)

    def record(self, survey: Survey, values: dict[str, Any], work: Work) -> None:
        answered, reason = values.pop("answered", None), values.pop("waive_reason", None)
        answers, respondent = values.pop("answers", None), values.pop("respondent", "")
        if respondent and answers is None:
            raise Refused("respondent", "no_answers", "Say who answered together with the answers.")
        survey.record(values, now=work.now)
        if reason:
            survey.waive(reason, by=work.by, now=work.now)
        elif answered is False or (reason == "" and survey.waived_at):
            survey.reopen()
        if answers is not None:
            survey.answer(answers, respondent=respondent, by=work.by, now=work.now)
        elif answered:
            survey.tick_answered(now=work.now)
