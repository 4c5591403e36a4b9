from onboarding.models.forums import Forum, ForumGuest
from onboarding.models.onboarding import JUDGEMENTS, Objective, Onboarding, TrainingSession

__all__ = ["JUDGEMENTS", "Forum", "ForumGuest", "Objective", "Onboarding", "TrainingSession"]
