"""The mails of an account: what is waiting, what left, and what did not."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.api.contacts import sees_masked
from accounts.models import Account, User
from accounts.views.accounts import seen_account
from lifecycle import clock
from lifecycle.dashboards import account_page
from lifecycle.dashboards.access import signed_in
from lifecycle.dashboards.outbox import words
from lifecycle.mail.drafts import LETTERS
from lifecycle.mail.models import Draft, Message

PER_PAGE = 50


@signed_in
@require_GET
def index(request: HttpRequest, pk: int) -> HttpResponse:
    """The emails tab: the newest first, each leading into the outbox."""
    account, now = seen_account(request, pk), clock.now()
    seen = Message.objects.visible_to(request.user, today=request.user.today(now)).filter(account=account)
    seen = seen.select_related("draft")
    current = Paginator(seen.order_by("-created_at", "-pk"), PER_PAGE).get_page(request.GET.get("page"))
    hidden = sees_masked(request.user)
    lines = [
        {
            "mail": mail,
            "template": words.template(mail),
            "state": words.state(mail, now=now),
            "address": words.MASK if hidden and mail.audience == "customer" else mail.address,
        }
        for mail in current.object_list
    ]
    head = account_page.head(account, viewer=request.user, now=now, tab="emails")
    context = {**head, "current": current, "lines": lines, "written": _written(account, request.user)}
    return render(request, "accounts/emails.html", context)


def _written(account: Account, viewer: User) -> list[tuple[str, Draft]]:
    """Letters that somebody has begun, each with what it is called."""
    found = Draft.objects.open().filter(account=account).select_related("author")
    return [(LETTERS[row.kind].title, row) for row in found if viewer.role != "viewer"]
