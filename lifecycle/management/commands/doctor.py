"""`doctor`: is everything that was promised still true? Reads only; exit 0, or 1 with what is wrong."""

import sys

from django.core.management.base import BaseCommand

from lifecycle import clock
from lifecycle.invariants import check, recheck

SHOWN = 20


class Command(BaseCommand):
    help = "Check the invariants of mail, reminders and milestones; exit 1 with what is wrong."

    def handle(self, **options):
        now = clock.now()
        wrong = [*check(now), *recheck(now)]
        for problem in wrong[:SHOWN]:
            self.stdout.write(problem)
        if len(wrong) > SHOWN:
            self.stdout.write(f"and {len(wrong) - SHOWN} more")
        self.stdout.write(f"{len(wrong)} wrong" if wrong else "all well")
        if wrong:
            sys.exit(1)
