"""What must be true at any instant, whatever was killed in between (reliability.md, "Invariants").

`check(now)` asks for I1 to I6, which hold after every fault; `recheck(now)` computes every account's duties anew.
Both read only and answer in sentences; nothing wrong is an empty list. `doctor` asks both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, Model, OuterRef, Q

from accounts.models import Account
from lifecycle.change import change_many
from lifecycle.events.models import Event
from lifecycle.events.seal import Head, audit_verify
from lifecycle.mail.models import Attempt, Message, ServiceBeat
from lifecycle.mail.outbox import RESOURCE
from lifecycle.milestones import planner
from lifecycle.milestones.models import Milestone, Reminder

CHUNK = 500
GRACE = timedelta(seconds=60)
ANYWHERE_PAST = timedelta(days=2)  # by then that day's morning has come in every time zone
ACCEPTED = (200, 299)
ENDED = ("sent", "marked", "held", "dead", "cancelled", "expired", "suppressed")
TAKEN = ("sent", "sent after all")  # outcomes: the server took it
HANDED_OVER = (*TAKEN, "unknown")
SENT_BY_HAND = ("message.retried", "message.readdressed")


def check(now: datetime, *, heads: Iterable[Head] = ()) -> list[str]:
    """I1 to I6, each as what is wrong. `heads` of the audit chain, as told by the log, find a cut tail."""
    checks = (
        unexplained_reminders,
        passed_over,
        unproven_mail,
        doubles,
        unmarked_repeats,
        repeats_nobody_asked_for,
        overdue_leases,
    )
    return [*(problem for one in checks for problem in one(now)), *audit_verify(heads)]


def recheck(now: datetime) -> list[str]:
    """The duties of every account, computed anew and compared with its rows (MIL-2, MIL-6)."""
    return [*ownerless_milestones(now), *wrong_milestones(now)]


def unexplained_reminders(now: datetime) -> Iterator[str]:
    """I1: every reminder that is no longer planned has its message or a reason, and ends as its message did."""
    for row in Reminder.objects.exclude(state="planned").filter(message=None, reason=""):
        yield f"I1: reminder {row.pk} is {row.state} without a message or a reason"
    waiting = Reminder.objects.filter(state="planned", message__state__in=ENDED)
    for row in waiting.select_related("message"):
        yield f"I1: reminder {row.pk} waits for message {row.message_id}, which is {row.message.state}"


def passed_over(now: datetime) -> Iterator[str]:
    """I1: a planner that ran left nothing behind that was due before it ran."""
    ran = ServiceBeat.objects.filter(name=planner.PLANNER).values_list("at", flat=True).first()
    if ran is None or ran > now:  # from the future: `remind --now` was tried out, or a clock was set back
        return
    due = Milestone.objects.open().filter(remind_at__lte=ran)
    for row in due.filter(Q(updated_at=None) | Q(updated_at__lte=ran - GRACE)):
        yield f"I1: milestone {row.pk} was to remind at {row.remind_at:%Y-%m-%d %H:%M}, and was passed over"
    waiting = Reminder.objects.filter(state="planned", message=None, created_at__lte=ran - GRACE)
    for row in waiting.filter(send_on__lte=(ran - ANYWHERE_PAST).date()):
        yield f"I1: reminder {row.pk} of {row.send_on} waits for a message"


def unproven_mail(now: datetime) -> Iterator[str]:
    """I2: what counts as sent was accepted by a mail server; what a person called sent is `marked`."""
    accepted = Attempt.objects.filter(message=OuterRef("pk"), outcome__in=TAKEN, smtp_code__range=ACCEPTED)
    for row in Message.objects.filter(~Exists(accepted), channel="mail", state="sent"):
        yield f"I2: message {row.pk} is sent, but no attempt was accepted"


def doubles(now: datetime) -> Iterator[str]:
    """I3: one message a key, one reminder an occasion. Constraints see to it; this sees to the constraints."""
    for model, key in ((Message, ("dedup",)), (Reminder, ("milestone", "occasion", "ordinal", "recipient"))):
        for found in _repeated(model, key):
            shown = ", ".join(f"{name} {found[name]}" for name in key)
            yield f"I3: {found['times']} rows of {model._meta.verbose_name} share {shown}"


def _repeated(model: type[Model], key: tuple[str, ...]) -> Iterator[dict[str, object]]:
    groups = model.objects.order_by().values(*key).annotate(times=Count("pk"))
    yield from groups.filter(times__gt=1)


def unmarked_repeats(now: datetime) -> Iterator[str]:
    """I4: what may have gone out twice, or not at all, says so."""
    given = Attempt.objects.filter(outcome__in=HANDED_OVER, message__channel="mail", message__uncertain=False)
    unknown = Count("pk", filter=Q(outcome="unknown"))
    tries = Count("n", distinct=True)  # the answer to one may be noted twice, around a database's crash
    each = given.order_by().values_list("message").annotate(unknown=unknown, times=tries)
    for message_id, _, times in each.filter(Q(unknown__gt=0) | Q(times__gt=1)):
        yield f"I4: message {message_id} was handed over {times} times or in doubt, and is not marked uncertain"


def repeats_nobody_asked_for(now: datetime) -> Iterator[str]:
    """I4: a customer's mail is handed over again only when a person said so."""
    given = Attempt.objects.filter(outcome__in=HANDED_OVER, message__audience="customer")
    tries = given.order_by().values_list("message").annotate(tries=Count("n", distinct=True))
    repeated = dict(tries.filter(tries__gt=1))
    asked = Event.objects.filter(object_type=RESOURCE, type__in=SENT_BY_HAND, object_id__in=repeated)
    words = dict(asked.order_by().values_list("object_id").annotate(times=Count("pk")))
    for message_id, times in repeated.items():
        if times > 1 + words.get(message_id, 0):
            yield f"I4: message {message_id} was handed over to a customer {times} times, and nobody asked for it"


def overdue_leases(now: datetime) -> Iterator[str]:
    """I5: nothing is held by a sender beyond its lease."""
    held = Message.objects.filter(state__in=("claimed", "sending"))
    for row in held.filter(Q(lease_until=None) | Q(lease_until__lt=now - GRACE)).order_by(F("lease_until")):
        until = f"{row.lease_until:%Y-%m-%d %H:%M}" if row.lease_until else "never"
        yield f"I5: message {row.pk} is {row.state}, and its lease ended: {until}"


def ownerless_milestones(now: datetime) -> Iterator[str]:
    """MIL-6: only accounts that nobody serves have open milestones without an owner."""
    for row in Milestone.objects.open().filter(Q(owner=None), account__csm__isnull=False):
        yield f"milestone {row.pk} ({row}) of account {row.account_id} has no owner"


def wrong_milestones(now: datetime) -> Iterator[str]:
    """MIL-2: the open milestones of every account are what the rules say is owed; computed anew, not kept."""
    settled = Account.objects.filter(Q(recheck_at=None) | Q(recheck_at__gt=now)).order_by("pk")
    ids = list(settled.values_list("pk", flat=True))
    for start in range(0, len(ids), CHUNK):
        with change_many(ids[start : start + CHUNK], by=None, via="task", now=now, dry_run=True) as work:
            pass
        for move in work.moves:
            words = {
                "add": "is missing",
                "cancel": "is no longer owed",
                "done": "is done",
                "move": "has moved",
            }
            yield f"account {move.account_id}: {move.kind} ({move.title}) {words[move.action]}"
