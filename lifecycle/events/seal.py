"""The audit chain (reliability.md, "Audit"): what was logged stays as it was, and a test of that is one call.

Every event is signed when it is written, numbered by the publisher, and then sealed: each seal is a keyed hash over
the seal before and over all that the event and its number say. Left out are `xact`, which means nothing after a
restore, and the personal values beside the event: their salted digests are in it, so that erasure breaks nothing.

Found are rows edited, deleted, put in, swapped or renumbered, also by who may switch the triggers off, as long as
they lack the key. A cut tail does not fit the head, one row with a keyed hash; who puts an older head back is found
by the heads in the log, one a day. Not found: what is deleted between its writing and its seal, a minute.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, Max, Q, QuerySet

from lifecycle.events import feed
from lifecycle.events.models import (
    NONCE,
    SIGNED,
    Event,
    EventHead,
    EventPersonal,
    EventSeal,
    EventSeq,
    audit_keys,
    canonical,
    signature,
)
from lifecycle.mail.models import ServiceBeat

log = structlog.get_logger(__name__)

SEALER = "sealer"  # its ServiceBeat
LOCK = 0x57415904
BATCH, MOST_BATCHES = 1000, 20  # sealed in one transaction, and in one run
CHUNK = 2000  # verified at once
START = "0" * 64  # what the first seal follows
COLUMNS = ("event_id", "event__signature", *(f"event__{name}" for name in SIGNED))
TABLES = ("events_event", "events_eventseq", "events_eventseal")


class Head(NamedTuple):
    """How far the chain reached at some time."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


class BrokenChainError(Exception):
    """The chain's head is not what a sealer left: going on would hide what was done to it."""


# --- sealing


def seal(*, now: datetime) -> int:
    """Number what has settled and seal what is numbered; returns how many. Safe to call from anywhere, any number
    of times. Once a day the head goes to the log."""
    feed.publish()
    sealed = 0
    try:
        for _ in range(MOST_BATCHES):
            more = _seal_batch()
            sealed += more
            if more < BATCH:
                break
        _tell(now)
    except BrokenChainError as problem:
        log.error("audit_chain_broken", problem=str(problem))
        return sealed
    ServiceBeat.mark(SEALER, now=now)
    return sealed


def _seal_batch() -> int:
    with transaction.atomic():
        if not _alone():
            return 0
        key = audit_keys()[0]
        head = _read_head()
        rows = EventSeq.objects.filter(seq__gt=head.seq).order_by("seq").values_list("seq", *COLUMNS)
        seals = []
        for seq, event_id, signed, *told in rows[:BATCH]:
            link = _link(key, head.hash, seq, event_id, signed, canonical(told))
            seals.append(EventSeal(event_id=event_id, prev=head.hash, hash=link))
            head = Head(seq, link)
        if seals:
            _append(seals)
            values = {"seq": head.seq, "hash": head.hash, "mac": _mac(key, head)}
            EventHead.objects.update_or_create(pk=1, defaults=values)
        return len(seals)


def _append(seals: list[EventSeal]) -> None:
    try:
        EventSeal.objects.bulk_create(seals)
    except IntegrityError as problem:
        raise BrokenChainError(f"an event beyond the head is sealed already: {problem}") from problem


def _alone() -> bool:
    """Whether this transaction is the only sealer; SQLite has one writer anyway."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return cursor.fetchone()[0]


def _read_head() -> Head:
    row = EventHead.objects.first()
    if row is None:
        if EventSeal.objects.exists():
            raise BrokenChainError("the head of the audit chain is gone")
        return Head(0, START)
    head = Head(row.seq, row.hash)
    if not any(hmac.compare_digest(row.mac, _mac(key, head)) for key in audit_keys()):
        raise BrokenChainError("the head of the audit chain was made with another key")
    return head


def _tell(now: datetime) -> None:
    """The day's head, into the log: once, whoever seals."""
    row = EventHead.objects.first()
    today = now.date()
    untold = EventHead.objects.filter(Q(told_on=None) | Q(told_on__lt=today))
    if row is not None and untold.update(told_on=today):
        log.info("audit_head", head=str(Head(row.seq, row.hash)))


def _link(key: bytes, prev: str, seq: int, event_id: int, signed: str, told: bytes) -> str:
    return hmac.digest(key, f"seal\n{prev}\n{seq}\n{event_id}\n{signed}\n".encode() + told, "sha256").hex()


def _mac(key: bytes, head: Head) -> str:
    return hmac.digest(key, f"head\n{head}".encode(), "sha256").hex()


# --- verifying


def audit_verify(heads: Iterable[Head] = ()) -> Iterator[str]:
    """I6: everything in the log that is not as the application left it; nothing when all is well.

    `heads` are heads told by the log: the chain must still pass through them. Reads only, in several statements,
    while writers and sealers go on.
    """
    yield from _unguarded()
    walk = _Walk(audit_keys())
    try:
        head = _read_head()
        walk.must_pass([*heads, head])
        yield from walk.to(head.seq)
        sealed = EventSeq.objects.filter(event__sealed__isnull=False)
        last = sealed.order_by("-seq").values_list("seq", flat=True).first() or 0
        head = _read_head()  # after: whatever is sealed, its sealer has moved the head on
    except BrokenChainError as problem:
        yield f"I6: {problem}"
        return
    walk.must_pass([head])
    yield from walk.to(head.seq)
    yield from walk.cut()
    if last > head.seq:
        yield f"I6: events up to number {last} carry seals, but the chain reaches to {head.seq}"
    yield from _loose()
    yield from _changed_values()


