"""The Celery app with every interval shortened to a second, so that tests of beat need not wait a minute."""

from datetime import timedelta

from lifecycle.celery import app

app.conf.beat_schedule = {
    name: entry | {"schedule": timedelta(seconds=1)} for name, entry in app.conf.beat_schedule.items()
}
