"""Letters: filled from what was recorded, never sent with a gap, recorded once when they leave (ONB-2..5)."""

from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from django.conf import settings
from django.urls import reverse

from accounts.models import Activity, Contact
from accounts.tests.factories import make_account, make_csm, make_lead, make_team, make_user
from lifecycle import clock
from lifecycle.change import change
from lifecycle.mail import drafts
from lifecycle.mail.dispatch import drain
from lifecycle.mail.drafts.letters import LINKS
from lifecycle.mail.drafts.merge import fields_in, fill, gaps, unknown
from lifecycle.mail.models import Draft, Link, MailTemplate, Message
from lifecycle.milestones.models import Milestone
from lifecycle.rules.refused import Refused
from onboarding.models import Onboarding

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 18, 15, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def one_instant(tmp_path, settings):
    settings.MAIL_DIR = tmp_path
    with clock.at(NOW):
        yield


@pytest.fixture
def alice():
    team = make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))
    return make_csm(
        "alice@example.com",
        name="Alice Moreau",
        team=team,
        time_zone="America/New_York",
        booking_url="https://book.example.com/alice",
    )


@pytest.fixture
def account(alice):
    account = make_account("Bright Harbor", csm=alice, starter_package=True, time_zone="America/Chicago")
    with change(account, by=alice, via="page", now=NOW):
        Contact(account=account, name="Dana Whitlow", email="dana@example.com", is_main=True).record({})
        Onboarding.objects.get(account=account).record(
            {"call_completed_on": date(2026, 6, 18)}, today=NOW.date()
        )
        Onboarding.objects.get(account=account).set_objectives([{"text": "Pass the audit in May"}])
    return account


@pytest.fixture
def links():
    with change(None, by=None, via="task", now=NOW):
        for key in LINKS:
            value = f"https://example.com/{key}" if key.endswith("_link") else "support@example.com"
            Link.objects.create(key=key, value=value)


def onboarding(account):
    return Onboarding.objects.get(account=account)


def url(account):
    return reverse("mail:letter", args=[account.pk, "onboarding_recap_smb", onboarding(account).pk])


def recap(account, alice):
    letter = drafts.LETTERS["onboarding_recap_smb"]
    return drafts.draft_of(letter, onboarding(account), writer=alice, now=NOW)


def sent_mail():
    (path,) = settings.MAIL_DIR.glob("*.eml")
    return message_from_bytes(path.read_bytes(), policy=policy.default)


# --- merge fields


def test_a_field_is_replaced_once_and_its_value_is_not_read_again():
    assert fill("{a} {b}", {"a": "{b}", "b": "x"}) == "{b} x"


@pytest.mark.parametrize("text", ["{{7*7}}", "{0.__class__}", "{ a }", "{A}", "{% now %}", "{"])
def test_what_is_no_field_stays_as_it_is(text):
    assert fill(text, {"a": "x", "7*7": "49", "0": "x"}) == text
    assert fields_in(text) == []


def test_a_field_without_a_value_is_a_gap():
    assert gaps(fill("{a} {b}", {"a": "", "b": "x"}), ["a", "b"]) == ["a"]
    assert unknown("{a} {c} {c}", ["a", "b"]) == ["{c}"]


@pytest.mark.parametrize(
    "typed", ["{main_name}", "{Main_name}", "{main name}", "{ Main  Name }", "{MAIN_NAME}"]
)
def test_a_field_typed_by_hand_is_a_gap_however_it_is_spelt(typed):
    assert gaps(f"Hello {typed},", ["main_name", "other"]) == ["main_name"]
    assert gaps("Hello {main_nam}, {mainname} and {}", ["main_name"]) == []


@pytest.mark.parametrize(
    ("text", "strange"),
    [
        ("Hello {Contact_first_name},", ["{Contact_first_name}"]),
        ("Hello {contact first name},", ["{contact first name}"]),
        ("Hello { account },", ["{ account }"]),
        ("{account is new", ["{account is new"]),
        ("{account\r\nis {owner_name}", ["{account"]),
        ("{" + "x" * 50, ["{" + "x" * 39]),
        ("account} is {account}", ["}"]),
        ("{{account}}", ["{", "}"]),
        ("{account.name} {0} {} {a-b}", ["{account.name}", "{0}", "{}", "{a-b}"]),
        ("{account}{owner_name}", []),
    ],
)
def test_onb_5_every_brace_that_is_no_field_is_strange(text, strange):
    assert unknown(text, ["account", "owner_name"]) == strange


@pytest.mark.parametrize("key", sorted(drafts.LETTERS))
def test_onb_5_the_first_words_of_every_letter_know_their_fields_and_stay_short(key):
    letter = drafts.LETTERS[key]
    subject, body = letter.first_words
    assert subject
    assert not unknown(f"{subject}\n{body}", letter.known)
    assert len(body.split()) <= 150
    assert body.count("?") == 1  # one request each


# --- writing


