from django.db import migrations

TABLES = ("events_event", "events_eventseq", "events_eventseal")


def refuse_changes(apps, schema_editor):
    """The log is insert only, whoever asks (reliability.md, "Audit")."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is insert only', TG_TABLE_NAME; END $$",
            params=None,  # the sign of percent is PL/pgSQL's
        )
        for table in TABLES:
            schema_editor.execute(
                f"CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION events_refuse()"
            )
    else:
        for table in TABLES:
            for act in ("update", "delete"):
                schema_editor.execute(
                    f"CREATE TRIGGER {table}_no_{act} BEFORE {act.upper()} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is insert only'); END"
                )


def allow_changes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION events_refuse() CASCADE")
    else:
        for table in TABLES:
            for act in ("update", "delete"):
                schema_editor.execute(f"DROP TRIGGER {table}_no_{act}")


class Migration(migrations.Migration):
    dependencies = [("events", "0002_xact")]
    operations = [migrations.RunPython(refuse_changes, allow_changes)]
