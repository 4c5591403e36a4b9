"""A checklist's PDF beside the same page drawn bare by WeasyPrint, and beside its rows drawn by reportlab."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any

from django.template.loader import render_to_string
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration

from accounts.models import Account, User
from accounts.tests.factories import complete_onboarding
from adoption import pdfs
from adoption.models import Checklist, Stage
from lifecycle import clock
from lifecycle.benchmarks.cases import Case
from lifecycle.change import change

MARGIN, LINE = 15 * mm, 14


def cases(csm: User, account: Account) -> Iterator[Case]:
    now = clock.now()
    complete_onboarding(account, on=now.date() - timedelta(days=25))
    stages = Stage.objects.select_related("account__csm", "adoption").filter(account=account, day=30)
    with change(account.pk, by=csm, via="page", now=now):
        checklist = Checklist.begin(stages.get())
        for number, (key, item) in enumerate(checklist.items().items()):
            value = {"choice": ("yes", "no", "na")[number % 3], "number": "47"}.get(
                item["kind"], "Bulk upload"
            )
            checklist.answer(key, value=value, comment="Sync checked, no gaps", by=csm, now=now)
    stage = stages.get()
    shown = pdfs.sheet(stage)
    html = render_to_string("pdf/checklist.html", shown | {"exported": "today"})
    fetcher = pdfs.bundled_fetcher()

    def ours() -> bytes:
        return pdfs.render(pdfs.sheet(stage), now=now)

    def bare() -> bytes:
        given, fonts = {"base_url": "static:", "url_fetcher": fetcher}, FontConfiguration()
        styles = CSS(url="static:css/checklist-pdf.css", font_config=fonts, **given)
        return HTML(string=html, **given).write_pdf(stylesheets=[styles], font_config=fonts)

    yield Case("checklist PDF, beside a bare WeasyPrint render of the same HTML", bare, ours)
    yield Case("checklist PDF, beside reportlab drawing the same rows", lambda: drawn(shown), ours)
    pdfs.export(stage, by=csm, via="page", now=now)
    yield Case(
        "the same content again, stored by its hash, beside rendering it",
        ours,
        lambda: pdfs.stored(pdfs.sheet(stage)["hash"]).read_bytes(),
    )


def drawn(shown: dict[str, Any]) -> bytes:
    """The same words, one line a row, in a font that needs no embedding: what cannot be undercut."""
    out = BytesIO()
    page = Canvas(out, pagesize=A4)
    across = (MARGIN, MARGIN + 44, MARGIN + 266, A4[0] - MARGIN - 46)
    at = A4[1] - MARGIN

    def row(*words: str, size: float = 8.6) -> None:
        nonlocal at
        page.setFont("Helvetica", size)
        for x, text in zip(across, words, strict=False):
            page.drawString(x, at, text)
        page.line(MARGIN, at - 4, A4[0] - MARGIN, at - 4)
        at -= LINE

    row(shown["account"], size=17)
    for fact in shown["facts"]:
        row(fact["label"], "", f"{fact['value']} {fact['small']}")
    for section in shown["sections"]:
        row(section["title"], size=9.6)
        for item in section["items"]:
            row(item["word"], item["text"], item["comment"], item["was"])
    page.save()
    return out.getvalue()
