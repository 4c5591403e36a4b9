"""Beat's word to the dispatcher."""

import time

from celery.worker import state

from lifecycle import clock
from lifecycle.celery import WORKER, app
from lifecycle.mail import dispatch
from lifecycle.mail.models import ServiceBeat

TURN_SECONDS = 14  # then the other tasks have theirs; beat speaks each fifteen


@app.task(name="mail.drain")
def drain() -> None:
    """Send what is due (reliability.md). Carries nothing; may be lost or repeated. A worker that is asked to stop
    finishes the mail in hand."""
    end = time.monotonic() + TURN_SECONDS
    now = clock.now()
    ServiceBeat.mark(WORKER, now=now, drift=clock.drift(now))
    dispatch.reap(now=now)
    dispatch.drain(stopping=lambda: state.should_stop is not None or time.monotonic() > end)
