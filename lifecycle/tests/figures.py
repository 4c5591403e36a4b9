"""The fault suite's choice of tests, its sizes and its table of figures (see `lifecycle.tests.faults.kit`)."""

from __future__ import annotations

import os
import random

import pytest

FULL = os.environ.get("FAULTS") == "all"
os.environ.setdefault("FAULT_SEED", str(random.randrange(1_000_000)))  # noqa: S311 - worker processes inherit it
COLUMNS = ("mails", "sent", "lost", "repeated_rows", "wire_repeats", "uncertain", "held", "kills", "seconds")


def scaled(full: int, small: int) -> int:
    """How many: the first in `make test-faults`, the second in `make test`."""
    return full if FULL else small


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    left = [i for i in items if i.get_closest_marker("fault") and not i.get_closest_marker("fault_small")]
    if left and not FULL:
        items[0].config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture
def figures(request: pytest.FixtureRequest):
    """Note a line of the table: `row`, `case`, then numbers; what is no column is shown at the end."""

    def note(*, row: int, case: str = "", **numbers: object) -> None:
        request.node.user_properties.append(("figures", {"row": row, "case": case, **numbers}))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [r for name in ("passed", "failed") for r in terminalreporter.stats.get(name, ())]
    noted = [value for r in reports for name, value in r.user_properties if name == "figures"]
    if not noted:
        return
    table = [["row", "case", *(name.replace("_", " ") for name in COLUMNS), ""]]
    for line in sorted(noted, key=lambda line: (line["row"], line["case"])):
        rest = {name: value for name, value in line.items() if name not in ("row", "case", *COLUMNS)}
        more = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in rest.items())
        shown = [_shown(line.get(name, "")) for name in COLUMNS]
        table.append([str(line["row"]), line["case"], *shown, more])
    widths = [max(len(line[n]) for line in table) for n in range(len(table[0]))]
    terminalreporter.section(f"faults (FAULT_SEED={os.environ['FAULT_SEED']})")
    for line in table:
        cells = [
            cell.ljust(width) if n in (1, len(widths) - 1) else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        terminalreporter.write_line("  ".join(cells).rstrip())


def _shown(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
