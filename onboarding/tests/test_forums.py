"""Open Forums: the first Thursday of each month, and what their hosts owe (ONB-6)."""

from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes, policy
from functools import partial

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from icalendar import Calendar

from accounts.models import Activity, Contact
from accounts.tests.factories import make_account, make_contact, make_csm, make_lead, make_team, make_user
from lifecycle import clock
from lifecycle.api.tests.calling import at_once
from lifecycle.change import change
from lifecycle.mail.dispatch import drain
from lifecycle.mail.models import Link, Message
from lifecycle.milestones.models import Milestone
from lifecycle.milestones.planner.forums import look_at_forums
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.cadence import first_thursdays
from lifecycle.rules.refused import Refused
from onboarding import emails
from onboarding.models import Forum, ForumGuest

pytestmark = pytest.mark.django_db
HELD = date(2026, 9, 3)


def at(day, hour=12):
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


@pytest.fixture
def alice():
    return make_csm("alice@example.com", team=make_team("East", lead=make_lead("joss@example.com")))


@pytest.fixture
def forum(alice):
    with change(None, by=alice, via="page", now=at(date(2026, 8, 1))):
        return Forum.objects.create(held_on=HELD, host=alice)


def invitation():
    return Milestone.objects.filter(kind="forum_invite").order_by("-pk").first()


@pytest.mark.parametrize(
    ("start", "first"),
    [
        (date(2026, 1, 1), date(2026, 1, 1)),  # a Thursday itself
        (date(2026, 1, 2), date(2026, 2, 5)),
        (date(2026, 9, 3), date(2026, 9, 3)),
        (date(2026, 12, 31), date(2027, 1, 7)),
    ],
)
def test_onb_6_forums_fall_on_first_thursdays(start, first):
    days = first_thursdays(start, 12)
    assert days[0] == first
    assert len(days) == 12
    assert all(day.weekday() == 3 and day.day <= 7 for day in days)


def test_onb_6_a_series_is_planned_once_and_leaves_moved_ones_alone(alice):
    today = date(2026, 8, 20)
    with change(None, by=alice, via="page", now=at(today)):
        assert len(Forum.plan_series(alice, time(11), today=today)) == 12
        Forum.objects.get(held_on=HELD).move(date(2026, 9, 10), note="Holiday week", today=today)
    with change(None, by=alice, via="page", now=at(today)):
        assert Forum.plan_series(alice, time(11), today=today) == []


def test_onb_6_the_invitations_are_owed_from_ten_days_before_until_the_day_is_over(forum, alice):
    opens = at(HELD - timedelta(days=10), 0)
    look_at_forums(opens - timedelta(seconds=1))
    assert invitation() is None
    look_at_forums(opens)
    row = invitation()
    assert (row.account, row.owner, row.due_on, row.status) == (None, alice, HELD - timedelta(days=7), "open")
    assert row.remind_at == at(HELD - timedelta(days=8), 10)  # when that day begins in the Line Islands
    look_at_forums(at(HELD, 23))
    assert invitation().status == "open"
    look_at_forums(at(HELD + timedelta(days=1), 0))
    assert (invitation().status, invitation().reason) == (
        "cancelled",
        "The forum was skipped, moved or is over.",
    )


def test_onb_6_sending_clears_the_row_and_a_skipped_forum_owes_nothing(forum, alice):
    now = at(HELD - timedelta(days=8))
    look_at_forums(now)
    with change(None, by=alice, via="page", now=now):
        invitation().complete(by=alice, now=now)
    assert Forum.objects.get().invited_at == now
    assert invitation().status == "done"
    look_at_forums(now + timedelta(days=1))
    assert Milestone.objects.count() == 1
    with change(None, by=alice, via="page", now=now):
        Forum.objects.get().record({"invited_at": None})
        Forum.objects.get().skip(note="Everybody is away", today=now.date(), now=now)
    look_at_forums(now)
    assert not Milestone.objects.open().exists()


