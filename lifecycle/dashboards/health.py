"""How this instance is: for load balancers (`/livez`), for monitors (`/healthz`), and for pages (`figures`).

`/healthz` answers 503 where the promise of reliability.md is not being kept right now, so that somebody has to act:

- the database does not answer within two seconds;
- no planner ran for fifteen minutes (MIL-7);
- mail has been due for fifteen minutes and has not left: no dispatcher runs, or the mail server does not work.

All else that a person should look at is a warning and leaves it at 200: mail that is held or dead, an open circuit
while nothing waits behind it, a clock that jumped, Celery that stands still (the sending loop does without), a full
disk, a log that is not sealed. Each waits for a person or mends itself, and restarting or replacing this instance
would help none of it.

Without a token it says no more than `ok` or `not well`. With an API token of any scope it says why, in JSON: counts
and times only, nothing of any account or person.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextvars import copy_context
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache
from threading import BoundedSemaphore, Thread
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Count, Min, Q
from django.db.models.functions import Greatest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from lifecycle import clock
from lifecycle.api.auth import bearer
from lifecycle.api.models import ApiToken
from lifecycle.celery import WORKER
from lifecycle.events.seal import SEALER
from lifecycle.mail.dispatch.queue import SMTP
from lifecycle.mail.dispatch.sending import UNANSWERED
from lifecycle.mail.models import Attempt, Circuit, Message, ServiceBeat
from lifecycle.mail.models.outbox import OPEN_STATES
from lifecycle.management.commands.dispatch import DISPATCHER
from lifecycle.milestones import planner

log = logging.getLogger(__name__)

LATE = planner.LATE_AFTER
WORKER_LATE = timedelta(seconds=50)  # asked each fifteen; what ails it shows within a minute
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DISK_LOW = 500_000_000  # bytes
ANSWER_SECONDS = 1.7  # what the database gets; with the rest the answer takes less than two
_askers = BoundedSemaphore(4)  # more at once would only wait for the same database


@dataclass(frozen=True, slots=True)
class Figures:
    """The state of an instance at one instant. Ages are in seconds; None where there is nothing to be old."""

    at: datetime
    version: str
    database: str
    planner_lag_seconds: float | None
    dispatcher_lag_seconds: float | None
    worker_lag_seconds: float | None
    seal_lag_seconds: float | None
    oldest_due_seconds: float | None
    mails: dict[str, int]
    uncertain: int
    reaped_last_hour: int
    circuit_open_since: datetime | None
    circuit_reason: str
    clock_drift_seconds: float
    disk_free_bytes: int
    backup_age_seconds: float | None

    @property
    def queued(self) -> int:
        return sum(self.mails[state] for state in (*OPEN_STATES, "claimed", "sending"))

    def problems(self) -> list[str]:
        """Why this instance is not well, in sentences; each makes `/healthz` answer 503."""
        return list(self._problems())

    def warnings(self) -> list[str]:
        """What a person should look at, in sentences."""
        return list(self._warnings())

    def _problems(self) -> Iterator[str]:
        lag = self.planner_lag_seconds
        if lag is None:
            yield "No planner has run yet."
        elif abs(lag) > LATE.total_seconds():  # a mark from the future, left by a clock set back, is none
            yield f"No planner has run for {_minutes(abs(lag))}."
        if (self.oldest_due_seconds or 0) > LATE.total_seconds():
            yield f"Mail has been due for {_minutes(self.oldest_due_seconds)} and has not left."

    def _warnings(self) -> Iterator[str]:
        if self.circuit_open_since:
            since = (self.at - self.circuit_open_since).total_seconds()
            yield f"The mail server has not worked for {_minutes(since)}: {self.circuit_reason}"
        if held := self.mails["held"]:
            yield "1 mail waits for a decision." if held == 1 else f"{held} mails wait for a decision."
        if dead := self.mails["dead"]:
            yield f"{dead} mail{'' if dead == 1 else 's'} could not be sent."
        if abs(self.clock_drift_seconds) > clock.MOST_DRIFT:
            seen = f"A clock jumped by {self.clock_drift_seconds:.0f} seconds"
            yield f"{seen}: whoever saw it leaves customers' mail to others, or waiting."
        lag = abs(self.worker_lag_seconds or 0)  # zero too where nobody ever ran one
        if lag > WORKER_LATE.total_seconds():
            since = _minutes(max(lag, 60))
            yield f"Celery has done nothing for {since}: look at Redis, at its beat and at its worker."
        if self.disk_free_bytes < DISK_LOW:
            yield f"The disk has {self.disk_free_bytes // 1_000_000} MB left."
        if self.seal_lag_seconds is not None and self.seal_lag_seconds > LATE.total_seconds():
            yield f"The log has not been sealed for {_minutes(self.seal_lag_seconds)}."


def _minutes(seconds: float) -> str:
    number = int(seconds // 60)
    return f"{number} minute{'' if number == 1 else 's'}"


def figures(now: datetime) -> Figures:
    """The state of this instance: seven small statements, none of which grows with what was sent."""
    beats = {beat.name: beat for beat in ServiceBeat.objects.all()}
    circuit = Circuit.objects.filter(name=SMTP, opened_at__isnull=False).first()
    due = Message.objects.filter(state__in=OPEN_STATES, not_before__lte=now)
    unsure = Q(sent_at=None) | Q(sent_at__gte=now - DAY)
    reaped = Q(outcome="interrupted") | Q(outcome="unknown", reply=UNANSWERED)
    return Figures(
        at=now,
        version=version(),
        database=connection.vendor,
        planner_lag_seconds=_lag(beats.get(planner.PLANNER), now),
        dispatcher_lag_seconds=_lag(beats.get(DISPATCHER), now),
        worker_lag_seconds=_lag(beats.get(WORKER), now),
        seal_lag_seconds=_lag(beats.get(SEALER), now),
        oldest_due_seconds=_since(due.aggregate(at=Min(Greatest("not_before", "created_at")))["at"], now),
        mails=_mails(),
        uncertain=Message.objects.filter(unsure, uncertain=True).count(),
        reaped_last_hour=Attempt.objects.filter(reaped, started_at__gte=now - HOUR).count(),
        circuit_open_since=circuit and circuit.opened_at,
        circuit_reason=circuit.reason if circuit else "",
        clock_drift_seconds=_drift(beats.values(), now),
        disk_free_bytes=_disk_free(),
        backup_age_seconds=None,  # until there is a command that makes one
    )


def _lag(beat: ServiceBeat | None, now: datetime) -> float | None:
    return _since(beat and beat.at, now)


def _since(instant: datetime | None, now: datetime) -> float | None:
    return None if instant is None else round((now - instant).total_seconds(), 1)


def _mails() -> dict[str, int]:
    """How many mails stand where somebody or something still has to act. One statement for each partial index."""
    found = dict.fromkeys((*OPEN_STATES, "claimed", "sending", "held", "dead"), 0)
    for states in (OPEN_STATES, ("claimed", "sending"), ("held",), ("dead",)):
        rows = Message.objects.filter(state__in=states).order_by()
        found.update(rows.values_list("state").annotate(number=Count("pk")))
    return found


def _drift(beats: Any, now: datetime) -> float:
    lately = [beat.wall_minus_mono for beat in beats if abs(now - beat.at) <= LATE]
    return round(max(lately, key=abs, default=0.0), 1) + 0.0  # which has no sign


def _disk_free() -> int:
    """Where VAR_DIR is, or will be."""
    place = next(path for path in (settings.VAR_DIR, *settings.VAR_DIR.parents) if path.exists())
    return shutil.disk_usage(place).free


@cache
def version() -> str:
    """The topmost heading of the changelog."""
    for line in (settings.BASE_DIR / "CHANGELOG.md").read_text().splitlines():
        if line.startswith("## "):
            return line.removeprefix("## ").lower()
    return "unknown"


# --- what is answered


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return _plain("ok", 200)


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """MIL-7: 200 while mail is planned and leaves and the database answers, else 503; with a token, why."""
    found = look(request)
    if found is None:
        return unreachable()
    if found.is_refused:
        return who_are_you()
    now = found.figures
    status = 503 if now.problems() else 200
    if found.token is None:
        return _plain("not well" if now.problems() else "ok", status)
    return JsonResponse(_detail(now), status=status)


def _detail(now: Figures) -> dict[str, Any]:
    values = asdict(now)
    since, reason = values.pop("circuit_open_since"), values.pop("circuit_reason")
    mails = values.pop("mails")
    return {
        "status": "not well" if now.problems() else "ok",
        "problems": now.problems(),
        "warnings": now.warnings(),
        **values,
        "queued": now.queued,
        "held": mails["held"],
        "dead": mails["dead"],
        "circuit": {"state": "open" if since else "closed", "since": since, "reason": reason},
    }


def _plain(words: str, status: int) -> HttpResponse:
    return HttpResponse(f"{words}\n", status=status, content_type="text/plain")


def unreachable() -> HttpResponse:
    """What is said when nothing can be found out, not even who asks."""
    return _plain("not well", 503)


def who_are_you() -> HttpResponse:
    """What is said to a token that is none."""
    answer = _plain("An API token is needed.", 401)
    answer["WWW-Authenticate"] = 'Bearer realm="api"'
    return answer


# --- asked of the database, which may not answer


@dataclass(slots=True)
class Found:
    """What a look found: the figures, and the token that was shown, if one was and it is one."""

    figures: Figures
    token: ApiToken | None
    is_refused: bool


def look(request: HttpRequest) -> Found | None:
    """The figures, and the token that was shown; None when the database does not answer in time."""
    given = bearer(request)
    found: list[Found] = []

    def ask() -> None:
        now = clock.now()
        token = None if given is None else ApiToken.of(given, now=now)
        found.append(Found(figures(now), token, given is not None and token is None))
        if token is not None:
            token.used(now=now)  # only now: a write may have to wait, and nobody waits for it

    _within(ANSWER_SECONDS, ask)
    return found[0] if found else None


def _within(seconds: float, ask: Callable[[], None]) -> None:
    """Ask in a thread with a connection of its own, and leave it behind when it takes too long: a database that
    hangs would hold whoever asks for as long as it likes."""
    if not _askers.acquire(blocking=False):
        return

    def run() -> None:
        try:
            ask()
        except (DatabaseError, InterfaceError) as problem:
            log.warning("the database does not answer: %s", problem)
        except Exception:
            log.exception("how this instance is cannot be told")
        finally:
            connection.close()
            _askers.release()

    thread = Thread(target=copy_context().run, args=(run,), name="health", daemon=True)
    thread.start()
    thread.join(seconds)
