"""The steps of a stage as forms. Each hands what the person changed to one verb of the model."""

from adoption.forms.answers import AnswerForm, CheckInForm
from adoption.forms.outcome import FeedbackForm, GoalsForm, HoldForm, ReferenceForm, TaskForm, UpsellForm
from adoption.forms.plan import PlanForm
from adoption.forms.stages import BookForm, GapForm, MissedForm, RecapForm, ReopenForm, StageForm

__all__ = [
    "AnswerForm",
    "BookForm",
    "CheckInForm",
    "FeedbackForm",
    "GapForm",
    "GoalsForm",
    "HoldForm",
    "MissedForm",
    "PlanForm",
    "RecapForm",
    "ReferenceForm",
    "ReopenForm",
    "StageForm",
    "TaskForm",
    "UpsellForm",
]
