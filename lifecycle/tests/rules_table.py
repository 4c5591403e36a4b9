"""The README's rules table, made from the code: which rule is where, and which test proves it.

`python -m lifecycle.tests.rules_table` prints it; `--write` puts it into the README.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
START, END = "<!-- rules table: made by lifecycle/tests/rules_table.py -->", "<!-- end of the rules table -->"
GROUPS = ("POL", "SEG", "ROUTE", "CAD", "ONB", "ACT", "STAGE", "CHK", "SUR", "REF", "TLC", "RES", "MIL")
RULE = re.compile(rf"\b({'|'.join(GROUPS)})(?:-(\d+))?(?:\.\.(\d+))?\b")
TEST = re.compile(rf"^test_({'|'.join(group.lower() for group in GROUPS)})_(\d+)_")


def mentioned(text: str) -> Iterator[str]:
    """The rule ids of a docstring; `STAGE-1..10` names each of them."""
    for group, first, last in RULE.findall(text):
        if first:
            for number in range(int(first), int(last or first) + 1):
                yield f"{group}-{number}"
        elif group == "POL":
            yield group


def _sources(tests: bool) -> Iterator[tuple[Path, ast.Module]]:
    for package in ("lifecycle", "accounts", "onboarding", "adoption"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).parts
            if ("tests" in parts) == tests and not {"migrations", "benchmarks"} & set(parts):
                yield path.relative_to(ROOT), ast.parse(path.read_text())


def _named(tree: ast.AST, owner: str = "") -> Iterator[tuple[str, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = f"{owner}{node.name}"
            yield name, ast.get_docstring(node) or ""
            if isinstance(node, ast.ClassDef):
                yield from _named(node, f"{name}.")


def _order(rule: str) -> tuple[int, int]:
    group, _, number = rule.partition("-")
    return GROUPS.index(group), int(number or 0)


def table() -> str:
    """The table as Markdown: one line per rule id that a docstring names."""
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in _sources(tests=False):
        for name, text in _named(tree):
            if not name.split(".")[-1].startswith("_"):
                for rule in dict.fromkeys(mentioned(text)):
                    places[rule].append(f"`{path.with_suffix('').as_posix().replace('/', '.')}.{name}`")
    proofs: dict[str, int] = defaultdict(int)
    for _, tree in _sources(tests=True):
        for name, _text in _named(tree):
            found = TEST.match(name)
            if found:
                proofs[f"{found[1].upper()}-{found[2]}"] += 1
    lines = ["| rule | in code | tests named after it |", "|---|---|---|"]
    for rule in sorted(places, key=_order):
        shown = places[rule][:3] + ([f"and {len(places[rule]) - 3} more"] if len(places[rule]) > 3 else [])
        lines.append(f"| {rule} | {', '.join(shown)} | {proofs.get(rule) or ''} |")
    return "\n".join(lines)


def in_readme() -> str:
    """The table as the README shows it."""
    return README.read_text().partition(START)[2].partition(END)[0].strip()


if __name__ == "__main__":
    if "--write" in sys.argv:
        before, _, rest = README.read_text().partition(START)
        README.write_text(f"{before}{START}\n\n{table()}\n\n{END}{rest.partition(END)[2]}")
    else:
        sys.stdout.write(table() + "\n")