def test_onb_2_the_recap_is_written_from_what_was_recorded(account, alice, links):
    draft = recap(account, alice)
    assert draft.to == ["dana@example.com"]
    for words in (
        "Hello Dana,",
        "Thursday, June 18",
        "- Pass the audit in May",
        "- Learning: date to be agreed",
        "https://book.example.com/alice",
        "https://example.com/launch_kit_link",
        "https://example.com/presentation_link",
        "Alice Moreau",
    ):
        assert words in draft.body
    assert drafts.gaps_of(draft) == []


def test_onb_5_a_missing_link_is_a_gap_that_blocks_sending_and_not_copying(client, account, alice):
    client.force_login(alice)
    page = client.get(url(account))
    assert "Customer Launch Kit</mark>" in page.content.decode()
    draft = recap(account, alice)
    typed = {"to": "dana@example.com", "subject": draft.subject, "body": draft.body, "seen": 0}
    answer = client.post(url(account), typed | {"send": "1"})
    assert answer.status_code == 422
    assert "Fill in or take out what is missing: customer Launch Kit" in answer.content.decode()
    assert not Message.objects.exists()
    kept = Draft.objects.get()
    assert kept.body == draft.body  # nothing that was typed is lost
    answer = client.post(url(account), typed | {"copied": "1", "seen": kept.version})
    assert answer.status_code == 302
    assert onboarding(account).recap_sent_at == NOW


def test_reading_a_letter_writes_nothing(client, account, alice):
    client.force_login(alice)
    assert client.get(url(account)).status_code == 200
    assert not Draft.objects.exists()


def test_two_people_who_write_one_letter_see_both_versions(client, account, alice, links):
    client.force_login(alice)
    draft = recap(account, alice)
    typed = {"to": "dana@example.com", "subject": draft.subject, "seen": 0}
    assert client.post(url(account), typed | {"body": "Mine", "save": "1"}).status_code == 302
    answer = client.post(url(account), typed | {"body": "Theirs", "save": "1"})
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "Mine" in page and "Theirs" in page
    assert Draft.objects.get().body == "Mine"
    assert 'id="seen" value="0"' not in page


def test_a_letter_that_saves_itself_never_writes_over_somebody_elses_words(client, account, alice, links):
    client.force_login(alice)
    draft, by_itself = recap(account, alice), {"HTTP_HX_REQUEST": "true"}
    typed = {"to": "dana@example.com", "subject": draft.subject, "save": "1"}
    assert client.post(url(account), typed | {"body": "Mine", "seen": 0}, **by_itself).status_code == 302
    for seen in (0, 1):  # what was kept a moment ago may be kept again
        assert client.post(url(account), typed | {"body": "Mine", "seen": seen}).status_code == 302
    assert Draft.objects.get().body == "Mine"
    for _ in range(2):
        answer = client.post(url(account), typed | {"body": "Late", "seen": 0}, **by_itself)
        assert answer.status_code == 409
        assert 'id="seen" value="0"' in answer.content.decode()
        assert "Somebody else changed this letter" in answer.content.decode().partition('id="preview"')[2]
    assert Draft.objects.get().body == "Mine"


@pytest.mark.parametrize("to", ["dana", "dana@example.com, x y@", "a@example.com\nBcc: b"])
def test_what_is_no_address_is_named(client, account, alice, links, to):
    client.force_login(alice)
    answer = client.post(url(account), {"to": to, "subject": "s", "body": "b", "seen": 0, "send": "1"})
    assert answer.status_code == 422
    assert "is not an email address" in answer.content.decode()
    assert not Message.objects.exists()


# --- on its way


def test_onb_2_a_letter_leaves_after_the_undo_and_its_fact_is_recorded_with_it(account, alice, links):
    draft = recap(account, alice)
    draft.cc = ["sam@example.com"]
    draft.version = 1
    draft.save()
    first, second = drafts.send(draft, by=alice, now=NOW)
    assert [m.pk for m in drafts.send(draft, by=alice, now=NOW)] == [first.pk, second.pk]  # a double click
    assert first.audience == "customer"
    assert drain(now=NOW + timedelta(seconds=19)).total() == 0
    assert onboarding(account).recap_sent_at is None
    later = NOW + timedelta(seconds=20)
    assert drain(now=later) == {"sent": 2}
    assert onboarding(account).recap_sent_at == later
    assert Milestone.objects.get(kind="recap_call").status == "done"
    entry = Activity.objects.get()
    assert (entry.kind, entry.author) == ("email", alice)
    account.refresh_from_db()
    assert account.last_contact_on == date(2026, 6, 18)


def test_a_letter_shows_who_writes_and_where_answers_go(account, alice, links):
    draft = recap(account, alice)
    draft.version = 1
    draft.save()
    drafts.send(draft, by=alice, now=NOW)
    drain(now=NOW + timedelta(minutes=1))
    mail = sent_mail()
    assert mail["From"].startswith("Alice Moreau <")
    assert mail["Reply-To"] == "alice@example.com"
    assert mail["To"] == "dana@example.com"
    assert "Pass the audit in May" in mail.get_body(("plain",)).get_content()
    html = mail.get_body(("html",)).get_content()
    assert '<a href="https://example.com/launch_kit_link"' in html


