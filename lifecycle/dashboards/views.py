"""Pages that read across apps: home, My day, Team queue."""

from __future__ import annotations

from datetime import date, datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards import my_day, team_queue
from lifecycle.dashboards.access import back, number, signed_in
from lifecycle.dashboards.context import home_of, theme_of
from lifecycle.dashboards.forms import save
from lifecycle.dashboards.profile import ProfileForm
from lifecycle.milestones.models import Milestone
from lifecycle.policies.models import PolicyVersion
from lifecycle.rules.refused import Refused


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """The role's first page."""
    return redirect(home_of(request.user))


@login_required
@require_GET
def day(request: HttpRequest) -> HttpResponse:
    """My day; a lead may open a teammate's with `?who=`, `?on=` shows one day."""
    person = _whose_day(request)
    on = _date(request.GET.get("on"))
    context = my_day.page(person, now=clock.now(), on=on)
    return render(
        request, "dashboards/my_day.html", {**context, "person": person, "own": person == request.user}
    )


def _whose_day(request: HttpRequest) -> User:
    who = request.GET.get("who")
    if not who:
        return request.user
    user = request.user
    if not user.decides:
        raise PermissionDenied
    people = User.objects.filter(is_active=True)
    people = people if user.sees_all else people.filter(team__lead=user)
    return get_object_or_404(people, pk=number(who))


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Http404("No such day") from None


@login_required
@require_GET
def team(request: HttpRequest) -> HttpResponse:
    """Team queue of a lead; a manager and CS Ops switch between teams with `?team=`."""
    user = request.user
    if not user.decides:
        raise PermissionDenied
    teams = team_queue.teams_of(user)
    chosen = request.GET.get("team", "")
    one = next((team for team in teams if str(team.pk) == chosen), None)
    if chosen and one is None:
        raise Http404("No such team")
    context = team_queue.page(
        user,
        now=clock.now(),
        team=one,
        csm=number(request.GET.get("csm", "")),
        show=request.GET.get("show", "overdue"),
    )
    return render(request, "dashboards/team_queue.html", {**context, "teams": teams})


@login_required
@require_POST
def complete(request: HttpRequest, pk: int) -> HttpResponse:
    """Declare a duty done that no fact clears."""
    now = clock.now()
    seen = Milestone.objects.worked_by(request.user, today=request.user.today(now))
    milestone = get_object_or_404(seen, pk=pk)
    try:
        with change(milestone.account_id, by=request.user, via="page", now=now):
            Milestone.objects.get(pk=pk).complete(by=request.user, now=now)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        about = f", {milestone.account.name}" if milestone.account else ""
        messages.info(request, f"Done: {milestone.title}{about}")
    return redirect(back(request))


@signed_in
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """A person's own settings."""
    now, me = clock.now(), request.user
    policy = PolicyVersion.in_force(me.today(now))
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=me.pk), policy=policy)
    status = save(form, lambda: _keep(form, me, now=now)) if request.method == "POST" else 200
    if not status:
        messages.info(request, "Profile saved")
        return _in_theme(redirect("dashboards:profile"), form.cleaned_data["theme"])
    return render(request, "dashboards/profile.html", {"form": form}, status=status)


def _keep(form: ProfileForm, me: User, *, now: datetime) -> None:
    with change(None, by=me, via="page", now=now):
        row = User.objects.select_for_update().get(pk=me.pk)
        row.record(form.merge(row))


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Switch between light and dark. The server draws it, so nothing flashes."""
    theme = "light" if theme_of(request) == "dark" else "dark"
    if request.user.is_authenticated:
        with change(None, by=request.user, via="page", now=clock.now()):
            User.objects.get(pk=request.user.pk).record({"theme": theme})
    return _in_theme(redirect(back(request)), theme)


def _in_theme(answer: HttpResponse, theme: str) -> HttpResponse:
    """The sign-in page of this browser will look the same."""
    answer.set_cookie("theme", theme, max_age=31_536_000, samesite="Lax", httponly=True)
    return answer
