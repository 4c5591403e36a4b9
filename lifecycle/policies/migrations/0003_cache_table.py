from django.core.management import call_command
from django.db import migrations


def make_table(apps, schema_editor):
    """Django's database cache needs its table: made here, so that `migrate` alone is enough."""
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    dependencies = [("policies", "0002_first_version")]
    operations = [migrations.RunPython(make_table, migrations.RunPython.noop)]
