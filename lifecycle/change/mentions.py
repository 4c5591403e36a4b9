"""`@name` in an entry of the contact log tells that colleague, if they may see the account (ux.md 5.9)."""

from __future__ import annotations

from collections.abc import Iterable

from accounts.models import Account, Activity, User
from lifecycle.change.book import Book
from lifecycle.milestones.models import Notice

MOST = 500  # letters of a notice
LONGEST_NAME = 254


def mention(book: Book) -> None:
    """MIL-4: a notice for everybody newly named in words written by this change, but never to their writer."""
    people = list(book.roster.users.values())
    for entry in list(book.ledger.written.values()):
        row = entry.row
        if isinstance(row, Activity) and "@" in row.text and (entry.created or "text" in entry.before):
            before = {person.pk for person in named(entry.before.get("text", ""), people)}
            fresh = [person for person in named(row.text, people) if person.pk not in before]
            _tell(
                book, row, [person for person in fresh if person != book.by and _may_see(person, row, book)]
            )


def _may_see(person: User, row: Activity, book: Book) -> bool:
    seen = Account.objects.visible_to(person, today=person.today(book.now))
    return seen.filter(pk=row.account_id).exists()


def _tell(book: Book, row: Activity, people: list[User]) -> None:
    who = book.by.name if book.by else "Somebody"
    lead = f"{who} mentioned you on {book.accounts[row.account_id].name}: "
    said, room = " ".join(row.text.split()), MOST - len(lead) - 2
    quoted = said if len(said) <= room else f"{said[: room - 1].rstrip()}…"
    Notice.objects.bulk_create(
        [
            Notice(recipient=person, account_id=row.account_id, text=f"{lead}“{quoted}”", created_at=book.now)
            for person in people
        ]
    )


def named(text: str, people: Iterable[User]) -> list[User]:
    """The active colleagues that `@` names in a text: by their whole name, the first part of their address, or a
    first name that no other colleague has. The longest name counts."""
    handles = _handles(people)
    folded, found = text.casefold(), {}
    for at, letter in enumerate(folded):
        if letter != "@" or (at and folded[at - 1].isalnum()):
            continue
        rest = folded[at + 1 : at + 2 + LONGEST_NAME]
        fitting = [name for name in handles if rest.startswith(name) and not rest[len(name) :][:1].isalnum()]
        for person in handles[max(fitting, key=len)] if rest[:1].isalnum() and fitting else ():
            found[person.pk] = person
    return list(found.values())


def _handles(people: Iterable[User]) -> dict[str, list[User]]:
    handles: dict[str, list[User]] = {}
    first: dict[str, list[User]] = {}
    for person in people:
        if person.is_active:
            name = person.name.casefold()
            for handle in {name, person.email.partition("@")[0].casefold()}:
                handles.setdefault(handle, []).append(person)
            first.setdefault(name.partition(" ")[0], []).append(person)
    for name, those in first.items():
        if len(those) == 1:
            handles.setdefault(name, those)
    return handles
