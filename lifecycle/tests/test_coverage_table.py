"""docs/sop-coverage.md says what the code says: rules, addresses, commands and tests that it names exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import NamedTuple

import pytest
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from lifecycle.tests import rules_table

pytestmark = pytest.mark.sqlite_only

PATH = rules_table.ROOT / "docs" / "sop-coverage.md"
HEAD = ["place", "asks", "rules", "page or command", "tests"]
LAST = {"SEG": 6, "ROUTE": 7, "CAD": 8, "ONB": 6, "ACT": 3, "STAGE": 10, "CHK": 5, "SUR": 4, "REF": 3}
LAST |= {"TLC": 2, "RES": 5, "MIL": 7}
RULES = {"POL", *(f"{group}-{number + 1}" for group, last in LAST.items() for number in range(last))}
REASON = re.compile(r"(none|open): \w.{3,}")
STANDS_FOR = {"<id>": "1", "<day>": "60"}


class Row(NamedTuple):
    """One line of the table."""

    place: str
    asks: str
    rules: str
    page: str
    tests: str


def lines() -> list[list[str]]:
    """The cells of each line of each table, heads and rulers left out."""
    cut = [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in PATH.read_text().splitlines()
           if line.startswith("|")]  # fmt: skip
    return [cells for cells in cut if cells != HEAD and set(cells) != {"---"}]


def named(cell: str) -> list[str]:
    """What a cell names between backticks; empty where anything stands outside them."""
    found = cell.split("<br>")
    return [word[1:-1] for word in found] if all(re.fullmatch(r"`[^`]+`", word) for word in found) else []


@cache
def functions(path: str) -> set[str]:
    """The tests of a file; none where there is no such file."""
    file = rules_table.ROOT / path
    tree = ast.parse(file.read_text() if file.is_file() else "")
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def is_page(word: str) -> bool:
    """An address that leads somewhere, or a command that is there."""
    if word.startswith("manage.py "):
        return word.split()[1] in get_commands()
    for sign, value in STANDS_FOR.items():
        word = word.replace(sign, value)
    try:
        return bool(resolve(word))
    except Resolver404:
        return False


def is_test(word: str) -> bool:
    path, _, name = word.partition("::")
    return name.startswith("test_") and name in functions(path)


def problems(row: Row) -> list[str]:
    """What is wrong with a row, by cell; a cell may say instead why it is empty, or that it is not built yet."""
    wrong = [name for name in ("place", "asks") if not getattr(row, name)]
    if not REASON.fullmatch(row.rules):
        wrong += [f"rules: {rule}" for rule in row.rules.split(", ") if rule not in RULES]
    for name, exists in (("page", is_page), ("tests", is_test)):
        cell = getattr(row, name)
        if not REASON.fullmatch(cell):
            wrong += [f"{name}: {word or cell}" for word in named(cell) or [""] if not exists(word)]
    return wrong


def test_every_row_names_what_there_is_or_says_why_not():
    short = [cells for cells in lines() if len(cells) != len(HEAD)]
    assert short == []
    rows = [Row(*cells) for cells in lines()]
    assert len(rows) > 150
    assert [(row.place, row.asks, wrong) for row in rows if (wrong := problems(row))] == []


def test_no_row_stands_twice():
    seen = [(row[0], row[1]) for row in lines()]
    assert sorted({one for one in seen if seen.count(one) > 1}) == []


def test_every_rule_has_a_row():
    told = {rule for row in lines() for rule in row[2].split(", ")}
    assert RULES - told == set()


def test_every_rule_that_the_code_names_is_one():
    found = {
        rule
        for _, tree in rules_table._sources(tests=False)
        for _, text in rules_table._named(tree)
        for rule in rules_table.mentioned(text)
    }
    assert found - RULES == set()


GOOD = Row(
    "Call, 1",
    "the call",
    "ONB-1, ONB-2",
    "`/accounts/<id>/onboarding/`<br>`manage.py remind`",
    "`lifecycle/tests/test_coverage_table.py::test_every_rule_has_a_row`",
)


def test_a_good_row_is_good():
    assert problems(GOOD) == []
    assert problems(GOOD._replace(rules="none: words only", page="open: issue 6", tests="none: words")) == []


@pytest.mark.parametrize(
    "seeded",
    [
        {"place": ""},
        {"asks": ""},
        {"rules": ""},
        {"rules": "ONB-7"},
        {"rules": "ONB-1; ONB-2"},
        {"rules": "none:"},
        {"page": ""},
        {"page": "open"},
        {"page": "open: "},
        {"page": "/accounts/<id>/onboarding/"},
        {"page": "`/accounts/<id>/nothing/`"},
        {"page": "`manage.py nothing`"},
        {"tests": "later"},
        {"tests": "`lifecycle/tests/test_coverage_table.py`"},
        {"tests": "`lifecycle/tests/test_coverage_table.py::test_nothing`"},
        {"tests": "`lifecycle/tests/test_coverage_table.py::is_test`"},
        {"tests": "`lifecycle/tests/test_nothing.py::test_every_rule_has_a_row`"},
    ],
)
def test_a_seeded_fault_is_found(seeded):
    assert problems(GOOD._replace(**seeded))
