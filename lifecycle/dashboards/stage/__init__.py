"""What the pages of an adoption show: the stage with its steps and its gate, the checklist, the check-in."""

from lifecycle.dashboards.stage.checklist import checklist_context, conflict_of
from lifecycle.dashboards.stage.cockpit import stage_context
from lifecycle.dashboards.stage.plan import Planned, check_in_context, plan_context, planned_rows

__all__ = [
    "Planned",
    "check_in_context",
    "checklist_context",
    "conflict_of",
    "plan_context",
    "planned_rows",
    "stage_context",
]
