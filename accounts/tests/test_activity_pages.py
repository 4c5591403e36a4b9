"""The contact log on the pages: logged, read, corrected, pinned, settled, taken out; by whom, and what is refused."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from accounts.models import Account, Activity
from accounts.models.contact_log import ACTIVITY_KINDS
from accounts.tests.factories import (
    make_account,
    make_activity,
    make_contact,
    make_csm,
    make_lead,
    make_team,
    make_user,
)
from lifecycle import clock
from lifecycle.change import change
from lifecycle.events import feed
from lifecycle.events.models import Event
from lifecycle.mail.dispatch.kinds import KINDS
from lifecycle.milestones import planner
from lifecycle.milestones.models import Milestone, Notice

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 15, 15, tzinfo=UTC)  # a Tuesday
WORDS = "مرحبا 👩🏽‍⚕️ said “yes” <b>&amp;\nשלום"


@pytest.fixture(autouse=True)
def tuesday():
    with clock.at(NOW):
        yield


@pytest.fixture
def team():
    return make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))


@pytest.fixture
def alice(team):
    return make_csm("alice@example.com", team=team, name="Alice Moreau", time_zone="America/Chicago")


@pytest.fixture
def bob(team):
    return make_csm("bob@example.com", team=team, name="Bob Tanaka")


@pytest.fixture
def charlie():
    return make_csm("charlie@example.com", team=make_team("West"), name="Charlie Ode")


@pytest.fixture
def account(alice):
    return make_account("Halden Vale Imaging", csm=alice)


def at(name, account, *more):
    return reverse(f"accounts:{name}", args=[account.pk, *more])


def said(page):
    return page.content.decode()


@pytest.mark.parametrize("kind", ACTIVITY_KINDS)
def test_act_1_every_kind_is_logged_with_time_author_and_words(client, account, alice, kind):
    client.force_login(alice)
    sent = {"kind": kind, "text": "They like it.", "happened_at": "2026-09-15T09:30"}
    assert client.post(at("activity", account), sent).status_code == 302
    entry = Activity.objects.get()
    assert (entry.kind, entry.author, entry.text) == (kind, alice, "They like it.")
    assert entry.happened_at == datetime(2026, 9, 15, 14, 30, tzinfo=UTC)  # as it is in Chicago
    text = said(client.get(at("activity", account)))
    assert ACTIVITY_KINDS[kind] in text and "They like it." in text and "Alice Moreau, 10:00 AM" in text


def test_no_time_means_now_and_the_short_form_leads_back_to_the_account(client, account, alice):
    client.force_login(alice)
    answer = client.post(
        at("activity", account), {"kind": "note", "text": "Short", "next": at("detail", account)}
    )
    assert answer["Location"] == at("detail", account)
    assert Activity.objects.get().happened_at == NOW
    answer = client.post(
        at("activity", account), {"kind": "note", "text": "x", "next": "https://elsewhere.example"}
    )
    assert answer["Location"] == at("activity", account)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("happened_at", "2026-09-15T10:01", "This is in the future."),
        ("happened_at", "2026-03-08T02:30", "couldn’t be interpreted"),  # an hour that the clocks left out
        ("happened_at", "soon", "Enter a valid date/time."),
        ("text", "", "This field is required."),
        ("text", " \n ", "This field is required."),
        ("text", "A" * 20_001, "at most 20000 characters"),
        ("text", "a\0b", "Null characters are not allowed."),
        ("follow_up_on", "31/12/2026", "Enter a valid date."),
        ("ticket_url", "https://tickets.example/1", "Only a bug has a ticket"),
        ("ticket_url", "javascript:alert(1)", "Enter a valid URL."),
        ("kind", "chat", "Select a valid choice."),
        ("contact", "999999", "Select a valid choice."),
    ],
)
def test_a_wrong_entry_is_422_says_where_and_keeps_what_was_typed(client, account, alice, field, value, says):
    client.force_login(alice)
    sent = {"kind": "call", "text": "They like it.", "happened_at": "2026-09-15T09:30", field: value}
    answer = client.post(at("activity", account), sent)
    assert answer.status_code == 422
    (problem,) = answer.context["form"].errors[field]
    assert says in problem
    assert answer.context["form"]["text"].value() == sent["text"]
    assert not Activity.objects.exists()


def test_the_present_minute_is_no_future(client, account, alice):
    client.force_login(alice)
    sent = {"kind": "call", "text": "Now", "happened_at": "2026-09-15T10:00"}
    assert client.post(at("activity", account), sent).status_code == 302


def test_twenty_thousand_characters_are_taken_where_a_line_break_is_one(client, account, alice):
    client.force_login(alice)
    lines = "\n".join(["x" * 99] * 200)
    assert len(lines) == 19_999
    sent = {"kind": "note", "text": (lines + "y").replace("\n", "\r\n")}  # as browsers send it
    assert client.post(at("activity", account), sent).status_code == 302
    assert Activity.objects.get().text == lines + "y"
    assert "x" * 99 in said(client.get(at("activity", account)))


def test_emoji_and_right_to_left_words_stay_intact_on_page_in_mail_and_feed(client, account, alice, team):
    name = "ריטה 🩺 O'Hara"
    make_contact(account, name)
    client.force_login(alice)
    contact = account.contacts.get()
    sent = {"kind": "call", "text": f"@joss {WORDS}", "contact": contact.pk}
    client.post(at("activity", account), sent)
    text = said(client.get(at("activity", account)))
    assert "مرحبا 👩🏽‍⚕️ said “yes” &lt;b&gt;&amp;amp;\nשלום" in text
    assert "ריטה 🩺 O&#x27;Hara" in text
    event = Event.objects.prefetch_related("personal").get(type="activity.created")
    assert feed.whole(event)["text"] == f"@joss {WORDS}"
    assert feed.whole(Event.objects.get(type="contact.created"))["name"] == name
    planner.plan(NOW + timedelta(days=1))
    notice = Notice.objects.get(recipient=team.lead)
    mail = KINDS[notice.message.kind].render(notice.message, NOW + timedelta(days=1))
    assert "مرحبا 👩🏽‍⚕️ said “yes” <b>&amp; שלום" in mail.text  # on one line
    assert "مرحبا 👩🏽‍⚕️ said “yes” &lt;b&gt;&amp;amp; שלום" in mail.html


def test_a_follow_up_date_is_a_row_of_its_author_until_done(client, account, alice):
    client.force_login(alice)
    client.post(
        at("activity", account), {"kind": "request", "text": "Spanish list", "follow_up_on": "2026-09-15"}
    )
    duty = Milestone.objects.open().get(kind="follow_up")
    assert (duty.owner, str(duty.due_on)) == (alice, "2026-09-15")
    page = client.get(at("activity", account))
    assert "Follow up, Alice Moreau, due" in said(page)
    assert "Spanish list" in said(client.get("/day/"))
    client.post(reverse("dashboards:complete", args=[duty.pk]))
    assert not Milestone.objects.open().filter(kind="follow_up").exists()
    assert "Done: Follow up" in said(client.get(at("activity", account)))


@pytest.mark.parametrize(
    ("kind", "title"),
    [("workflow", "Review a workflow error"), ("improvement", "Review an improvement wish")],
)
def test_act_2_errors_and_wishes_go_to_the_lead(client, account, alice, team, kind, title):
    client.force_login(alice)
    client.post(at("activity", account), {"kind": kind, "text": "Two clicks too many"})
    duty = Milestone.objects.open().get(kind="lead_review")
    assert duty.owner == team.lead
    client.force_login(team.lead)
    assert "Two clicks too many" in said(client.get("/team/", {"show": "week"}))
    assert "Reviewed</button>" in said(client.get(at("entry", account, Activity.objects.get().pk)))


# --- one entry: corrected, pinned, settled, taken out


def test_another_hand_is_named_and_the_author_stays(client, account, alice, team):
    entry = make_activity(account, "They lik it.", by=alice)
    client.force_login(team.lead)
    sent = {"kind": "call", "text": "They like it.", "happened_at": "2026-09-15T15:00"}
    assert client.post(at("entry", account, entry.pk), sent).status_code == 302
    entry = Activity.objects.get()
    assert (entry.text, entry.author, entry.edited_by) == ("They like it.", alice, team.lead)
    text = said(client.get(at("activity", account)))
    assert "edited by Joss Vandermeer" in text and "They lik it." not in text


def test_saving_an_entry_as_it_is_edits_nothing(client, account, alice):
    entry = make_activity(account, "Same", by=alice, happened_at=NOW - timedelta(seconds=90))
    client.force_login(alice)
    form = client.get(at("entry", account, entry.pk)).context["form"]
    sent = {name: form[name].value() or "" for name in form.fields}
    sent["happened_at"] = sent["happened_at"].astimezone(alice.zone).strftime("%Y-%m-%dT%H:%M")
    sent |= {f"initial-{name}": value for name, value in sent.items()}
    assert client.post(at("entry", account, entry.pk), sent).status_code == 302
    entry = Activity.objects.get()
    assert (entry.edited_at, entry.happened_at, entry.version) == (None, NOW - timedelta(seconds=90), 1)


def test_two_hands_on_the_same_words_are_told_apart(client, account, alice, team):
    entry = make_activity(account, "First", by=alice)
    client.force_login(team.lead)
    seen = {"kind": "call", "happened_at": "2026-09-15T15:00", "initial-text": "First"}
    with change(account, by=alice, via="page", now=NOW):
        Activity.objects.get().record({"text": "Second"}, by=alice, now=NOW)
    answer = client.post(at("entry", account, entry.pk), seen | {"text": "Third"})
    assert answer.status_code == 409
    assert "it now reads “Second”" in said(answer)
    assert Activity.objects.get().text == "Second"


def test_a_removed_entry_leaves_a_stub_and_its_words_nowhere(client, account, alice, team):
    entry = make_activity(account, "quetzal", kind="bug", ticket_url="https://tickets.example/1", by=alice)
    client.force_login(team.lead)
    assert "Remove this entry?" in said(client.get(at("remove-entry", account, entry.pk)))
    assert Activity.objects.get().text == "quetzal"  # asked first
    for _ in range(2):
        assert client.post(at("remove-entry", account, entry.pk)).status_code == 302
    for path in (at("activity", account), at("detail", account), at("entry", account, entry.pk), "/day/"):
        assert "quetzal" not in said(client.get(path))
    text = said(client.get(at("activity", account)))
    assert "Bug, removed by Joss Vandermeer Tue, Sep 15" in text and "Alice Moreau, 10:00" not in text
    assert Event.objects.filter(type="activity.deleted").count() == 1
    assert client.post(at("entry", account, entry.pk), {"kind": "bug", "text": "Back"}).status_code == 409


def test_a_pinned_entry_stays_on_top_whatever_the_filter(client, account, alice):
    entry = make_activity(account, "Write to Dana", kind="note", by=alice)
    client.force_login(alice)
    for sent, on_top in (("true", True), ("true", True), ("false", False)):
        client.post(at("pin-entry", account, entry.pk), {"pinned": sent})
        page = client.get(at("activity", account), {"kind": "call"})
        assert bool(page.context["pinned"]) is on_top
        assert ("Write to Dana" in said(page)) is on_top


def test_act_2_an_open_bug_is_asked_about_seven_days_after_the_last_word(client, account, alice):
    bug = make_activity(account, "Slow", kind="bug", by=alice)
    client.force_login(alice)
    with clock.at(NOW + timedelta(days=6)):
        answer = client.post(at("activity", account), {"kind": "note", "text": "Asked", "about": bug.pk})
        assert answer.status_code == 302
    assert Account.objects.get().recheck_at == NOW + timedelta(days=13)
    note = Activity.objects.get(kind="note")
    assert note.about == bug
    assert "Asked" in said(client.get(at("entry", account, bug.pk)))
    assert "Note on a bug" in said(client.get(at("activity", account)))
    client.post(at("resolve-entry", account, bug.pk), {"fixed": "true"})
    assert Activity.objects.get(pk=bug.pk).resolved_at == NOW
    assert "Bug fixed" in said(client.get(at("activity", account)))
    client.post(at("resolve-entry", account, bug.pk), {"fixed": "false"})
    assert Activity.objects.get(pk=bug.pk).resolved_at is None


def test_a_note_about_what_is_no_bug_here_is_refused(client, account, alice):
    other = make_account("Elsewhere", csm=alice)
    client.force_login(alice)
    for about, status in ((make_activity(other, kind="bug").pk, 404), (make_activity(account).pk, 422)):
        sent = {"kind": "note", "text": "Asked", "about": about}
        assert client.post(at("activity", account), sent).status_code == status
    assert not Activity.objects.filter(text="Asked").exists()


# --- who may


def paths(account, entry):
    return [
        *((at(name, account), ("get", "post")) for name in ("activity", "contacts", "emails")),
        *((at(name, account, entry.pk), ("get", "post")) for name in ("entry", "remove-entry")),
        *((at(name, account, entry.pk), ("post",)) for name in ("pin-entry", "resolve-entry")),
    ]


def test_what_is_not_yours_does_not_exist_on_any_page_of_the_log(client, account, bob, charlie):
    entry = make_activity(account)
    for other in (bob, charlie):
        client.force_login(other)
        for path, methods in paths(account, entry):
            for method in methods:
                answer = getattr(client, method)(path)
                missing = getattr(client, method)(path.replace(f"/{account.pk}/", "/999999/", 1))
                if answer.status_code != 405:
                    assert (answer.status_code, answer.content) == (404, missing.content), (method, path)


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_those_who_only_look_find_no_form_and_change_nothing(client, account, alice, role):
    entry = make_activity(account, "Words", by=alice)
    client.force_login(make_user(role=role))
    text = said(client.get(at("activity", account)))
    assert "Words" in text and 'name="text"' not in text
    assert 'name="text"' not in said(client.get(at("entry", account, entry.pk)))
    for path, methods in paths(account, entry):
        if "post" in methods and "emails" not in path and "contacts" not in path:
            assert client.post(path, {"kind": "note", "text": "Mine"}).status_code == 403, path
    assert Activity.objects.get().text == "Words"


def test_seg_5_who_onboarded_the_account_may_leave_a_note_and_nothing_else(client, account, alice, bob):
    entry = make_activity(account, "Words", by=alice)
    with change(account, by=None, via="task", now=NOW) as work:
        work.account.csm, work.account.onboarded_by = bob, alice
        work.account.save()
    client.force_login(alice)
    text = said(client.get(at("activity", account)))
    assert "You onboarded this account" in text and 'name="kind"' not in text.partition('id="log"')[2]
    sent = {
        "kind": "call",
        "text": "They rang me",
        "follow_up_on": "2026-09-20",
        "ticket_url": "https://x.example",
    }
    assert client.post(at("activity", account), sent).status_code == 302
    note = Activity.objects.get(text="They rang me")
    assert (note.kind, note.follow_up_on, note.ticket_url) == ("note", None, "")
    for name in ("entry", "remove-entry", "pin-entry", "resolve-entry"):
        assert client.post(at(name, account, entry.pk)).status_code == 403
    for name in ("edit", "add-contact", "add-opportunity"):
        assert client.get(at(name, account)).status_code == 403


def test_an_archived_account_is_read_and_not_written(client, account, alice, team):
    entry = make_activity(account, "Words", by=alice)
    with change(account, by=None, via="task", now=NOW) as work:
        work.account.archive(now=NOW)
    client.force_login(team.lead)
    page = client.get(at("activity", account))
    assert "Words" in said(page) and 'name="text"' not in said(page)
    assert client.post(at("activity", account), {"kind": "note", "text": "More"}).status_code == 409
    client.post(at("remove-entry", account, entry.pk))
    assert Activity.objects.get().text == "Words"


# --- mentions


def told(person):
    return list(
        Notice.objects.filter(recipient=person, text__contains="mentioned you").values_list("text", flat=True)
    )


@pytest.mark.parametrize(
    "words",
    [
        "@Joss Vandermeer look",
        "look, @joss vandermeer.",
        "(@joss)",
        "@JOSS: look",
        "מה @joss אומר",
        "👉@joss👈",
    ],
)
def test_a_mention_is_a_notice_for_who_may_see_the_account(account, alice, team, words):
    make_activity(account, words, by=alice)
    (notice,) = told(team.lead)
    assert notice == f"Alice Moreau mentioned you on Halden Vale Imaging: “{words}”"


@pytest.mark.parametrize(
    "words",
    [
        "joss look",
        "mail joss@example.com",
        "@jossefina look",
        "@ joss",
        "@Joss-",
        "@charlie look",
        "@alice note to self",
    ],
)
def test_what_is_no_mention_or_not_for_them_tells_nobody(account, alice, charlie, team, words):
    if words == "@Joss-":
        words = "x@joss"
    make_activity(account, words, by=alice)
    assert (told(team.lead), told(charlie), told(alice)) == ([], [], [])


def test_an_edit_tells_only_who_is_newly_named(account, alice, team):
    manager = make_user("mona@example.com", role="manager", name="Mona Reyes")
    entry = make_activity(account, "@joss look", by=alice)
    for words in ("@joss look again", "@joss and @mona look"):
        with change(account, by=alice, via="page", now=NOW):
            Activity.objects.get(pk=entry.pk).record({"text": words}, by=alice, now=NOW)
    assert (len(told(team.lead)), len(told(manager))) == (1, 1)


def test_a_first_name_that_two_people_have_needs_the_rest(account, alice):
    first, second = (
        make_user(f"{name}@example.com", role="manager", name=f"Mona {name.title()}")
        for name in ("reyes", "stern")
    )
    make_activity(account, "@mona look", by=alice)
    assert (told(first), told(second)) == ([], [])
    make_activity(account, "@Mona Stern look", by=alice)
    assert (told(first), len(told(second))) == ([], 1)


def test_a_long_entry_is_quoted_short(account, alice, team):
    make_activity(account, "@joss " + "many words " * 1500, by=alice)
    (notice,) = told(team.lead)
    assert len(notice) <= 500 and notice.endswith("…”")
