"""What a row of account facts may hold (api.md, Account): one checker a field, shared by API, page and command.

A row is a dict of the API's writable fields with JSON's own types. Money is a decimal string, never a float.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts.models import Account, User
from accounts.models.account import MAX_MRR_CENTS, MAX_USERS
from accounts.models.people import validate_zone
from lifecycle.rules.facts import PRODUCTS, SMB_TRAITS
from lifecycle.rules.policy import LEVELS

MONEY = re.compile(r"[0-9]{1,12}(\.[0-9]{1,2})?")
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
JOINERS = "\u200c\u200d"
SHOWN = 60  # letters of a value that an error repeats


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field; `code` is a word for programs, `detail` a sentence part for people."""

    field: str
    code: str
    detail: str


class Wrong(ValueError):
    """A value that a checker refuses."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def found(value: Any) -> str:
    """A refused value as errors show it: short, on one line, control characters escaped."""
    text = (
        value if isinstance(value, str) else "true" if value is True else "false" if value is False else None
    )
    text = ("null" if value is None else str(value)) if text is None else text
    if not text:
        return "nothing"
    short = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return repr(short) if isinstance(value, str) else short.encode("unicode_escape").decode()


def expected(what: str, value: Any, code: str = "invalid") -> Wrong:
    return Wrong(code, f"expected {what}, found {found(value)}")


def plain_text(value: Any, *, longest: int, what: str, blank: bool = False) -> str:
    """One line of text, trimmed. Wrong for control, bidi, zero-width and unpaired characters, and NUL.

    The two joiners of Unicode stay where they are spelling: inside a word of another script, or a compound emoji.
    """
    if not isinstance(value, str):
        raise expected(what, value)
    text = value.strip()
    if not text and not blank:
        raise Wrong("blank", f"expected {what}, found nothing")
    if len(text) > longest:
        raise Wrong("max_length", f"expected at most {longest} characters, found {len(text)}")
    if not text.isprintable():
        for place, letter in enumerate(text, 1):
            if _is_refused(letter) and not (letter in JOINERS and _joins(text, place - 1)):
                raise Wrong(
                    "invalid", f"expected {what}, found the character U+{ord(letter):04X} at place {place}"
                )
    return text


def _is_refused(letter: str) -> bool:
    noncharacter = ord(letter) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(letter) <= 0xFDEF
    return noncharacter or unicodedata.category(letter) in REFUSED_CATEGORIES


def _joins(text: str, at: int) -> bool:
    beside = text[at - 1 : at] + text[at + 1 : at + 2]
    return len(beside) == 2 and not any(c.isascii() or c.isspace() or _is_refused(c) for c in beside)


def _name(value: Any) -> str:
    return plain_text(value, longest=255, what="a name")


def external_id(value: Any) -> str:
    """The key a client knows the account by; Wrong when it is none."""
    return plain_text(value, longest=255, what="an id of 1 to 255 characters")


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise expected("true or false", value)
    return value


def _maybe(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise expected("true, false or null", value)
    return value


def _whole_number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_USERS:
        raise expected(f"a whole number from 0 to {MAX_USERS:,}", value)
    return value


def _money(value: Any) -> Decimal:
    if not isinstance(value, str) or not MONEY.fullmatch(value):
        raise expected("an amount like 500.00" if isinstance(value, str) else 'a string like "500.00"', value)
    amount = Decimal(value)
    if amount * 100 > MAX_MRR_CENTS:
        raise expected(f"at most {Decimal(MAX_MRR_CENTS) / 100:,}", value, "max_value")
    return amount


def _date(value: Any) -> date | None:
    if value is None:
        return None
    if isinstance(value, str) and ISO_DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise expected("a date like 2026-01-31", value)


def _one_of(names: tuple[str, ...]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise expected(f"one of {', '.join(names)}", value, "invalid_choice")
        return value

    return check


def _some_of(names: tuple[str, ...]) -> Callable[[Any], list[str]]:
    one = _one_of(names)

    def check(value: Any) -> list[str]:
        if not isinstance(value, list):
            raise expected(f"a list of {', '.join(names)}", value)
        return [one(item) for item in value]

    return check


def _zone(value: Any) -> str:
    if not isinstance(value, str) or not _is_zone(value):
        raise expected("an IANA time zone like America/Chicago", value)
    return value


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    try:
        validate_zone(name)
    except ValidationError:
        return False
    return len(name) <= 64


def _rsm_name(value: Any) -> str:
    return plain_text(value, longest=150, what="a name", blank=True)


def _email(value: Any) -> str:
    address = plain_text(value, longest=254, what="an e-mail address", blank=True)
    try:
        if address:
            validate_email(address)
    except ValidationError:
        raise expected("an e-mail address", value) from None
    return address


FIELDS: dict[str, Callable[[Any], Any]] = {
    "external_id": external_id,
    "name": _name,
    "starter_package": _boolean,
    "traits": _some_of(SMB_TRAITS),
    "service_level": _one_of(LEVELS),
    "contracted_users": _whole_number,
    "mrr": _money,
    "close_date": _date,
    "products": _some_of(PRODUCTS),
    "time_zone": _zone,
    "csm": lambda value: value,  # needs the people: see `read`
    "rsm_name": _rsm_name,
    "rsm_email": _email,
    "employee_sync": _maybe,
    "domain_allowlisted": _maybe,
    "churned_on": _date,
}
REQUIRED = ("name", "contracted_users", "mrr")
READ_ONLY = frozenset(
    [
        "id",
        "segment",
        "phase",
        "routing",
        "onboarded_by",
        "reference_since",
        "churn_cause",
        "archived",
        "created_at",
        "updated_at",
    ]
)


def active_csms() -> dict[str, User]:
    """Those an account may be given to, by e-mail."""
    return {user.email: user for user in User.objects.csms()}


def read(row: Mapping[str, Any], csms: Mapping[str, User]) -> tuple[dict[str, Any], list[FieldError]]:
    """The values of a row as `Account.take` wants them, and all that is wrong with it, field by field."""
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for field, value in row.items():
        try:
            values[field] = _csm(value, csms) if field == "csm" else _checker(field)(value)
        except Wrong as wrong:
            errors.append(FieldError(field, wrong.code, wrong.detail))
    return values, errors


def missing(row: Mapping[str, Any]) -> list[FieldError]:
    """What a new account lacks."""
    return [
        FieldError(field, "required", "a new account needs a value here")
        for field in REQUIRED
        if field not in row
    ]


def _checker(field: str) -> Callable[[Any], Any]:
    if field in FIELDS:
        return FIELDS[field]
    if field in READ_ONLY:
        raise Wrong("read_only", "this field is computed and cannot be written")
    raise Wrong("unknown", "there is no such field")


def _csm(value: Any, csms: Mapping[str, User]) -> User | None:
    if value is None:
        return None
    csm = csms.get(value.strip().lower()) if isinstance(value, str) else None
    if csm is None:
        raise expected("the e-mail of an active CSM", value)
    return csm


assert set(FIELDS) - {"mrr"} <= {field.name for field in Account._meta.fields}, "FIELDS names no stranger"  # noqa: S101
