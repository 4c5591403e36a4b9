"""The test harness. Real servers only, each private to the run, on loopback or a socket file, gone with the tests.

Fixtures for tests marked `servers` or `browser`:
    redis_url     a Redis of this session          smtp_sink   a mail server that keeps what it gets
    environment   variables for child processes that share the test's database, broker and mail server
    spawn         starts a child process with them; `worker`, `beat` are such processes
    browser, context, page   Chromium by pytest-playwright; `sign_in(page, user)`, `screenshot(page, name)`
"""

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = Path(tempfile.mkdtemp(prefix="waymark-test-"))
POSTGRES = os.environ.get("TEST_DATABASE_URL", "")  # set by lifecycle.tests.suite

# Before the settings are read; blank means unset, so neither a shell's nor an .env file's values reach the tests.
for name in (
    "EMAIL_URL",
    "BROKER_URL",
    "BASE_URL",
    "PORT",
    "SENTRY_DSN",
    "CACHE_URL",
    "ALLOWED_HOSTS",
    "API_RATE",
    "AUDIT_KEY",
):
    os.environ[name] = ""
os.environ |= {
    "DEBUG": "false",
    "SECRET_KEY": "only-for-tests-" + "x" * 40,
    "VAR_DIR": str(SCRATCH / "var"),
    "DATABASE_URL": POSTGRES or f"sqlite:///{SCRATCH / 'unused.sqlite3'}",
    "TIME_ZONE": "UTC",
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",  # Playwright's event loop runs in the tests' thread
}


def pytest_configure(config):
    from django.conf import settings

    for module in (
        "database",
        "servers",
        "pages",
        "figures",
    ):  # here, after the other plugins: a name's last fixture wins
        config.pluginmanager.import_plugin(f"lifecycle.tests.{module}")
    if not POSTGRES:  # a file, not memory: worker processes open it too
        settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(SCRATCH / "test.sqlite3")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Pages are served straight from static/: what `collectstatic` makes of it is tested where `up` is.
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STATIC_ROOT.mkdir(parents=True)
    sys.addaudithook(refuse_the_world)


def pytest_unconfigure(config):
    shutil.rmtree(SCRATCH, ignore_errors=True)


def refuse_the_world(event, arguments):
    """No test may reach beyond this machine."""
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[-1]
        host = address[0] if isinstance(address, tuple) else "localhost"  # else a socket file
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host and host not in {"localhost", "::1"} and not host.startswith("127."):
        raise PermissionError(f"a test tried to reach {host}")


def pytest_collection_modifyitems(items):
    """Tests about one database alone are left out on the other."""
    other = "sqlite_only" if POSTGRES else "postgres"
    left = [item for item in items if item.get_closest_marker(other)]
    if left:
        items[0].config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    """Counts for the suite's closing line."""
    if not (file := os.environ.get("SUITE_COUNTS")):
        return
    count = Counter({key: len(reports) for key, reports in terminalreporter.stats.items()})
    result = {
        "passed": count["passed"] + count["xpassed"],
        "failed": count["failed"] + count["error"],
        "skipped": count["skipped"] + count["xfailed"],
    }
    Path(file).write_text(json.dumps(result))
