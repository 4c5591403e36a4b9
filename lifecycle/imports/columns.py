"""Which column of somebody's table is which of our fields, and what their words mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lifecycle.imports.rows import FIELDS, Wrong
from lifecycle.rules.facts import PRODUCTS, SMB_TRAITS
from lifecycle.rules.policy import LEVELS

# Names under which other systems export our fields; the field's own name comes first without being listed.
ALSO_CALLED: dict[str, tuple[str, ...]] = {
    "external_id": ("account_id", "crm_id", "salesforce_id", "customer_id", "id"),
    "name": ("account_name", "company_name", "customer_name", "company", "customer", "account"),
    "starter_package": ("starter", "smb_starter"),
    "service_level": ("plan_tier", "tier", "plan", "level"),
    "contracted_users": ("seats", "users", "licenses", "licences", "user_count"),
    "mrr": ("mrr_amount", "mrr_usd", "monthly_recurring_revenue"),
    "close_date": ("closed_on", "signup_date", "contract_date"),
    "products": ("modules",),
    "time_zone": ("timezone", "tz"),
    "csm": ("csm_email", "owner_email"),
}
WHOLE = re.compile(r"([0-9]{1,12}|[0-9]{1,3}(,[0-9]{3})+)(\.0+)?")
# A comma counts as a thousands sign only where three digits follow: "1,180.00" is clear, "1,18" and "1.180,00" are not.
AMOUNT = re.compile(r"(?:USD|\$)?\s*((?:[0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]{1,2})?)(?:\s*USD)?")
DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|\+00:00)?)?")
TRUE = frozenset({"true", "yes", "y", "t", "1"})
FALSE = frozenset({"false", "no", "n", "f", "0"})
UNKNOWN = frozenset({"unknown", "null", "none", "n/a"})


class MappingError(ValueError):
    """Options that do not fit the file or each other; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one file, settled: `source` field -> column, `fixed` field -> text for every row,
    `words` (field, their word in lower case) -> our word, `ignored` the columns that mean nothing to us."""

    source: dict[str, str]
    fixed: dict[str, str]
    words: dict[tuple[str, str], str]
    ignored: tuple[str, ...]

    def row(self, cells: dict[str, str]) -> dict[str, Any]:
        """A line's cells as a row of the API's fields; what cannot be read stays text, for the checker to refuse."""
        texts = {field: cells[column] for field, column in self.source.items()} | self.fixed
        values = ((field, self.value(field, text)) for field, text in texts.items())
        return {field: value for field, value in values if value is not LEFT_OUT}

    def value(self, field: str, text: str) -> Any:
        """One cell in JSON's types, or LEFT_OUT."""
        text = self.words.get((field, text.lower()), text)
        if field in LISTS:
            parts = (part.strip() for part in re.split(r"[;|,]", text))
            ours = (self.words.get((field, part.lower()), part) for part in parts if part)
            return [_word(part) if _word(part) in LISTS[field] else part for part in ours]
        return TEXTS.get(field, _as_it_is)(text)


def settle_columns(
    header: list[str], *, maps: Iterable[str] = (), words: Iterable[str] = (), fixed: Iterable[str] = ()
) -> Columns:
    """Read the options of an import (`field=column`, `field:theirs=ours`, `field=value`) against a file's header,
    and guess by name what they leave open. Raises MappingError."""
    constants = _fixed(fixed)
    source = _mapped(header, maps, constants)
    taken = set(source.values())
    for field in FIELDS:
        if field not in source and field not in constants:
            column = _guess(field, [column for column in header if column not in taken])
            if column is not None:
                source[field] = column
                taken.add(column)
    if "external_id" not in source:
        columns = ", ".join(header)
        raise MappingError(f"No column holds external_id; say --map external_id=COLUMN, one of: {columns}.")
    ignored = tuple(column for column in header if column not in taken)
    columns = Columns(source, constants, _words(words), ignored)
    _check(columns)
    return columns


