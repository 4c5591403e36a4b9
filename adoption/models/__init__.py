from adoption.models.adoption import Adoption, CheckIn, Stage
from adoption.models.checklist import Answer, Checklist, ChecklistExport, ChecklistTemplate

__all__ = [
    "Adoption",
    "Answer",
    "CheckIn",
    "Checklist",
    "ChecklistExport",
    "ChecklistTemplate",
    "Stage",
]
