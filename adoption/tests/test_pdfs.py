"""CHK-4, STAGE-8: what is on the sheet, that nothing is fetched for it, and that content is kept once."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pypdf
import pytest
from django.core.management import CommandError, call_command
from weasyprint import HTML

from accounts.tests.factories import make_contact, make_csm
from adoption import pdfs
from adoption.models import ChecklistExport
from adoption.tests.factories import answer, fresh, make_stages, record
from lifecycle.change import change
from lifecycle.rules.refused import Refused

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 16, 15, 2, tzinfo=UTC)


@pytest.fixture
def imani():
    return make_csm("imani@example.com", pool="core", name="Imani Castellan", time_zone="America/New_York")


@pytest.fixture
def stages(imani):
    return make_stages(imani, mrr=Decimal("1180.00"), contracted_users=44)


@pytest.fixture(autouse=True)
def _own_media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def read(content):
    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    return [" ".join(page.extract_text().split()) for page in pages]


def text_of(stage, **how):
    return " ".join(read(pdfs.render(pdfs.sheet(stage, **how), now=NOW)))


def test_chk_4_the_pdf_says_whose_it_is_what_was_answered_and_in_whose_words(stages):
    first = stages[0]
    make_contact(first.account, "Dana Whitlow")
    stage = answer(
        first, {"contacts_current": ("yes", "Rory was added"), "roster_matches": "no", "active_users": "47"}
    )
    stage = answer(stage, {"bugs": "The expiry report lists <b>archived</b> providers."})
    text = text_of(stage)
    for words in (
        "Halden Vale Imaging",
        "30-day review",
        "Imani Castellan",
        "Dana Whitlow",
        "$1,180",
        "44 contracted",
        "Rory was added",
        "Yes Main contact and billing contact are current",
        "No Employee list matches the HR roster",
        "47 Users active in the last month",
        "The expiry report lists <b>archived</b> providers.",
        "Exported September 16, 2026 at 11:02 AM",
        "First checklist, version 1",
        "Page 1 of 1",
    ):
        assert words in text
    assert pdfs.sheet(stage)["hash"][:16] in text


def test_chk_5_day_90_stands_beside_day_30(stages):
    answer(stages[0], {"roster_matches": "no", "users_in_contract": "yes", "exploring": "yes"})
    final = answer(stages[1], {"roster_matches": "yes", "users_in_contract": "no", "exploring": "yes"})
    shown = pdfs.sheet(final)
    assert [item["key"] for item in shown["moved"]["improved"]] == ["roster_matches"]
    assert [item["key"] for item in shown["moved"]["slipped"]] == ["users_in_contract"]
    text = text_of(final)
    assert "Better since day 30 – Employee list matches the HR roster" in text
    assert "To work on together – Active users are within the contract" in text
    assert "1 better 1 slipped" in text
    assert "was no" in text
    assert "was yes" in text


def test_chk_5_without_an_earlier_checklist_nothing_is_compared(stages):
    assert "Better since" not in text_of(answer(stages[1], {"roster_matches": "yes"}))


def test_a_checklist_that_has_not_begun_can_be_printed_and_writes_nothing(stages):
    assert "0 of 3" in text_of(stages[0])
    assert not fresh(stages[0]).started_at


@pytest.mark.parametrize("item", ["roster_matches", "bugs"])
def test_five_thousand_characters_run_on_over_pages_with_numbers(stages, item):
    long = "lorem ipsum " * 416 + "the end."
    assert len(long) == 5000
    given = ("no", long) if item != "bugs" else long
    stage = answer(stages[0], {item: given, "ideas": "x" * 5000})
    pages = read(pdfs.render(pdfs.sheet(stage), now=NOW))
    assert len(pages) > 2
    assert "the end." in " ".join(pages)
    assert f"Page {len(pages)} of {len(pages)}" in pages[-1]


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://127.0.0.1:1/x",
        "https://example.com/x.png",
        "ftp://127.0.0.1/x",
        "data:text/css,body{color:red}",
        "static:../lifecycle/settings.py",
        "static:/etc/passwd",
        "static:css/../css/checklist-pdf.css",
        "static:css/base.css",
        "static:css/checklist-pdf.css?x",
        "STATIC:css/checklist-pdf.css",
        "about:blank",
        "",
    ],
)
def test_security_the_fetcher_answers_bundled_files_and_nothing_else(url):
    with pytest.raises(ValueError, match="not a bundled file"):
        pdfs.bundled_fetcher().fetch(url)


def test_security_the_bundled_files_are_there():
    for name in pdfs.BUNDLED:
        assert pdfs.bundled_fetcher().fetch(f"static:{name}").read()


def test_security_html_that_asks_for_more_gets_an_empty_place_and_no_attachment():
    html = (
        '<link rel="attachment" href="file:///etc/passwd"><link rel="stylesheet" href="file:///etc/passwd">'
        '<img src="file:///etc/passwd"><img src="http://127.0.0.1:1/"><object data="file:///etc/passwd"></object>'
        '<svg><image href="file:///etc/passwd"/></svg><style>@import "file:///etc/passwd"; '
        "body { background: url(file:///etc/passwd) }</style><p>only this</p>"
    )
    content = HTML(string=html, base_url="static:", url_fetcher=pdfs.bundled_fetcher()).write_pdf()
    assert read(content) == ["only this"]
    assert "root:" not in content.decode("latin-1")
    assert not pypdf.PdfReader(io.BytesIO(content)).attachments


def test_security_markup_in_answers_is_text(stages):
    markup = '<img src="file:///etc/passwd"><h1>big</h1>{{ 7|add:7 }}'
    stage = answer(stages[0], {"roster_matches": ("no", markup)})
    assert markup.replace(" ", "") in text_of(stage).replace(" ", "")


def test_stage_8_the_same_content_is_one_file_and_one_export(stages, imani, tmp_path):
    stage = answer(stages[0], {"roster_matches": "yes"})
    one = pdfs.export(stage, by=imani, via="page", now=NOW)
    two = pdfs.export(fresh(stage), by=imani, via="page", now=NOW + timedelta(days=1))
    assert one.pk == two.pk
    assert one.file_name == "Halden Vale Imaging 30-day checklist 2026-09-16.pdf"
    assert [path.name for path in tmp_path.rglob("*.*")] == [f"{one.content_hash}.pdf"]
    three = pdfs.export(answer(stage, {"roster_matches": "no"}), by=imani, via="page", now=NOW)
    assert three.content_hash != one.content_hash
    assert ChecklistExport.objects.count() == 2


def test_stage_8_a_lost_file_is_made_again(stages, imani):
    one = pdfs.export(stages[0], by=imani, via="page", now=NOW)
    pdfs.stored(one.content_hash).unlink()
    pdfs.export(stages[0], by=imani, via="page", now=NOW)
    assert pdfs.stored(one.content_hash).read_bytes().startswith(b"%PDF")


def test_stage_8_an_archived_account_takes_no_export(stages, imani):
    with change(stages[0].account_id, by=None, via="page", now=NOW) as work:
        work.account.archive(now=NOW)
    with pytest.raises(Refused, match="archived"):
        pdfs.export(fresh(stages[0]), by=imani, via="page", now=NOW)
    assert not ChecklistExport.objects.exists()


def test_chk_4_the_fillable_form_carries_the_answers_as_fields(stages):
    stage = answer(stages[0], {"roster_matches": ("yes", "checked"), "bugs": "slow"})
    reader = pypdf.PdfReader(io.BytesIO(pdfs.render(pdfs.sheet(stage, fillable=True), now=NOW)))
    assert "/NeedAppearances" not in reader.trailer["/Root"]["/AcroForm"]
    values = {}
    for page in reader.pages:
        for note in page["/Annots"]:
            field = note.get_object()
            if field.get("/T"):
                values.setdefault(field["/T"], field.get("/V"))
    assert values["roster_matches_comment"] == "checked"
    assert values["bugs"] == "slow"
    assert values["exploring_comment"] == ""
    assert pdfs.sheet(stage, fillable=True)["hash"] != pdfs.sheet(stage)["hash"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Halden Vale Imaging", "Halden Vale Imaging 30-day checklist 2026-09-16.pdf"),
        ('A/B\\C: "x" <y>|z?*', "A B C x y z 30-day checklist 2026-09-16.pdf"),
        ("../../etc/passwd", "etc passwd 30-day checklist 2026-09-16.pdf"),
        ("Line\nbreak\r\x00\u202egnp", "Linebreakgnp 30-day checklist 2026-09-16.pdf"),
        ("Zürich Klinik", "Zürich Klinik 30-day checklist 2026-09-16.pdf"),
        ("???", "Account 30-day checklist 2026-09-16.pdf"),
        ("x" * 250, f"{'x' * 120} 30-day checklist 2026-09-16.pdf"),
    ],
)
def test_the_file_name_is_safe_on_every_system(stages, name, wanted):
    stages[0].account.name = name
    assert pdfs.file_name(stages[0], today=NOW.date()) == wanted


def test_a_machine_without_pango_is_told_what_to_install_in_one_sentence(stages, monkeypatch):
    import builtins

    real = builtins.__import__

    def lacking(name, *args, **kwargs):
        if name == "weasyprint":
            raise OSError("cannot load library 'libpango-1.0-0'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(pdfs.PdfUnavailableError, match=r"^PDFs need .* apt-get install libpango-1.0-0"):
        pdfs.render(pdfs.sheet(stages[0]), now=NOW)


def test_the_command_writes_the_file_and_attaches_it(stages, tmp_path, capsys):
    stage = record(stages[0], meeting_held=True)
    call_command("checklist_pdf", str(stage.pk), str(tmp_path / "out.pdf"))
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF")
    assert "Halden Vale Imaging 30-day checklist" in capsys.readouterr().out
    assert ChecklistExport.objects.get().checklist.stage == stage
    call_command("checklist_pdf", str(stage.pk), str(tmp_path / "form.pdf"), "--fillable")
    assert pypdf.PdfReader(tmp_path / "form.pdf").trailer["/Root"]["/AcroForm"]


def test_the_command_says_what_is_wrong_in_one_sentence(stages, tmp_path):
    with pytest.raises(CommandError, match=r"^There is no stage 999999\.$"):
        call_command("checklist_pdf", "999999", str(tmp_path / "out.pdf"))
    with pytest.raises(CommandError, match=r"out\.pdf cannot be written: No such file or directory\.$"):
        call_command("checklist_pdf", str(stages[0].pk), str(tmp_path / "nowhere" / "out.pdf"))
