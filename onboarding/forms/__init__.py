from onboarding.forms.onboarding import (
    CallForm,
    CompletedMailForm,
    CompleteForm,
    GoalsForm,
    ManualsForm,
    OnboardingForm,
    SentForm,
    SessionForm,
)

__all__ = [
    "CallForm",
    "CompleteForm",
    "CompletedMailForm",
    "GoalsForm",
    "ManualsForm",
    "OnboardingForm",
    "SentForm",
    "SessionForm",
]
