"""The metrics that the observer counts; it also counts SHADOW_OUTCOMES of proxy/tally.py."""

from __future__ import annotations

from proxy.tally import Kind, Metric

SHADOW_REASONS = Metric(
    name="figway_shadow_reasons_total",
    kind=Kind.COUNTER,
    labels=("route", "outcome", "reason"),
    help="Exchanges that came to nothing or got no answer in the observer, by the reason.",
)
SHADOW_DURATION = Metric(
    name="figway_shadow_duration_seconds",
    kind=Kind.HISTOGRAM,
    labels=("route", "upstream"),
    help="From asking the shadow side to the end of its response.",
)
SHADOW_REPROBES = Metric(
    name="figway_shadow_reprobes_total",
    kind=Kind.COUNTER,
    labels=("route", "result"),
    help="Times that legacy was to be asked once more: asked, skipped or failed.",
)
SHADOW_RESPONSE_BYTES = Metric(
    name="figway_shadow_response_body_bytes_total",
    kind=Kind.COUNTER,
    labels=(),
    help="Response body bytes read from the shadow side.",
)
SHADOW_QUEUE = Metric(
    name="figway_shadow_queue",
    kind=Kind.GAUGE,
    labels=(),
    help="Exchanges that wait in the observer for their shadow request.",
)
SHADOW_IN_FLIGHT = Metric(
    name="figway_shadow_requests_in_flight",
    kind=Kind.GAUGE,
    labels=(),
    help="Shadow requests sent and not yet answered.",
)
SHADOW_IN_HAND = Metric(
    name="figway_shadow_pending",
    kind=Kind.GAUGE,
    labels=(),
    help="Exchanges that the observer has taken over and not yet settled.",
)
SHADOW_HELD_BYTES = Metric(
    name="figway_shadow_held_bytes",
    kind=Kind.GAUGE,
    labels=(),
    help="Bytes of requests and primary responses that those hold.",
)
SHADOW_LOOP_LAG = Metric(
    name="figway_shadow_loop_lag_seconds",
    kind=Kind.GAUGE,
    labels=(),
    help="How late the observer's event loop is, smoothed.",
)
SHADOW_BREAKER_OPEN = Metric(
    name="figway_shadow_breaker_open",
    kind=Kind.GAUGE,
    labels=("upstream",),
    help="1 while an upstream gets no shadow requests because it did not answer several in a row.",
)
SHADOW_UNACCOUNTED = Metric(
    name="figway_shadow_unaccounted",
    kind=Kind.GAUGE,
    labels=(),
    help="Eligible requests of which nobody knows the end. Anything but 0 is a defect.",
)
SHADOW_STORE_FAILURES = Metric(
    name="figway_shadow_store_failures_total",
    kind=Kind.COUNTER,
    labels=("reason",),
    help="Writes of evidence that failed; counts are kept and written later, details may be lost.",
)

OBSERVER_CATALOGUE = (
    SHADOW_REASONS,
    SHADOW_DURATION,
    SHADOW_REPROBES,
    SHADOW_RESPONSE_BYTES,
    SHADOW_QUEUE,
    SHADOW_IN_FLIGHT,
    SHADOW_IN_HAND,
    SHADOW_HELD_BYTES,
    SHADOW_LOOP_LAG,
    SHADOW_BREAKER_OPEN,
    SHADOW_UNACCOUNTED,
    SHADOW_STORE_FAILURES,
)
