"""How a rule says no: what was wrong, where, and by which rule."""

from __future__ import annotations

from lifecycle.rules.gates import Missing


class Refused(ValueError):
    """A fact the rules do not accept. `field` is the API's name of it, `code` a word for programs,
    `text` a sentence for people, `rule` the rule id. `conflict`: it is the state, not the input, that
    forbids it (409, not 400)."""

    def __init__(self, field: str, code: str, text: str, *, rule: str = "", conflict: bool = False) -> None:
        super().__init__(text)
        self.field, self.code, self.text, self.rule, self.conflict = field, code, text, rule, conflict


class GateClosed(Refused):
    """STAGE-10: a stage was to be closed too early; `missing` lists what is not there."""

    def __init__(self, missing: tuple[Missing, ...]) -> None:
        super().__init__(
            "closed_at", "missing", "The stage cannot close yet.", rule="STAGE-10", conflict=True
        )
        self.missing = missing
