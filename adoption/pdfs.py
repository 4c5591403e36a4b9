"""CHK-4: a stage's checklist as one sheet of plain values, the same for page and PDF; the PDF; its exports."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import re
import tempfile
import threading
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string

from accounts.models import Account, User
from adoption.models import Answer, Checklist, ChecklistExport, ChecklistTemplate, Stage
from adoption.models.checklist import FEEDBACK, template_key
from lifecycle.change import change
from lifecycle.machine import PANGO
from lifecycle.rules.facts import PRODUCT_NAMES
from lifecycle.rules.refused import Refused

WORDS = {"yes": "Yes", "no": "No", "na": "N/A"}
LINE, SOME_LINES = 40, 6  # letters on a line of a comment's cell; more lines than that go below it
MOST_LISTED = 4  # in the two boxes on top; the tables below have all
FONTS = tuple(f"vendor/inter/inter-latin{part}-wght-normal.woff2" for part in ("", "-ext"))
BUNDLED = {"css/checklist-pdf.css": "text/css", **dict.fromkeys(FONTS, "font/woff2")}
NO_PANGO = (
    f"PDFs need the system library Pango, which is missing here. Type: sudo apt-get install {' '.join(PANGO)}"
)
_kept = threading.local()
UNSAFE_IN_NAMES = re.compile(r'[\\/:*?"<>|]+')


class PdfUnavailableError(RuntimeError):
    """This machine cannot make PDFs; the text says what to install."""


def today_of(account: Account, now: datetime) -> date:
    """The account's local day: its CSM's zone, else its own."""
    return now.astimezone(zone_of(account)).date()


def zone_of(account: Account) -> ZoneInfo:
    return ZoneInfo(account.csm.time_zone if account.csm_id else account.time_zone)


def sheet(stage: Stage, *, fillable: bool = False, mrr: bool = True) -> dict[str, Any]:
    """Everything the checklist of a stage shows, as plain values, with a `hash` of what is printed (CHK-4);
    `mrr`: whether the monthly value is among it.

    Nothing is written: a checklist that has not begun shows the newest template (CHK-2).
    """
    checklist, answers = _begun(stage)
    earlier_stage, earlier, asked = _earlier(stage)
    account = stage.account
    sections = [_section(s, answers, earlier, asked) for s in checklist.template.sections_for(account)]
    items = [item for section in sections for item in section["items"]]
    moved = {way: [item for item in items if item["moved"] == way] for way in ("improved", "slipped")}
    to_do = moved["slipped"] + [i for i in items if i["value"] == "no" and i["moved"] != "slipped"]
    printed = {
        "account": account.name,
        "day": stage.day,
        "prepared_by": account.csm.name if account.csm_id else "",
        "meeting": _meeting(stage),
        "earlier_day": earlier_stage.day if earlier_stage else None,
        "facts": _facts(stage, earlier_stage, moved, mrr=mrr),
        "better": [item["text"] for item in moved["improved"][:MOST_LISTED]],
        "to_do": [item["text"] for item in to_do[:MOST_LISTED]] if earlier_stage else [],
        "sections": sections,
        "template": str(checklist.template),
        "fillable": fillable,
    }
    digest = hashlib.sha256(json.dumps(printed, sort_keys=True).encode()).hexdigest()
    for item in items:  # for the page: which version of an answer it shows
        item["version"] = answers[item["key"]].version if item["key"] in answers else 0
    return printed | {"hash": digest, "moved": moved, "checklist": checklist, **_progress(items)}


def render(sheet: dict[str, Any], *, now: datetime) -> bytes:
    """The sheet as an A4 PDF. Raises PdfUnavailableError where Pango is missing."""
    try:
        from weasyprint import HTML
    except OSError as problem:
        raise PdfUnavailableError(NO_PANGO) from problem
    zone = zone_of(sheet["checklist"].account)
    local = now.astimezone(zone)
    exported = f"{_long(local.date())} at {local:%I:%M %p}".replace(" at 0", " at ")
    html = render_to_string("pdf/checklist.html", sheet | {"exported": exported})
    document = HTML(string=html, base_url="static:", url_fetcher=bundled_fetcher())
    styles, fonts = _style()
    return document.write_pdf(
        stylesheets=[styles],
        font_config=fonts,
        finisher=_show_ticks,
        pdf_forms=sheet["fillable"],
        pdf_tags=True,
        pdf_identifier=sheet["hash"].encode(),
    )


def _style() -> tuple[Any, Any]:
    """The parsed style and its fonts, kept: parsing them anew costs as much as drawing a checklist. One a thread,
    for Pango's fonts are not to be shared."""
    if not hasattr(_kept, "style"):
        from weasyprint import CSS
        from weasyprint.text.fonts import FontConfiguration

        fonts = FontConfiguration()
        given = {"base_url": "static:", "url_fetcher": bundled_fetcher(), "font_config": fonts}
        atexit.register(_kept.__dict__.clear)  # while the library can still tidy up its fonts
        _kept.style = CSS(url="static:css/checklist-pdf.css", **given), fonts
    return _kept.style


