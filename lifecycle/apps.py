from django.apps import AppConfig


class LifecycleConfig(AppConfig):
    """The composition root of everything that is not a URL: commands live here, and `ready()` registers
    what lower layers call without knowing it."""

    name = "lifecycle"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import emails as rsm_letters
        from adoption import emails as stage_letters
        from lifecycle.api import shown
        from lifecycle.mail import drafts
        from lifecycle.mail import emails as plain_mails
        from lifecycle.milestones import emails as digests
        from onboarding import emails as onboarding_letters

        plain_mails.register()
        digests.register()
        drafts.register()
        onboarding_letters.register()
        rsm_letters.register()
        stage_letters.register()
        shown.register()
