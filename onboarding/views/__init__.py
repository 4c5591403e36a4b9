from onboarding.views import forums
from onboarding.views.onboarding import complete, page, part, training, training_recap

__all__ = ["complete", "forums", "page", "part", "training", "training_recap"]
