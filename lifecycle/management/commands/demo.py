"""`demo`: an invented book of accounts, with every role, every phase and something due today."""

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.models import Account
from lifecycle import clock
from lifecycle.demo.people import PASSWORD, PEOPLE
from lifecycle.demo.plots import tell

MOST = 5_000


class Command(BaseCommand):
    help = "Fill an empty database with invented, plausible data, relative to today."

    def add_arguments(self, parser):
        parser.add_argument("--accounts", type=int, default=64, help="how many (default 64)")

    def handle(self, *, accounts, **options):
        if not 1 <= accounts <= MOST:
            raise CommandError(f"--accounts {accounts}: expected a number from 1 to {MOST:,}.")
        if Account.objects.exists():
            raise CommandError("This database has accounts already: demo data goes into an empty one only.")
        with transaction.atomic():
            tell(accounts, now=clock.now())
        self.stdout.write(
            f"{accounts} invented accounts, {len(PEOPLE)} people; everybody's password: {PASSWORD}"
        )
