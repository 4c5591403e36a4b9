"""What came out of a stage's meeting: engagement and its causes, feedback, upsells, reference, goals."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from crispy_forms.layout import Div, Layout
from django import forms

from accounts.models import Activity, Opportunity, User
from adoption.forms.stages import StageForm
from adoption.models import Checklist, Stage
from adoption.models.checklist import LONGEST
from adoption.models.outcomes import (
    CAUSES,
    DISENGAGEMENT_REASONS,
    ENGAGEMENTS,
    INVESTMENTS,
    REFERENCES,
    SIDES,
)
from lifecycle.dashboards.forms import YES_NO, date_input
from onboarding.models import Onboarding
from onboarding.models.onboarding import JUDGEMENTS

OPEN = ("", "Not recorded")
# STAGE-4: what each reason suggests, as a task with a day.
SUGGESTED = {
    "early_disengagement": ("Ask what they need and change what is within reach", 7),
    "knowledge_gaps": ("Offer a system refresher", 7),
    "internal_situation": ("Agree on a date to start again", 14),
}
FEEDBACK_LABELS = {
    "bugs": "Errors they ran into (optional)",
    "workflow": "Steps that get in their way (optional)",
    "suggestions": "What they wish for (optional)",
}


def _one_of(label: str, names: dict[str, str]) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, choices=[OPEN, *names.items()], required=False, widget=forms.RadioSelect
    )


def _yes_no(label: str) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=label,
        choices=YES_NO,
        coerce=lambda value: value == "True",
        empty_value=None,
        required=False,
        widget=forms.RadioSelect,
    )


def _several(label: str, choices: list[Any]) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label, choices=choices, required=False, widget=forms.CheckboxSelectMultiple
    )


def _area(rows: int = 3) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows})


class HoldForm(StageForm):
    """STAGE-3..6: the meeting's day and outcome. Entering the day says that it was held."""

    engaged = _yes_no("Are they engaged?")
    disengagement_reasons = _several("Why not", list(DISENGAGEMENT_REASONS.items()))
    engagement = _one_of("Engagement is", ENGAGEMENTS)
    root_causes = _several(
        "Why it is falling", [(group, list(names.items())) for group, names in CAUSES.items()]
    )
    cause_side = _one_of("On whose side", SIDES)
    investment = _one_of("Interest in more", INVESTMENTS)
    FIRST = ("engaged", "disengagement_reasons", "reengage_on")
    FINAL = ("engagement", "root_causes", "cause_side")

    class Meta:
        model = Stage
        fields = (
            *("meeting_held_on", "engaged", "disengagement_reasons", "reengage_on"),
            *("engagement", "root_causes", "cause_side", "investment"),
            *("summary", "action", "expectations", "notes"),
        )
        labels = {
            "meeting_held_on": "Meeting held on",
            "reengage_on": "They expect to start again on (optional)",
            "action": "What we agreed to do",
            "summary": "Main points and pain points",
            "expectations": "What they can expect from us",
            "notes": "Notes (optional)",
        }
        widgets = {
            "meeting_held_on": date_input(),
            "reengage_on": date_input(),
            **{name: _area() for name in ("summary", "action", "expectations", "notes")},
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.FIRST if self.instance.final else self.FINAL:
            del self.fields[name]
        branch = (
            ("engagement", Div("root_causes", "cause_side", css_class="branch if-falling"))
            if self.instance.final
            else ("engaged", Div("disengagement_reasons", "reengage_on", css_class="branch if-not"))
        )
        self.helper.layout = Layout(
            "meeting_held_on", *branch, "investment", "summary", "action", "expectations", "notes"
        )

    def merge(self, row: Stage) -> dict[str, Any]:
        values = super().merge(row)
        if "meeting_held_on" in values:
            values["meeting_held"] = True if values["meeting_held_on"] else None
        return values


class FeedbackForm(StageForm):
    """STAGE-6, ACT-2: the customer's words, the same ones as on the checklist."""

    class Meta:
        model = Stage
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in FEEDBACK_LABELS.items():
            self.fields[name] = forms.CharField(
                label=label,
                required=False,
                max_length=LONGEST,
                initial=self.instance.feedback.get(name, ""),
                widget=_area(2),
                show_hidden_initial=True,
            )

    def apply(self, stage: Stage, *, by: User, now: datetime, today: date) -> None:
        words = {name: stage.feedback.get(name, "") for name in FEEDBACK_LABELS}
        changed = self.merge(SimpleNamespace(**words))
        Checklist.begin(stage)
        stage.hear(changed, by=by, now=now)


class UpsellForm(StageForm):
    """STAGE-4, STAGE-5, ACT-3: something more they might want, noted from the meeting."""

    kind = forms.ChoiceField(label="What about", choices=Opportunity._meta.get_field("kind").choices)
    state = forms.ChoiceField(label="Where it stands", choices=Opportunity._meta.get_field("state").choices)
    demo_on = forms.DateField(label="Demo on (optional)", required=False, widget=date_input())
    text = forms.CharField(
        label="What was said (optional)", required=False, max_length=LONGEST, widget=_area(2)
    )

    class Meta:
        model = Stage
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "upsell_%s"} | kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = False

    def apply(self, stage: Stage, *, by: User, now: datetime, today: date) -> None:
        stage.refuse_if_shut()
        Opportunity(account=stage.account).record(self.cleaned_data, by=by, now=now, today=today)


