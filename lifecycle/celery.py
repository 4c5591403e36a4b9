"""The Celery app. Tasks only say "look now": rows are the queue, so a lost or repeated task changes nothing.

from lifecycle.celery import app

@app.task(name="mail.drain")
def drain(): ...
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lifecycle.settings")
app = Celery("lifecycle")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