@pytest.mark.parametrize("verb", ["move", "skip"])
def test_onb_6_a_forum_that_was_held_stays(forum, verb):
    day = HELD + timedelta(days=1)
    with pytest.raises(Refused, match="is over"), change(None, by=None, via="page", now=at(day)):
        held = Forum.objects.get()
        if verb == "move":
            held.move(HELD + timedelta(days=9), note="x", today=day)
        else:
            held.skip(note="x", today=day, now=at(day))


def test_only_the_host_and_those_who_see_all_see_a_duty_of_no_account(forum, alice):
    look_at_forums(at(HELD - timedelta(days=8)))
    others = [make_csm("bob@example.com", team=alice.team), alice.team.lead]
    assert [Milestone.objects.visible_to(user).count() for user in (alice, *others)] == [1, 0, 0]


def test_onb_6_the_invitation_is_a_row_of_the_hosts_day_and_of_the_managers_queue(client, forum, alice):
    now = at(HELD - timedelta(days=8))
    manager = make_user(role="manager")
    look_at_forums(now)
    for person, path in ((alice, "/day/"), (manager, "/team/?show=week"), (manager, "/team/")):
        client.force_login(person)
        with clock.at(now):
            page = client.get(path)
        assert page.status_code == 200
        assert ("Send the forum invitations" in page.content.decode()) == (path != "/team/")
    with change(None, by=alice, via="page", now=now):
        invitation().complete(by=alice, now=now)
    client.force_login(alice)
    with clock.at(now):
        assert "Send the forum invitations</div>" in client.get("/day/").content.decode()


# --- the pages and the invitations


@pytest.fixture
def guests(alice, settings, tmp_path):
    settings.MAIL_DIR = tmp_path
    made = []
    for name in ("Alder", "Birch", "Cedar"):
        account = make_account(name, csm=alice, starter_package=True, time_zone="America/Chicago")
        made.append(account)
        if name != "Cedar":
            with change(account, by=alice, via="page", now=at(date(2026, 8, 1))):
                Contact(account=account, name=f"Dana {name}", email=f"dana@{name.lower()}.example").record({})
    make_account("Regular", csm=alice)
    with change(None, by=None, via="task", now=at(date(2026, 8, 1))):
        Link.objects.create(key="forum_link", value="https://meet.example.com/forum")
    return made


def test_onb_6_each_smb_account_gets_one_invitation_with_the_date_as_a_calendar_file(
    forum, guests, alice, client
):
    now = at(HELD - timedelta(days=8))
    client.force_login(alice)
    page = reverse("onboarding:forum-invite", args=[forum.pk])
    with clock.at(now):
        answer = client.post(page, follow=True)
        assert "Sending 2 invitations; 1 have no contact" in answer.content.decode()
        client.post(page)  # a double click
    assert drain(now=now + timedelta(minutes=1)) == {"sent": 2}
    mails = [
        message_from_bytes(p.read_bytes(), policy=policy.default) for p in settings.MAIL_DIR.glob("*.eml")
    ]
    assert sorted(mail["To"] for mail in mails) == ["dana@alder.example", "dana@birch.example"]
    for mail in mails:
        words = mail.get_body(("plain",)).get_content()
        assert "Thursday, September 3, 6:00 AM (Chicago)" in words
        (file,) = mail.iter_attachments()
        event = Calendar.from_ical(file.get_content()).walk("VEVENT")[0]
        assert event.decoded("dtstart") == datetime(2026, 9, 3, 11, tzinfo=UTC)
        assert event.decoded("duration") == timedelta(minutes=30)
    assert ForumGuest.objects.exclude(invited_at=None).count() == 2
    assert Activity.objects.filter(kind="email").count() == 2
    assert not Milestone.objects.open().filter(kind="forum_invite").exists()


