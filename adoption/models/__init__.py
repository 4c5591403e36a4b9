from adoption.models.adoption import Adoption, Stage
from adoption.models.check_in import CheckIn
from adoption.models.checklist import Answer, Checklist, ChecklistExport, ChecklistTemplate
from adoption.models.survey import Survey

__all__ = [
    "Adoption",
    "Answer",
    "CheckIn",
    "Checklist",
    "ChecklistExport",
    "ChecklistTemplate",
    "Stage",
    "Survey",
]
