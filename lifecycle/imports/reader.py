"""Tables as people bring them, row by row: CSV in the encodings and dialects spreadsheets write, and XLSX.

Nothing is guessed about meaning here, only about form; the whole file is never held in memory.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import IO

import openpyxl

SNIFFED = 64 * 1024  # bytes looked at to tell encoding and delimiter
LONGEST_CELL = 20_000  # letters; no field of ours is longer
MOST_COLUMNS = 1_000
MOST_UNPACKED = 200 * 1024 * 1024  # bytes of an XLSX once unpacked
BINARY_SHARE = 0.02  # of control characters: more is no text
DELIMITERS = ",;\t|"
EXPECTED = "Expected a table with a header line: CSV (UTF-8, UTF-16 or Windows-1252) or XLSX"
SIGNATURES = (
    (b"%PDF", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file; save it as XLSX or CSV"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "a compressed file; unpack it first"),
    (b"7z\xbc\xaf", "a compressed file; unpack it first"),
    (b"SQLite format 3", "a database"),
    (b"{\\rtf", "a text document"),
    (b"<", "a web page or XML"),
    (b"{", "JSON"),
    (b"[", "JSON"),
)
FORMULA_STARTS = "=+-@\t\r＝＋－＠"


class NotATableError(ValueError):
    """The file as a whole cannot be read as a table; the text is one sentence for people."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be read, and why; `cells` as far as they are known."""

    text: str
    cells: tuple[str, ...] = ()


Line = tuple[int, dict[str, str] | BadLine]
Raw = Generator[tuple[int, list[str] | BadLine], None, None]


@contextmanager
def open_table(file: Path | IO[bytes]) -> Iterator[tuple[list[str], Iterator[Line]]]:
    """The header and the lines of a table: `(line number, cells by column)`, or a BadLine for a line that cannot
    be read. Empty lines are left out; cells are trimmed text. Line numbers count as an editor shows them.

    Raises NotATableError, at once or (for a file that breaks off) while lines are read.
    """
    if isinstance(file, Path):
        try:
            stream = file.open("rb")
        except OSError as problem:
            raise NotATableError(f"Cannot read {file}: {problem.strerror or problem}.") from problem
        with stream, open_table(stream) as table:
            yield table
        return
    head = file.read(SNIFFED)
    file.seek(0)
    is_book = head.startswith(b"PK\x03\x04")
    raw = _sheet_rows(file) if is_book else _csv_rows(file, head)
    try:
        header = _header(raw)
        yield header, _lines(header, raw, padded=is_book)
    finally:
        raw.close()


def _lines(header: list[str], raw: Raw, *, padded: bool) -> Iterator[Line]:
    width = len(header)
    for line, cells in raw:
        if isinstance(cells, BadLine):
            yield line, cells
        elif any(cells):
            if padded:  # a sheet's rows end with their last filled cell
                cells += [""] * (width - len(cells))
            problem = _problem(cells, width)
            if cells == header:
                problem = "the header line is repeated here"
            yield line, BadLine(problem, tuple(cells)) if problem else dict(zip(header, cells, strict=False))


def _problem(cells: list[str], width: int) -> str:
    if len(cells) < width or any(cells[width:]):
        return f"expected {width} cells as in the header, found {len(cells)}"
    for place, cell in enumerate(cells, 1):
        if len(cell) > LONGEST_CELL:
            return f"cell {place} is {len(cell):,} characters long, at most {LONGEST_CELL:,} are read"
        if "\0" in cell:
            return f"cell {place} holds a NUL character"
    return ""


def _header(raw: Raw) -> list[str]:
    for line, cells in raw:
        if isinstance(cells, BadLine):
            raise NotATableError(f"{EXPECTED}; line {line}: {cells.text}.")
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            continue
        if len(cells) > MOST_COLUMNS:
            raise NotATableError(
                f"The header on line {line} has {len(cells):,} columns, at most {MOST_COLUMNS:,} are read."
            )
        problem = _problem(cells, len(cells))
        if problem:
            raise NotATableError(f"The header on line {line} cannot be read: {problem}.")
        if "" in cells:
            raise NotATableError(f"The header on line {line} has no name for column {cells.index('') + 1}.")
        again = next((name for place, name in enumerate(cells) if name in cells[:place]), None)
        if again:
            raise NotATableError(
                f"The header on line {line} names the column {again!r} twice; give each its own name."
            )
        return cells
    raise NotATableError(f"{EXPECTED}, found an empty file.")


