"""`manage.py remind`: plan and send what is due once, as of now or of another instant."""

from collections import Counter
from contextlib import nullcontext
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.db.models import Count

from lifecycle import clock
from lifecycle.mail import dispatch
from lifecycle.mail.models import Circuit
from lifecycle.milestones import planner
from lifecycle.milestones.models import Reminder

EXAMPLE = "2026-03-01T08:00:00+00:00"


class Command(BaseCommand):
    help = "Plan the reminders that are due and send what waits, once."

    def add_arguments(self, parser):
        parser.add_argument("--now", help=f"as of this instant instead, such as {EXAMPLE}")

    def handle(self, *args, now, **options):
        instant = self.read(now) if now else None
        if instant and self.is_real(settings.EMAIL_URL):
            raise CommandError(
                "--now is for trying out: it is refused while EMAIL_URL is a real mail server."
            )
        with clock.at(instant) if instant else nullcontext():
            self.run(reaps=instant is None)

    @staticmethod
    def read(words):
        try:
            instant = datetime.fromisoformat(words)
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            raise CommandError(f"--now: {words!r} is not an instant with its offset, such as {EXAMPLE}.")
        return instant

    @staticmethod
    def is_real(url):
        host = urlsplit(url).hostname if url else "localhost"
        try:
            return not ip_address(host).is_loopback
        except ValueError:
            return host != "localhost"

    def run(self, *, reaps):
        before = self.count()
        if reaps:  # another instant's leases are no business of ours
            dispatch.reap(now=clock.now())
        swept = planner.sweep(clock.now())
        ended = dispatch.drain()
        after = self.count()
        counts = after - before
        said = ", ".join(f"{number} {state}" for state, number in sorted(ended.items()) if state != "waiting")
        self.stdout.write(f"Messages: {said or 'none left'}.")
        if ended["waiting"]:
            reason = Circuit.objects.filter(name=dispatch.SMTP).values_list("reason", flat=True).first()
            self.stderr.write(
                f"The mail server at {settings.EMAIL_HOST}:{settings.EMAIL_PORT} does not work ({reason}). "
                "What was due waits and is sent when it does."
            )
        self.stdout.write(
            f"planned {swept.planned}, sent {counts['sent']}, superseded {counts['superseded']}, "
            f"held {counts['held']}, failed {counts['failed']}"
        )
        if ended["waiting"]:
            raise SystemExit(1)

    @staticmethod
    def count():
        found = Reminder.objects.exclude(state="planned").values_list("state").annotate(Count("pk"))
        return Counter(dict(found))
