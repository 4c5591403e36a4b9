"""The log of an account in sentences: what is said, by whom, in which order, and never as the database spells it."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Activity, Contact
from accounts.tests.factories import (
    complete_onboarding,
    make_account,
    make_activity,
    make_contact,
    make_csm,
    make_lead,
    make_opportunity,
    make_team,
    make_user,
)
from adoption.models import Checklist, Stage
from adoption.tests.factories import SAID_FIRST
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards import timeline
from lifecycle.dashboards.timeline.sentences import TELLERS
from lifecycle.dashboards.timeline.values import HIDDEN, Reading, in_words, label
from lifecycle.events.models import Event
from lifecycle.guard import DomainModel
from onboarding.models import Onboarding

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 15, 15, tzinfo=UTC)  # a Tuesday
RAW = re.compile(r"[a-z]_[a-z]|\d{4}-\d\d-\d\d|sha256|\bNone\b|\bTrue\b|\bFalse\b|[{}\[\]]")


@pytest.fixture(autouse=True)
def tuesday():
    with clock.at(NOW):
        yield


@pytest.fixture
def alice():
    team = make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))
    return make_csm("alice@example.com", pool="core", team=team, name="Alice Moreau")


@pytest.fixture
def account(alice):
    return make_account("Halden Vale Imaging", csm=alice, service_level="premium", products=["learning"])


@pytest.fixture
def sentences(account, alice):
    """What the timeline says, newest first."""

    def read(viewer=None, **asked):
        asked = {"kind": "", "people_only": False, "before": None} | asked
        page = timeline.page(account, viewer=viewer or alice, now=clock.now(), **asked)
        return [entry.text for _, entries in page["days"] for entry in entries]

    return read


def by(who, account, now=NOW, via="page"):
    return change(account, by=who, via=via, now=now)


def test_facts_change_in_words_from_what_to_what(account, alice, sentences):
    with by(alice, account) as work:
        work.account.record({"mrr": Decimal("300.00"), "rsm_name": "Beatriz Oakley", "starter_package": True})
    with by(alice, account) as work:
        work.account.record({"close_date": date(2026, 5, 4), "rsm_name": "", "products": ["compliance"]})
    later, earlier = [text for text in sentences() if text.startswith("Account:")]
    assert "MRR from $250.00 to $300.00" in earlier
    assert "Starter package: yes" in earlier and "RSM “Beatriz Oakley”" in earlier
    assert "closed on Mon, May 4" in later and "RSM taken out (was “Beatriz Oakley”)" in later
    assert "products from Learning to Compliance" in later


def test_who_serves_is_named_and_the_rules_are_told_apart(account, alice, sentences):
    bob = make_csm("bob@example.com", pool="core", name="Bob Tanaka")
    with by(None, account, via="api") as work:
        work.account.csm = bob
        work.account.save()
    manager = make_user(role="manager")
    assert "Account: owner from Alice Moreau to Bob Tanaka" in sentences(manager)
    page = timeline.page(account, viewer=manager, now=NOW, kind="", people_only=False, before=None)
    routed = next(entry for _, rows in page["days"] for entry in rows if entry.text.startswith("Routed"))
    assert (routed.text, routed.by) == (
        "Routed to Core: service level Premium is Standard or Premium",
        "The rules",
    )


def test_a_stage_that_no_longer_belongs_reads_as_cancelled(account, alice, sentences):
    complete_onboarding(account, on=NOW.date(), by=alice)
    with by(alice, account) as work:
        work.account.record({"service_level": "basic"})
    told = sentences()
    assert "30-day stage cancelled: it no longer belongs" in told
    assert "75-day check-in cancelled: it no longer belongs" in told
    with by(alice, account) as work:
        work.account.record({"service_level": "premium"})
    assert "30-day stage taken up again" in sentences()


def test_an_adoption_withdrawn_and_taken_up_again(account, alice, sentences):
    complete_onboarding(account, on=NOW.date(), by=alice)
    for day, words in (
        (None, "Adoption withdrawn: day 0 was cleared"),
        (NOW.date(), "Adoption taken up again"),
    ):
        with by(alice, account) as work:
            Onboarding.objects.get().record({"training_completed_on": day}, today=work.today(work.account))
        assert words in sentences()


def test_a_stages_outcome_and_a_row_of_answers(account, alice, sentences):
    complete_onboarding(account, on=NOW.date() - timedelta(days=30), by=alice)
    with by(alice, account) as work:
        stage = Stage.objects.select_related("account").get(day=30)
        stage.record(
            {
                "meeting_held": True,
                "engaged": False,
                "disengagement_reasons": ["knowledge_gaps"],
                "notes": "x" * 900,
            },
            by=alice,
            now=NOW,
            today=work.today(work.account),
        )
        sheet = Checklist.begin(stage)
        for item in list(sheet.items())[:3]:
            sheet.answer(item, value="", comment="seen", by=alice, now=NOW)
    told = sentences()
    assert "30-day checklist: 3 answers" in told
    (outcome,) = [text for text in told if text.startswith("30-day stage:")]
    assert "meeting held: yes" in outcome and "disengagement reasons They do not know how" in outcome
    assert "engaged: no" in outcome and "notes" in outcome and "xxx" not in outcome


def test_an_outcome_reads_as_on_the_page_of_its_stage(account, alice, sentences):
    complete_onboarding(account, on=NOW.date() - timedelta(days=30), by=alice)
    for engagement in ("steady", "decreasing"):
        with by(alice, account) as work:
            stage = Stage.objects.select_related("account").get(final=True)
            said = {"engagement": engagement, "root_causes": ["bugs"], "cause_side": "customer"}
            stage.record(said, by=alice, now=NOW, today=work.today(work.account))
    told = " ".join(sentences())
    assert "engagement from Steady to Falling" in told
    assert "root causes Errors in the system" in told and "on whose side Theirs" in told


def test_stage_10_a_stage_that_was_opened_again_says_why(account, alice, sentences):
    complete_onboarding(account, on=NOW.date() - timedelta(days=30), by=alice)
    with by(alice, account) as work:
        stage = Stage.objects.select_related("account").get(day=30)
        held = {"meeting_held": True, "recap_sent_at": NOW, **SAID_FIRST}
        stage.record(held, by=alice, now=NOW, today=work.today(work.account))
        checklist = Checklist.begin(stage)
        checklist.attach(content_hash="0" * 64, file_name="a.pdf", by=alice, fillable=False)
        stage.close(checklist, now=NOW)
    lead = alice.team.lead
    with by(lead, account, NOW + timedelta(minutes=1)):
        Stage.objects.select_related("account").get(day=30).reopen("The admin called back.", by=lead)
    assert sentences()[0] == "30-day stage opened again: The admin called back."


def test_contacts_are_named_and_their_addresses_never_told(account, alice, sentences):
    contact = make_contact(account, "Dana Whitlow", email="dana@customer.example", phone="1", by=alice)
    with by(alice, account):
        Contact.objects.get().record({"email": "other@customer.example", "title": "Head", "is_main": False})
    told = " ".join(sentences())
    assert "Contact added: Dana Whitlow" in told and "Contact Dana Whitlow: email" in told
    assert "title “Head”" in told and "main contact: no" in told and "customer.example" not in told
    Event.objects.get(type="contact.created").personal.all().delete()  # erased
    with by(alice, account):
        Contact.objects.get(pk=contact.pk).delete()
    assert "Contact added" in sentences() and "Contact removed" in sentences()


def test_a_call_says_with_whom_and_when_it_was(account, alice):
    dana = make_contact(account, "Dana Whitlow")
    make_activity(account, contact=dana, by=alice, happened_at=NOW - timedelta(days=3))
    entry = timeline.recent(account, viewer=alice, now=NOW)[0]
    assert (entry.text, entry.by, entry.happened) == (
        "Call with Dana Whitlow",
        "Alice Moreau",
        "Sat, Sep 12 at 3:00 PM",
    )


def test_days_and_times_are_the_readers(account, alice):
    make_activity(account, now=datetime(2026, 9, 15, 2, tzinfo=UTC), by=alice)
    there = make_user(role="manager", time_zone="America/Los_Angeles")
    days = timeline.page(account, viewer=there, now=NOW, kind="call", people_only=False, before=None)["days"]
    assert [(day, [entry.time for entry in entries]) for day, entries in days] == [
        ("Yesterday, Mon, Sep 14", ["7:00 PM"])
    ]


def test_it_is_filtered_by_kind_and_to_people(account, alice, sentences):
    make_activity(account, "Rang", by=alice)
    make_activity(account, "Slow", kind="bug", by=alice)
    make_opportunity(account, by=alice)
    make_contact(account)
    assert sentences(kind="bug") == ["Bug"]
    assert sentences(kind="upsells") == ["Upsell came up: module"]
    assert sentences(kind="contacts") == ["Contact added: Dana Whitfield"]
    assert sentences(people_only=True) == ["Upsell came up: module", "Bug", "Call"]
    assert sentences(kind="no such kind") == sentences()
    assert {"Account created", "Bug"} <= set(sentences())


@pytest.mark.parametrize("number", [39, 40, 41, 80, 81])
def test_going_on_meets_every_line_once_at_every_border(client, account, alice, number):
    with by(alice, account) as work:
        for n in range(number):
            entry = Activity(account=work.account, kind="note", happened_at=NOW, text=f"Line {n:03}")
            entry.record({}, by=alice, now=NOW)
    client.force_login(alice)
    url, found = f"{reverse('accounts:activity', args=[account.pk])}?kind=note", []
    before, pages = "", 0
    while before is not None:
        page = client.get(f"{url}&before={before}")
        found += re.findall(r"Line \d{3}", page.content.decode())
        make_activity(account, "Newer", kind="note")  # what is written meanwhile moves no line
        before, pages = page.context["older"], pages + 1
    assert found == [f"Line {n:03}" for n in reversed(range(number))]
    assert pages == -(-number // timeline.PER_PAGE)


@pytest.mark.parametrize("before", ["0", "-1", "x", "9" * 30, "²"])
def test_a_place_that_means_nothing_breaks_no_page(client, account, alice, before):
    client.force_login(alice)
    answer = client.get(reverse("accounts:activity", args=[account.pk]), {"before": before, "kind": "²"})
    assert answer.status_code == 200


def models_told():
    told = {kind.partition(".")[0] for kind, teller in TELLERS.items() if kind.endswith(".updated")}
    rows = [model for model in apps.get_models() if issubclass(model, DomainModel)]
    return [model for model in rows if model.resource in told & HIDDEN.keys()]


def samples(column, model):
    """Two values of a field as the log keeps them."""
    if column.choices:
        return [choice for choice, _ in column.flatchoices][:2]
    kinds = {
        "BooleanField": [True, False],
        "DateField": ["2026-01-31", "2025-12-31"],
        "DateTimeField": ["2026-01-31T10:00:00Z", "2025-12-31T10:00:00+00:00"],
        "JSONField": [["knowledge_gaps"], ["too_expensive", "start_up"]],
        "ForeignKey": [1, 2],
    }
    if column.get_internal_type() in kinds:
        return kinds[column.get_internal_type()]
    return [1, 20_000] if "Integer" in column.get_internal_type() else ["One", "Two"]


@pytest.mark.parametrize("model", models_told(), ids=lambda model: model.resource)
def test_no_field_and_no_value_is_told_as_the_database_spells_it(model):
    reading = Reading(ZoneInfo("UTC"), NOW.date(), {1: "Ana", 2: "Bo"})
    for column in model._meta.concrete_fields:
        one, two = samples(column, model)
        empty = [] if isinstance(one, list) else None
        for pair in ([one, two], [two, one], [empty, one], [one, empty]):
            for part in in_words(model, {column.name: pair}, reading):
                assert not RAW.search(part), part
        assert label(model.resource, column.name)


def test_the_whole_story_of_an_account_holds_no_raw_name(client, account, alice):
    complete_onboarding(
        account, on=NOW.date() - timedelta(days=30), call_on=NOW.date() - timedelta(days=40), by=alice
    )
    make_contact(account, by=alice)
    make_opportunity(account, by=alice)
    bug = make_activity(account, kind="bug", by=alice)
    with by(alice, account) as work:
        Activity.objects.get(pk=bug.pk).resolve(now=NOW)
        work.account.record({"employee_sync": True, "time_zone": "America/Chicago", "contracted_users": 60})
        work.account.set_pool("strategic", by=alice, reason="Two sites", now=NOW)
        for stage in Stage.objects.select_related("account"):
            stage.record(
                {"gap_decision": "email_review", "cause_side": "ours"}, by=None, now=NOW, today=NOW.date()
            )
    client.force_login(alice)
    page = client.get(reverse("accounts:activity", args=[account.pk]))
    told = [entry.text for _, entries in page.context["days"] for entry in entries]
    assert len(told) > 12
    assert [text for text in told if RAW.search(text)] == []


@pytest.mark.parametrize("name", ["activity", "detail", "contacts", "emails"])
def test_a_tab_costs_the_same_with_1_and_30_of_everything(client, account, alice, name):
    client.force_login(alice)
    url = reverse(f"accounts:{name}", args=[account.pk])

    def counted():
        client.get(url)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url).status_code == 200
        return len(queries)

    def grow(number):
        for n in range(number):
            make_contact(account, f"Person {n}")
            make_activity(
                account, f"Entry {n}", by=alice, contact=Contact.objects.first(), follow_up_on="2026-09-15"
            )
            entry = make_activity(account, f"Bug {n}", kind="bug", by=alice)
            with by(alice, account):
                Activity.objects.get(pk=entry.pk).pin(True, now=NOW)
            make_opportunity(account, by=alice)

    grow(1)
    one = counted()
    grow(29)
    assert counted() == one
