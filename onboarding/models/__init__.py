from onboarding.models.forums import INVITATION, Forum, ForumGuest
from onboarding.models.onboarding import JUDGEMENTS, Objective, Onboarding, TrainingSession

__all__ = ["INVITATION", "JUDGEMENTS", "Forum", "ForumGuest", "Objective", "Onboarding", "TrainingSession"]