def test_onb_6_who_was_invited_to_a_forum_that_moves_is_invited_to_the_new_day(forum, guests, alice):
    now = at(HELD - timedelta(days=8))
    assert emails.invite(forum, by=alice, now=now) == (2, 1)
    assert emails.invite(forum, by=alice, now=now) == (0, 1)  # they are on their way
    drain(now=now + timedelta(minutes=1))
    with change(None, by=alice, via="page", now=now):
        Forum.objects.get().move(date(2026, 9, 4), note="Holiday week.", today=now.date())
    look_at_forums(now + timedelta(hours=1))
    assert invitation().status == "open" and invitation().due_on == date(2026, 8, 28)
    with change(guests[0], by=alice, via="page", now=now) as work:
        work.account.archive(now=now)  # Alder is no customer any more
    assert emails.invite(Forum.objects.get(), by=alice, now=now + timedelta(hours=2)) == (1, 1)
    drain(now=now + timedelta(hours=3))
    mails = [
        message_from_bytes(p.read_bytes(), policy=policy.default) for p in settings.MAIL_DIR.glob("*.eml")
    ]
    to_birch = [mail for mail in mails if mail["To"] == "dana@birch.example"]
    assert len(mails) == 3 and len(to_birch) == 2
    words = {mail.get_body(("plain",)).get_content() for mail in to_birch}
    assert sum("It was moved from Thursday, September 3: Holiday week." in text for text in words) == 1
    events = [
        Calendar.from_ical(next(mail.iter_attachments()).get_content()).walk("VEVENT")[0] for mail in to_birch
    ]
    assert len({event["uid"] for event in events}) == 1  # the new day replaces the old one in their calendar
    assert len({event["sequence"] for event in events}) == 2
    assert ForumGuest.objects.exclude(invited_at=None).get().account.name == "Birch"
    assert not Milestone.objects.open().filter(kind="forum_invite").exists()


def test_onb_6_no_invitation_leaves_while_a_link_is_missing(forum, guests, alice):
    now = at(HELD - timedelta(days=8))
    with change(None, by=None, via="task", now=now):
        Link.objects.all()[0].delete()
    with pytest.raises(Refused, match="what is missing"):
        emails.invite(forum, by=alice, now=now)
    assert not Message.objects.exists() and not ForumGuest.objects.exists()


def test_onb_6_who_came_is_noted(forum, guests, alice, client):
    now = at(HELD - timedelta(days=8))
    emails.invite(forum, by=alice, now=now)
    client.force_login(alice)
    guest = ForumGuest.objects.get(account__name="Alder")
    page = reverse("onboarding:forum-attendance", args=[forum.pk])
    with clock.at(at(HELD, 0)):
        client.post(page, {"came": [guest.pk, "²", "x", "9" * 30]})
    assert came() == [True, False, False]


def came():
    return [guest.attended for guest in ForumGuest.objects.order_by("account__name")]


@pytest.mark.parametrize(
    ("zone", "hour"), [("UTC", 23), ("America/New_York", 27)]
)  # the host's last hour before
def test_onb_6_nobody_came_before_the_forums_day_or_to_one_that_was_left_out(
    forum, guests, alice, client, zone, hour
):
    emails.invite(forum, by=alice, now=at(HELD - timedelta(days=8)))
    with change(None, by=None, via="page", now=at(date(2026, 8, 1))):
        host = type(alice).objects.get(pk=alice.pk)
        host.time_zone = zone
        host.save()
    page = reverse("onboarding:forum-attendance", args=[forum.pk])
    before = at(HELD - timedelta(days=1), 0) + timedelta(hours=hour, minutes=59)
    client.force_login(alice)
    with clock.at(before):
        answer = client.post(page, {"came": ForumGuest.objects.values_list("pk")[0]}, follow=True)
        assert "There was no forum yet." in answer.content.decode()
        assert "Save attendance" not in answer.content.decode()
    assert came() == [None] * 3
    with clock.at(before + timedelta(minutes=1)):
        assert "Save attendance" in client.get(reverse("onboarding:forum", args=[forum.pk])).content.decode()
        client.post(page)
        assert came() == [False] * 3
        with change(None, by=alice, via="page", now=before):
            Forum.objects.get().skip(note="Everybody is away", today=before.date(), now=before)
        client.post(page, {"came": ForumGuest.objects.values_list("pk")[0]})
    assert came() == [False] * 3


