"""`manage.py dispatch`: the sending loop. Any number may run; each may be killed at any time."""

import logging
import signal
import threading
import time
from datetime import timedelta

from django.core.management import BaseCommand
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from lifecycle import clock
from lifecycle.events import seal
from lifecycle.mail import dispatch
from lifecycle.mail.models import ServiceBeat
from lifecycle.milestones import planner

log = logging.getLogger(__name__)

DISPATCHER = "dispatcher"  # its ServiceBeat
PAUSE_SECONDS = 2
TURN_SECONDS = 10  # of sending; then the rest of a turn is due again, however much waits
PLAN_EVERY = timedelta(seconds=10)
BEAT_EVERY = timedelta(seconds=15)
SEAL_SECONDS = 60  # between two seals of this loop
PATIENCE_SECONDS = 5  # for the mail under way, once asked to stop; ten are all that a deploy gives


class Command(BaseCommand):
    help = "Plan reminders when nobody else does, and send what is due, until stopped."

    def handle(self, *args, **options):
        self.stopping = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self.stop)
        signal.signal(signal.SIGALRM, self.give_up)
        self.stdout.write("Sending what is due. Ctrl-C stops.")
        self.stdout.flush()
        self.down = False
        self.seal_at = 0.0
        while not self.stopping.is_set():
            self.stopping.wait(PAUSE_SECONDS if self.turn() else 0)
        signal.alarm(0)

    def stop(self, *_):
        """Finish the mail under way; a server that dawdles is not waited for, and the row says so."""
        self.stopping.set()
        signal.alarm(PATIENCE_SECONDS)

    @staticmethod
    def give_up(*_):
        raise SystemExit(0)

    def turn(self):
        """Answers whether nothing is left to do for now."""
        try:
            idle = self.work()
            if self.down:
                log.warning("the database answers again")
            self.down = False
            return idle
        except (DatabaseError, InterfaceError) as problem:
            if not self.down:
                log.warning("the database does not answer, trying on: %s", problem)
            self.down = True
            connection.close()
        except Exception:
            log.exception("a turn of the sending loop failed, trying on")
        return True

    def work(self):
        now = clock.now()
        drift = clock.drift(now)
        dispatch.reap(now=now)
        if not self.recent(planner.PLANNER, 2 * PLAN_EVERY, now=now):
            self.on_its_own(planner.plan, now)
        jumped = abs(drift) > clock.MOST_DRIFT  # told at each turn: loops whose clock is right share the mark
        if jumped or not self.recent(DISPATCHER, BEAT_EVERY, now=now):
            ServiceBeat.mark(DISPATCHER, now=now, drift=drift)
        if time.monotonic() >= self.seal_at:
            self.seal_at = time.monotonic() + SEAL_SECONDS
            self.on_its_own(seal.seal, now=now)
        end = time.monotonic() + TURN_SECONDS
        dispatch.drain(stopping=lambda: self.stopping.is_set() or time.monotonic() > end)
        return time.monotonic() <= end

    @staticmethod
    def on_its_own(job, *args, **kwargs):
        """What fails beside the mail, and not for want of the database, keeps no mail from leaving."""
        try:
            job(*args, **kwargs)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("%s failed, trying on", job.__name__)

    @staticmethod
    def recent(name, span, *, now):
        """Whether it ran within the span; a mark from the future, left by a clock set back, does not count."""
        age = ServiceBeat.age(name, now=now)
        return age is not None and -span <= age <= span
