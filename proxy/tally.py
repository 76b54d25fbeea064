"""The numbers a worker counts, the catalogue of every metric, and how numbers of workers add up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a metric behaves over time and over workers: all of them are summed."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the catalogue. Counter names carry `_total`, as Prometheus shows them."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


# OpenTelemetry's advised boundaries for HTTP durations, with two finer ones in front. Seconds.
BUCKETS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
)

REQUESTS = Metric(
    name="figway_requests_total",
    kind=Kind.COUNTER,
    labels=("route", "upstream", "reason", "code"),
    help="Requests answered, by the decision taken and the status the client got.",
)
DURATION = Metric(
    name="figway_request_duration_seconds",
    kind=Kind.HISTOGRAM,
    labels=("route", "upstream"),
    help="From the request's head to the end of its response.",
)
REFUSED = Metric(
    name="figway_refused_requests_total",
    kind=Kind.COUNTER,
    labels=("cause",),
    help="Requests refused before a route was chosen.",
)
UPSTREAM_ERRORS = Metric(
    name="figway_upstream_errors_total",
    kind=Kind.COUNTER,
    labels=("route", "upstream", "cause"),
    help="Attempts that an upstream did not answer properly.",
)
RETRIES = Metric(
    name="figway_retries_total",
    kind=Kind.COUNTER,
    labels=("route", "upstream"),
    help="Attempts repeated on another connection.",
)
FALLBACKS = Metric(
    name="figway_fallbacks_total",
    kind=Kind.COUNTER,
    labels=("route", "cause"),
    help="Requests that legacy answered because the new side could not.",
)
FALLBACKS_REFUSED = Metric(
    name="figway_fallbacks_refused_total",
    kind=Kind.COUNTER,
    labels=("route", "cause"),
    help="Fallbacks not taken because the budget was spent or the request could not be repeated.",
)
RECALLED = Metric(
    name="figway_recalled_total",
    kind=Kind.COUNTER,
    labels=("route", "kind"),
    help="Exchanges on the new side ended by a rollback (on_rollback): tunnel, stream or response.",
)
CLIENT_ABORTS = Metric(
    name="figway_client_aborts_total",
    kind=Kind.COUNTER,
    labels=("route", "upstream"),
    help="Clients that left before their response was whole.",
)
CLIENT_CONNECTIONS = Metric(
    name="figway_client_connections",
    kind=Kind.GAUGE,
    labels=(),
    help="Open client connections.",
)
CLIENT_CONNECTIONS_TOTAL = Metric(
    name="figway_client_connections_accepted_total",
    kind=Kind.COUNTER,
    labels=(),
    help="Client connections accepted.",
)
CLIENT_CONNECTIONS_REFUSED = Metric(
    name="figway_client_connections_refused_total",
    kind=Kind.COUNTER,
    labels=("cause",),
    help="Client connections closed at once, or left waiting, because of a limit.",
)
IN_FLIGHT = Metric(
    name="figway_requests_in_flight",
    kind=Kind.GAUGE,
    labels=(),
    help="Requests begun and not yet finished.",
)
TUNNELS = Metric(
    name="figway_tunnels",
    kind=Kind.GAUGE,
    labels=(),
    help="Open upgraded connections (WebSocket).",
)
UPSTREAM_CONNECTIONS = Metric(
    name="figway_upstream_connections",
    kind=Kind.GAUGE,
    labels=("upstream", "state"),
    help="Upstream connections, by state: busy, idle, connecting or waiting (requests).",
)
UPSTREAM_CONNECTS = Metric(
    name="figway_upstream_connects_total",
    kind=Kind.COUNTER,
    labels=("upstream", "outcome"),
    help="Upstream connections opened or not.",
)
LOG_DROPPED = Metric(
    name="figway_log_dropped_total",
    kind=Kind.COUNTER,
    labels=(),
    help="Log lines dropped because the writer could not keep up.",
)
RECEIVED_BYTES = Metric(
    name="figway_request_body_bytes_total",
    kind=Kind.COUNTER,
    labels=(),
    help="Request body bytes received.",
)
SENT_BYTES = Metric(
    name="figway_response_body_bytes_total",
    kind=Kind.COUNTER,
    labels=(),
    help="Response body bytes sent.",
)
SHADOW_ELIGIBLE = Metric(
    name="figway_shadow_eligible_total",
    kind=Kind.COUNTER,
    labels=("route",),
    help="Requests of which a copy was to be made; each ends in one outcome.",
)
SHADOW_OUTCOMES = Metric(
    name="figway_shadow_outcomes_total",
    kind=Kind.COUNTER,
    labels=("route", "outcome", "severity"),
    help="What became of eligible requests; only a mismatch has a severity.",
)
SHADOW_INELIGIBLE = Metric(
    name="figway_shadow_ineligible_total",
    kind=Kind.COUNTER,
    labels=("route", "reason"),
    help="Requests that were not copied because they may not be, or are not in the sample.",
)
SHADOW_DROPS = Metric(
    name="figway_shadow_drops_total",
    kind=Kind.COUNTER,
    labels=("route", "outcome", "reason"),
    help="Eligible requests that the workers did not hand over, by the reason.",
)
SHADOW_HANDED_OVER = Metric(
    name="figway_shadow_handed_over_total",
    kind=Kind.COUNTER,
    labels=("route",),
    help="Eligible requests that the workers handed to the observer.",
)
SHADOW_HANDOVER_BYTES = Metric(
    name="figway_shadow_handover_bytes_total",
    kind=Kind.COUNTER,
    labels=(),
    help="Bytes written to the observer.",
)
SHADOW_HANDOVER_WAITING = Metric(
    name="figway_shadow_handover_waiting_bytes",
    kind=Kind.GAUGE,
    labels=(),
    help="Bytes that wait for the observer to read.",
)

CATALOGUE = (
    REQUESTS,
    DURATION,
    REFUSED,
    UPSTREAM_ERRORS,
    RETRIES,
    FALLBACKS,
    FALLBACKS_REFUSED,
    RECALLED,
    CLIENT_ABORTS,
    CLIENT_CONNECTIONS,
    CLIENT_CONNECTIONS_TOTAL,
    CLIENT_CONNECTIONS_REFUSED,
    IN_FLIGHT,
    TUNNELS,
    UPSTREAM_CONNECTIONS,
    UPSTREAM_CONNECTS,
    LOG_DROPPED,
    RECEIVED_BYTES,
    SENT_BYTES,
    SHADOW_ELIGIBLE,
    SHADOW_OUTCOMES,
    SHADOW_INELIGIBLE,
    SHADOW_DROPS,
    SHADOW_HANDED_OVER,
    SHADOW_HANDOVER_BYTES,
    SHADOW_HANDOVER_WAITING,
)

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One counter or gauge with its labels."""

    metric: str
    labels: Labels
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramSeries:
    """One histogram: counts per bucket (not cumulative; the last is beyond all), and the sum."""

    metric: str
    labels: Labels
    counts: tuple[int, ...]
    total_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TallySnapshot:
    """Everything one worker has counted since it started."""

    series: tuple[Series, ...] = ()
    histograms: tuple[HistogramSeries, ...] = ()


