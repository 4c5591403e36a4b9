"""CHK-1..4 over REST: begun on the newest template, each answer with the version read, all of a request or nothing."""

import pytest

from accounts.tests.factories import make_csm
from adoption.models import Answer, Checklist, Stage
from adoption.tests.factories import NOON, answer, make_stages
from lifecycle.change import change
from lifecycle.events.models import Event

pytestmark = pytest.mark.django_db
HERE = "/api/v1/checklists/"


@pytest.fixture
def alice(people):
    return people.alice


@pytest.fixture
def stage(alice):
    return make_stages(alice)[0]


@pytest.fixture
def rest(api, alice):
    return api(alice)


@pytest.fixture
def begun(rest, stage):
    return f"{HERE}{rest.post(HERE, {'stage': stage.pk}).json()['id']}/"


def said(item="exploring", value="yes", version=0, **more):
    return {"answers": [{"item": item, "value": value, "version": version, **more}]}


def test_chk_2_a_checklist_is_begun_once_on_the_newest_template(rest, stage):
    first, again = (rest.post(HERE, {"stage": stage.pk}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    shown = first.json()
    assert shown == again.json()
    assert (shown["stage"], shown["template"], shown["answers"]) == (
        stage.pk,
        {"key": "first", "number": 1},
        [],
    )
    assert rest.get(f"{HERE}?stage={stage.pk}").json()["results"] == [shown]


def test_chk_1_answers_are_kept_with_their_comment_and_who_said_them(rest, begun):
    answer = rest.patch(begun, said(comment="every week"))
    assert answer.status_code == 200
    (kept,) = answer.json()["answers"]
    assert {name: kept[name] for name in ("item", "value", "comment", "version", "answered_by")} == {
        "item": "exploring", "value": "yes", "comment": "every week", "version": 1,
        "answered_by": "alice@example.com",
    }  # fmt: skip
    assert rest.patch(begun, said(value="no", version=1)).json()["answers"][0]["comment"] == "every week"


def test_chk_3_an_answer_that_changed_meanwhile_is_told_and_none_of_the_request_is_kept(
    rest, begun, stage, people
):
    answer(stage, {"exploring": ("no", "asked on Monday")}, by=people.bob)
    body = {"answers": said("others_active")["answers"] + said()["answers"]}
    refused = rest.patch(begun, body)
    assert refused.status_code == 409
    assert "it now reads no asked on Monday" in str(refused.json())
    assert list(Answer.objects.values_list("item", "value")) == [("exploring", "no")]
    assert rest.patch(begun, said(version=1)).status_code == 200


def test_chk_3_if_match_refuses_a_checklist_that_changed(rest, begun):
    tag = rest.get(begun)["ETag"]
    assert rest.patch(begun, said(), headers={"If-Match": tag}).status_code == 200
    assert rest.patch(begun, said(value="no", version=1), headers={"If-Match": tag}).status_code == 412
    assert Answer.objects.get().value == "yes"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (said("unheard_of"), 400),
        (said("profiles_complete"), 400),  # of a product they did not buy
        (said(value="maybe"), 400),
        (said("active_users", "many"), 400),
        (said("bugs", "x" * 5000), 200),
        (said("bugs", "x" * 5001), 400),
        (said(comment="x" * 5001), 400),
        ({"answers": [{"item": "exploring", "value": "yes"}]}, 400),  # no version
        (said(version=-1), 400),
        (said(version="0"), 400),
        ({"answers": said()["answers"] * 201}, 400),
        ({"template": {"key": "first", "number": 2}}, 400),
        ({"ready_at": None}, 400),
        ({"ready": False}, 200),
    ],
)
def test_chk_1_bad_input_is_refused_and_nothing_is_half_written(rest, begun, body, status):
    assert rest.patch(begun, body).status_code == status
    if status != 200:
        assert not Answer.objects.exists()


def test_chk_3_nothing_is_taken_after_the_stage_closed(rest, begun, stage):
    with change(stage.account_id, by=None, via="page", now=NOON):
        row = Stage.objects.get(pk=stage.pk)
        row.closed_at = NOON
        row.save()
    assert rest.patch(begun, said()).status_code == 409
    assert rest.patch(begun, {"ready": True}).status_code == 409
    assert rest.get(begun).status_code == 200
    assert not Answer.objects.exists()


def test_ready_for_the_meeting_is_said_once(rest, begun):
    assert rest.patch(begun, {"ready": True}).json()["ready_at"]
    assert rest.patch(begun, {"ready": False}).status_code == 400


def test_a_dry_run_keeps_nothing(rest, stage, begun):
    assert "plan" in rest.patch(f"{begun}?dry_run=true", said()).json()
    assert not Answer.objects.exists()


def test_a_foreign_checklist_is_a_missing_one_and_a_viewer_only_reads(api, begun, stage, people):
    assert api(people.charlie).get(begun).status_code == 404
    assert api(people.charlie).post(HERE, {"stage": stage.pk}).status_code == 400
    assert api(people.charlie).get(HERE).json()["results"] == []
    assert api(people.viewer).get(begun).status_code == 200
    assert api(people.viewer, "read").patch(begun, said()).status_code == 403
    assert Checklist.objects.count() == 1


def test_the_log_tells_a_checklist_as_the_api_shows_it(rest, begun):
    told = Event.objects.get(type="checklist.created").data
    shown = rest.get(begun).json()
    assert told["template"] == shown["template"]
    assert told.keys() == shown.keys()


def test_a_list_costs_the_same_with_one_answer_and_with_many(
    rest, begun, stage, django_assert_num_queries, people
):
    rest.get(HERE)
    for number in (1, 4):
        items = ("exploring", "others_active", "courses_assigned", "active_users")[:number]
        answer(stage, {item: "1" if item == "active_users" else "yes" for item in items}, by=people.bob)
        with django_assert_num_queries(4):  # the token, the checklists, their answers, their exports
            rest.get(HERE)


def test_a_cancelled_stage_has_no_checklist_any_more(rest, begun, stage):
    with change(stage.account_id, by=None, via="page", now=NOON) as work:
        work.account.record({"service_level": "basic"})
    assert rest.get(begun).status_code == 404
    assert rest.post(HERE, {"stage": stage.pk}).status_code == 400


def test_somebody_without_a_team_sees_no_checklist(api, begun):
    assert api(make_csm("dora@example.com")).get(begun).status_code == 404
