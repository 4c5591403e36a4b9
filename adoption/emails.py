"""Drafts that are copied into a mail: written from what was recorded, in the owner's voice."""

from __future__ import annotations

from adoption.models import Stage


def recap(stage: Stage, *, first_name: str) -> tuple[str, str]:
    """STAGE-7: subject and text of the recap of a stage's meeting."""
    csm = stage.account.csm
    owner = (csm.signature or csm.name) if csm else ""
    parts = [f"Hello {first_name},", "Thank you for your time in our follow-up meeting."]
    if stage.summary:
        parts.append(f"What we talked about:\n{stage.summary}")
    if stage.action:
        parts.append(f"What we agreed to do:\n{stage.action}")
    if stage.expectations:
        parts.append(f"What you can expect from us:\n{stage.expectations}")
    parts += ["Did I get this right? A short reply is enough.", owner]
    return f"Recap of our {stage.day}-day meeting", "\n\n".join(part for part in parts if part)