class _Walk:
    """One way along the chain, and what was met."""

    def __init__(self, keys: list[bytes]) -> None:
        self.keys = keys
        self.age = len(keys) - 1  # the place of the key in use: from the oldest to the newest, never back
        self.seq, self.prev = 0, START
        self.told: dict[int, set[str]] = defaultdict(set)

    def must_pass(self, heads: Iterable[Head]) -> None:
        for head in heads:
            self.told[head.seq].add(head.hash)

    def to(self, end: int) -> Iterator[str]:
        """Walk on, up to that number."""
        names = ("seq", "event__sealed__prev", "event__sealed__hash", *COLUMNS)
        for seq, *row in _in_chunks(EventSeq.objects.filter(seq__lte=end), names, after=self.seq):
            yield from self._missing(seq)
            self.seq = seq
            yield from self._judge(*row)
        yield from self._missing(end + 1)
        self.seq = end

    def cut(self) -> Iterator[str]:
        """The heads that lie beyond the end."""
        for seq in sorted(seq for seq in self.told if seq > self.seq):
            yield f"I6: the chain once reached to {seq}, and ends at {self.seq}"

    def _missing(self, seq: int) -> Iterator[str]:
        if seq > self.seq + 1:
            last = f" to {seq - 1}" if seq > self.seq + 2 else ""
            yield f"I6: number {self.seq + 1}{last} of the log is missing"

    def _judge(
        self, prev: str | None, link: str | None, event_id: int, signed: str, *told: Any
    ) -> Iterator[str]:
        what = f"I6: event {event_id} (number {self.seq})"
        if link is None:
            yield f"{what} has lost its seal"
            return
        content = canonical(told)
        if prev != self.prev:
            yield f"{what} does not follow the one before it"
        if not self._is_sealed(prev, link, event_id, signed, content):
            yield f"{what} is not what was sealed"
        elif not _is_signed(self.keys, signed, content):
            yield f"{what} was not written by the application"
        if self.told.get(self.seq, {link}) != {link}:
            yield f"{what} has another seal than the chain once had there"
        self.prev = link

    def _is_sealed(self, prev: str, link: str, event_id: int, signed: str, content: bytes) -> bool:
        for age in range(self.age, -1, -1):
            if hmac.compare_digest(link, _link(self.keys[age], prev, self.seq, event_id, signed, content)):
                self.age = age
                return True
        return False


def _is_signed(keys: list[bytes], signed: str, content: bytes) -> bool:
    return any(hmac.compare_digest(signed, signature(key, signed[:NONCE], content)) for key in keys)


def _loose() -> Iterator[str]:
    """What waits for its seal is signed already; what has one has its number; nothing is there twice."""
    keys = audit_keys()
    for event_id, signed, *told in _in_chunks(
        Event.objects.filter(sealed=None), ("pk", "signature", *SIGNED)
    ):
        if not _is_signed(keys, signed, canonical(told)):
            yield f"I6: event {event_id} was not written by the application"
    signatures = Event.objects.order_by().values_list("signature").annotate(times=Count("pk"), one=Max("pk"))
    for _, times, event_id in signatures.filter(times__gt=1):
        yield f"I6: event {event_id} is there {times} times"
    for event_id in EventSeal.objects.filter(event__numbered=None).values_list("event", flat=True):
        yield f"I6: event {event_id} has lost its number"


def _changed_values() -> Iterator[str]:
    """Personal values that are still there are those that were digested."""
    names = ("pk", "event", "field", "salt", "value", "event__data", "event__changed")
    for _, event_id, name, salt, value, data, changed in _in_chunks(EventPersonal.objects.all(), names):
        part, _, rest = name.partition(".")
        column, _, place = rest.partition(".")
        kept = data.get(column) if part == "data" else changed.get(column, [None, None])[int(place)]
        if EventPersonal.digest(salt, value) != kept:
            yield f"I6: {name} of event {event_id} is not what was digested"


def _in_chunks(rows: QuerySet, names: tuple[str, ...], *, after: int = 0) -> Iterator[tuple[Any, ...]]:
    """The rows' columns in the order of the first, a few at a time: no statement and no list grows with the log."""
    rows = rows.order_by(names[0]).values_list(*names)
    while chunk := list(rows.filter(**{f"{names[0]}__gt": after})[:CHUNK]):
        yield from chunk
        after = chunk[-1][0]


def _unguarded() -> Iterator[str]:
    """The triggers that refuse changes are there and switched on."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = ANY(%s::regclass[]) AND tgenabled IN ('O', 'A')",
                [list(TABLES)],
            )
            wanted = {f"{table}_insert_only" for table in TABLES}
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            wanted = {f"{table}_no_{act}" for table in TABLES for act in ("update", "delete")}
        found = {name for (name,) in cursor.fetchall()}
    for name in sorted(wanted - found):
        yield f"I6: the log may be changed: its trigger {name} is missing or switched off"
