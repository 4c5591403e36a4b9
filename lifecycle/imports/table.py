"""A whole file of accounts: read, understood, landed, and what failed written down to be mended and sent again."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from accounts.models import User
from lifecycle.imports.columns import Columns, settle_columns
from lifecycle.imports.reader import BadLine, open_table, protected
from lifecycle.imports.rows import FieldError
from lifecycle.imports.upsert import Outcome, RowErrors, upsert_accounts


@dataclass(slots=True)
class Imported:
    """What an import did. `outcome.errors` carry line numbers as their index."""

    header: list[str]
    columns: Columns
    outcome: Outcome
    cells: dict[int, list[str]] = field(default_factory=dict)  # of the failed lines

    def complaints(self) -> Iterator[str]:
        """One sentence for each thing wrong, as `line 42, mrr: expected an amount like 500.00, found '1,18O'`."""
        for row in self.outcome.errors:
            for error in row.errors:
                yield f"line {row.index}{', ' if error.field else ''}{self.words(error)}"

    def words(self, error: FieldError) -> str:
        """The field, what was wrong, and the file's own name of the column where that is another."""
        column = self.columns.source.get(error.field, error.field)
        place = f" (column {column})" if column != error.field else ""
        return f"{error.field}: {error.detail}{place}"

    def write_failures(self, file: IO[str]) -> None:
        """The failed lines as CSV with their reasons; safe to open in a spreadsheet, mend and import again."""
        reason = "reason"
        while reason in self.header:
            reason += "_"
        writer = csv.writer(file)
        writer.writerow([*(protected(name) for name in self.header), reason])
        width = len(self.header)
        for row in self.outcome.errors:
            cells = [protected(cell) for cell in self.cells.get(row.index, [])[:width]]
            reasons = "; ".join(self.words(error).removeprefix(": ") for error in row.errors)
            writer.writerow([*cells, *[""] * (width - len(cells)), protected(reasons)])


def import_accounts(
    file: Path | IO[bytes],
    *,
    by: User | None,
    now: datetime,
    maps: list[str] | None = None,
    words: list[str] | None = None,
    fixed: list[str] | None = None,
    dry_run: bool = False,
    via: str = "import",
) -> Imported:
    """Bring a CSV or XLSX of accounts in; good lines land, bad ones are told with line number and reason.

    Raises NotATableError for a file that is no table, MappingError for options that do not fit it; then nothing
    has landed.
    """
    with open_table(file) as (header, lines):
        columns = settle_columns(header, maps=maps or (), words=words or (), fixed=fixed or ())
        bad: list[RowErrors] = []
        kept: dict[int, list[str]] = {}

        def rows() -> Iterator[tuple[int, dict[str, Any]]]:
            for line, cells in lines:
                kept[line] = list(cells.cells if isinstance(cells, BadLine) else cells.values())
                if isinstance(cells, BadLine):
                    bad.append(RowErrors(line, "", [FieldError("", "unreadable", cells.text)]))
                else:
                    yield line, columns.row(cells)

        outcome = upsert_accounts(rows(), by=by, via=via, now=now, dry_run=dry_run)
    outcome.failed += len(bad)
    outcome.errors = sorted([*outcome.errors, *bad], key=lambda row: row.index)
    failed = {row.index for row in outcome.errors}
    return Imported(header, columns, outcome, {line: cells for line, cells in kept.items() if line in failed})
