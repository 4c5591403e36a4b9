"""CHK-1, CHK-2: what is on the first published checklists, and who sees which part."""

import pytest

from adoption import pdfs
from adoption.models import ChecklistTemplate
from adoption.tests.factories import NOON, answer, fresh, make_stages, record
from lifecycle.change import change

pytestmark = pytest.mark.django_db
LARGEST, SMALLEST = 26, 18


def items(template):
    return {item["key"]: item for section in template.sections for item in section["items"]}


@pytest.mark.parametrize("key", ["first", "final", "smb"])
def test_chk_1_a_checklist_ends_with_the_admins_feedback_in_their_words(key):
    last = ChecklistTemplate.newest(key).sections[-1]
    assert last["title"] == "Admin feedback"
    assert [(item["kind"], item["meeting"]) for item in last["items"]] == [("text", True)] * 4


@pytest.mark.parametrize("key", ["first", "final", "smb"])
def test_chk_1_no_item_has_two_meanings_and_each_has_a_kind_we_know(key):
    template = ChecklistTemplate.newest(key)
    keys = [item["key"] for section in template.sections for item in section["items"]]
    assert len(keys) == len(set(keys))
    assert {item["kind"] for item in items(template).values()} <= {"choice", "number", "text"}


def test_chk_2_a_running_checklist_keeps_its_version_and_the_next_one_takes_the_newest():
    first, final = make_stages()
    was = ChecklistTemplate.newest("first")
    answer(first, {})  # begun, nothing answered yet
    with change(None, by=None, via="admin", now=NOON):
        for template in (was, ChecklistTemplate.newest("final")):
            end = template.sections[-1:]
            ChecklistTemplate.objects.create(key=template.key, number=template.number + 1, sections=end)
    assert pdfs.sheet(fresh(first))["template"] == str(was)
    assert len(pdfs.sheet(fresh(first))["sections"]) > 1
    assert [section["title"] for section in pdfs.sheet(fresh(final))["sections"]] == ["Admin feedback"]


def test_chk_5_the_final_checklist_can_be_compared_with_the_first_item_by_item():
    assert set(items(ChecklistTemplate.newest("first"))) == set(items(ChecklistTemplate.newest("final")))


@pytest.mark.parametrize(
    ("products", "count"),
    [
        (["learning", "compliance"], 20),
        (["learning", "compliance", "credentialing_service"], 22),
        (["learning", "compliance", "credentialing_software"], 24),
        (["learning", "compliance", "credentialing_software", "credentialing_service"], LARGEST),
    ],
)
def test_chk_1_an_account_sees_the_sections_of_what_it_bought(products, count):
    stage = make_stages(products=products)[0]
    shown = pdfs.sheet(stage)
    assert sum(len(section["items"]) for section in shown["sections"]) == count
    assert SMALLEST <= count <= LARGEST
    assert ("Credentialing software" in [s["title"] for s in shown["sections"]]) == (
        "credentialing_software" in products
    )


def test_chk_1_an_smb_sees_learning_and_compliance_even_where_no_product_is_listed():
    (stage,) = make_stages(starter_package=True, service_level="basic", products=[])
    titles = [section["title"] for section in pdfs.sheet(stage)["sections"]]
    assert titles == ["Account", "Active users", "Learning", "Compliance", "Readiness", "Admin feedback"]


def test_cad_3_a_regular_account_on_basic_works_its_60_with_the_final_checklist():
    (stage,) = make_stages(service_level="basic")
    assert pdfs.sheet(stage)["template"] == "final checklist, version 1"


def test_stage_6_feedback_typed_on_the_checklist_is_part_of_the_stage():
    stage = answer(make_stages()[0], {"bugs": "The report is slow.", "ideas": "Bulk upload"})
    assert stage.feedback == {"bugs": "The report is slow.", "workflow": "", "suggestions": "Bulk upload"}


def test_stage_6_feedback_that_came_another_way_is_on_the_checklist_too():
    stage = record(
        make_stages()[0], feedback={"bugs": "The report is slow.", "workflow": "", "suggestions": ""}
    )
    shown = {item["key"]: item for section in pdfs.sheet(stage)["sections"] for item in section["items"]}
    assert (shown["bugs"]["value"], shown["bugs"]["version"]) == ("The report is slow.", 0)


def test_chk_5_a_question_left_open_at_day_30_was_open_and_is_not_new():
    first, final = make_stages()
    answer(first, {"exploring": "no"})
    shown = {item["key"]: item for section in pdfs.sheet(final)["sections"] for item in section["items"]}
    assert (shown["exploring"]["was"], shown["exploring"]["new"]) == ("no", False)
    assert (shown["dashboard_trend"]["was"], shown["dashboard_trend"]["new"]) == ("", False)
