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
    help="1 with where the flags come from: file, redis, unleash, last_good (kept) or nothing.",
)
WORKER_REVISION = Metric(
    name="figway_worker_applied_revision",
    kind=Kind.GAUGE,
    labels=("worker",),
    help="Revision that a worker has confirmed; one that stays behind does not apply changes.",
)
FLAGS_SOURCE_UP = Metric(
    name="figway_flags_source_up",
    kind=Kind.GAUGE,
    labels=("source",),
    help="1 while the provider of flags (file, redis or unleash) answers and its answer is used.",
)
FLAGS_AGE = Metric(
    name="figway_flags_age_seconds",
    kind=Kind.GAUGE,
    labels=("source",),
    help="How long ago the provider of flags confirmed what is in use. 0 for the flag file.",
)
FLAGS_HELD = Metric(
    name="figway_flags_held",
    kind=Kind.GAUGE,
    labels=("source",),
    help="Flags that the provider has fallen silent about, and whose last value holds.",
)
FLAGS_TO_LEGACY = Metric(
    name="figway_flags_stale_routes",
    kind=Kind.GAUGE,
    labels=(),
    help="Routes that go to legacy because nobody has confirmed their flag for too long.",
)
UNLEASH_FETCHES = Metric(
    name="figway_unleash_fetches_total",
    kind=Kind.COUNTER,
    labels=("outcome",),
    help="Times that Unleash was asked, by what came of it.",
)
UNLEASH_WEBHOOKS = Metric(
    name="figway_unleash_webhooks_total",
    kind=Kind.COUNTER,
    labels=("outcome",),
    help="Calls of the webhook of Unleash: accepted or refused.",
)
STORE_UP = Metric(
    name="figway_store_up",
    kind=Kind.GAUGE,
    labels=("state",),
    help="1 with how the store that replicas share is doing: ok, slow, down and so on.",
)
STORE_SUBSCRIBED = Metric(
    name="figway_store_subscribed",
    kind=Kind.GAUGE,
    labels=(),
    help="1 while changes of other replicas are heard of at once, not only at the next poll.",
)
STORE_EVENTS = Metric(
    name="figway_store_events_total",
    kind=Kind.COUNTER,
    labels=("event",),
    help="What happened between this replica and the shared store, by kind.",
)
CONTROL_STALE = Metric(
    name="figway_control_plane_stale",
    kind=Kind.GAUGE,
    labels=(),
    help="1 while this replica cannot prove that it knows the newest shared state.",
)
CONTROL_UNPROVEN = Metric(
    name="figway_control_plane_unproven_seconds",
    kind=Kind.GAUGE,
    labels=(),
    help="How long ago this replica last proved that it knows the newest shared state.",
)
SHARED_REVISION = Metric(
    name="figway_shared_revision",
    kind=Kind.GAUGE,
    labels=("where",),
    help="Newest shared revision: in the store, and in use by all workers of this replica.",
)
FLEET_REPLICAS = Metric(
    name="figway_fleet_replicas",
    kind=Kind.GAUGE,
    labels=("state",),
    help="Replicas as this one sees them: live, gone, or unknown (not heard within the lease).",
)
FLEET_DIFFERENCES = Metric(
    name="figway_fleet_differences",
    kind=Kind.GAUGE,
    labels=("kind",),
    help="1 while live replicas have differed for too long: config, state, flags or version.",
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
ADMIN_REFUSALS = Metric(
    name="figway_admin_refusals_total",
    kind=Kind.COUNTER,
    labels=("code",),
    help="Calls of the admin listener that were not carried out, by status.",
)
AUDIT_OWED = Metric(
    name="figway_audit_entries_owed",
    kind=Kind.GAUGE,
    labels=(),
    help="Entries of the audit that wait in memory because the state directory takes nothing.",
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
    FLAGS_SOURCE_UP,
    FLAGS_AGE,
    FLAGS_HELD,
    FLAGS_TO_LEGACY,
    UNLEASH_FETCHES,
    UNLEASH_WEBHOOKS,
    STORE_UP,
    STORE_SUBSCRIBED,
    STORE_EVENTS,
    CONTROL_STALE,
    CONTROL_UNPROVEN,
    SHARED_REVISION,
    FLEET_REPLICAS,
    FLEET_DIFFERENCES,
    CONFIG_INFO,
    CONFIG_RELOADS,
    CONFIG_LAST_RELOAD,
    UPSTREAM_HEALTHY,
    SUPERVISOR_LOG_DROPPED,
    AUDIT_FAILURES,
    AUDIT_OWED,
    ADMIN_REFUSALS,
    BUILD_INFO,
)
