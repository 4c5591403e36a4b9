"""The pages of letters: write one, send it or copy it; their templates, and the links they mention."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import Account
from lifecycle import clock
from lifecycle.change import change
from lifecycle.dashboards.access import may_work, number, signed_in, visible
from lifecycle.mail import drafts
from lifecycle.mail.drafts.merge import FIELD
from lifecycle.mail.drafts.writing import keep
from lifecycle.mail.forms import LetterForm, LinksForm, TemplateForm, letter_choices, versions_of
from lifecycle.mail.models import Draft, MailTemplate
from lifecycle.rules.refused import Refused

TEMPLATE_ROLES = ("cs_ops",)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def letter(request: HttpRequest, account: int, kind: str, source: int) -> HttpResponse:
    """Write a letter of an account, from what was recorded; save, send, or mark it as sent by hand."""
    now = clock.now()
    row, wanted = _source(request, account, kind, source, now=now)
    draft = drafts.draft_of(wanted, row, writer=request.user, now=now)
    works = may_work(_account(account, request, now=now), request.user, now=now)
    if request.method != "POST":
        return _page(request, draft, LetterForm(draft=draft), row, works=works)
    if not works:
        raise PermissionDenied
    form = LetterForm(request.POST, draft=draft)
    status = _act(request, draft, form, now=now)
    if status:
        return _page(request, draft, form, row, works=works, status=status)
    if "save" in request.POST:
        return redirect("mail:letter", account, kind, source)
    return redirect(wanted.back(row))


def _act(request: HttpRequest, draft: Draft, form: LetterForm, *, now: datetime) -> int:
    """Keep what was typed, then do what was asked; 0 when it went through, else the status of the answer."""
    if not form.is_valid():
        return 422
    try:
        kept = keep(draft, form.values, seen=number(request.POST.get("seen", "")) or 0, now=now)
        _leave(request, kept, now=now)
    except Refused as no:
        form.add_error(no.field if no.field in form.fields else None, no.text)
        form.overtaken = no.code == "changed"
        return 409 if no.conflict else 422
    return 0


def _leave(request: HttpRequest, draft: Draft, *, now: datetime) -> None:
    names = ", ".join(draft.to)
    if "send" in request.POST:
        drafts.send(draft, by=request.user, now=now)
        messages.success(request, f"Sending to {names}. Outbox has an Undo for 20 seconds.")
    elif "copied" in request.POST:
        drafts.copy_out(draft, by=request.user, now=now)
        messages.success(request, "Marked as sent")
    else:
        messages.success(request, "Draft saved")


def _account(account: int, request: HttpRequest, *, now: datetime) -> Account:
    return visible(Account.objects.filter(pk=account), request.user, now=now)


def _source(
    request: HttpRequest, account: int, kind: str, source: int, *, now: datetime
) -> tuple[Any, drafts.Letter]:
    wanted = drafts.LETTERS.get(kind)
    if wanted is None or request.user.role in (
        "viewer",
        "admin",
    ):  # security.md: no addresses, no survey's link
        raise Http404
    rows = wanted.source.objects.filter(pk=source)
    row = visible(rows, request.user, now=now)
    if wanted.account_of(row) is None or wanted.account_of(row).pk != account:
        raise Http404
    return row, wanted


def _page(
    request: HttpRequest, draft: Draft, form: LetterForm, row: Any, *, works: bool, status: int = 200
) -> HttpResponse:
    wanted = drafts.letter_of(draft)
    kept = Draft.objects.open().filter(kind=draft.kind, source_id=draft.source_id).first()
    overtaken = getattr(form, "overtaken", False)
    # What saves itself keeps the version it was typed on: only a person decides to write over somebody else's.
    typed_on = number(request.POST.get("seen", "")) or 0 if overtaken and request.htmx else None
    said = form.data if form.is_bound else {"subject": draft.subject, "body": draft.body}
    context = _preview(wanted, row, said) | {
        "letter": wanted,
        "account": draft.account,
        "draft": draft,
        "form": form,
        "works": works,
        "seen": typed_on if typed_on is not None else kept.version if kept else 0,
        "theirs": kept if overtaken else None,
        "back": wanted.back(row),
    }
    return render(request, "mail/letter_page.html", context, status=status)


def _preview(wanted: drafts.Letter, row: Any, said: Any) -> dict[str, Any]:
    body = wanted.finish(said.get("body", "").replace("\r\n", "\n"), row)
    return {
        "subject": _with_gaps(said.get("subject", ""), wanted.known),
        "body": _with_gaps(body, wanted.known),
    }


def _with_gaps(text: str, known: dict[str, str]) -> list[tuple[str, str]]:
    """The text in pieces: words, and gaps with what belongs there."""
    pieces, at = [], 0
    for found in FIELD.finditer(text):
        if found[1] in known:
            pieces += [("", text[at : found.start()]), (known[found[1]], found[0])]
            at = found.end()
    return [*pieces, ("", text[at:])]


# --- templates and links (CS Ops)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def links(request: HttpRequest) -> HttpResponse:
    """ONB-5: the links and contacts that letters mention; everybody reads, CS Ops edits."""
    may = request.user.role in TEMPLATE_ROLES
    form = LinksForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if not may:
            raise PermissionDenied
        if form.is_valid():
            with change(None, by=request.user, via="page", now=clock.now()):
                form.apply()
            messages.success(request, "Links saved")
            return redirect("mail:links")
    status = 422 if form.is_bound else 200
    return render(request, "mail/links.html", {"form": form, "may": may}, status=status)


@signed_in
@require_http_methods(["GET", "HEAD"])
def templates(request: HttpRequest) -> HttpResponse:
    """Every kind of letter with its version in force."""
    newest = {row.key: row for row in MailTemplate.objects.order_by("number").select_related("author")}
    listed = [(key, title, newest.get(key)) for key, title in letter_choices()]
    return render(request, "mail/templates.html", {"listed": listed})


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def template(request: HttpRequest, kind: str) -> HttpResponse:
    """One letter's words: its versions, and a form to publish new ones (CS Ops)."""
    wanted = drafts.LETTERS.get(kind)
    if wanted is None:
        raise Http404
    may, words = request.user.role in TEMPLATE_ROLES, drafts.template_of(wanted)
    form = TemplateForm(request.POST or None, initial={"subject": words.subject, "body": words.body})
    if request.method == "POST":
        if not may:
            raise PermissionDenied
        if form.is_valid() and _published(form, wanted, request):
            messages.success(request, "Published. Drafts that are being written keep their words.")
            return redirect("mail:template", kind)
    context = {"letter": wanted, "form": form, "may": may, "words": words, "versions": versions_of(kind)}
    return render(request, "mail/template.html", context, status=422 if form.is_bound else 200)


def _published(form: TemplateForm, wanted: drafts.Letter, request: HttpRequest) -> bool:
    try:
        drafts.new_version(wanted, **form.cleaned_data, by=request.user, now=clock.now())
    except Refused as no:
        form.add_error(no.field, no.text)
        return False
    return True
