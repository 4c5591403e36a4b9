"""Invitations that were on their way when their forum moved, fell out, or was undone (ONB-6)."""

from datetime import date, time, timedelta
from email import message_from_bytes, policy

import pytest
from django.conf import settings

from accounts.models import Activity, Contact
from lifecycle.change import change
from lifecycle.mail import drafts, outbox
from lifecycle.mail.dispatch import drain
from lifecycle.mail.models import Draft, Message
from lifecycle.milestones.planner.forums import look_at_forums
from lifecycle.rules.refused import Refused
from onboarding import emails
from onboarding.models import Forum, ForumGuest
from onboarding.tests.test_forums import HELD, alice, at, forum, guests, invitation  # noqa: F401 - fixtures

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("guests")]
NOW = at(HELD - timedelta(days=8))
LATER = NOW + timedelta(minutes=1)
RAW = (
    b"Date: Wed, 26 Aug 2026 12:00:00 +0000\nMessage-ID: <held@waymark.example>\n"
    b"Subject: Open Forum on Thursday, September 3\n\nHello"
)
OVERTAKEN = "The forum was moved or left out after this was written."


def changed(alice, how, *args, **more):  # noqa: F811
    with change(None, by=alice, via="page", now=NOW):
        getattr(Forum.objects.get(), how)(*args, **more)


def move(alice):  # noqa: F811
    changed(alice, "move", date(2026, 9, 10), note="Holiday week.", today=NOW.date())


def skip(alice):  # noqa: F811
    changed(alice, "skip", note="Everybody is away.", today=NOW.date(), now=NOW)


def set_time(alice):  # noqa: F811
    changed(alice, "record", {"starts_at": time(15)})


OVERTAKES = pytest.mark.parametrize("overtake", [move, skip, set_time])


def undo_all(alice):  # noqa: F811
    for message in Message.objects.filter(state="due"):
        outbox.undo(message.pk, by=alice, now=NOW)


def subjects():
    paths = settings.MAIL_DIR.glob("*.eml")
    return sorted(message_from_bytes(path.read_bytes(), policy=policy.default)["Subject"] for path in paths)


def test_onb_6_an_invitation_taken_back_is_written_anew_for_the_day_the_forum_moved_to(forum, alice):  # noqa: F811
    emails.invite(forum, by=alice, now=NOW)
    undo_all(alice)
    move(alice)
    assert emails.invite(Forum.objects.get(), by=alice, now=NOW) == (2, 1)
    assert drain(now=LATER) == {"sent": 2}
    assert subjects() == ["Open Forum on Thursday, September 10: your questions"] * 2


@OVERTAKES
def test_onb_6_a_letter_somebody_began_is_not_kept_for_another_day(forum, alice, overtake):  # noqa: F811
    emails.invite(forum, by=alice, now=NOW)
    undo_all(alice)
    Draft.objects.exclude(account__name="Alder").update(source_id=0)  # somebody else's business
    guest = ForumGuest.objects.get(account__name="Birch")
    drafts.draft_of(drafts.LETTERS["forum_invitation"], guest, writer=alice, now=NOW).save()
    overtake(alice)
    assert [draft.source_id for draft in Draft.objects.open()] == [0]


def test_onb_6_another_topic_leaves_a_letter_somebody_began_alone(forum, alice):  # noqa: F811
    emails.invite(forum, by=alice, now=NOW)
    undo_all(alice)
    changed(alice, "record", {"topic": "Onboarding of new colleagues"})
    assert Draft.objects.open().count() == 2