def test_onb_6_an_archived_guest_keeps_what_was_noted(forum, guests, alice, client):
    emails.invite(forum, by=alice, now=at(HELD - timedelta(days=8)))
    pks = list(ForumGuest.objects.order_by("account__name").values_list("pk", flat=True))
    page = reverse("onboarding:forum-attendance", args=[forum.pk])
    client.force_login(alice)
    with clock.at(at(HELD, 13)):
        client.post(page, {"came": pks[0]})
        for account in guests[:2]:
            with change(account, by=alice, via="page", now=at(HELD, 13)) as work:
                work.account.archive(now=at(HELD, 13))
        client.post(page, {"came": pks[2]})  # disabled boxes are not sent
        assert came() == [True, False, True]
        answer = client.post(page, {"came": pks[1]}, follow=True)
        assert "archived" in answer.content.decode()
    assert came() == [True, False, True]


def save(client, forum, **values):
    row = Forum.objects.get(pk=forum.pk)
    here = {"topic": row.topic, "host": row.host_id, "starts_at": f"{row.starts_at:%H:%M}", "questions": ""}
    posted = {f"initial-{name}": value for name, value in here.items()} | here | values
    return client.post(reverse("onboarding:forum-update", args=[forum.pk]), posted, follow=True)


def test_onb_6_who_was_invited_is_invited_anew_once_it_begins_at_another_time(forum, guests, alice, client):
    now = at(HELD - timedelta(days=8))
    far = make_csm("mei@example.com", team=alice.team, time_zone="America/Chicago")
    emails.invite(forum, by=alice, now=now)
    drain(now=now + timedelta(minutes=1))
    client.force_login(alice.team.lead)

    def invited():
        return ForumGuest.objects.exclude(invited_at=None).count()

    with clock.at(now + timedelta(hours=1)):
        assert "send the invitations again" not in save(client, forum, topic="Audits").content.decode()
        assert invited() == 2 and Forum.objects.get().invited_at == now
        assert "send the invitations again" in save(client, forum, starts_at="12:00").content.decode()
        assert invited() == 0 and Forum.objects.get().invited_at is None
        assert invitation().status == "open"
        emails.invite(Forum.objects.get(), by=alice, now=now + timedelta(hours=1))
        drain(now=now + timedelta(hours=2))
        assert invited() == 2
        save(client, forum, host=far.pk, starts_at="07:00")  # in Chicago: the same instant
        assert invited() == 2
        save(client, forum, host=alice.pk)
        assert invited() == 0
    with clock.at(at(HELD + timedelta(days=1))):
        assert save(client, forum, questions="Which report?").status_code == 200
        late = save(client, forum, starts_at="09:00")
    assert late.status_code == 409 and "This forum is over." in late.content.decode()


def test_onb_6_a_forum_that_moved_back_to_its_own_day_was_not_moved(forum, alice):
    today = HELD - timedelta(days=8)
    for to, before in ((HELD + timedelta(days=1), HELD), (HELD + timedelta(days=2), HELD), (HELD, None)):
        with change(None, by=alice, via="page", now=at(today)):
            Forum.objects.get().move(to, note="Holiday week", today=today)
        assert Forum.objects.get().moved_from == before


def test_onb_6_the_page_says_how_many_mails_go_out_and_whom_to_tell(forum, guests, alice, client):
    now = at(HELD - timedelta(days=8))
    make_contact(make_account("Elm", csm=make_csm(), starter_package=True), email="eli@elm.example")
    client.force_login(alice)
    page = reverse("onboarding:forum", args=[forum.pk])

    def shown():
        return " ".join(client.get(page).content.decode().split())

    with clock.at(now):
        assert "3 would go out now." in shown() and "You see and tick the accounts you serve." in shown()
        assert emails.invite(forum, by=alice, now=now) == (3, 1)
        assert "0 would go out now." in shown()
        drain(now=now + timedelta(minutes=1))
        client.post(
            reverse("onboarding:forum-move", args=[forum.pk]), {"note": "Nobody is here", "skip": "1"}
        )
        assert "3 accounts were invited. Tell them" in shown()


