"""Contacts, upsells, emails and the list: what they show, to whom, and what they refuse."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse

from accounts.models import Account, Contact, Opportunity, UsageSnapshot
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
from adoption.models import Stage
from lifecycle import clock
from lifecycle.change import change
from lifecycle.mail.models import Message
from lifecycle.milestones.models import Milestone

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 15, 15, tzinfo=UTC)  # a Tuesday


@pytest.fixture(autouse=True)
def tuesday():
    with clock.at(NOW):
        yield


@pytest.fixture
def team():
    return make_team("East", lead=make_lead("joss@example.com", name="Joss Vandermeer"))


@pytest.fixture
def alice(team):
    return make_csm("alice@example.com", team=team, name="Alice Moreau")


@pytest.fixture
def bob(team):
    return make_csm("bob@example.com", team=team, name="Bob Tanaka")


@pytest.fixture
def charlie():
    return make_csm("charlie@example.com", team=make_team("West"), name="Charlie Ode")


@pytest.fixture
def account(alice):
    return make_account(
        "Halden Vale Imaging", csm=alice, rsm_name="Beatriz Oakley", rsm_email="b@example.com"
    )


def at(name, account, *more):
    return reverse(f"accounts:{name}", args=[account.pk, *more])


def said(page):
    return page.content.decode()


def test_only_a_row_of_a_day_says_on_which_weekday_that_day_falls(client, account, alice):
    client.force_login(alice)
    complete_onboarding(account, on=date(2026, 7, 21))
    with clock.at(NOW + timedelta(days=4)):  # a Saturday
        make_activity(account, "Ask again", follow_up_on=date(2026, 9, 19))
        page = said(client.get(at("detail", account)))
    assert "Follow up" in page and "day 0 is" not in page
    assert "day 60 is Sat" in page


# --- contacts


def test_a_contact_is_added_corrected_confirmed_and_forgotten(client, account, alice):
    client.force_login(alice)
    client.post(at("add-contact", account), {"name": "Dana Whitlow", "email": "dana@customer.example"})
    contact = Contact.objects.get()
    url = at("contact", account, contact.pk)
    client.post(
        url, {"name": "Dana Whitlow", "email": "dana@customer.example", "title": "Lead", "is_main": "on"}
    )
    assert (Contact.objects.get().title, Contact.objects.get().is_main) == ("Lead", True)
    assert "Not confirmed yet" in said(client.get(at("contacts", account)))
    client.post(at("confirm-contact", account, contact.pk))
    assert Contact.objects.get().confirmed_on == date(2026, 9, 15)
    assert "Not confirmed yet" not in said(client.get(at("contacts", account)))
    call = make_activity(account, "Rang Dana", contact=Contact.objects.get())
    assert "Remove Dana Whitlow?" in said(client.get(at("remove-contact", account, contact.pk)))
    client.post(at("remove-contact", account, contact.pk))
    assert not Contact.objects.exists()
    call.refresh_from_db()
    assert (call.contact, call.text) == (None, "Rang Dana")
    assert client.post(at("remove-contact", account, contact.pk)).status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "Dana\nWhitlow",
        "Dana\r\nBcc: x@example.com",
        "Dana\u202eevil",
        "Dana\u200bW",
        "Da\u200dna",  # a joiner that joins nothing: it makes two names that look alike
        "\u200cדנה",
        "דנה\u200d\u200dרון",
        "\u2028",
        "A" * 151,
        " ",
    ],
)
def test_a_name_with_a_line_break_or_what_nobody_sees_is_refused(client, account, alice, name):
    client.force_login(alice)
    answer = client.post(at("add-contact", account), {"name": name})
    assert answer.status_code == 422
    assert "name" in answer.context["form"].errors
    assert not Contact.objects.exists()


@pytest.mark.parametrize(
    "name",
    ["ריטה מדוק", "محمد علي", "علی\u200cرضا", "李小龍", "Zoë 🩺", "👩🏽‍⚕️ Rita", "O'Hara <b>", "A" * 150],
)
def test_names_of_the_whole_world_stay_as_they_are(client, account, alice, name):
    client.force_login(alice)
    assert client.post(at("add-contact", account), {"name": name}).status_code == 302
    assert Contact.objects.get().name == name
    assert client.get(at("contacts", account)).context["contacts"][0].name == name
    assert "<b>," not in said(client.get(at("contacts", account)))


def test_what_two_people_correct_on_a_contact_is_merged_or_told(client, account, alice, team):
    contact = make_contact(account, "Dana", title="Lead", phone="1")
    client.force_login(alice)
    with change(account, by=team.lead, via="page", now=NOW):
        Contact.objects.get().record({"title": "Head"})
    seen = {"name": "Dana", "email": "dana@customer.example", "is_main": "on", "phone": "1", "title": "Lead"}
    initial = {f"initial-{name}": "True" if value == "on" else value for name, value in seen.items()}
    url = at("contact", account, contact.pk)
    assert client.post(url, seen | initial | {"phone": "2"}).status_code == 302
    assert (Contact.objects.get().title, Contact.objects.get().phone) == ("Head", "2")
    answer = client.post(url, seen | initial | {"initial-phone": "2", "phone": "2", "title": "Chief"})
    assert answer.status_code == 409 and "it now reads “Head”" in said(answer)


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_addresses_are_hidden_from_those_who_only_look(client, account, role):
    contact = make_contact(account, "Dana Whitlow", email="dana@customer.example", phone="+1 312 555 0100")
    client.force_login(make_user(role=role))
    for name in ("contacts", "detail", "activity"):
        text = said(client.get(at(name, account)))
        assert "dana@customer.example" not in text and "555 0100" not in text
    assert "Dana Whitlow" in said(client.get(at("contacts", account)))
    for name in ("contact", "confirm-contact", "remove-contact"):
        assert client.post(at(name, account, contact.pk)).status_code == 403


def test_contacts_and_upsells_of_others_do_not_exist(client, account, bob, charlie, alice):
    contact, upsell = make_contact(account), make_opportunity(account)
    mine = make_account("Mine", csm=bob)
    for other in (bob, charlie):
        client.force_login(other)
        for name, pk in (
            ("contact", contact.pk),
            ("confirm-contact", contact.pk),
            ("remove-contact", contact.pk),
            ("opportunity", upsell.pk),
            ("opportunity-told", upsell.pk),
            ("remove-opportunity", upsell.pk),
        ):
            assert client.post(at(name, account, pk)).status_code == 404
    client.force_login(bob)
    assert client.post(at("remove-contact", mine, contact.pk)).status_code == 404  # of another account
    assert client.post(at("opportunity", mine, upsell.pk)).status_code == 404
    assert Contact.objects.exists() and Opportunity.objects.exists()


# --- upsells and the RSM


def test_act_3_an_upsell_goes_from_surfaced_to_won_and_the_rsm_knows(client, account, alice):
    client.force_login(alice)
    answer = client.post(
        at("add-opportunity", account), {"kind": "module", "state": "surfaced", "text": "Wants more"}
    )
    assert answer["Location"] == f"{at('detail', account)}#opportunities"
    row = Opportunity.objects.get()
    assert (row.author, str(row.surfaced_on)) == (alice, "2026-09-15")
    text = said(client.get(at("detail", account)))
    assert "Wants more" in text and "RSM not told" in text and "RSM Beatriz Oakley" in text
    assert reverse("mail:letter", args=[account.pk, "rsm_upsell", row.pk]) in text
    for _ in range(2):
        client.post(at("opportunity-told", account, row.pk))
    assert Opportunity.objects.get().rsm_told_at == NOW
    assert not Milestone.objects.open().filter(kind="tell_rsm").exists()
    client.post(
        at("opportunity", account, row.pk), {"kind": "module", "state": "won", "demo_on": "2026-09-30"}
    )
    assert (Opportunity.objects.get().state, str(Opportunity.objects.get().demo_on)) == ("won", "2026-09-30")
    client.get(at("remove-opportunity", account, row.pk))
    assert Opportunity.objects.exists()
    client.post(at("remove-opportunity", account, row.pk))
    assert not Opportunity.objects.exists()
    assert "Upsell taken out" in said(client.get(at("activity", account)))


@pytest.mark.parametrize(
    ("field", "value"), [("kind", "boat"), ("state", ""), ("demo_on", "soon"), ("text", "A" * 20_001)]
)
def test_a_wrong_upsell_is_422_and_says_where(client, account, alice, field, value):
    client.force_login(alice)
    answer = client.post(
        at("add-opportunity", account), {"kind": "module", "state": "surfaced", field: value}
    )
    assert answer.status_code == 422 and field in answer.context["form"].errors
    assert not Opportunity.objects.exists()


@pytest.mark.parametrize(
    ("active", "employees", "asks"), [(44, None, False), (45, None, True), (10, 44, False), (10, 45, True)]
)
def test_act_3_more_people_than_contracted_asks_to_tell_the_rsm(
    client, account, alice, active, employees, asks
):
    with change(account, by=None, via="api", now=NOW) as work:
        work.account.record({"contracted_users": 44})
        UsageSnapshot.objects.create(
            account=work.account, taken_on=NOW.date(), active_users=active, employees=employees
        )
    client.force_login(alice)
    text = said(client.get(at("detail", account)))
    assert f"<b>{active}</b> active of 44 contracted" in text
    assert ("Tell the RSM" in text) is asks
    duty = Milestone.objects.open().filter(kind="tell_rsm").first()
    assert (duty is not None) is asks
    if duty:
        assert "Beatriz Oakley does not know yet" in text
        client.post(reverse("dashboards:complete", args=[duty.pk]), {"next": at("detail", account)})
        assert "does not know yet" not in said(client.get(at("detail", account)))


# --- emails


def mail(account, **more):
    values = {"kind": "plain", "audience": "customer", "account": account, "address": "dana@customer.example"}
    values |= {"dedup": f"t:{Message.objects.count()}", "not_before": NOW, "created_at": NOW, **more}
    return Message.objects.create(subject=more.pop("subject", "Your recap"), **values)


def test_the_emails_tab_leads_each_mail_into_the_outbox(client, account, alice):
    sent = mail(account, state="sent", sent_at=NOW)
    other = mail(make_account("Elsewhere", csm=alice), dedup="other", address="x@elsewhere.example")
    client.force_login(alice)
    text = said(client.get(at("emails", account)))
    assert reverse("dashboards:outbox-mail", args=[sent.pk]) in text
    assert "Your recap" in text and "dana@customer.example" in text and "Sent" in text
    assert reverse("dashboards:outbox-mail", args=[other.pk]) not in text
    assert 'Emails<span class="n">1</span>' in text


def test_a_letter_that_was_begun_is_found_on_the_emails_tab_until_it_leaves(client, account, alice):
    url = reverse("mail:letter", args=[account.pk, "rsm_upsell", make_opportunity(account).pk])
    client.force_login(alice)
    assert f'href="{url}"' not in said(client.get(at("emails", account)))
    client.post(url, {"to": "", "subject": "More", "body": "They want more.", "seen": "0", "save": "1"})
    text = said(client.get(at("emails", account)))
    assert f'href="{url}"' in text and "being written by Alice Moreau" in text and "No mail yet" not in text
    client.force_login(make_user(role="viewer"))
    assert f'href="{url}"' not in said(client.get(at("emails", account)))
    client.force_login(alice)
    client.post(url, {"to": "", "subject": "More", "body": "They want more.", "seen": "1", "copied": "1"})
    assert f'href="{url}"' not in said(client.get(at("emails", account)))


def test_mail_is_hidden_from_viewers_and_its_addresses_from_administrators(client, account):
    mail(account)
    client.force_login(make_user(role="viewer"))
    text = said(client.get(at("emails", account)))
    assert "Your recap" not in text and "Mail is read by the people who work the account." in text
    client.force_login(make_user(role="admin"))
    text = said(client.get(at("emails", account)))
    assert "Your recap" in text and "dana@customer.example" not in text


# --- last contact, next step


def test_act_1_the_last_contact_stands_on_the_page_and_sorts_the_list(client, alice):
    names = {"Never": None, "Long ago": 40, "Lately": 6}
    for name, days in names.items():
        account = make_account(name, csm=alice)
        if days:
            make_activity(account, happened_at=NOW - timedelta(days=days))
    client.force_login(alice)
    for sort, order in (
        ("last_contact", ["Never", "Long ago", "Lately"]),
        ("-last_contact", ["Lately", "Long ago", "Never"]),
        ("", ["Lately", "Long ago", "Never"]),
        ("drop table", ["Lately", "Long ago", "Never"]),
        ("-name", ["Never", "Long ago", "Lately"]),
    ):
        page = client.get("/accounts/", {"sort": sort})
        assert [line.account.name for line in page.context["lines"]] == order, sort
    text = said(client.get("/accounts/", {"sort": "-last_contact"}))
    assert "No contact yet" in text and "6 days ago" in text and "Thu, Aug 6" in text
    assert 'aria-sort="descending"' in text and "sort=last_contact" in text
    assert "6 days ago" in said(client.get(at("detail", Account.objects.get(name="Lately"))))
    assert "No contact yet" in said(client.get(at("detail", Account.objects.get(name="Never"))))


def test_a_sorted_list_keeps_its_filters_and_its_pages(client, alice):
    make_account("Halden", csm=alice)
    client.force_login(alice)
    text = said(client.get("/accounts/", {"phase": "new", "sort": "-mrr"}))
    assert "?phase=new&amp;sort=mrr" in text and "?phase=new&amp;sort=name" in text
    assert '<input type="hidden" name="sort" value="-mrr">' in text


def test_the_one_next_step_is_the_same_in_list_page_and_my_day(client, alice):
    account = make_account("Halden Vale Imaging", csm=alice, service_level="premium")
    complete_onboarding(account, on=NOW.date() - timedelta(days=29))
    make_activity(account, "Wish", kind="request", follow_up_on="2026-09-14", by=alice)
    client.force_login(alice)
    deeds = {  # what is recorded on which day
        0: {},
        1: {"meeting_scheduled_at": NOW + timedelta(days=2)},
        4: {},
        5: {"meeting_held": True, "meeting_held_on": NOW.date() + timedelta(days=2)},
        6: {"recap_sent_at": NOW},
        65: {},
    }
    seen = []
    for day, values in deeds.items():
        now = NOW + timedelta(days=day)
        with clock.at(now):
            with change(account, by=None, via="task", now=now) as work:
                stage = Stage.objects.select_related("account").get(day=30)
                stage.record(values, by=None, now=now, today=work.today(work.account))
            listed = client.get("/accounts/").context["lines"][0].next_step
            shown = client.get(at("detail", account)).context["next_step"]
            groups = client.get("/day/").context["groups"]
        assert listed.milestone == shown.milestone == groups[0].rows[0].milestone
        seen.append(shown.milestone.kind)
    assert len(set(seen)) > 3, seen  # it did move on


def test_a_row_put_off_is_no_next_step(client, alice):
    account = make_account("Halden Vale Imaging", csm=alice, service_level="premium")
    complete_onboarding(account, on=NOW.date() - timedelta(days=29))
    client.force_login(alice)
    first = client.get(at("detail", account)).context["next_step"].milestone
    with change(account, by=alice, via="page", now=NOW):
        row = Milestone.objects.get(pk=first.pk)
        row.snoozed_until = NOW.date() + timedelta(days=9)
        row.save()
    assert client.get(at("detail", account)).context["next_step"].milestone != first
    assert client.get("/accounts/").context["lines"][0].next_step.milestone != first
