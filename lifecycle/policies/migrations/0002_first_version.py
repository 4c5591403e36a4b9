from datetime import date

from django.db import migrations

from lifecycle.rules.policy import Policy


def publish(apps, schema_editor):
    """Version 1: the SOPs' own values."""
    apps.get_model("policies", "PolicyVersion").objects.create(
        number=1,
        body=Policy().body(),
        note="The values of the two procedures.",
        effective_on=date(2000, 1, 1),
    )


class Migration(migrations.Migration):
    dependencies = [("policies", "0001_initial")]
    operations = [migrations.RunPython(publish, migrations.RunPython.noop)]
