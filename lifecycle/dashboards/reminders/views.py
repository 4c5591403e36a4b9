"""The pages about reminders: of an account, of what is coming, and what is decided about one."""

from __future__ import annotations

from typing import NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Account, Team, User
from lifecycle import clock
from lifecycle.dashboards.access import back, number, signed_in, visible
from lifecycle.dashboards.reminders import ahead, why
from lifecycle.milestones.models import Milestone, Reminder
from lifecycle.milestones.planner.decisions import VERBS, Chosen
from lifecycle.milestones.planner.postroom import Postroom
from lifecycle.rules.refused import Refused
from lifecycle.rules.reminders import HOLD, RELEASE, SEND_NOW, SKIP

DONE = {
    HOLD: "Held until somebody releases it",
    SKIP: "Skipped. The next reminder comes when it is due",
    RELEASE: "Released",
    SEND_NOW: "Leaves within a minute",
}
TOMORROW = "{} had the most mails a day already. It goes with tomorrow’s digest"


@signed_in
@require_safe
def account(request: HttpRequest, pk: int) -> HttpResponse:
    """Why did or didn't I get this? And what is coming about the account."""
    now, me = clock.now(), request.user
    seen = visible(Account.objects.filter(pk=pk).select_related("csm"), me, now=now)
    who = request.GET.get("who")
    person = get_object_or_404(User, pk=number(who)) if who else None
    room = Postroom.load(now)
    context = {**ahead.of_account(seen, me, room=room), **why.page(seen, me, who=person, room=room)}
    return render(request, "dashboards/reminders_account.html", context)


@signed_in
@require_safe
def forecast(request: HttpRequest) -> HttpResponse:
    """The mail of the next thirty days, of one person or of a team."""
    me = request.user
    if me.role == "viewer":
        raise PermissionDenied
    asked, room = _asked(request), Postroom.load(clock.now())
    if asked.team:
        context = ahead.of_team(asked.team, me, room=room)
    else:
        context = ahead.of_person(asked.person, me, room=room)
    return render(request, "dashboards/reminders_ahead.html", {**context, **asked._asdict()})


class Asked(NamedTuple):
    """Whose mail an address asks for, and whose may be asked for."""

    person: User | None
    team: Team | None
    people: list[User]
    teams: list[Team]


def _asked(request: HttpRequest) -> Asked:
    me, who, team = request.user, request.GET.get("who"), request.GET.get("team")
    leads = me.decides or me.role == "admin"
    if not leads and (team or (who and number(who) != me.pk)):
        raise PermissionDenied
    teams = list((Team.objects.all() if me.sees_all else Team.objects.filter(lead=me)) if leads else ())
    people = list(User.objects.filter(is_active=True, team__in=teams)) if leads else []
    if who:
        mine = [person for person in (me, *people) if person.pk == number(who)]
        return Asked(_first(mine), None, people, teams)
    if team:
        return Asked(None, _first([one for one in teams if one.pk == number(team)]), people, teams)
    return Asked(None if teams else me, teams[0] if teams else None, people, teams)


def _first(found: list) -> User | Team:
    if not found:
        raise Http404
    return found[0]


@signed_in
@require_POST
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Hold, skip, release or send early one reminder (MIL-5)."""
    now, me = clock.now(), request.user
    verb, post = request.POST.get("verb", ""), request.POST
    milestone = visible(Milestone.objects.filter(pk=pk), me, now=now)
    chosen = Chosen(
        milestone.pk, post.get("occasion", ""), *_numbers(post.get("ordinal"), post.get("recipient"))
    )
    if verb not in VERBS:
        raise Http404
    try:
        row = VERBS[verb](chosen, by=me, now=now)
    except Refused as no:
        messages.error(request, no.text)
    else:
        messages.info(request, _said(verb, row, Postroom.load(now)))
    return redirect(back(request, otherwise=request.path))


def _numbers(*texts: str | None) -> list[int]:
    """The ids in a form; what is none names nothing."""
    found = [number(text or "") for text in texts]
    return [-1 if one is None else one for one in found]


def _said(verb: str, row: Reminder, room: Postroom) -> str:
    person = room.roster.users[row.recipient_id]
    full = verb == SEND_NOW and ahead.mails_today(person, room=room) >= room.policy.reminders.daily_ceiling
    return TOMORROW.format(person.name) if full else DONE[verb]
