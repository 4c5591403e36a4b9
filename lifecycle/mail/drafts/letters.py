"""The kinds of letters: a row of a registry each, filled by the app whose facts a letter speaks of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from accounts.models import Account, Contact, User
from lifecycle.guard import DomainModel
from lifecycle.mail.dispatch.kinds import Attachment
from lifecycle.mail.drafts.merge import fill, without
from lifecycle.mail.models import Draft, Link
from lifecycle.milestones.models import Milestone

WORDS = Path(__file__).with_name("words")

# ONB-5: what CS Ops keeps, under the name by which letters mention it.
LINKS = {
    "presentation_link": "SMB presentation with its resources",
    "launch_kit_link": "Customer Launch Kit",
    "policy_manuals_link": "Policy manuals",
    "overview_videos_link": "Overview videos",
    "forum_link": "Open Forum meeting",
    "survey_form_link": "Survey form elsewhere, in place of our page",
    "support_email": "Customer Support, email",
    "support_phone": "Customer Support, phone",
    "support_hours": "Customer Support, hours",
    "more_added_users_link": "To read: added users",
    "more_module_link": "To read: modules",
    "more_service_level_link": "To read: service levels",
}
SHARED = {
    "contact_first_name": "First name of the contact",
    "account": "Name of the account",
    "owner_name": "Your name",
    "owner_signature": "Your signature",
    "owner_booking_link": "Your booking link",
    **LINKS,
}


def reader_of(account: Account | None) -> Contact | None:
    """Who gets the letters of an account: the main contact, or the first, of those with an address if there are any."""
    contacts = Contact.objects.filter(account=account).order_by("-is_main", "pk")
    return contacts.exclude(email="").first() or contacts.first()


def _to_reader(row: Any) -> list[str]:
    reader = reader_of(row.account)
    return [reader.email] if reader and reader.email else []


@dataclass(frozen=True, slots=True)
class Letter:
    """One kind of letter.

    `source` is the model it speaks of; `fields` what its words may mention beside SHARED; `values` fills them from
    the row, its writer and the time of writing. A paragraph that mentions an `optional` field without a value is left
    out; any other field without one is a gap. `late` fields are filled as the letter leaves, from the row alone, and are
    kept nowhere: links that open something. `also` is told what left. `sent` is the field of the source that records that it was sent (ONB-2, ONB-3, STAGE-7).
    `completes` is the kind of duty on the source that it answers where no field says so. `to` proposes addresses;
    `back` is the page it was opened from; `due` says when it is due, in words. `about` is what its words hold for, as
    text: once that changed, a letter on its way is cancelled because it was `overtaken`, and one that left all the
    same records no fact. `undone` is told that none of it will leave.
    """

    key: str
    title: str
    source: type[DomainModel]
    back: Callable[[Any], str]
    fields: dict[str, str] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    values: Callable[[Any, User, datetime], dict[str, str]] = lambda row, writer, now: {}
    late: dict[str, Callable[[Any], str]] = field(default_factory=dict)
    also: Callable[[Any, str, datetime], None] = lambda row, body, now: None
    sent: str = ""
    completes: str = ""
    to: Callable[[Any], list[str]] = _to_reader
    attachments: Callable[[Any], list[Attachment]] = lambda row: []
    due: str = ""
    about: Callable[[Any], str] = lambda row: ""
    overtaken: str = ""
    undone: Callable[[Any, datetime], None] = lambda row, now: None
    to_colleague: bool = False

    @property
    def known(self) -> dict[str, str]:
        """Every field its words may mention, with what it means."""
        return SHARED | self.fields

    @property
    def first_words(self) -> tuple[str, str]:
        """Version 1: subject and body as the product brings them."""
        subject, _, body = (WORDS / f"{self.key}.txt").read_text(encoding="utf-8").partition("\n")
        return subject.strip(), body.strip()

    def account_of(self, row: Any) -> Account | None:
        return row if isinstance(row, Account) else getattr(row, "account", None)

    def fill_in(self, row: Any, writer: User, now: datetime) -> dict[str, str]:
        """The value of each field as things stand; an empty one is a gap."""
        account = self.account_of(row)
        links = {link.key: link.value for link in Link.objects.all()}
        reader = reader_of(account)
        shared = {
            "contact_first_name": reader.name.split()[0] if reader else "",
            "account": account.name if account else "",
            "owner_name": writer.name,
            "owner_signature": writer.signature or writer.name,
            "owner_booking_link": writer.booking_url,
        }
        return {name: links.get(name, "") for name in LINKS} | shared | self.values(row, writer, now)

    def finish(self, body: str, row: Any) -> str:
        """The letter as it leaves: late fields filled, a paragraph left out where nothing belongs there any more."""
        found = {name: value_of(row) for name, value_of in self.late.items()}
        return fill(without(body, [name for name, value in found.items() if not value]), found)

    def record(self, row: Any, body: str, *, by: User, now: datetime) -> None:
        """The fact that it was sent, unless it is known already."""
        self.also(row, body, now)
        if self.sent and getattr(row, self.sent) is None:
            setattr(row, self.sent, now)
            row.save()
        if self.completes:
            owed = Milestone.objects.open().filter(account=self.account_of(row), kind=self.completes)
            for milestone in owed.filter(source_id=row.pk):
                milestone.complete(by=by, now=now)


LETTERS: dict[str, Letter] = {}


def register_letter(letter: Letter) -> None:
    """Called by `LifecycleConfig.ready()` through each app's `emails`."""
    LETTERS[letter.key] = letter


def letter_of(draft: Draft) -> Letter:
    """The kind of a draft; KeyError for one that is no longer written."""
    return LETTERS[draft.kind]