@OVERTAKES
@pytest.mark.parametrize("state", ["due", "retry"])
def test_onb_6_no_invitation_leaves_for_a_day_that_is_not_kept(forum, alice, overtake, state):  # noqa: F811
    emails.invite(forum, by=alice, now=NOW)
    Message.objects.update(state=state)
    overtake(alice)
    assert drain(now=LATER) == {"cancelled": 2}
    assert set(Message.objects.values_list("reason", flat=True)) == {OVERTAKEN}
    assert not ForumGuest.objects.exclude(invited_at=None).exists() and not Activity.objects.exists()
    assert not Draft.objects.open().exists()  # nothing waits to be sent with the old words
    if overtake is skip:
        changed(alice, "unskip", today=NOW.date())
    assert emails.invite(Forum.objects.get(), by=alice, now=LATER) == (2, 1)
    assert drain(now=LATER + timedelta(minutes=1)) == {"sent": 2}
    assert ForumGuest.objects.exclude(invited_at=None).count() == 2


def held(forum, alice):  # noqa: F811
    """One that may have arrived; nobody knows."""
    emails.invite(forum, by=alice, now=NOW)
    outbox.undo(Message.objects.get(account__name="Birch").pk, by=alice, now=NOW)
    message = Message.objects.get(state="due")
    Message.objects.filter(pk=message.pk).update(state="held", uncertain=True, raw=RAW)
    return message


@OVERTAKES
def test_onb_6_one_that_was_held_does_not_leave_for_the_old_day_when_retried(forum, alice, overtake):  # noqa: F811
    message = held(forum, alice)
    overtake(alice)
    with pytest.raises(Refused, match="Nothing is left to send"):
        outbox.send_again(message.pk, by=alice, now=NOW)
    outbox.retry(message.pk, by=alice, now=NOW)
    assert drain(now=LATER) == {"cancelled": 1}
    assert subjects() == []


def test_onb_6_one_that_was_held_leaves_as_it_was_while_the_day_is_kept(forum, alice):  # noqa: F811
    message = held(forum, alice)
    outbox.retry(message.pk, by=alice, now=NOW)
    assert drain(now=LATER) == {"sent": 1}
    assert subjects() == ["Open Forum on Thursday, September 3"]


@pytest.mark.parametrize("overtake", [move, set_time])
def test_onb_6_who_got_the_old_day_counts_as_told_and_is_invited_to_the_new_one(forum, alice, overtake):  # noqa: F811
    message = held(forum, alice)
    overtake(alice)
    assert emails.invite(Forum.objects.get(), by=alice, now=NOW) == (2, 1)
    outbox.mark_sent(message.pk, by=alice, now=NOW)  # it had arrived
    assert Activity.objects.get().account.name == "Alder"
    assert not ForumGuest.objects.exclude(invited_at=None).exists()
    assert drain(now=LATER) == {"sent": 2}
    assert ForumGuest.objects.exclude(invited_at=None).count() == 2


# --- what the host still owes


def test_onb_6_inviting_nobody_ends_no_row(forum, alice):  # noqa: F811
    for contact in Contact.objects.all():
        with change(contact.account_id, by=alice, via="page", now=NOW):
            contact.record({"email": ""})
    look_at_forums(NOW)
    assert emails.invite(forum, by=alice, now=NOW) == (0, 3)
    assert invitation().status == "open"
    assert Forum.objects.get().invited_at is None


def test_onb_6_taking_back_the_last_invitation_opens_the_row_again(forum, alice):  # noqa: F811
    look_at_forums(NOW)
    emails.invite(forum, by=alice, now=NOW)
    first, second = Message.objects.order_by("pk")
    outbox.undo(first.pk, by=alice, now=NOW)
    assert (invitation().status, Forum.objects.get().invited_at) == ("done", NOW)
    outbox.undo(second.pk, by=alice, now=NOW)
    assert (invitation().status, Forum.objects.get().invited_at) == ("open", None)
    assert emails.invite(forum, by=alice, now=NOW) == (2, 1)
    assert invitation().status == "done"


def test_onb_6_one_that_left_keeps_the_row_done(forum, alice):  # noqa: F811
    look_at_forums(NOW)
    emails.invite(forum, by=alice, now=NOW)
    drain(now=LATER, limit=1)
    undo_all(alice)
    assert invitation().status == "done"
    assert emails.invite(forum, by=alice, now=NOW) == (1, 1)
