"""The one duty of no account: inviting to the Open Forum (ONB-6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lifecycle.rules.cadence import start_of_day
from lifecycle.rules.duties.kind import Duty, Kind, Source
from lifecycle.rules.facts import ForumFacts, Key
from lifecycle.rules.policy import Policy

INVITE = Kind(
    slug="forum_invite",
    source=Source("forum", lambda facts: ()),  # of no account
    title="Send the forum invitations",
    owner="author",
    condition=lambda facts, forum, policy: not forum.skipped,
    evidence=lambda forum: forum.invited,
    due=lambda facts, forum, policy: forum.held_on - timedelta(days=policy.duties.forum_invite_due_days),
    sent="invited_at",
)
KINDS: tuple[Kind, ...] = (INVITE,)


def owed_between(forum: ForumFacts, policy: Policy) -> tuple[datetime, datetime]:
    """ONB-6: from when and until when the invitations to a forum may be owed."""
    opens = start_of_day(forum.held_on - timedelta(days=policy.duties.forum_invite_opens_days), forum.zone)
    return opens, start_of_day(forum.held_on + timedelta(days=1), forum.zone)


def invitation(forum: ForumFacts, policy: Policy, now: datetime) -> Duty | None:
    """ONB-6: what the host of a forum owes at `now`; None when nothing.

    It appears ten days before the forum, is due seven days before, and ends when the invitations were sent,
    when the forum is skipped, or when its day is over.
    """
    opens, over = owed_between(forum, policy)
    if forum.skipped or forum.invited or not opens <= now.astimezone(UTC) < over:
        return None
    key = Key(INVITE.slug, INVITE.source.type, forum.id)
    due = forum.held_on - timedelta(days=policy.duties.forum_invite_due_days)
    return Duty(key, str(INVITE.title), forum.host, due, opens.astimezone(UTC))
