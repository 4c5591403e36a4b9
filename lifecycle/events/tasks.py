"""Beat's word to the feed's publisher and to the sealer."""

from lifecycle import clock
from lifecycle.celery import app
from lifecycle.events import feed
from lifecycle.events import seal as chain


@app.task(name="events.publish")
def publish() -> None:
    """Number what has settled, so that readers find it numbered. Carries nothing; may be lost or repeated."""
    feed.publish()


@app.task(name="events.seal")
def seal() -> None:
    """Seal what is numbered (reliability.md, "Audit"). Carries nothing; may be lost or repeated."""
    chain.seal(now=clock.now())
