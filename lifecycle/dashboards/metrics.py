"""`/metrics`: the figures of this instance as Prometheus reads them, with an API token of any scope.

The gauges are those of `GAUGES`, each named `waymark_` and its key, and two with labels: `waymark_mails{state}` (due,
retry, claimed, sending, held, dead) and `waymark_info{version, database}`. They come from the database, so that each
process tells the same. One that is absent has nothing to tell: no backup yet, nothing due.

Where METRICS is on, django-prometheus' counts of requests follow. Those live in the processes: with several of them
PROMETHEUS_MULTIPROC_DIR must name an empty folder, as `up` sees to, or each scrape meets one process' counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import prometheus_client
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.core import CollectorRegistry, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from lifecycle.api.auth import bearer
from lifecycle.dashboards.health import Figures, look, unreachable, who_are_you

GAUGES: dict[str, tuple[str, Callable[[Figures], float | None]]] = {
    "well": ("1, or 0 where /healthz answers 503", lambda f: not f.problems()),
    "planner_lag_seconds": ("since a planner last ran", lambda f: f.planner_lag_seconds),
    "dispatcher_lag_seconds": ("since a dispatcher last ran", lambda f: f.dispatcher_lag_seconds),
    "worker_lag_seconds": ("since a Celery worker last ran", lambda f: f.worker_lag_seconds),
    "seal_lag_seconds": ("since the log was last sealed", lambda f: f.seal_lag_seconds),
    "oldest_due_seconds": (
        "how long the oldest mail that is due has been due",
        lambda f: f.oldest_due_seconds,
    ),
    "mails_uncertain": (
        "mails that may have gone out twice or not at all: unsent, or sent in the last 24 hours",
        lambda f: f.uncertain,
    ),
    "mails_reaped_last_hour": ("mails taken back from senders that died", lambda f: f.reaped_last_hour),
    "circuit_open": ("1 while the mail server does not work", lambda f: f.circuit_open_since is not None),
    "circuit_open_seconds": (
        "for how long the mail server has not worked",
        lambda f: f.circuit_open_since and (f.at - f.circuit_open_since).total_seconds(),
    ),
    "clock_drift_seconds": (
        "how far a clock jumped, as the services saw it",
        lambda f: f.clock_drift_seconds,
    ),
    "disk_free_bytes": ("free where VAR_DIR is", lambda f: f.disk_free_bytes),
    "backup_age_seconds": ("since the last backup", lambda f: f.backup_age_seconds),
}


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """401 without a good token, 503 while the database does not answer, else the figures."""
    if bearer(request) is None:
        return who_are_you()
    found = look(request)
    if found is None:
        return unreachable()
    if found.is_refused:
        return who_are_you()
    text = exposed(found.figures) + (_requests() if settings.METRICS else b"")
    return HttpResponse(text, content_type=prometheus_client.CONTENT_TYPE_LATEST)


def exposed(now: Figures) -> bytes:
    """The figures in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Gauges(now))
    return prometheus_client.generate_latest(registry)


class _Gauges(Collector):
    def __init__(self, now: Figures) -> None:
        self.now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, (words, ask) in GAUGES.items():
            value = ask(self.now)
            if value is not None:
                yield GaugeMetricFamily(f"waymark_{name}", words, value)
        mails = GaugeMetricFamily("waymark_mails", "mails by where they stand", labels=["state"])
        for state, number in self.now.mails.items():
            mails.add_metric([state], number)
        yield mails
        info = GaugeMetricFamily("waymark_info", "what runs here", labels=["version", "database"])
        info.add_metric([self.now.version, self.now.database], 1)
        yield info


def _requests() -> bytes:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return prometheus_client.generate_latest(prometheus_client.REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return prometheus_client.generate_latest(registry)
