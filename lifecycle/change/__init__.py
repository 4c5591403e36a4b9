"""The one door: every change of a domain row goes through `change` or its bulk twin `change_many`."""

from lifecycle.change.door import NestedDoorError, Work, change, change_many
from lifecycle.change.log import register_object

__all__ = ["NestedDoorError", "Work", "change", "change_many", "register_object"]
