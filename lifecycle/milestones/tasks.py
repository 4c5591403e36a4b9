"""Beat's word to the planner."""

from lifecycle import clock
from lifecycle.celery import app
from lifecycle.milestones import planner


@app.task(name="milestones.plan")
def plan() -> None:
    """Plan what has come (MIL-2..5). Carries nothing; may be lost or repeated."""
    planner.plan(clock.now())
