"""MIL-7: what load balancers, monitors and Prometheus are told, also while the database is not there."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from accounts.tests.factories import make_csm
from lifecycle import clock
from lifecycle.api.models import SCOPES, ApiToken
from lifecycle.celery import WORKER
from lifecycle.dashboards import health
from lifecycle.dashboards.metrics import GAUGES
from lifecycle.events.seal import seal
from lifecycle.machine import free_port
from lifecycle.mail.dispatch.queue import SMTP
from lifecycle.mail.dispatch.sending import UNANSWERED
from lifecycle.mail.models import Attempt, Circuit, Message, ServiceBeat
from lifecycle.mail.tests.sending import chicago, due_message
from lifecycle.milestones.planner import plan
from lifecycle.tests.servers import eventually

# It asks in a thread of its own, which sees what has committed.
pytestmark = pytest.mark.django_db(transaction=True)

NOW = chicago("02-15 08:00")
MINUTES = timedelta(minutes=1)
DETAIL = {
    "status",
    "problems",
    "warnings",
    "at",
    "version",
    "database",
    "planner_lag_seconds",
    "dispatcher_lag_seconds",
    "worker_lag_seconds",
    "seal_lag_seconds",
    "oldest_due_seconds",
    "queued",
    "held",
    "dead",
    "uncertain",
    "reaped_last_hour",
    "circuit",
    "clock_drift_seconds",
    "disk_free_bytes",
    "backup_age_seconds",
}


@pytest.fixture
def running():
    """An instance whose planner has just run, at NOW."""
    with clock.at(NOW):
        plan(NOW)
        yield


@pytest.fixture
def token(running):
    return ApiToken.issue(make_csm(), "read", now=NOW, days=1)


@pytest.fixture
def ask(client, token):
    """What somebody with a token is told, when so much time has passed."""

    def asking(path="/healthz", later=timedelta(), shown=None):
        with clock.at(NOW + later):
            return client.get(path, headers={"Authorization": f"Bearer {shown or token}"})

    return asking


def mail(state, number=1, **values):
    values.setdefault("sent_at", NOW if state == "sent" else None)
    values.setdefault("created_at", NOW - timedelta(days=1))
    return due_message(f"{state}{number}@example.com", now=NOW, number=number, state=state, **values)


# --- well or not


def test_livez_asks_nothing_of_the_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/livez").status_code == 200


@pytest.mark.parametrize(
    ("when", "status"),
    [("02-15 08:00", 200), ("02-15 08:15", 200), ("02-15 08:16", 503), ("02-14 08:00", 503)],
)
def test_mil_7_healthz_complains_when_no_planner_ran_for_fifteen_minutes(client, running, when, status):
    with clock.at(chicago(when)):
        assert client.get("/healthz").status_code == status


def test_mil_7_healthz_complains_when_no_planner_ever_ran(client):
    assert client.get("/healthz").status_code == 503
    assert client.post("/healthz").status_code == 405


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (900, 200), (901, 503)])
@pytest.mark.parametrize("state", ["due", "retry"])
def test_healthz_complains_when_due_mail_has_not_left_for_fifteen_minutes(ask, state, seconds, status):
    mail(state, not_before=NOW - timedelta(seconds=seconds))
    mail(state, 2, not_before=NOW + timedelta(days=1))
    answer = ask()
    assert (answer.status_code, answer.json()["oldest_due_seconds"]) == (status, seconds)
    assert bool(answer.json()["problems"]) == (status == 503)


def test_a_digest_that_is_planned_after_its_hour_is_no_complaint(ask):
    mail("due", not_before=NOW - timedelta(hours=3), created_at=NOW - timedelta(seconds=5))
    answer = ask()
    assert (answer.status_code, answer.json()["oldest_due_seconds"]) == (200, 5)


def test_without_a_token_nothing_is_told(client, running):
    mail("dead")
    with clock.at(NOW):
        assert client.get("/healthz").content == b"ok\n"
    with clock.at(NOW + 16 * MINUTES):
        assert client.get("/healthz").content == b"not well\n"


# --- the detail


def test_with_a_token_of_any_scope_everything_is_told(ask):
    answer = ask().json()
    assert set(answer) == DETAIL
    assert (answer["status"], answer["problems"], answer["warnings"]) == ("ok", [], [])
    for scope in SCOPES:
        other = ApiToken.issue(make_csm(f"{scope}@example.com"), scope, now=NOW, days=1)
        assert set(ask(shown=other).json()) == DETAIL


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_a_token_that_is_none_is_refused(ask, client, token, path):
    for shown in ("wmk_unknown", "x", "ä"):
        answer = ask(path, shown=shown)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
    assert ask(path, later=timedelta(days=2)).status_code == 401  # expired
    ApiToken.objects.get().revoke(now=NOW)
    assert ask(path).status_code == 401
    if path == "/metrics":
        assert client.get(path).status_code == 401


def test_a_look_counts_as_use_of_the_token(ask):
    ask(later=5 * MINUTES)
    eventually(lambda: ApiToken.objects.get().last_used_at == NOW + 5 * MINUTES)


def test_the_figures_are_those_of_the_rows(ask):
    for number, state in enumerate(("due", "retry", "held", "held", "dead", "sent", "cancelled")):
        mail(state, number)
    mail("sending", lease_until=NOW + MINUTES, claim="x")
    mail("retry", 20, uncertain=True)
    mail("sent", 21, uncertain=True)
    mail("sent", 22, uncertain=True, sent_at=NOW - timedelta(days=2))
    of = {"message": Message.objects.first(), "n": 1, "phase": "data"}
    for ago in (1, 59, 61):
        at = NOW - ago * MINUTES
        Attempt.objects.create(outcome="interrupted", started_at=at, **of)
        Attempt.objects.create(outcome="unknown", reply=UNANSWERED, started_at=at, **of)
        Attempt.objects.create(outcome="unknown", reply="Connection reset", started_at=at, **of)
    Circuit.trip(SMTP, "Connection refused", now=NOW - 3 * MINUTES)
    ServiceBeat.mark("dispatcher", now=NOW - MINUTES, drift=-130.0)
    seal(now=NOW)
    told = ask(later=MINUTES).json()
    found = {name: told[name] for name in ("queued", "held", "dead", "uncertain", "reaped_last_hour")}
    assert found == {"queued": 4, "held": 2, "dead": 1, "uncertain": 2, "reaped_last_hour": 4}
    assert (told["planner_lag_seconds"], told["dispatcher_lag_seconds"]) == (60, 120)
    assert (told["seal_lag_seconds"], told["oldest_due_seconds"]) == (60, 60)
    assert told["circuit"] == {
        "state": "open",
        "since": "2026-02-15T13:57:00Z",
        "reason": "Connection refused",
    }
    assert (told["clock_drift_seconds"], told["backup_age_seconds"]) == (-130.0, None)
    assert told["disk_free_bytes"] > 0 and told["version"]
    assert (told["status"], told["problems"]) == ("ok", [])
    assert told["warnings"] == [
        "The mail server has not worked for 4 minutes: Connection refused",
        "2 mails wait for a decision.",
        "1 mail could not be sent.",
        "A clock jumped by -130 seconds: whoever saw it leaves customers' mail to others, or waiting.",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"), [(50, ""), (51, "1 minute"), (179, "2 minutes"), (-51, "1 minute")]
)
def test_celery_that_has_stood_still_for_50_seconds_is_a_warning(ask, seconds, said):
    ServiceBeat.mark(WORKER, now=NOW - timedelta(seconds=seconds))
    answer = ask()
    sentence = f"Celery has done nothing for {said}: look at Redis, at its beat and at its worker."
    assert (answer.status_code, answer.json()["warnings"]) == (200, [sentence] if said else [])
    assert answer.json()["worker_lag_seconds"] == seconds


def test_an_installation_without_celery_is_not_asked_for_it(ask):
    assert (ask().json()["worker_lag_seconds"], ask().json()["warnings"]) == (None, [])


def test_a_log_that_is_not_sealed_and_a_full_disk_are_warnings(ask, monkeypatch):
    seal(now=NOW - 16 * MINUTES)
    monkeypatch.setattr(health, "_disk_free", lambda: 12_000_000)
    answer = ask()
    assert answer.status_code == 200
    assert answer.json()["warnings"] == [
        "The disk has 12 MB left.",
        "The log has not been sealed for 16 minutes.",
    ]


def test_the_figures_cost_the_same_however_much_was_sent(running, django_assert_num_queries):
    for times in (1, 30):
        for number in range(times):
            mail("sent", 100 * times + number)
            mail("dead", 100 * times + number)
        with django_assert_num_queries(9):
            health.figures(NOW)


# --- a database that does not answer


def test_a_database_that_hangs_is_not_waited_for(client, running, monkeypatch):
    free = threading.Event()
    monkeypatch.setattr(health, "figures", lambda now: free.wait(30))
    try:
        for path, code in (("/healthz", 503), ("/livez", 200)):
            begun = time.monotonic()
            assert client.get(path).status_code == code
            assert time.monotonic() - begun < 2
        monkeypatch.setattr(health, "ANSWER_SECONDS", 0.01)
        for _ in range(3):
            client.get("/healthz")
        monkeypatch.setattr(health, "ANSWER_SECONDS", 30)
        begun = time.monotonic()
        assert client.get("/healthz").status_code == 503  # four are asking already
        assert time.monotonic() - begun < 1
    finally:
        free.set()
    monkeypatch.undo()
    with clock.at(NOW):
        eventually(lambda: client.get("/healthz").status_code == 200)


def get(url, token=""):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as problem:
        return problem.code, problem.read().decode()


@pytest.fixture
def served(spawn):
    """The address of a real web server, which has answered already."""

    def serve(*words, workers=1, **variables):
        port = free_port()
        web = spawn(
            *("-m", "gunicorn", "lifecycle.wsgi", "--bind", f"127.0.0.1:{port}"),
            *("--workers", str(workers), "--worker-class", "gthread", "--threads", "2"),
            *("--no-control-socket", "--preload"),
            *words,
            **variables,
        )
        eventually(lambda: web.output.count("Booting worker") == workers, 60)
        assert get(f"http://127.0.0.1:{port}/livez") == (200, "ok\n")
        return f"http://127.0.0.1:{port}"

    return serve


@pytest.mark.servers
@pytest.mark.sqlite_only
def test_a_database_server_that_accepts_and_says_nothing_costs_less_than_two_seconds(served):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        site = served(DATABASE_URL=f"postgres://w:w@127.0.0.1:{silent.getsockname()[1]}/w")
        for path in ("/healthz", "/metrics", "/healthz"):
            begun = time.monotonic()
            assert get(site + path, token="wmk_any") == (503, "not well\n")
            assert time.monotonic() - begun < 2


@pytest.mark.servers
@pytest.mark.sqlite_only
def test_a_database_server_that_is_gone_is_told_at_once(served):
    site = served(DATABASE_URL=f"postgres://w:w@127.0.0.1:{free_port()}/w")
    begun = time.monotonic()
    assert get(f"{site}/healthz") == (503, "not well\n")
    assert time.monotonic() - begun < 2


# --- Prometheus


def samples(text):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_the_same_figures(ask):
    mail("due", not_before=NOW - MINUTES)
    mail("held")
    answer = ask("/metrics")
    assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (200, "text/plain")
    found = samples(answer.content.decode())
    assert found["waymark_well",] == 1
    assert found["waymark_planner_lag_seconds",] == 0
    assert found["waymark_oldest_due_seconds",] == 60
    assert {key[1]: value for key, value in found.items() if key[0] == "waymark_mails"} == {
        "due": 1,
        "retry": 0,
        "claimed": 0,
        "sending": 0,
        "held": 1,
        "dead": 0,
    }
    absent = {
        "dispatcher_lag_seconds",
        "worker_lag_seconds",
        "seal_lag_seconds",
        "circuit_open_seconds",
        "backup_age_seconds",
    }
    assert {f"waymark_{name}" for name in GAUGES} - {key[0] for key in found} == {
        f"waymark_{name}" for name in absent
    }
    assert found["waymark_circuit_open",] == 0
    with clock.at(NOW):
        Circuit.trip(SMTP, "Connection refused", now=NOW)
    later = samples(ask("/metrics", later=20 * MINUTES).content.decode())
    assert (later["waymark_circuit_open_seconds",], later["waymark_well",]) == (1200, 0)


@pytest.mark.servers
@pytest.mark.sqlite_only
def test_with_metrics_on_requests_of_all_processes_are_counted(served, tmp_path):
    plan(clock.now())
    key = ApiToken.issue(make_csm(), "read", now=clock.now(), days=1)
    (tmp_path / "metrics").mkdir()
    folder = f"PROMETHEUS_MULTIPROC_DIR={tmp_path / 'metrics'}"
    site = served("--env", folder, METRICS="true", workers=2)
    for _ in range(11):
        assert get(f"{site}/livez")[0] == 200
    status, text = get(f"{site}/metrics", token=key)
    found = samples(text)
    assert status == 200
    assert found["waymark_well",] == 1
    assert found["django_http_requests_total_by_view_transport_method_total", "GET", "http", "livez"] == 12
