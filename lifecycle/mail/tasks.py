"""Beat's word to the dispatcher."""

import time

from lifecycle import clock
from lifecycle.celery import app
from lifecycle.mail import dispatch

TURN_SECONDS = 200  # then the next beat goes on: Celery would end a longer task in mid-mail


@app.task(name="mail.drain")
def drain() -> None:
    """Send what is due (reliability.md). Carries nothing; may be lost or repeated."""
    end = time.monotonic() + TURN_SECONDS
    now = clock.now()
    clock.drift(now)
    dispatch.reap(now=now)
    dispatch.drain(stopping=lambda: time.monotonic() > end)
