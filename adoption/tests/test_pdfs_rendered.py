"""CHK-4: what three viewers draw of the checklist's PDFs: poppler, PDFium and MuPDF. And the longest there can be."""

import io
import subprocess
from datetime import UTC, datetime

import pymupdf
import pypdf
import pypdfium2
import pytest
from PIL import Image, ImageStat

from accounts.tests.factories import make_csm
from adoption import pdfs
from adoption.models import ChecklistTemplate
from adoption.tests.factories import answer, make_stages
from lifecycle.change import change

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 16, 15, 2, tzinfo=UTC)
DPI = 144
EMPTY, INKED = 215, 120  # how bright, of 255, the middle of a box is without and with its tick


def by_poppler(content, page):
    command = ["pdftoppm", "-r", str(DPI), "-f", str(page + 1), "-l", str(page + 1), "-png", "-"]
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    return Image.open(io.BytesIO(done.stdout))


def by_pdfium(content, page):
    with pypdfium2.PdfDocument(content) as document:
        document.init_forms()
        return document[page].render(scale=DPI / 72, may_draw_forms=True).to_pil()


def by_mupdf(content, page):
    with pymupdf.open(stream=content, filetype="pdf") as document:
        return Image.open(io.BytesIO(document[page].get_pixmap(dpi=DPI).tobytes("png")))


VIEWERS = {"poppler": by_poppler, "pdfium": by_pdfium, "mupdf": by_mupdf}


def middle(picture, rect, *, of=0.6):
    """The mean brightness around the middle of a rectangle of the page, given in points from below."""
    zoom = DPI / 72
    left, right = sorted((float(rect[0]) * zoom, float(rect[2]) * zoom))
    low, high = sorted((picture.height - float(rect[1]) * zoom, picture.height - float(rect[3]) * zoom))
    by_x, by_y = (right - left) * (1 - of) / 2, (high - low) * (1 - of) / 2
    box = tuple(round(edge) for edge in (left + by_x, low + by_y, right - by_x, high - by_y))
    return ImageStat.Stat(picture.convert("L").crop(box)).mean[0]


def boxes(content):
    """Page, rectangle and whether it is ticked of every round box; the same of every filled text field."""
    rounds, texts = [], []
    for number, page in enumerate(pypdf.PdfReader(io.BytesIO(content)).pages):
        for note in page.get("/Annots", ()):
            field = note.get_object()
            if field.get("/FT") == "/Btn":
                rounds.append((number, field["/Rect"], field["/AS"] != "/Off"))
            elif field.get("/V"):
                texts.append((number, field["/Rect"]))
    return rounds, texts


@pytest.fixture
def stage():
    imani = make_csm("imani@example.com", name="Imani Castellan")
    stage = make_stages(imani)[0]
    items = [item for section in pdfs.sheet(stage)["sections"] for item in section["items"]]
    choices = [item["key"] for item in items if item["kind"] == "choice"]
    said = {key: (("yes", "no", "na")[n % 3], "Sync checked, no gaps") for n, key in enumerate(choices)}
    return answer(stage, {**said, choices[-1]: ""})


@pytest.mark.parametrize("viewer", VIEWERS)
def test_chk_4_each_tick_of_the_form_is_drawn_where_it_is_and_nowhere_else(stage, viewer):
    content = pdfs.render(pdfs.sheet(stage, fillable=True), now=NOW)
    rounds, texts = boxes(content)
    pictures = [VIEWERS[viewer](content, number) for number in range(1 + max(box[0] for box in rounds))]
    ticked = [middle(pictures[number], rect) for number, rect, on in rounds if on]
    empty = [middle(pictures[number], rect) for number, rect, on in rounds if not on]
    choices = len(rounds) // 3
    assert (len(ticked), len(empty)) == (choices - 1, 2 * choices + 1)  # one question is open
    assert max(ticked) < INKED
    assert min(empty) > EMPTY
    number, rect = texts[0]
    inked = (
        pictures[number]
        .convert("L")
        .crop(
            tuple(
                round(edge * DPI / 72)
                for edge in (
                    float(rect[0]),
                    842 - max(float(rect[1]), float(rect[3])),
                    float(rect[0]) + 90,
                    842 - min(float(rect[1]), float(rect[3])),
                )
            )
        )
    )
    assert inked.getextrema()[0] < INKED  # the comment is written in its field


def test_chk_4_a_box_can_be_hit_and_a_field_holds_a_line(stage):
    rounds, texts = boxes(pdfs.render(pdfs.sheet(stage, fillable=True), now=NOW))
    assert min(abs(float(rect[2]) - float(rect[0])) for _, rect, _ in rounds) > 7
    assert min(abs(float(rect[3]) - float(rect[1])) for _, rect in texts) > 11


@pytest.mark.parametrize("viewer", VIEWERS)
def test_chk_4_the_record_copy_looks_the_same_in_every_viewer(stage, viewer):
    content = pdfs.render(pdfs.sheet(stage), now=NOW)
    ours, poppler = VIEWERS[viewer](content, 0), by_poppler(content, 0)
    assert ours.size == poppler.size
    small = [picture.convert("L").resize((60, 84)) for picture in (ours, poppler)]
    apart = [abs(a - b) for a, b in zip(small[0].tobytes(), small[1].tobytes(), strict=True)]
    assert sum(apart) / len(apart) < 3
    green = sum(g > r + 40 and g > b + 20 for r, g, b in ours.convert("RGB").get_flattened_data())
    assert green > 200  # the ticks of what was answered yes


def test_chk_4_two_hundred_items_with_five_thousand_letters_each_still_read():
    section = {"key": "all", "title": "Everything", "product": None}
    items = [{"key": f"i{n}", "text": f"Statement {n} of many", "kind": "choice"} for n in range(200)]
    with change(None, by=None, via="admin", now=NOW):
        ChecklistTemplate.objects.create(key="first", number=2, sections=[{**section, "items": items}])
    words = ("lorem ipsum dolor " * 290)[:4980]
    long = {item["key"]: ("no", f"{words} end of {item['key']}.") for item in items}
    assert {len(comment) for _, comment in long.values()} <= set(range(4990, 5001))
    stage = answer(make_stages(name="Two Hundred")[0], long)
    with pypdfium2.PdfDocument(pdfs.render(pdfs.sheet(stage), now=NOW)) as document:
        pages = [" ".join(page.get_textpage().get_text_bounded().split()) for page in document]
    whole = " ".join(pages)
    assert 100 < len(pages) < 250
    assert all(f"Statement {n} of many" in whole and f"end of i{n}." in whole for n in range(200))
    assert all(f"Page {n} of {len(pages)}" in text for n, text in enumerate(pages, start=1))
