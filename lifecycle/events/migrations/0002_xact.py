from django.db import migrations


def add_xact(apps, schema_editor):
    """The id of the writing transaction, as a column default, so that COPY keeps it too (reliability.md)."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "ALTER TABLE events_event ADD COLUMN xact xid8 NOT NULL DEFAULT pg_current_xact_id()"
        )
        # For the publisher, who asks what came after the last numbered transaction.
        schema_editor.execute("CREATE INDEX event_by_xact ON events_event (xact, id)")


def drop_xact(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE events_event DROP COLUMN xact")


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial")]
    operations = [migrations.RunPython(add_xact, drop_xact)]
