"""`doctor`: is everything that was promised still true? Reads only; exit 0, or 1 with what is wrong."""

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.core.management.base import BaseCommand
from django.db.models import Exists, OuterRef, Q

from accounts.models import Account
from lifecycle import clock
from lifecycle.change import change_many
from lifecycle.mail.models import Attempt, Message
from lifecycle.milestones.models import Milestone, Reminder

CHUNK = 500
SHOWN = 20
LEASE_GRACE = timedelta(seconds=60)
ACCEPTED = 250


class Command(BaseCommand):
    help = "Check the invariants of mail, reminders and milestones; exit 1 with what is wrong."

    def handle(self, **options):
        now = clock.now()
        checks = (
            unexplained_reminders,
            unproven_mail,
            overdue_leases,
            ownerless_milestones,
            wrong_milestones,
        )
        wrong = [problem for check in checks for problem in check(now)]
        for problem in wrong[:SHOWN]:
            self.stdout.write(problem)
        if len(wrong) > SHOWN:
            self.stdout.write(f"and {len(wrong) - SHOWN} more")
        self.stdout.write(f"{len(wrong)} wrong" if wrong else "all well")
        if wrong:
            sys.exit(1)


def unexplained_reminders(now: datetime) -> Iterator[str]:
    """I1: every reminder that is no longer planned has its message or a reason."""
    for row in Reminder.objects.exclude(state="planned").filter(message=None, reason=""):
        yield f"reminder {row.pk} is {row.state} without a message or a reason"


def unproven_mail(now: datetime) -> Iterator[str]:
    """I2: what counts as sent was accepted by a mail server."""
    accepted = Attempt.objects.filter(message=OuterRef("pk"), smtp_code=ACCEPTED)
    for row in Message.objects.filter(~Exists(accepted), channel="mail", state="sent"):
        yield f"message {row.pk} is sent, but no attempt was answered with {ACCEPTED}"


def overdue_leases(now: datetime) -> Iterator[str]:
    """I5: nothing is held by a sender beyond its lease."""
    held = Message.objects.filter(state__in=("claimed", "sending"), lease_until__lt=now - LEASE_GRACE)
    for row in held:
        yield f"message {row.pk} is {row.state} since its lease ended at {row.lease_until:%Y-%m-%d %H:%M}"


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
