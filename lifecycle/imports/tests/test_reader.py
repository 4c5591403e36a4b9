"""Tables as people bring them: the right cells, or one clear sentence; never mojibake, never a crash."""

import io
import zipfile
from datetime import UTC, date, datetime

import openpyxl
import pytest

from lifecycle.imports.reader import LONGEST_CELL, BadLine, NotATableError, open_table, protected

pytestmark = pytest.mark.sqlite_only
TEXT = "id;name\n1;Zoë & Söhne – €\n"


def read(content):
    with open_table(io.BytesIO(content)) as (header, lines):
        return header, [
            (n, cells.text if isinstance(cells, BadLine) else list(cells.values())) for n, cells in lines
        ]


def refusal(content):
    with pytest.raises(NotATableError) as refused:
        read(content)
    return str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_every_usual_encoding_reads_the_same(encoding):
    assert read(TEXT.encode(encoding)) == (["id", "name"], [(2, ["1", "Zoë & Söhne – €"])])


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(sign):
    assert read(f'id{sign}name\n1{sign}"a{sign}b"\n'.encode()) == (["id", "name"], [(2, ["1", f"a{sign}b"])])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_counts_once(end):
    text = end.join(["id,name", '1,"two', 'lines"', "", "2,b"])
    assert read(text.encode()) == (
        ["id", "name"],
        [(2, ["1", "two\nlines" if end == "\n" else f"two{end}lines"]), (5, ["2", "b"])],
    )


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("1", "expected 2 cells as in the header, found 1"),
        ("1,2,3", "expected 2 cells as in the header, found 3"),
        ("1,a\0b", "cell 2 holds a NUL character"),
        (
            "1," + "x" * (LONGEST_CELL + 1),
            f"cell 2 is {LONGEST_CELL + 1:,} characters long, at most {LONGEST_CELL:,} are read",
        ),
        ("1," + "x" * 10_000_000, "a cell is far too long; is a quote left open?"),
        ('1,"a"b', "a quoted cell goes on after its closing quote"),
        ("id,name", "the header line is repeated here"),
    ],
    ids=lambda value: value[:20],
)
def test_a_bad_line_is_told_and_the_next_is_read(line, text):
    assert read(f"id,name\n{line}\n2,b\n".encode()) == (["id", "name"], [(2, text), (3, ["2", "b"])])


def test_an_open_quote_is_told_where_it_opens():
    assert read(b'id,name\n1,a\n2,"b\n3,c\n')[1] == [
        (2, ["1", "a"]),
        (3, "a quoted cell begins here and never ends"),
    ]


def test_empty_lines_trailing_cells_and_spaces_are_nothing():
    assert read(b"\n id , name ,,\n\n 1 , a ,,\n,,,\n") == (["id", "name"], [(4, ["1", "a"])])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty file"),
        (b"\n\n  \n", "empty file"),
        (b"\xef\xbb\xbf", "empty file"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "old Excel"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (bytes(range(256)) * 20, "no text"),
        (b"\0" * 5000, "empty file"),
        (b"<html><table>", "a web page"),
        (b'[{"id": 1}]', "JSON"),
        (b"PK\x03\x04" + b"\0" * 200, "damaged workbook"),
        (b"id,name,id\n1,2,3\n", "'id' twice"),
        (b"id,,name\n1,2,3\n", "no name for column 2"),
        (b'id,"name\n1,2\n', "never ends"),
        (",".join(f"c{n}" for n in range(5000)).encode(), "5,000 columns"),
        (b"id,name\n" + b"1,\x81\xff\n", "no text"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_is_no_table_gets_one_sentence(content, words):
    said = refusal(content)
    assert words in said
    assert said.endswith(".")
    assert "\n" not in said


def workbook(*rows):
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def test_a_sheet_reads_like_a_csv():
    rows = [
        ("id", "name", "users", "mrr", "closed", "starter", "note"),
        ("A-1", " Zoë ", 10.0, 1180.5, datetime(2026, 1, 15, tzinfo=UTC).replace(tzinfo=None), True, None),
        (),
        (7, "b", 3, 0.1 + 0.2, date(2026, 1, 16)),
    ]
    header, lines = read(workbook(*rows))
    assert header == list(rows[0])
    assert lines == [
        (2, ["A-1", "Zoë", "10", "1180.5", "2026-01-15", "true", ""]),
        (4, ["7", "b", "3", "0.3", "2026-01-16", "", ""]),
    ]


def test_another_kind_of_archive_and_a_bomb_are_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("hello.txt", "hello")
    assert "another kind of archive" in refusal(file.getvalue())
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/sheet.xml", "w", force_zip64=True) as part,
    ):
        for _ in range(201):
            part.write(b"0" * 1024 * 1024)
    assert "too large once unpacked" in refusal(bomb.getvalue())


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "＝1", "-5.00", "12", "plain", "", "a=b", "'quoted'"]
)
def test_a_protected_cell_comes_back_as_it_was(cell):
    safe = protected(cell)
    assert safe[:1] not in set("=@＝＋－＠") and (safe[:1] not in set("+-") or safe == "-5.00")
    assert read(f'id,cell\n1,"{safe}"\n'.encode())[1] == [(2, ["1", cell])]
