from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from lifecycle import clock
from lifecycle.api.models import SCOPES, ApiToken


class Command(BaseCommand):
    help = "Prints one API token for a colleague. It is shown this once: only its hash is kept."

    def add_arguments(self, parser):
        parser.add_argument("email")
        parser.add_argument("--scope", required=True, choices=SCOPES)
        parser.add_argument("--days", type=int, default=90, help="until it expires (default 90)")

    def handle(self, *args, email, scope, days, **options):
        if not 1 <= days <= 3650:
            raise CommandError("--days: expected a whole number from 1 to 3650.")
        user = User.objects.filter(email=email.lower(), is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user {email}.")
        self.stdout.write(ApiToken.issue(user, scope, now=clock.now(), days=days))
