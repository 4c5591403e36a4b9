"""Letters to customers: written from what was recorded, finished by a person, sent through the outbox or copied."""

from lifecycle.mail.drafts.letters import LETTERS, Letter, letter_of, register_letter
from lifecycle.mail.drafts.posting import copy_out, register, send
from lifecycle.mail.drafts.writing import draft_of, gaps_of, new_version, template_of

__all__ = [
    "LETTERS",
    "Letter",
    "copy_out",
    "draft_of",
    "gaps_of",
    "letter_of",
    "new_version",
    "register",
    "register_letter",
    "send",
    "template_of",
]
