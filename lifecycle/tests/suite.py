"""What `make test` runs: everything on SQLite, then everything again on a private PostgreSQL; arguments go to pytest.

The last line counts both runs together.
"""

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lifecycle.machine import PANGO, install, lacks_pango, tie_to_parent

ROOT = Path(__file__).resolve().parents[2]
NO_TESTS = 5  # pytest's exit code


def postgres_binaries() -> Path | None:
    """Where initdb and postgres are: the newest of Debian's, or those on the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def need(what: str, present: bool, *packages: str) -> None:
    if not present and (sentence := install(packages, what)):
        sys.exit(sentence)


def prepare() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    need("Testing on PostgreSQL", bool(postgres_binaries()), "postgresql")
    need("Testing with Celery", bool(shutil.which("redis-server")), "redis-server")
    need("Testing the pages", bool(chromium), "chromium")
    need("Testing PDFs", bool(shutil.which("pdftotext")), "poppler-utils")
    need("Making PDFs", not lacks_pango(), *PANGO)


def unprivileged() -> dict:
    """PostgreSQL refuses to run as root, so root lends it another user."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    sys.exit("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as.")


@contextlib.contextmanager
def postgres(**changed: str) -> Iterator[str]:
    """A cluster of our own: on a socket file, without the waits that protect against power cuts, unless `changed`
    options say otherwise."""
    binaries, user = postgres_binaries(), unprivileged()
    with tempfile.TemporaryDirectory(prefix="waymark-pg-", ignore_cleanup_errors=True) as folder:
        if user:
            os.chown(folder, user["user"], user["group"])
        quiet = {"cwd": folder, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        data = f"{folder}/data"
        command = [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "waymark",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ]
        subprocess.run([*command, "--no-sync", "--no-instructions"], check=True, **quiet, **user)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": folder,
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "200",
            "log_min_messages": "fatal",
            **changed,
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, *words],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=tie_to_parent(signal.SIGQUIT),
            **quiet,
            **user,
        )
        try:
            ready = [binaries / "pg_isready", "-q", "-h", folder]
            deadline = time.monotonic() + 30
            while subprocess.run(ready, check=False).returncode:
                if time.monotonic() > deadline or server.poll() is not None:
                    sys.exit("PostgreSQL did not start.")
                time.sleep(0.1)
            yield f"postgres://waymark@/{folder}/waymark"
        finally:
            server.send_signal(signal.SIGINT)  # "fast": does not wait for clients
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def run(title: str, arguments: list[str], url: str = "") -> Counter:
    print(f"\n== {title}", flush=True)
    with tempfile.TemporaryDirectory(prefix="waymark-counts-") as folder:
        file = Path(folder, "counts")
        environment = os.environ | {"SUITE_COUNTS": str(file), "TEST_DATABASE_URL": url}
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", *arguments]
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=tie_to_parent(),
        )
        try:
            code = child.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        count = Counter(json.loads(file.read_text())) if file.exists() else Counter()
    if code not in {0, NO_TESTS} and not count["failed"]:  # pytest itself broke
        count["failed"] = 1
    return count


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end too
    prepare()
    count = run("SQLite", arguments)
    with postgres() as url:
        count += run("PostgreSQL", arguments, url)
    return closing_line(count)


def closing_line(count: Counter) -> int:
    skipped = f", {count['skipped']} skipped" if count["skipped"] else ""
    print(f"\n{count['passed']} passed, {count['failed']} failed{skipped}", flush=True)
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
