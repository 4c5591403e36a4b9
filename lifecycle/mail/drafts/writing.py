"""Writing a letter: from the newest template and what was recorded; what is missing stays visible."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from accounts.models import User
from lifecycle.change import change
from lifecycle.mail.drafts.letters import Letter, letter_of
from lifecycle.mail.drafts.merge import fill, gaps, unknown, without
from lifecycle.mail.models import Draft, MailTemplate
from lifecycle.rules.refused import Refused


class Words(NamedTuple):
    """The words of one version of a letter."""

    number: int
    subject: str
    body: str


def template_of(letter: Letter) -> Words:
    """The version in force: the newest published one, else the product's own."""
    newest = MailTemplate.objects.filter(key=letter.key).order_by("-number").first()
    return Words(newest.number, newest.subject, newest.body) if newest else Words(1, *letter.first_words)


def draft_of(letter: Letter, row: Any, *, writer: User, now: datetime) -> Draft:
    """The open draft about this row; while nobody has typed anything, a fresh one that is not kept yet."""
    found = Draft.objects.open().filter(kind=letter.key, source_id=row.pk).first()
    if found is not None:
        return found
    words, values = template_of(letter), letter.fill_in(row, writer, now)
    late = {name for name, value_of in letter.late.items() if value_of(row)}
    silent = [name for name in letter.optional - late if not values.get(name)]
    return Draft(
        account=letter.account_of(row),
        kind=letter.key,
        source_id=row.pk,
        template=words.number,
        to=letter.to(row),
        subject=fill(words.subject, values)[:200],
        body=fill(without(words.body, silent), values),
        author=writer,
        created_at=now,
        updated_at=now,
        version=0,
    )


def keep(draft: Draft, values: dict[str, Any], *, seen: int, now: datetime) -> Draft:
    """Keep what was typed into a draft, made on first use. Raises Refused (409) where somebody was faster."""
    if draft.pk is None:
        defaults = {
            name: getattr(draft, name)
            for name in ("account", "template", "to", "cc", "subject", "body", "author", "created_at")
        }
        defaults |= values | {"updated_at": now}
        kept, made = Draft.objects.open().get_or_create(
            kind=draft.kind,
            source_id=draft.source_id,
            sent_at=None,
            copied_at=None,
            defaults=defaults,
        )
        if made:
            return kept
        draft = kept
    draft.write(values, seen=seen, now=now)
    return draft


def gaps_of(draft: Draft) -> list[str]:
    """The fields that still stand open in a draft: it cannot be sent while one does."""
    letter = letter_of(draft)
    return gaps(f"{draft.subject}\n{draft.body}", letter.known.keys() - letter.late.keys())


def new_version(
    letter: Letter, *, subject: str, body: str, note: str, by: User, now: datetime
) -> MailTemplate:
    """Publish new words. Raises Refused for a field that this letter does not know; drafts keep their version."""
    for name, text in (("subject", subject), ("body", body)):
        strange = unknown(text, letter.known)
        if strange:
            raise Refused(
                name,
                "unknown_field",
                f"There is no field {', '.join(strange)} in this letter. Pick one below.",
            )
    with change(None, by=by, via="page", now=now):
        return MailTemplate.objects.create(
            key=letter.key,
            number=template_of(letter).number + 1,
            subject=subject,
            body=body,
            note=note,
            author=by,
        )