def test_onb_6_a_forum_lasts_as_long_as_the_policy_says(forum, alice, client):
    client.force_login(alice)
    assert "30 minutes. Host" in client.get(reverse("onboarding:forum", args=[forum.pk])).content.decode()
    body = {"duties": {"forum_minutes": 45}}
    with change(None, by=None, via="task", now=at(date(2026, 8, 1))):
        PolicyVersion.objects.create(number=99, body=body, note="Longer", effective_on=HELD)
    assert "45 minutes. Host" in client.get(reverse("onboarding:forum", args=[forum.pk])).content.decode()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["series", "move"])
def test_onb_6_of_two_who_put_a_forum_on_a_day_at_once_one_is_told_so(alice, client, what):
    today, answers = date(2026, 8, 20), []
    posts = [("series", [], {"host": alice.pk, "starts_at": "11:00"})] * 4
    if what == "move":
        with change(None, by=alice, via="page", now=at(today)):
            forums = [Forum.objects.create(held_on=HELD + timedelta(days=n), host=alice) for n in range(4)]
        to = {"note": "Holiday", "held_on": "2026-09-17", "move": "1"}
        posts = [("move", [forum.pk], to) for forum in forums]

    def post(name, args, values):
        client = Client()
        client.force_login(alice.team.lead)
        answers.append(client.post(reverse(f"onboarding:forum-{name}", args=args), values).status_code)

    with clock.at(at(today)):
        at_once([partial(post, *some) for some in posts])
    assert len(answers) == 4 and 302 in answers and set(answers) <= {302, 409, 422}
    assert Forum.objects.filter(held_on=date(2026, 9, 17) if what == "move" else HELD).count() == 1


@pytest.mark.parametrize("name", ["series", "update", "move", "invite", "attendance"])
def test_onb_6_others_read_forums_and_change_nothing(forum, alice, client, name):
    client.force_login(make_csm("bob@example.com", team=alice.team))
    assert client.get(reverse("onboarding:forum", args=[forum.pk])).status_code == 200
    assert client.get(reverse("onboarding:forums")).status_code == 200
    args = [] if name == "series" else [forum.pk]
    assert client.post(reverse(f"onboarding:forum-{name}", args=args)).status_code == 403


def test_onb_6_a_lead_plans_moves_and_skips(client, alice):
    client.force_login(alice.team.lead)
    with clock.at(at(date(2026, 8, 20))):
        client.post(reverse("onboarding:forum-series"), {"host": alice.pk, "starts_at": "11:00"})
        assert Forum.objects.count() == 12
        forum = Forum.objects.get(held_on=HELD)
        page = reverse("onboarding:forum-move", args=[forum.pk])
        for posted, words in (
            ({"note": "", "held_on": "2026-09-10", "move": "1"}, "This field is required"),
            ({"note": "Holiday", "held_on": "2026-08-01", "move": "1"}, "That day has gone by"),
            (
                {"note": "Holiday", "held_on": "2026-10-01", "move": "1"},
                "There is a forum on that day already",
            ),
        ):
            answer = client.post(page, posted)
            assert (answer.status_code, words in answer.content.decode()) == (422, True)
        client.post(page, {"note": "Holiday", "held_on": "2026-09-10", "move": "1"})
        forum.refresh_from_db()
        assert (forum.held_on, forum.moved_from) == (date(2026, 9, 10), HELD)
        client.post(page, {"note": "Nobody is here", "skip": "1"})
        forum.refresh_from_db()
        assert forum.skipped_at is not None
        assert "None this month: Nobody is here" in client.get(reverse("onboarding:forums")).content.decode()


def test_onb_6_a_guest_list_shows_a_csm_their_own_accounts_only(forum, guests, alice, client):
    emails.invite(forum, by=alice, now=at(HELD - timedelta(days=8)))
    client.force_login(make_csm("charlie@example.com", team=make_team("West")))
    page = client.get(reverse("onboarding:forum", args=[forum.pk])).content.decode()
    assert "Alder" not in page and "Birch" not in page