def _check(columns: Columns) -> None:
    """What the options say themselves must be readable: else every line would fail of it."""
    said = [(f"--set {field}={text}", field, text) for field, text in columns.fixed.items()]
    said += [
        (f"--value {field}:{theirs}={ours}", field, ours) for (field, theirs), ours in columns.words.items()
    ]
    for option, field, text in said:
        value = columns.value(field, text)
        try:
            if value is not LEFT_OUT:
                FIELDS[field](value)
        except Wrong as wrong:
            raise MappingError(f"{option}: {wrong.detail}.") from None


def _mapped(header: list[str], maps: Iterable[str], constants: dict[str, str]) -> dict[str, str]:
    source: dict[str, str] = {}
    for option in maps:
        field, column = _pair(option, "--map", "field=column")
        found = column if column in header else _alike(column, header)
        if found is None:
            raise MappingError(
                f"--map {option}: the file has no column {column!r}; it has: {', '.join(header)}."
            )
        if field in source or field in constants:
            raise MappingError(f"--map {option}: {field} is given twice.")
        source[field] = found
    return source


def _fixed(options: Iterable[str]) -> dict[str, str]:
    constants: dict[str, str] = {}
    for option in options:
        field, value = _pair(option, "--set", "field=value")
        if field == "external_id":
            raise MappingError(f"--set {option}: every account has its own external_id.")
        if field in constants:
            raise MappingError(f"--set {option}: {field} is given twice.")
        constants[field] = value
    return constants


def _words(options: Iterable[str]) -> dict[tuple[str, str], str]:
    words: dict[tuple[str, str], str] = {}
    for option in options:
        field, colon, rest = option.partition(":")
        theirs, sign, ours = rest.rpartition("=")
        if not (colon and sign):
            raise MappingError(f"--value {option}: expected field:theirs=ours.")
        _known(field.strip(), "--value", option)
        words[field.strip(), theirs.strip().lower()] = ours.strip()
    return words


def _pair(option: str, name: str, form: str) -> tuple[str, str]:
    field, sign, rest = option.partition("=")
    if not sign:
        raise MappingError(f"{name} {option}: expected {form}.")
    _known(field.strip(), name, option)
    return field.strip(), rest.strip()


def _known(field: str, name: str, option: str) -> None:
    if field not in FIELDS:
        raise MappingError(
            f"{name} {option}: there is no field {field!r}; the fields are: {', '.join(FIELDS)}."
        )


def _guess(field: str, columns: list[str]) -> str | None:
    for name in (field, *ALSO_CALLED.get(field, ())):
        found = _alike(name, columns)
        if found is not None:
            return found
    return None


def _alike(name: str, columns: list[str]) -> str | None:
    return next((column for column in columns if _word(column) == _word(name)), None)


# --- cells: text in, JSON's types out


LEFT_OUT = object()


def _word(text: str) -> str:
    """A name as we spell ours: "Small team" and "small-team" are small_team."""
    return re.sub(r"[\s_-]+", "_", text.strip().lower())


def _as_it_is(text: str) -> Any:
    return text


def _level(text: str) -> Any:
    return _word(text) if _word(text) in LEVELS else text or LEFT_OUT


def _whole(text: str) -> Any:
    found = WHOLE.fullmatch(text)
    return int(found[1].replace(",", "")) if found else text


def _amount(text: str) -> Any:
    found = AMOUNT.fullmatch(text)
    return found[1].replace(",", "") if found else text


def _day(text: str) -> Any:
    found = DAY.fullmatch(text)
    return found[1] if found else text or None


def _yes_or_no(text: str) -> Any:
    return True if text.lower() in TRUE else False if text.lower() in FALSE else text


def _flag(text: str) -> Any:
    return _yes_or_no(text) if text else LEFT_OUT


def _maybe(text: str) -> Any:
    return None if not text or text.lower() in UNKNOWN else _yes_or_no(text)


def _or_left_out(text: str) -> Any:
    return text or LEFT_OUT


LISTS = {"traits": SMB_TRAITS, "products": PRODUCTS}
TEXTS = {
    "starter_package": _flag,
    "service_level": _level,
    "contracted_users": _whole,
    "mrr": _amount,
    "close_date": _day,
    "churned_on": _day,
    "time_zone": _or_left_out,
    "csm": _or_left_out,
    "employee_sync": _maybe,
    "domain_allowlisted": _maybe,
}
