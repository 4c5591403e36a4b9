"""The duties of no account: each near Open Forum owes its invitations (ONB-6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from accounts.models import Roster, User
from lifecycle.milestones.models import Milestone
from lifecycle.rules.cadence import WorkCalendar
from lifecycle.rules.duties.forums import INVITE, invitation
from lifecycle.rules.duties.kind import Duty
from lifecycle.rules.policy import Policy
from onboarding.models import Forum


def settle_forums(roster: Roster, policy: Policy, *, by: User | None, now: datetime) -> None:
    """MIL-2: make the forums' milestones equal to what their hosts owe now."""
    here = {row.source_id: row for row in _milestones().filter(status="open")}
    near = Forum.objects.near(now.astimezone(UTC).date(), policy.duties.forum_invite_opens_days)
    forums = {row.pk: row for row in (near | Forum.objects.filter(pk__in=here)).select_related("host")}
    for forum in forums.values():
        duty, row = invitation(forum.facts(), policy, now), here.get(forum.pk)
        if duty is not None:
            row = owed(duty, row, roster, policy, now=now)
            if row._state.adding or row.difference():
                row.save()
        elif row is not None:
            _close(row, done=forum.invited_at is not None, by=by, now=now)


def forums_wait(policy: Policy, *, now: datetime) -> bool:
    """Whether time alone has changed what some host owes."""
    near = Forum.objects.near(now.astimezone(UTC).date(), policy.duties.forum_invite_opens_days)
    owing = {row.pk for row in near.select_related("host") if invitation(row.facts(), policy, now)}
    return owing != set(_milestones().filter(status="open").values_list("source_id", flat=True))


def _milestones() -> Milestone.objects:
    return Milestone.objects.filter(account=None, kind=INVITE.slug)


def owed(duty: Duty, row: Milestone | None, roster: Roster, policy: Policy, *, now: datetime) -> Milestone:
    """The milestone of an invitation as it should stand, not yet saved: the host's, or of who leads a host that
    works here no longer (MIL-6)."""
    row = row or Milestone(account=None, **duty.key._asdict())
    host = roster.users[duty.owner]
    owner = host if host.is_active else roster.users[roster.lead_of(host.pk) or host.pk]
    team = roster.team_of(host.pk)
    today = now.astimezone(owner.zone).date()
    calendar = team.calendar(today=today) if team else WorkCalendar()
    row.title, row.owner_id, row.team_id = duty.title, owner.pk, team.pk if team else None
    row.due_on, row.act_by = duty.due, calendar.last_on_or_before(duty.due)
    first_day = today - timedelta(days=policy.reminders.look_back_days)
    row.plan_reminder(roster, policy, calendar, csm_id=owner.pk, from_day=first_day)
    return row


def _close(row: Milestone, *, done: bool, by: User | None, now: datetime) -> None:
    row.remind_at = None
    if done:
        row.status, row.done_at, row.done_by = "done", now, by
    else:
        row.status, row.reason = "cancelled", "The forum was skipped, moved or is over."
    row.save()