# --- CSV


def _csv_rows(file: IO[bytes], head: bytes) -> Raw:
    encoding = _encoding(file, head)
    start = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    text = io.TextIOWrapper(file, encoding=encoding, errors="strict", newline="")
    physical = _Numbered(text)
    reader = csv.reader(physical, delimiter=_delimiter(start), strict=True)
    try:
        while True:
            line = physical.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as problem:
                yield line, BadLine(_csv_words(str(problem)))
                if "unexpected end" in str(problem):
                    return
                continue
            yield line, [_unprotected(cell.strip()) for cell in cells]
    except UnicodeDecodeError as problem:
        raise NotATableError(
            f"{EXPECTED}, found bytes after line {physical.number} that are no text."
        ) from problem
    finally:
        text.detach()


class _Numbered:
    """Physical lines with their number; CR, LF and CRLF all end one."""

    def __init__(self, text: Iterable[str]) -> None:
        self.lines = iter(text)
        self.number = 0

    def __iter__(self) -> _Numbered:
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.number += 1
        return line


def _csv_words(problem: str) -> str:
    if "unexpected end" in problem:
        return "a quoted cell begins here and never ends"
    if "field larger" in problem:
        return "a cell is far too long; is a quote left open?"
    if "expected after" in problem:
        return "a quoted cell goes on after its closing quote"
    return problem


def _encoding(file: IO[bytes], head: bytes) -> str:
    if not head.strip(b"\0 \r\n\t"):
        raise NotATableError(f"{EXPECTED}, found an empty file.")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for signature, what in SIGNATURES:
        if head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(signature):
            raise NotATableError(f"{EXPECTED}, found {what}.")
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    for encoding, place in (
        ("utf-16-le", 1),
        ("utf-16-be", 0),
    ):  # no mark: every other byte of plain text is 0
        zeros, others = head[place::2].count(0), head[1 - place :: 2].count(0)
        if len(head) >= 4 and zeros > 0.8 * (len(head) // 2) > others:
            return encoding
    if len(re.findall(rb"[\x00-\x08\x0e-\x1f]", head)) > max(4, len(head) * BINARY_SHARE):
        raise NotATableError(f"{EXPECTED}, found bytes that are no text.")
    return "utf-8" if _is_utf8(file) else "cp1252"


def _is_utf8(file: IO[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block := file.read(1024 * 1024):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)
    return True


def _delimiter(start: str) -> str:
    """The sign that splits the first line into most cells, quoted text left out."""
    lines = [line for line in start.lstrip("\ufeff").splitlines() if line.strip()]
    first = re.sub(r'"[^"]*"', "", lines[0]) if lines else ""
    return max(DELIMITERS, key=lambda sign: (first.count(sign), -DELIMITERS.index(sign)))


def _unprotected(cell: str) -> str:
    """A cell as it was before an export guarded it against being taken for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] and cell[1] in FORMULA_STARTS else cell


def protected(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; `open_table` reads it back as it was."""
    is_number = re.fullmatch(r"[+-]?[0-9]+([.,][0-9]+)?", cell)
    return f"'{cell}" if cell[:1] and cell[0] in FORMULA_STARTS and not is_number else cell


# --- XLSX


def _sheet_rows(file: IO[bytes]) -> Raw:
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(part.file_size for part in archive.infolist()) > MOST_UNPACKED:
                raise NotATableError("This workbook is too large once unpacked; save the sheet as CSV.")
        file.seek(0)
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        sheet = book.active or book.worksheets[0]
        if not hasattr(sheet, "iter_rows"):
            raise NotATableError(f"{EXPECTED}, found a workbook without a sheet.")
        sheet.reset_dimensions()
        for line, row in enumerate(sheet.iter_rows(values_only=True), 1):
            yield line, [_cell(value) for value in row]
    except NotATableError:
        raise
    except Exception as problem:  # a damaged workbook fails in any of a dozen ways
        raise NotATableError(f"{EXPECTED}, found a damaged workbook or another kind of archive.") from problem


def _cell(value: object) -> str:
    """What the sheet shows of a value, in the form a CSV would bring."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(round(value, 6))
    return str(value).strip()
