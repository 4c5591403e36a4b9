"""`doctor`: is everything that was promised still true? Reads only; exit 0, or 1 with what is wrong."""

import re
import sys
from argparse import ArgumentTypeError

from django.core.management.base import BaseCommand

from lifecycle import clock
from lifecycle.events.seal import Head, audit_verify
from lifecycle.invariants import check, recheck

SHOWN = 20


def head(words):
    """A head of the audit chain, as the log tells one a day."""
    if not re.fullmatch(r"[1-9][0-9]{0,18}:[0-9a-f]{64}", words):
        raise ArgumentTypeError("expected a head as the log tells it, such as 1200:4be1...")
    seq, _, link = words.partition(":")
    return Head(int(seq), link)


class Command(BaseCommand):
    help = "Check the invariants of mail, reminders, milestones and the log; exit 1 with what is wrong."

    def add_arguments(self, parser):
        parser.add_argument("--audit", action="store_true", help="the audit chain alone")
        parser.add_argument(
            "--head",
            action="append",
            default=[],
            type=head,
            metavar="NUMBER:HASH",
            help="a head that the log once told: the chain must still pass through it; may be repeated",
        )

    def handle(self, *, audit, head, **options):
        now = clock.now()
        wrong = list(audit_verify(head)) if audit else [*check(now, heads=head), *recheck(now)]
        for problem in wrong[:SHOWN]:
            self.stdout.write(problem)
        if len(wrong) > SHOWN:
            self.stdout.write(f"and {len(wrong) - SHOWN} more")
        self.stdout.write(f"{len(wrong)} wrong" if wrong else "all well")
        if wrong:
            sys.exit(1)
