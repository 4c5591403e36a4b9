"""Beat's word to the dispatcher."""

from lifecycle import clock
from lifecycle.celery import app
from lifecycle.mail import dispatch


@app.task(name="mail.drain")
def drain() -> None:
    """Send what is due (reliability.md). Carries nothing; may be lost or repeated."""
    dispatch.reap(now=clock.now())
    dispatch.drain()
