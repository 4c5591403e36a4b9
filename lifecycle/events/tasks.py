"""Beat's word to the feed's publisher."""

from lifecycle.celery import app
from lifecycle.events import feed


@app.task(name="events.publish")
def publish() -> None:
    """Number what has settled, so that readers find it numbered. Carries nothing; may be lost or repeated."""
    feed.publish()