def bundled_fetcher() -> Any:
    """A fetcher that answers the few bundled files of the sheet and nothing else: no file, no net, no data."""
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class BundledFetcher(URLFetcher):
        def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
            scheme, _, name = url.partition(":")
            path = finders.find(name) if scheme == "static" and name in BUNDLED else None
            if not path:
                raise ValueError(f"not a bundled file: {url[:80]}")
            return URLFetcherResponse(url, Path(path).read_bytes(), {"Content-Type": BUNDLED[name]})

    return BundledFetcher(allowed_protocols={"static"}, allow_redirects=False)


def export(
    stage: Stage, *, by: User | None, via: str, now: datetime, fillable: bool = False, mrr: bool = True
) -> ChecklistExport:
    """STAGE-8: keep the stage's checklist as a PDF, attached to it; the same content again is the same file.

    It is made while nothing is locked, so what it shows is compared again before it is attached; somebody
    who keeps typing meanwhile gets Refused (409).
    """
    for _ in range(3):
        shown = sheet(stage, fillable=fillable, mrr=mrr)
        if not stored(shown["hash"]).exists():
            _store(stored(shown["hash"]), render(shown, now=now))
        with change(stage.account_id, by=by, via=via, now=now):
            stage = Stage.objects.select_related("account__csm", "adoption").get(pk=stage.pk)
            if sheet(stage, fillable=fillable, mrr=mrr)["hash"] == shown["hash"]:
                checklist = Checklist.begin(stage)
                name = file_name(stage, today=today_of(stage.account, now))
                return checklist.attach(content_hash=shown["hash"], file_name=name, by=by, fillable=fillable)
    text = "The checklist is being changed right now. Try again in a moment."
    raise Refused("checklist", "changed", text, rule="CHK-3", conflict=True)


def stored(content_hash: str) -> Path:
    """Where the file of a content lies; nothing under a URL leads there."""
    return Path(settings.MEDIA_ROOT) / "checklists" / content_hash[:2] / f"{content_hash}.pdf"


def file_name(stage: Stage, *, today: date) -> str:
    """`<Account> 90-day checklist 2026-09-16.pdf`, safe on every system."""
    name = unicodedata.normalize("NFC", stage.account.name)
    name = "".join(c for c in name if unicodedata.category(c)[0] != "C")
    name = " ".join(UNSAFE_IN_NAMES.sub(" ", name).split()).strip(". ")[:120].strip(". ")
    return f"{name or 'Account'} {stage.day}-day checklist {today}.pdf"


