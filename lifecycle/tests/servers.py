"""Real servers for tests: Redis, a mail server, and processes that share the test's database."""

import contextlib
import email
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest
from aiosmtpd.controller import Controller

from lifecycle.machine import free_port, tie_to_parent

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0


def eventually(question, seconds: float = PATIENCE, what: str = ""):
    """The first true answer; fails when there is none in time. For what other processes do."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            pytest.fail(f"did not happen within {seconds:.0f} s: {what or question}")
        time.sleep(0.05)
    return answer


@dataclass
class Process:
    """A child in a process group of its own, with its output kept."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    popen: subprocess.Popen = field(init=False)

    def __post_init__(self):
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=tie_to_parent(signal.SIGKILL),
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def says(self, words: str, seconds: float = PATIENCE) -> None:
        """Wait until its output contains the words."""
        deadline = time.monotonic() + seconds
        while words not in self.output:
            if self.popen.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{' '.join(self.command)} never said {words!r}:\n{self.output[-4000:]}")
            time.sleep(0.05)

    def send(self, signum: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signum)

    def end(self, signum: int = signal.SIGTERM, seconds: float = 15) -> int:
        self.send(signum)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.popen.wait() if self.send(signal.SIGKILL) is None else -9
        finally:
            self.send(signal.SIGKILL)


@pytest.fixture(scope="session")
def redis_url():
    """A Redis of this session alone, empty at its start."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="waymark-redis-") as folder:
        options = {
            "port": port,
            "bind": "127.0.0.1",
            "save": "",
            "dir": folder,
            "maxmemory-policy": "noeviction",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        server = Process(
            [shutil.which("redis-server") or "redis-server", *words], dict(os.environ), Path(folder, "log")
        )
        server.says("Ready to accept connections")
        yield f"redis://127.0.0.1:{port}/0"
        server.end()


@dataclass(frozen=True)
class Received:
    """One mail as the server got it."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        return self.message.get_body(("plain",)).get_content()


class MailSink:
    """Accepts mail on loopback; `refuse` (an SMTP reply such as "451 later") is answered to DATA while set."""

    def __init__(self):
        self.messages: list[Received] = []
        self.refuse = ""
        self.port = free_port()
        self.url = f"smtp://127.0.0.1:{self.port}"

    async def handle_DATA(self, server, session, envelope):
        if self.refuse:
            return self.refuse
        self.messages.append(
            Received(envelope.mail_from, tuple(envelope.rcpt_tos), envelope.original_content)
        )
        return "250 OK"

    def to(self, address: str) -> list[Received]:
        return [mail for mail in self.messages if address in mail.recipients]


@pytest.fixture
def smtp_sink():
    sink = MailSink()
    controller = Controller(sink, hostname="127.0.0.1", port=sink.port)
    controller.start()
    yield sink
    controller.stop()


def database_url() -> str:
    """The test database, as another process would name it."""
    from django.db import connection

    config = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{quote(str(config['NAME']))}"
    user = quote(config["USER"]) + (f":{quote(config['PASSWORD'])}" if config["PASSWORD"] else "")
    if config["HOST"].startswith("/"):  # a socket's folder
        return f"postgres://{user}@/{config['HOST']}/{config['NAME']}"
    return f"postgres://{user}@{config['HOST']}:{config['PORT'] or 5432}/{config['NAME']}"


@pytest.fixture
def environment(transactional_db, redis_url, tmp_path, request):
    """Variables under which a child process sees this test's database, broker and (when asked for) mail server."""
    variables = os.environ | {
        "DJANGO_SETTINGS_MODULE": "lifecycle.settings",
        "DATABASE_URL": database_url(),
        "BROKER_URL": redis_url,
        "VAR_DIR": str(tmp_path / "var"),
        "PYTHONUNBUFFERED": "1",
    }
    if "smtp_sink" in request.fixturenames:
        variables["EMAIL_URL"] = request.getfixturevalue("smtp_sink").url
    return variables


@pytest.fixture
def spawn(environment, tmp_path):
    """`spawn("manage.py", "dispatch")`: a Python process of this tree, ended with the test."""
    running: list[Process] = []

    def start(*words: str, **variables: str) -> Process:
        log = tmp_path / f"process-{len(running)}.log"
        running.append(Process([sys.executable, *words], environment | variables, log))
        return running[-1]

    yield start
    for process in reversed(running):
        process.end()


CELERY = ("-m", "celery", "-A", "lifecycle.tests.quick_beat")


@pytest.fixture
def worker(spawn, redis_url):
    """A real Celery worker on this test's database."""
    import redis

    with redis.from_url(redis_url) as client:
        client.flushall()
    process = spawn(*CELERY, "worker", "--loglevel", "INFO", "--without-mingle")
    process.says(" ready.")
    return process


@pytest.fixture
def beat(spawn, tmp_path):
    """A real Celery beat, ticking each second instead of each minute."""
    schedule = str(tmp_path / "beat-schedule")
    process = spawn(*CELERY, "beat", "--schedule", schedule, "--pidfile", "", "--loglevel", "INFO")
    process.says("beat: Starting")
    return process
