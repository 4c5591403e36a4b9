"""Settings: every bad value stops the start with the variable's name and the form expected, and nothing secret."""

import os
import runpy
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from lifecycle.tests.plugin import ROOT

pytestmark = pytest.mark.sqlite_only
KEY = "k" * 40


def load(tmp_path, **variables):
    """The settings file read afresh, under these variables alone."""
    kept = dict(os.environ)
    os.environ.clear()
    os.environ.update({"VAR_DIR": str(tmp_path / "var"), "SECRET_KEY": KEY} | variables)
    try:
        return runpy.run_path(str(ROOT / "lifecycle" / "settings.py"))
    finally:
        os.environ.clear()
        os.environ.update(kept)


def settings(tmp_path, *names, **variables):
    found = load(tmp_path, **variables)
    return {name: found[name] for name in names}


def refusal(tmp_path, **variables):
    with pytest.raises(ImproperlyConfigured) as refused:
        load(tmp_path, **variables)
    return str(refused.value)


def manage(tmp_path, *words, **variables):
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path / "var")} | variables
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


BAD = [
    ("DEBUG", "maybe", "true or false"),
    ("ALLOWED_HOSTS", "https://waymark.example.com", "host names"),
    ("BASE_URL", "waymark.example.com", "https://"),
    ("BASE_URL", "https://waymark.example.com:port", "https://"),
    ("DATABASE_URL", "mysql://db/waymark", "postgres://"),
    ("DATABASE_URL", "postgres://db.example.com", "name"),
    ("DATABASE_URL", "sqlite://:memory:", "postgres://"),
    ("BROKER_URL", "amqp://localhost", "redis://"),
    ("CACHE_URL", "memcached", "redis://"),
    ("EMAIL_URL", "mail.example.com", "smtp+tls://"),
    ("EMAIL_URL", "smtp+tls://", "smtp+tls://"),
    ("DEFAULT_FROM_EMAIL", "Waymark", "address"),
    ("TIME_ZONE", "Mars/Olympus", "IANA"),
    ("TIME_ZONE", "/etc/passwd", "IANA"),
    ("PORT", "70000", "65535"),
    ("PORT", "8000x", "whole number"),
    ("MAIL_LEASE_SECONDS", "0", "whole number"),
    ("MAIL_LEASE_SECONDS", "1.5", "whole number"),
    ("STATEMENT_SECONDS", "0", "whole number"),
    ("WEBHOOK_ALLOW_PRIVATE", "2", "true or false"),
    ("REQUIRE_MFA", "ja", "true or false"),
    ("METRICS", "-", "true or false"),
    ("AUDIT_KEY", "x" * 31, "32 characters"),
    ("API_RATE", "1200", "1200/min"),
    ("API_RATE", "0/min", "1200/min"),
    ("OIDC_SERVER_URL", "https://login.example.com", "a value"),
    ("OIDC_CLIENT", "x", "OIDC_CLIENT_ID"),
    ("SENTRY_DSN", "sentry", "https://"),
]


@pytest.mark.parametrize(("name", "value", "form"), BAD, ids=[f"{name}={value}" for name, value, _ in BAD])
def test_a_bad_value_stops_the_start_with_its_name_and_the_form_expected(tmp_path, name, value, form):
    said = refusal(tmp_path, **{name: value})
    assert said.startswith("OIDC_" if name.startswith("OIDC_") else f"{name}: expected")
    assert form in said


def test_a_bad_value_is_never_printed_because_it_may_be_a_secret(tmp_path):
    assert "hunter2" not in refusal(tmp_path, DATABASE_URL="mysql://waymark:hunter2hunter2@db/waymark")


def test_manage_py_says_a_bad_value_in_one_line(tmp_path):
    done = manage(tmp_path, "check", SECRET_KEY=KEY, TIME_ZONE="Mars/Olympus")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Waymark cannot start. TIME_ZONE: expected an IANA time zone such as Europe/Berlin."
    ]


@pytest.mark.parametrize("key", ["", "short", "django-insecure-" + "x" * 40])
def test_without_a_good_secret_key_nothing_starts_unless_debug_is_on(tmp_path, key):
    assert "SECRET_KEY: expected at least 32" in refusal(tmp_path, SECRET_KEY=key)
    assert load(tmp_path, SECRET_KEY="", DEBUG="true")["DEBUG"]


def test_the_secret_that_up_made_serves_the_other_commands(tmp_path):
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "secret").write_text("s" * 64)
    assert settings(tmp_path, "SECRET_KEY", SECRET_KEY="")["SECRET_KEY"] == "s" * 64


def test_blank_means_unset(tmp_path):
    blank = dict.fromkeys(("DEBUG", "BASE_URL", "DATABASE_URL", "BROKER_URL", "EMAIL_URL", "TIME_ZONE"), " ")
    found = settings(tmp_path, "DEBUG", "BASE_URL", "EMAIL_BACKEND", "TIME_ZONE", **blank)
    assert found == {
        "DEBUG": False,
        "BASE_URL": "http://localhost:8000",
        "EMAIL_BACKEND": "lifecycle.mail.backends.FileBackend",
        "TIME_ZONE": "UTC",
    }


