"""CHK-2, CHK-3, STAGE-1: answers on the sheet: nobody's is lost, none goes to another question, the known is offered."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from accounts.models import UsageSnapshot
from accounts.tests.factories import make_csm
from adoption import pdfs
from adoption.models import Answer, Checklist, ChecklistExport, ChecklistTemplate, Stage
from adoption.tests.factories import answer, fresh, make_stages, record
from lifecycle import clock
from lifecycle.change import change

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 7, 13, 15, tzinfo=UTC)
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _now_and_own_media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    with clock.at(NOW):
        yield


@pytest.fixture
def alice():
    return make_csm("alice@example.com", name="Alice Abara", time_zone="America/New_York")


@pytest.fixture
def stage(alice):
    return make_stages(alice, contracted_users=44)[0]


@pytest.fixture
def signed_in(client, alice):
    client.force_login(alice)
    return client


def url(stage, name="answer", *rest):
    return reverse(f"adoption:{name}", args=[stage.account_id, stage.day, *rest])


def words(page):
    return " ".join(page.content.decode().split())


def usage(stage, **figures):
    with change(stage.account_id, by=None, via="task", now=NOW):
        UsageSnapshot.objects.create(account=stage.account, taken_on=NOW.date(), **figures)


def publish_another(key="first"):
    """A next version of the template whose one question has a key of the one before."""
    was = ChecklistTemplate.newest(key)
    section = {
        **was.sections[0],
        "items": [{**was.sections[0]["items"][0], "text": "Something else is asked"}],
    }
    with change(None, by=None, via="admin", now=NOW):
        ChecklistTemplate.objects.create(key=key, number=was.number + 1, sections=[section])
    return was


@pytest.mark.parametrize("headers", [HTMX, {}])
def test_chk_2_an_answer_to_another_version_of_the_template_is_refused_and_nothing_is_begun(
    signed_in, stage, headers
):
    seen = publish_another()
    given = {"value": "yes", "comment": "as of May", "seen": "0", "template": seen.pk}
    page = signed_in.post(url(stage, "answer", "contacts_current"), given, headers=headers)
    assert page.status_code == 409
    assert "other questions than the page you answered on" in words(page)
    assert "Yes: as of May" in words(page)
    assert not Checklist.objects.exists()
    assert fresh(stage).started_at is None
    given["template"] = ChecklistTemplate.newest("first").pk
    assert signed_in.post(url(stage, "answer", "contacts_current"), given).status_code == 302


@pytest.mark.parametrize("headers", [HTMX, {}])
def test_chk_2_an_answer_to_an_item_that_is_gone_is_shown_back(signed_in, stage, headers):
    publish_another()
    page = signed_in.post(
        url(stage, "answer", "exploring"), {"value": "no", "comment": "x7"}, headers=headers
    )
    assert page.status_code == 422
    assert "This item is not on the checklist of this account." in words(page)
    assert "No: x7" in words(page)
    assert not Checklist.objects.exists()


@pytest.mark.parametrize("headers", [HTMX, {}])
def test_chk_3_an_answer_after_the_stage_closed_is_refused_and_shown_back(signed_in, stage, headers):
    answer(stage, {"exploring": "no"})
    with change(stage.account_id, by=None, via="page", now=NOW):
        row = Stage.objects.get(pk=stage.pk)
        row.closed_at = NOW
        row.save()
    given = {"value": "yes", "comment": "too late", "seen": "1"}
    page = signed_in.post(url(stage, "answer", "exploring"), given, headers=headers)
    assert page.status_code == 409
    assert "closed and read-only" in words(page)
    assert "Yes: too late" in words(page)
    assert Answer.objects.get().value == "no"
    assert signed_in.post(url(stage, "fill-in")).status_code == 409


def test_chk_3_an_answer_that_names_no_version_overwrites_nobody(signed_in, stage):
    answer(stage, {"exploring": "no"})
    page = signed_in.post(url(stage, "answer", "exploring"), {"value": "yes"})
    assert page.status_code == 409
    assert Answer.objects.get().value == "no"


def test_chk_3_the_same_answer_twice_is_no_conflict(signed_in, stage):
    answer(stage, {"exploring": ("no", "Monday\nTuesday")})
    given = {"value": "no", "comment": "Monday\r\nTuesday", "seen": "0"}
    assert signed_in.post(url(stage, "answer", "exploring"), given).status_code == 302
    assert Answer.objects.get().comment == "Monday\nTuesday"


def test_stage_1_what_usage_says_is_offered_with_what_is_unusual_and_kept_only_when_taken(signed_in, stage):
    usage(stage, active_users=47, non_admin_active_users=0)
    page = words(signed_in.get(url(stage, "checklist")))
    assert "From usage, Mon, Jul 13: 47" in page
    assert "From usage, Mon, Jul 13: No" in page
    assert "47 active users, 44 contracted: speak about added users." in page
    assert "Nobody but the super admins is active." in page
    assert "Fill in 3" in page
    assert not Answer.objects.exists()


def test_stage_1_filling_in_answers_what_is_open_and_leaves_what_somebody_said(signed_in, stage):
    usage(stage, active_users=47, non_admin_active_users=0)
    answer(stage, {"others_active": ("yes", "Rory is"), "active_users": ("", "ask Dana")})
    assert signed_in.post(url(stage, "fill-in")).status_code == 302
    kept = {row.item: (row.value, row.comment) for row in Answer.objects.all()}
    assert kept == {
        "others_active": ("yes", "Rory is"),
        "active_users": ("47", "ask Dana"),
        "users_in_contract": ("no", ""),
    }
    page = words(signed_in.get(url(stage, "checklist")))
    assert "Fill in" not in page
    assert "From usage, Mon, Jul 13: No <button" in page  # where they said otherwise, it can still be taken


def test_stage_1_one_known_answer_is_taken_by_its_button_with_the_comment_beside_it(signed_in, stage):
    usage(stage, active_users=47)
    given = {"value": "4", "comment": "typed", "use": "47", "seen": "0"}
    page = signed_in.post(url(stage, "answer", "active_users"), given, headers=HTMX)
    assert page.status_code == 200
    assert '<div class="cl-item" id="item-active_users" data-item hx-swap-oob="true">' in words(page)
    assert (Answer.objects.get().value, Answer.objects.get().comment) == ("47", "typed")


def test_stage_1_without_usage_nothing_is_offered(signed_in, stage):
    page = words(signed_in.get(url(stage, "checklist")))
    assert "Fill in" not in page
    assert "From usage" not in page


def test_stage_8_every_export_is_kept_and_comes_back_as_it_was(signed_in, stage):
    answer(stage, {"exploring": "no"})
    for body in ({}, {"form": "1"}, {"without_mrr": "1"}):
        page = signed_in.post(url(stage, "export"), {**body, "next": f"{url(stage, 'checklist')}#pdf"})
        assert page["Location"] == f"{url(stage, 'checklist')}#pdf"
    answer(stage, {"exploring": "yes"})
    first, form, bare = ChecklistExport.objects.order_by("pk")
    assert [row.fillable for row in (first, form, bare)] == [False, True, False]
    shown = words(signed_in.get(url(stage, "checklist")))
    files = set()
    for row in (first, form, bare):
        assert url(stage, "export-file", row.pk) in shown
        page = signed_in.get(url(stage, "export-file", row.pk))
        assert page["Content-Disposition"] == f'attachment; filename="{row.file_name}"'
        assert "no-store" in page["Cache-Control"]
        files.add(b"".join(page.streaming_content))
    assert len(files) == 3
    assert {content[:5] for content in files} == {b"%PDF-"}


def test_stage_8_an_export_of_another_stage_or_account_is_not_there_and_a_lost_file_says_so(
    signed_in, stage, alice
):
    other = Stage.objects.get(account=stage.account, day=90)
    kept = pdfs.export(stage, by=alice, via="page", now=NOW)
    assert signed_in.get(url(other, "export-file", kept.pk)).status_code == 404
    assert signed_in.get(url(stage, "export-file", 999_999)).status_code == 404
    pdfs.stored(kept.content_hash).unlink()
    page = signed_in.get(url(stage, "export-file", kept.pk))
    assert (page.status_code, words(page)[:42]) == (410, "The file of this export is no longer store")
    signed_in.force_login(make_csm("charlie@example.com"))
    assert signed_in.get(url(stage, "export-file", kept.pk)).status_code == 404


def test_chk_4_the_monthly_value_can_be_left_out(stage):
    labels = [fact["label"] for fact in pdfs.sheet(stage, mrr=False)["facts"]]
    assert "Monthly value" not in labels
    assert len(labels) == 7
    assert pdfs.sheet(stage, mrr=False)["hash"] != pdfs.sheet(record(stage))["hash"]


def test_presenting_shows_the_questions_and_nothing_that_is_ours_alone(signed_in, stage, alice):
    usage(stage, active_users=47, non_admin_active_users=0)
    record(answer(stage, {"exploring": ("yes", "weekly")}), notes="Mind the renewal", summary="Cold")
    page = words(signed_in.get(f"{url(stage, 'checklist')}?present=1"))
    assert "Halden Vale Imaging, 30-day review" in page
    assert "weekly" in page
    for ours in (
        "speak about added users",
        "From usage",
        "Mind the renewal",
        "Cold",
        "$",
        "Outbox",
        alice.name,
    ):
        assert ours not in page
    plain = words(signed_in.get(url(stage, "checklist")))
    assert "speak about added users" in plain and "?present=1" in plain


def test_presenting_goes_on_after_an_answer_with_and_without_javascript(signed_in, stage):
    here = f"{url(stage, 'answer', 'exploring')}?present=1"
    page = signed_in.post(here, {"value": "yes", "seen": "0"})
    assert page["Location"].endswith("/checklist/?present=1#item-exploring")
    page = words(signed_in.post(here, {"value": "no", "seen": "1"}, headers=HTMX))
    assert 'id="seen-exploring" name="seen" value="2"' in page
    assert 'id="changed"' not in page
    refused = words(signed_in.post(here, {"value": "na", "seen": "0"}))
    assert "/checklist/exploring/?present=1" in refused
    assert "Outbox" not in refused
