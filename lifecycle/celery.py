"""The Celery app. Tasks only say "look now": rows are the queue, so a lost or repeated task changes nothing.

from lifecycle.celery import app

@app.task(name="mail.drain")
def drain(): ...
"""

import os

from celery import Celery
from kombu.transport import redis, virtual

WORKER = "worker"  # its ServiceBeat: that a task ran shows that beat, the broker and a worker do
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lifecycle.settings")


class Qos(redis.QoS):
    """A Redis that freezes while a task is acknowledged would leave the worker's only place taken for good, and
    the worker idle. The place is freed anyway: the task may come again, which changes nothing."""

    def ack(self, delivery_tag: str) -> None:
        try:
            super().ack(delivery_tag)
        finally:
            virtual.QoS.ack(self, delivery_tag)


redis.Channel.QoS = Qos
app = Celery("lifecycle")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
