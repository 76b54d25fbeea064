"""The Prometheus page: the workers' catalogue summed, and what only the supervisor knows."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry

from proxy.tally import BUCKETS, CATALOGUE, Kind, Metric, Series, TallySnapshot

WORKERS = Metric(
    name="figway_workers",
    kind=Kind.GAUGE,
    labels=("state",),
    help="Worker processes, by state: starting, ready or draining.",
)
WORKER_RESTARTS = Metric(
    name="figway_worker_restarts_total",
    kind=Kind.COUNTER,
    labels=(),
    help="Workers that died and were replaced.",
)
ROLLBACK_ACTIVE = Metric(
    name="figway_rollback_active",
    kind=Kind.GAUGE,
    labels=("scope",),
    help="1 for every scope rolled back: all, group:NAME or route:ID. `all` is always there.",
)
FLAGS_REVISION = Metric(
    name="figway_flags_revision",
    kind=Kind.GAUGE,
    labels=(),
    help="Revision of the state that workers were last told to use.",
)
FLAGS_SOURCE = Metric(
    name="figway_flags_source_info",
    kind=Kind.GAUGE,
    labels=("source",),
    help="1 with where the flags come from: file, last_good (kept from before) or nothing.",
)
WORKER_REVISION = Metric(
    name="figway_worker_applied_revision",
    kind=Kind.GAUGE,
    labels=("worker",),
    help="Revision that a worker has confirmed; one that stays behind does not apply changes.",
)
CONFIG_INFO = Metric(
    name="figway_config_info",
    kind=Kind.GAUGE,
    labels=("revision",),
    help="1 with the revision of routes.yaml in use: the first 12 hex digits of its SHA-256.",
)
CONFIG_RELOADS = Metric(
    name="figway_config_reloads_total",
    kind=Kind.COUNTER,
    labels=("outcome",),
    help="Attempts to read routes.yaml or the flag file again: applied, unchanged or refused.",
)
CONFIG_LAST_RELOAD = Metric(
    name="figway_config_last_reload_success",
    kind=Kind.GAUGE,
    labels=(),
    help="1 while the last reading of routes.yaml and of the flag file both succeeded, else 0.",
)
UPSTREAM_HEALTHY = Metric(
    name="figway_upstream_healthy",
    kind=Kind.GAUGE,
    labels=("upstream", "endpoint"),
    help="1 if the endpoint passes its health check, 0 if it fails. Only where there is a check.",
)
SUPERVISOR_LOG_DROPPED = Metric(
    name="figway_supervisor_log_dropped_total",
    kind=Kind.COUNTER,
    labels=(),
    help="Events of the supervisor that were dropped because stdout was not read.",
)
AUDIT_FAILURES = Metric(
    name="figway_audit_failures_total",
    kind=Kind.COUNTER,
    labels=(),
    help="Changes that could not be written to the audit or kept in the state directory.",
)
BUILD_INFO = Metric(
    name="figway_build_info",
    kind=Kind.GAUGE,
    labels=("version", "python"),
    help="1 with the version of Figway and of Python.",
)

SUPERVISOR_CATALOGUE = (
    WORKERS,
    WORKER_RESTARTS,
    WORKER_REVISION,
    ROLLBACK_ACTIVE,
    FLAGS_REVISION,
    FLAGS_SOURCE,
    CONFIG_INFO,
    CONFIG_RELOADS,
    CONFIG_LAST_RELOAD,
    UPSTREAM_HEALTHY,
    SUPERVISOR_LOG_DROPPED,
    AUDIT_FAILURES,
    BUILD_INFO,
)


@dataclass(frozen=True, slots=True)
class Page:
    """One rendering of the page."""

    content_type: str
    text: bytes


class _Once(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Family]:
        yield from self._families


def render(workers: TallySnapshot, supervisor: Iterable[Series], accept: str) -> Page:
    """Render the page in the format that `accept` asks for: Prometheus text or OpenMetrics.

    A series whose metric is in neither catalogue is left out: what is not documented is not shown.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(tuple(_families(workers, supervisor))))
    encoder, content_type = choose_encoder(accept)
    return Page(content_type, encoder(registry))


def _families(workers: TallySnapshot, supervisor: Iterable[Series]) -> Iterator[Family]:
    series: dict[str, list[Series]] = {}
    for one in itertools.chain(workers.series, supervisor):
        series.setdefault(one.metric, []).append(one)
    for metric in (*CATALOGUE, *SUPERVISOR_CATALOGUE):
        match metric.kind:
            case Kind.HISTOGRAM:
                yield _histogram(metric, workers)
            case Kind.COUNTER:
                counter = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
                for one in _present(metric, series):
                    counter.add_metric(one.labels, one.value)
                yield counter
            case Kind.GAUGE:
                gauge = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
                for one in _present(metric, series):
                    gauge.add_metric(one.labels, one.value)
                yield gauge


def _present(metric: Metric, series: dict[str, list[Series]]) -> list[Series]:
    """The series of a metric; one without labels is 0 before it was first counted, not absent."""
    found = series.get(metric.name, [])
    if not found and not metric.labels:
        return [Series(metric=metric.name, labels=(), value=0.0)]
    return found


def _histogram(metric: Metric, workers: TallySnapshot) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    bounds = [str(bound) for bound in BUCKETS] + ["+Inf"]
    for histogram in workers.histograms:
        if histogram.metric == metric.name:
            cumulated = itertools.accumulate(histogram.counts)
            family.add_metric(
                histogram.labels,
                buckets=[(b, float(c)) for b, c in zip(bounds, cumulated, strict=True)],
                sum_value=histogram.total_seconds,
            )
    return family