def add(snapshots: tuple[TallySnapshot, ...]) -> TallySnapshot:
    """Sum the snapshots of several workers, series by series."""
    values: dict[tuple[str, Labels], float] = {}
    counts: dict[tuple[str, Labels], list[int]] = {}
    totals: dict[tuple[str, Labels], float] = {}
    for snapshot in snapshots:
        for series in snapshot.series:
            key = (series.metric, series.labels)
            values[key] = values.get(key, 0.0) + series.value
        for histogram in snapshot.histograms:
            key = (histogram.metric, histogram.labels)
            known = counts.setdefault(key, [0] * len(histogram.counts))
            for index, count in enumerate(histogram.counts):
                known[index] += count
            totals[key] = totals.get(key, 0.0) + histogram.total_seconds
    return TallySnapshot(
        series=tuple(
            Series(metric=metric, labels=labels, value=value)
            for (metric, labels), value in values.items()
        ),
        histograms=tuple(
            HistogramSeries(
                metric=metric,
                labels=labels,
                counts=tuple(buckets),
                total_seconds=totals[metric, labels],
            )
            for (metric, labels), buckets in counts.items()
        ),
    )


def without_gauges(snapshot: TallySnapshot) -> TallySnapshot:
    """What a worker that has ended leaves behind: its totals, not its momentary state."""
    gauges = {metric.name for metric in CATALOGUE if metric.kind is Kind.GAUGE}
    return TallySnapshot(
        series=tuple(s for s in snapshot.series if s.metric not in gauges),
        histograms=snapshot.histograms,
    )
