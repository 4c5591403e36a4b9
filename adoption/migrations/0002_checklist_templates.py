import json
from pathlib import Path

from django.db import migrations


def publish(apps, schema_editor):
    """CHK-1: version 1 of the checklists. Items keep their keys, so that stages can be compared."""
    body = json.loads(Path(__file__).with_name("checklists_v1.json").read_text())
    template = apps.get_model("adoption", "ChecklistTemplate")
    for key, sections in body.items():
        template.objects.create(key=key, number=1, sections=sections)


class Migration(migrations.Migration):
    dependencies = [("adoption", "0001_initial")]
    operations = [migrations.RunPython(publish, migrations.RunPython.noop)]
