"""`add_user EMAIL ... --role R`: people, and the teams they need."""

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db.models import Q

from accounts.models import Team, User
from accounts.models.people import LEAD_ROLES, ROLES, validate_zone
from lifecycle import clock
from lifecycle.change import change
from lifecycle.imports.rows import Wrong, plain_text
from lifecycle.rules.refused import Refused
from lifecycle.rules.routing import POOLS


class Command(BaseCommand):
    help = "Create or update colleagues. What is not given stays as it is; a new CSM is Digital."

    def add_arguments(self, parser):
        parser.add_argument("emails", nargs="+", metavar="EMAIL")
        parser.add_argument("--role", choices=ROLES, required=True)
        parser.add_argument("--pool", choices=POOLS, help="which accounts a CSM serves")
        parser.add_argument(
            "--team", metavar="NAME", help="made when missing; a team_lead leads it, a manager manages it"
        )
        parser.add_argument("--time-zone", metavar="ZONE", help="IANA name, such as America/Chicago")
        parser.add_argument("--password", help="without one a new person cannot sign in yet")

    def handle(self, *, emails, role, pool, team, time_zone, password, **options):
        addresses = [self._email(text) for text in emails]
        if pool and role != "csm":
            raise CommandError("Only a CSM serves a pool: leave --pool out, or say --role csm.")
        if password is not None and not password.strip():
            raise CommandError("The password is empty.")
        if team is not None:
            team = self._line(team, 120, "a team's name")
        if time_zone is not None:
            try:
                validate_zone(time_zone)
            except ValidationError as problem:
                raise CommandError(problem.messages[0]) from problem
        now = clock.now()
        with change(None, by=None, via="task", now=now):
            group = Team.objects.filter(name=team).first() or Team.objects.create(name=team) if team else None
            for address in addresses:
                user, verb = self._user(address, role, pool, group, time_zone, password)
                self.stdout.write(f"{verb} {user.email}, {user.role}{self._place(user)}")

    def _user(self, address, role, pool, team, time_zone, password):
        user = User.objects.filter(email=address).first() or User(email=address)
        is_new = user.pk is None
        if is_new:
            user.name = (
                address.partition("@")[0].replace(".", " ").replace("_", " ").replace("-", " ").title()[:150]
            )
            user.set_unusable_password()
        values = {"role": role, "pool": pool, "team": team, "time_zone": time_zone}
        try:
            user.record({name: value for name, value in values.items() if value})
        except Refused as refused:
            raise CommandError(refused.text) from refused
        if password is not None:
            user.set_password(password)
            user.save(update_fields=["password"])
        self._place_at_the_head(user, team)
        return user, "created" if is_new else "updated"

    def _place_at_the_head(self, user, team):
        if user.role not in LEAD_ROLES:
            for led in Team.objects.filter(Q(lead=user) | Q(manager=user)):
                led.lead = None if led.lead == user else led.lead
                led.manager = None if led.manager == user else led.manager
                led.save()
        seat = {"team_lead": "lead", "manager": "manager"}.get(user.role)
        if team and seat:
            setattr(team, seat, user)
            team.save()

    def _place(self, user):
        return "".join(f", {part}" for part in (user.pool, user.team and f"team {user.team.name}") if part)

    def _email(self, text):
        address = self._line(text, 254, "an e-mail address").lower()
        try:
            validate_email(address)
        except ValidationError as problem:
            raise CommandError(f"{text!r} is not an e-mail address.") from problem
        return address

    def _line(self, text, longest, what):
        try:
            return plain_text(text, longest=longest, what=what)
        except Wrong as wrong:
            raise CommandError(f"{text!r}: {wrong.detail}.") from wrong