def test_what_a_customer_is_called_is_no_markup_in_a_letter(account, alice, links):
    with change(account, by=alice, via="page", now=NOW):
        Contact.objects.get().record({"name": "<img/src=x> & Söhne 🌱"})
    draft = recap(account, alice)
    draft.version = 1
    draft.save()
    drafts.send(draft, by=alice, now=NOW)
    drain(now=NOW + timedelta(minutes=1))
    html = sent_mail().get_body(("html",)).get_content()
    assert "<img" not in html and "&lt;img/src=x&gt;" in html


def test_a_letter_taken_back_is_a_draft_again(account, alice, links):
    from lifecycle.mail import outbox

    draft = recap(account, alice)
    draft.version = 1
    draft.save()
    (message,) = drafts.send(draft, by=alice, now=NOW)
    outbox.undo(message.pk, by=alice, now=NOW)
    draft.refresh_from_db()
    assert draft.is_open
    assert drain(now=NOW + timedelta(minutes=1)).total() == 0
    (again,) = drafts.send(draft, by=alice, now=NOW)
    assert again.pk != message.pk


def test_nothing_leaves_for_an_archived_account(account, alice, links):
    draft = recap(account, alice)
    draft.version = 1
    draft.save()
    drafts.send(draft, by=alice, now=NOW)
    with change(account, by=alice, via="page", now=NOW) as work:
        work.account.archive(now=NOW)
    assert drain(now=NOW + timedelta(minutes=1)) == {"cancelled": 1}
    with pytest.raises(Refused):
        drafts.send(recap(account, alice), by=alice, now=NOW)


# --- who may


def test_a_foreign_letter_is_a_missing_one(client, account):
    client.force_login(make_csm("charlie@example.com", team=make_team("West")))
    foreign = client.get(url(account))
    missing = client.get(url(account).replace(f"/{account.pk}/", "/999999/"))
    assert foreign.status_code == missing.status_code == 404
    assert foreign.content == missing.content


def test_a_viewer_sees_no_letters_and_an_administrator_writes_none(client, account):
    client.force_login(make_user("viewer@example.com", role="viewer"))
    assert client.get(url(account)).status_code == 404
    client.force_login(make_user("admin@example.com", role="admin"))
    assert client.post(url(account), {"body": "x", "save": "1"}).status_code == 404


# --- templates and links


@pytest.mark.parametrize("role", ["csm", "team_lead", "manager", "viewer", "admin"])
def test_onb_5_everybody_reads_templates_and_only_cs_ops_publishes(client, role):
    client.force_login(make_user("someone@example.com", role=role))
    for name, args in (("templates", []), ("template", ["training_recap"]), ("links", [])):
        assert client.get(reverse(f"mail:{name}", args=args)).status_code == 200
    words = {"subject": "s", "body": "b"}
    assert client.post(reverse("mail:template", args=["training_recap"]), words).status_code == 403
    assert client.post(reverse("mail:links"), {}).status_code == 403
    assert not MailTemplate.objects.exists()


def test_a_template_with_an_unknown_field_is_not_saved(client):
    client.force_login(make_user("ops@example.com", role="cs_ops"))
    page = reverse("mail:template", args=["training_recap"])
    answer = client.post(page, {"subject": "s", "body": "Hello {contact_frist_name}"})
    assert answer.status_code == 422
    assert "There is no field {contact_frist_name} in this letter" in answer.content.decode()
    assert (
        client.post(page, {"subject": "{product}", "body": "Hello {contact_first_name}"}).status_code == 302
    )
    assert drafts.template_of(drafts.LETTERS["training_recap"])[:2] == (2, "{product}")


@pytest.mark.parametrize("typed", ["{Contact_first_name}", "{contact first name}", "{account"])
@pytest.mark.parametrize("place", ["subject", "body"])
def test_onb_5_a_template_whose_braces_would_reach_the_customer_is_not_saved(client, typed, place):
    client.force_login(make_user("ops@example.com", role="cs_ops"))
    posted = {"subject": "s", "body": "b"} | {place: f"Hello {typed}"}
    answer = client.post(reverse("mail:template", args=["training_recap"]), posted)
    assert answer.status_code == 422
    assert f"There is no field {typed} in this letter" in answer.content.decode()
    assert not MailTemplate.objects.exists()


def test_a_draft_keeps_its_words_when_a_template_changes(account, alice, links):
    draft = recap(account, alice)
    draft.version = 1
    draft.save()
    letter = drafts.LETTERS["onboarding_recap_smb"]
    drafts.new_version(letter, subject="New", body="New words", note="", by=alice, now=NOW)
    assert recap(account, alice).body == draft.body


def test_onb_5_links_are_entered_once_for_all_letters(client, account, alice):
    client.force_login(make_user("ops@example.com", role="cs_ops"))
    answer = client.post(reverse("mail:links"), {"launch_kit_link": "javascript:alert(1)"})
    assert answer.status_code == 422
    client.post(reverse("mail:links"), {"launch_kit_link": "https://example.com/kit"})
    assert "https://example.com/kit" in recap(account, alice).body
