from django.apps import AppConfig


class MilestonesConfig(AppConfig):
    name = "lifecycle.milestones"
    label = "milestones"
    default_auto_field = "django.db.models.BigAutoField"
