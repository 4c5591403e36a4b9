"""Merge fields: `{name}` in a text is replaced once, by a plain value. No engine, no expressions, no second pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

FIELD = re.compile(r"\{([a-z][a-z0-9_]*)\}")
TYPED = re.compile(r"\{([A-Za-z_ ][A-Za-z0-9_ ]*)\}")

BRACE = re.compile(r"\{[^{}\r\n]*\}|\{[^{}\r\n]{0,39}|\}")  # one that is not closed, with the words after it


def fields_in(text: str) -> list[str]:
    """The names in braces, each once, in order."""
    return list(dict.fromkeys(FIELD.findall(text)))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put the values in; a field without one stays as it is, a gap to be seen and filled."""
    return FIELD.sub(lambda found: values.get(found[1]) or found[0], text)


def gaps(text: str, known: Iterable[str]) -> list[str]:
    """The known fields that still stand in a text, however somebody typed them: nothing that holds one may leave.
    Braces around anything else are words, such as a customer's own."""
    known = set(known)
    typed = ("_".join(name.lower().split()) for name in TYPED.findall(text))
    return [name for name in dict.fromkeys(typed) if name in known]


def unknown(text: str, known: Iterable[str]) -> list[str]:
    """What stands in braces, or beside a single one, and is no field: a template that holds one cannot be saved."""
    known = set(known)
    rest = FIELD.sub(lambda found: "\n" if found[1] in known else found[0], text)
    return list(dict.fromkeys(BRACE.findall(rest)))


def without(text: str, names: Iterable[str]) -> str:
    """The text less every paragraph that mentions one of these fields."""
    names = set(names)
    paragraphs = text.split("\n\n")
    return "\n\n".join(part for part in paragraphs if not names & set(fields_in(part)))
