"""`manage.py up`: real processes, started and killed as people and machines do it."""

import http.client
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lifecycle.machine import free_port, listen
from lifecycle.supervisor import Child, Supervisor
from lifecycle.tests.plugin import ROOT
from lifecycle.tests.servers import Process, eventually

pytestmark = [pytest.mark.servers, pytest.mark.sqlite_only, pytest.mark.timeout(240)]
NAMES = {"broker", "web", "worker", "beat", "dispatch"}
UNSET = {"DATABASE_URL": "", "SECRET_KEY": ""}


@pytest.fixture(scope="module")
def var_dir(tmp_path_factory):
    """Shared by the tests of this file: as for a person, the second start finds what the first one made."""
    return tmp_path_factory.mktemp("waymark") / "var"


@pytest.fixture
def up(var_dir, tmp_path):
    """A running Waymark, ended by force should the test leave it."""
    port = free_port()
    environment = os.environ | UNSET | {"VAR_DIR": str(var_dir), "PORT": str(port)}
    process = Process([sys.executable, "manage.py", "up"], environment, tmp_path / "up.log")
    process.port = port
    process.says(f"is at http://localhost:{port}", seconds=180)
    yield process
    process.end()


def family(pid: int) -> set[int]:
    """The process and all its descendants, from /proc."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:  # it ended while we looked
            continue
        parents[int(entry.parent.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def alive(pids: set[int]) -> set[int]:
    def lives(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    return {pid for pid in pids if lives(pid)}


def child(up: Process, words: str) -> int:
    """The direct child whose command line contains the words; 0 while there is none."""
    for pid in family(up.popen.pid) - {up.popen.pid}:
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == up.popen.pid and words in line:
            return pid
    return 0


def get(port: int, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": f"localhost:{port}"})
        answer = connection.getresponse()
        answer.body = answer.read().decode()
        return answer
    finally:
        connection.close()


def test_up_serves_pages_from_an_empty_folder_and_keeps_its_secret_to_itself(up, var_dir):
    answer = get(up.port, "/auth/login/")
    assert answer.status == 200
    assert answer.getheader("Content-Security-Policy").startswith("default-src 'none'; script-src 'self'")
    links = re.findall(r'"(/static/[^"]+)"', answer.body)
    assert links and {get(up.port, link).status for link in links} == {200}
    secret = var_dir / "secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len(secret.read_text()) >= 32
    assert "imani@example.com" in up.output and "waymark demo 2026" in up.output
    assert stat.S_ISSOCK((var_dir / "valkey.sock").stat().st_mode)
    assert {file.stem for file in (var_dir / "log").glob("*.log")} == NAMES
    assert not list((ROOT / "var").glob("celerybeat*")), "beat keeps its schedule in VAR_DIR"


def test_ctrl_c_leaves_no_process(up):
    everyone = family(up.popen.pid)
    assert len(everyone) >= len(NAMES)
    os.kill(up.popen.pid, signal.SIGINT)
    assert up.popen.wait(30) == 0
    assert alive(everyone) == set()
    assert "Traceback" not in up.output


def test_a_killed_supervisor_leaves_no_process_either(up):
    everyone = family(up.popen.pid)
    os.kill(up.popen.pid, signal.SIGKILL)
    up.popen.wait(10)
    eventually(lambda: not alive(everyone), 20, "every process gone")


def test_whoever_is_killed_is_started_again(up):
    kinds = ("gunicorn", "celery -A lifecycle worker", "celery -A lifecycle beat", "valkey-server")
    victims = {words: eventually(lambda words=words: child(up, words)) for words in kinds}
    for victim in victims.values():
        os.kill(victim, signal.SIGKILL)
    for words, victim in victims.items():
        eventually(
            lambda words=words, victim=victim: child(up, words) not in {0, victim}, what=f"a new {words}"
        )
    assert get(up.port, "/auth/login/").status == 200
    assert "web stopped (code -9); starting it again in 1 s" in up.output


def test_a_second_one_in_the_same_folder_is_refused_with_a_sentence(up, var_dir):
    environment = os.environ | UNSET | {"VAR_DIR": str(var_dir), "PORT": str(free_port())}
    command = [sys.executable, "manage.py", "up"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"Waymark already runs from {var_dir}. Stop it first, or set VAR_DIR.\n"


def test_a_taken_port_is_said_in_one_sentence(tmp_path):
    with listen(0) as taken:
        port = taken.getsockname()[1]
        environment = os.environ | UNSET | {"VAR_DIR": str(tmp_path), "PORT": str(port)}
        command = [sys.executable, "manage.py", "up"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"Port {port} is taken or not allowed. Choose another: PORT={port + 1} make run\n"


def test_a_child_that_keeps_dying_is_tried_after_longer_and_longer_pauses(tmp_path):
    said = []
    supervisor = Supervisor(tmp_path, said.append)
    supervisor.add(Child("hopeless", ["sh", "-c", "exit 3"]))
    deadline = time.monotonic() + 20
    while len(said) < 3 and time.monotonic() < deadline:
        supervisor.tend()
        time.sleep(0.05)
    assert [words.split(". Its log")[0] for words in said] == [
        f"hopeless stopped (code 3); starting it again in {pause} s" for pause in (1, 2, 4)
    ]


def test_stopping_ends_grandchildren_whose_parent_died_before(tmp_path):
    supervisor = Supervisor(tmp_path, print)
    supervisor.add(Child("parent", ["sh", "-c", "sleep 300 & echo $!; exit 0"]))
    grandchild = int(eventually(lambda: (tmp_path / "parent.log").read_text().strip()))
    assert alive({grandchild})
    handlers = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        supervisor.stop()
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
    eventually(lambda: not alive({grandchild}), 5, "the grandchild gone")
