"""The metrics that only the supervisor knows; those of workers are in proxy/tally.py."""

from __future__ import annotations

from proxy.tally import Kind, Metric

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
OBSERVER_UP = Metric(
    name="figway_observer_up",
    kind=Kind.GAUGE,
    labels=(),
    help="1 while the observer takes exchanges. 0 also when no route is shadowed.",
)
OBSERVER_RESTARTS = Metric(
    name="figway_observer_restarts_total",
    kind=Kind.COUNTER,
    labels=(),
    help="Observers that died and were replaced.",
)
SHADOW_PAUSED = Metric(
    name="figway_shadow_paused",
    kind=Kind.GAUGE,
    labels=(),
    help="1 while a command or the kill switch of routes.yaml stops all shadow traffic.",
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
    OBSERVER_UP,
    OBSERVER_RESTARTS,
    SHADOW_PAUSED,
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