class TaskForm(StageForm):
    """STAGE-4: the suggestion that goes with a reason, as a follow-up of one's own."""

    reason = forms.ChoiceField(choices=[(name, name) for name in SUGGESTED])

    class Meta:
        model = Stage
        fields = ()

    def apply(self, stage: Stage, *, by: User, now: datetime, today: date) -> None:
        stage.refuse_if_shut()
        text, days = SUGGESTED[self.cleaned_data["reason"]]
        if not Activity.objects.asking().filter(account=stage.account_id, text=text, kind="note").exists():
            entry = Activity(account=stage.account, kind="note", happened_at=now)
            values = {"text": text, "follow_up_on": today + timedelta(days=days)}
            entry.record(values, by=by, now=now)


class ReferenceForm(StageForm):
    """STAGE-5, REF-1: are the contacts the same, and would they be a reference?"""

    contacts_unchanged = _yes_no("Are the contacts still the same people?")
    reference = forms.ChoiceField(
        label="Would they be a reference?", choices=list(REFERENCES.items()), widget=forms.RadioSelect
    )

    class Meta:
        model = Stage
        fields = ("contacts_unchanged", "reference", "send_reference_email")
        labels = {"send_reference_email": "Send them the reference email"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper.layout = Layout(
            "contacts_unchanged", "reference", Div("send_reference_email", css_class="branch if-reference")
        )


class GoalsForm(StageForm):
    """STAGE-9: each objective of the onboarding is judged."""

    class Meta:
        model = Stage
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for goal in self.instance.adoption.onboarding.objectives.all():
            field = _one_of(goal.text, JUDGEMENTS)
            field.initial, field.show_hidden_initial = goal.judgement, True
            self.fields[f"goal_{goal.pk}"] = field

    def apply(self, stage: Stage, *, by: User, now: datetime, today: date) -> None:
        stage.refuse_if_shut()
        onboarding = Onboarding.objects.get(adoption=stage.adoption_id)
        goals = {f"goal_{goal.pk}": goal for goal in onboarding.objectives.all()}
        judged = dict.fromkeys(self.fields, "") | {name: goal.judgement for name, goal in goals.items()}
        changed = self.merge(SimpleNamespace(**judged))
        if changed:
            words = judged | changed
            onboarding.set_objectives(
                [{"id": goal.pk, "judgement": words[name]} for name, goal in goals.items()]
            )