def test_sqlite_is_durable_and_takes_its_write_lock_at_the_start(tmp_path):
    config = settings(tmp_path, "DATABASES")["DATABASES"]["default"]
    assert config["NAME"] == str(tmp_path / "var" / "waymark.sqlite3")
    assert (config["CONN_MAX_AGE"], config["CONN_HEALTH_CHECKS"]) == (None, True)
    assert config["OPTIONS"]["timeout"] == 20
    assert config["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "synchronous=FULL" in config["OPTIONS"]["init_command"]


def test_a_folder_with_odd_letters_in_its_name_holds_the_database(tmp_path):
    odd = tmp_path / "a b+c%20#d?"
    config = settings(tmp_path, "DATABASES", VAR_DIR=str(odd))["DATABASES"]["default"]
    assert config["NAME"] == str(odd / "waymark.sqlite3")


def test_postgresql_never_waits_for_ever(tmp_path):
    config = settings(tmp_path, "DATABASES", DATABASE_URL="postgres://u:p%40@db:5433/w?sslmode=require")
    config = config["DATABASES"]["default"]
    assert (config["HOST"], config["PORT"], config["PASSWORD"]) == ("db", 5433, "p@")
    assert config["OPTIONS"]["sslmode"] == "require"
    assert "statement_timeout=30s" in config["OPTIONS"]["options"]
    assert "idle_in_transaction_session_timeout=30000" in config["OPTIONS"]["options"]
    assert config["OPTIONS"]["connect_timeout"] == 5


def test_people_wait_ten_seconds_for_postgresql_and_senders_thirty():
    env = os.environ | {"DATABASE_URL": "postgres://waymark@127.0.0.1:1/none"}
    ask = "from django.conf import settings; print(settings.DATABASES['default']['OPTIONS']['options'])"
    said = [
        subprocess.run(
            [sys.executable, "-c", f"{first}\n{ask}"], cwd=ROOT, env=env, capture_output=True, check=True
        )
        for first in ("import lifecycle.wsgi", "")
    ]
    assert b"statement_timeout=10s" in said[0].stdout
    assert b"statement_timeout=30s" in said[1].stdout


@pytest.mark.parametrize(
    ("url", "port", "tls", "ssl"),
    [
        ("smtp://mail.example.com", 25, False, False),
        ("smtp+tls://u:p@mail.example.com", 587, True, False),
        ("smtp+ssl://u:p@mail.example.com:4650", 4650, False, True),
    ],
)
def test_one_variable_moves_mail_to_a_real_server(tmp_path, url, port, tls, ssl):
    names = ("EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS", "EMAIL_USE_SSL", "EMAIL_TIMEOUT")
    found = settings(tmp_path, *names, EMAIL_URL=url)
    assert list(found.values()) == ["mail.example.com", port, tls, ssl, 30]


def test_cookies_are_bound_to_https_when_the_base_url_is(tmp_path):
    names = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "SESSION_COOKIE_SECURE", "SECURE_HSTS_SECONDS")
    plain = settings(tmp_path, *names)
    bound = settings(tmp_path, *names, BASE_URL="https://waymark.example.com/")
    assert list(plain.values()) == ["sessionid", "csrftoken", False, 0]
    assert list(bound.values()) == ["__Host-sessionid", "__Host-csrftoken", True, 31_536_000]


def test_company_sign_in_is_set_by_three_variables(tmp_path):
    given = {"OIDC_SERVER_URL": "https://login.example.com", "OIDC_CLIENT_ID": "w", "OIDC_CLIENT_SECRET": "s"}
    found = settings(tmp_path, "SOCIALACCOUNT_PROVIDERS", **given)["SOCIALACCOUNT_PROVIDERS"]
    assert found["openid_connect"]["APPS"][0]["settings"] == {"server_url": "https://login.example.com"}


def test_the_content_security_policy_is_literally_the_one_promised(client):
    header = client.get("/livez")["Content-Security-Policy"]
    assert header == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def test_celery_speaks_json_keeps_no_results_works_in_one_process_and_ticks_in_seconds():
    from lifecycle.celery import app

    assert app.conf.accept_content == ["json"]
    assert app.conf.task_acks_late and app.conf.task_reject_on_worker_lost
    assert not app.conf.task_publish_retry
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.result_backend is None
    assert app.conf.worker_pool == "solo"  # whose worker finishes the mail in hand when it is asked to stop
    assert {name: entry["schedule"].total_seconds() for name, entry in app.conf.beat_schedule.items()} == {
        "milestones.plan": 60,
        "mail.drain": 15,
        "events.publish": 60,
        "events.seal": 60,
    }


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_dependency_is_locked_with_a_hash_and_names_no_address(file):
    text = (ROOT / file).read_text()
    locked = [block for block in text.split("\n\n", 1)[1].split("\n") if "==" in block]
    assert len(locked) > 50
    assert all(line.endswith("\\") for line in locked)
    assert "://" not in text


def test_the_tests_run_on_the_versions_that_people_run():
    def versions(file):
        lines = (ROOT / file).read_text().split("\n\n", 1)[1].splitlines()
        return {line.removesuffix(" \\") for line in lines if "==" in line}

    assert versions("requirements.txt") <= versions("requirements-dev.txt")


def test_a_deployment_on_https_has_nothing_to_warn_about(tmp_path):
    given = {"SECRET_KEY": KEY + "abcdefghij1234567890", "BASE_URL": "https://waymark.example.com"}
    done = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **given)
    assert done.returncode == 0, done.stderr