def _store(path: Path, content: bytes) -> None:
    """Whole or not at all, and safe against a power cut: written beside, synced, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        part.write(content)
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).replace(path)


def _show_ticks(document: Any, pdf: Any) -> None:
    """Viewers draw their own, often empty, appearance of ticked boxes while this entry is there."""
    if "AcroForm" in pdf.catalog:
        pdf.catalog["AcroForm"].pop("NeedAppearances", None)


def _begun(stage: Stage) -> tuple[Checklist, dict[str, Answer]]:
    checklist = Checklist.objects.select_related("template").filter(stage=stage).first()
    if checklist is None:
        template = ChecklistTemplate.newest(template_key(stage))
        checklist = Checklist(account=stage.account, stage=stage, template=template)
    checklist.account = stage.account
    answers = _answers(checklist)
    for item, name in FEEDBACK.items():  # STAGE-6: feedback that came another way than over the checklist
        if item not in answers and stage.feedback.get(name):
            answers[item] = Answer(item=item, value=stage.feedback[name], version=0)
    return checklist, answers


def _answers(checklist: Checklist) -> dict[str, Answer]:
    return {answer.item: answer for answer in checklist.answers.all()} if checklist.pk else {}


def _earlier(stage: Stage) -> tuple[Stage | None, dict[str, Answer], set[str]]:
    """CHK-5: the checklist this one is compared with: its stage, its answers, and what it asked."""
    found = (
        Checklist.objects.select_related("stage", "template")
        .filter(stage__adoption=stage.adoption_id, stage__day__lt=stage.day, stage__cancelled_at=None)
        .order_by("-stage__day")
        .first()
    )
    if found is None:
        return None, {}, set()
    found.account = stage.account
    return found.stage, _answers(found), set(found.items())


def _section(
    section: dict[str, Any], answers: dict[str, Answer], earlier: dict[str, Answer], asked: set[str]
) -> dict[str, Any]:
    items = [
        _item(item, answers.get(item["key"]), earlier.get(item["key"]))
        | {"new": bool(asked) and item["key"] not in asked}
        for item in section["items"]
    ]
    return {
        "key": section["key"],
        "title": section["title"],
        "bought": bool(section.get("product")),
        "meeting": all(item["meeting"] for item in items),
        "answered": sum(item["answered"] for item in items),
        "items": items,
    }


def _item(item: dict[str, Any], answer: Answer | None, earlier: Answer | None) -> dict[str, Any]:
    value = answer.value if answer else ""
    comment = answer.comment if answer else ""
    before = earlier.value if earlier else ""
    moves = {("no", "yes"): "improved", ("yes", "no"): "slipped"}
    return {
        "key": item["key"],
        "text": item["text"],
        "kind": item["kind"],
        "meeting": bool(item.get("meeting")),
        "value": value,
        "word": WORDS.get(value, value),
        "comment": comment,
        "comment_is": _how_long(comment),
        "answered": bool(value),
        "before": "" if item["kind"] == "text" else before,
        "was": WORDS[before] if before == "na" else before.lower(),
        "moved": moves.get((before, value), "") if item["kind"] == "choice" else "",
    }


def _how_long(comment: str) -> str:
    """Which room a comment needs: its cell is enough, some lines more, or the width of the page."""
    lines = sum(1 + len(line) // LINE for line in comment.splitlines())
    return "much" if lines > SOME_LINES else "some" if lines > 1 else ""


def _progress(items: list[dict[str, Any]]) -> dict[str, int]:
    before = [item for item in items if not item["meeting"]]
    return {
        "answered": sum(item["answered"] for item in before),
        "total": len(before),
        "in_meeting": len(items) - len(before),
    }


def _meeting(stage: Stage) -> str:
    if stage.meeting_held_on:
        return f"Meeting held {stage.meeting_held_on:%a}, {_long(stage.meeting_held_on)}"
    if stage.meeting_scheduled_at:
        on = stage.meeting_scheduled_at.astimezone(zone_of(stage.account)).date()
        return f"Meeting {on:%a}, {_long(on)}"
    return f"Due {stage.due_on:%a}, {_long(stage.due_on)}"


def _facts(
    stage: Stage, earlier: Stage | None, moved: dict[str, list[Any]], *, mrr: bool
) -> list[dict[str, str]]:
    account = stage.account
    usage = account.usagesnapshots.filter(active_users__isnull=False).first()
    contact = account.contacts.first()
    contracted = f"{account.contracted_users:,} contracted"
    users = (f"{usage.active_users:,} active", f"of {contracted}") if usage else (contracted, "")
    products = ", ".join(PRODUCT_NAMES[product] for product in account.products)
    changed = (
        (f"{len(moved['improved'])} better", f"{len(moved['slipped'])} slipped") if earlier else ("", "")
    )
    rows = [
        ("Service level", account.get_service_level_display(), ""),
        ("Contract closed", _long(account.close_date) if account.close_date else "", ""),
        ("Onboarding completed", _long(stage.adoption.day_zero), ""),
        ("Main contact", contact.name if contact else "", ""),
        *([("Monthly value", money(account.mrr), "")] if mrr else []),
        ("Users", *users),
        ("Products", "", products),
        (
            f"Changed since day {earlier.day}" if earlier else "Stage",
            *(changed if earlier else (str(stage), "")),
        ),
    ]
    return [{"label": label, "value": value, "small": small} for label, value, small in rows]


def money(amount: Decimal) -> str:
    """$1,180, with cents only where there are some."""
    return f"${amount:,.2f}".removesuffix(".00")


def _long(on: date) -> str:
    return f"{on:%B} {on.day}, {on.year}"
