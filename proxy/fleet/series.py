"""The fleet and the flag provider as metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import get_args

from flags.redis.counts import RedisCounts
from proxy.fleet.membership import Fleet
from proxy.fleet.outside import Outside
from proxy.fleet.replica import Presence
from proxy.supervision import catalogue
from proxy.tally import Metric, Series

KINDS = ("config", "state", "flags", "version")
# Of the counts: what was measured last, not a total.
_GAUGES = frozenset({"round_trip_seconds"})


def series(outside: Outside) -> Iterator[Series]:
    """Everything that is told of what is beyond this host."""
    provider = outside.plane.flags.provider.value
    feed, fleet = outside.feed, outside.fleet
    up = True
    if feed is not None:
        up = feed.health.state == "ok"
    elif provider == "redis" and fleet is not None:
        up = fleet.health.state in ("ok", "slow")
    yield _row(catalogue.FLAGS_SOURCE_UP, up, provider)
    yield _row(catalogue.FLAGS_AGE, outside.flags_age or 0.0, provider)
    view = outside.provider_view()
    yield _row(catalogue.FLAGS_HELD, len(view.held), provider)
    yield _row(catalogue.FLAGS_TO_LEGACY, len(view.to_legacy))
    yield from _unleash(outside)
    if fleet is not None:
        yield from _fleet(outside, fleet)


def _unleash(outside: Outside) -> Iterator[Series]:
    for outcome, count in outside.fetches().items():
        yield _row(catalogue.UNLEASH_FETCHES, count, outcome)
    if outside.webhook is not None:
        for outcome, count in outside.webhook.counts.items():
            yield _row(catalogue.UNLEASH_WEBHOOKS, count, outcome)


def _fleet(outside: Outside, fleet: Fleet) -> Iterator[Series]:
    unproven = fleet.unproven_seconds
    yield _row(catalogue.STORE_UP, fleet.health.state in ("ok", "slow"), fleet.health.state)
    yield _row(catalogue.STORE_SUBSCRIBED, fleet.health.subscribed)
    counts = getattr(outside.store, "counts", None)
    if isinstance(counts, RedisCounts):
        for event, count in asdict(counts).items():
            if event not in _GAUGES:
                yield _row(catalogue.STORE_EVENTS, count, event)
    yield _row(catalogue.CONTROL_STALE, unproven > outside.plane.control.stale_after)
    yield _row(catalogue.CONTROL_UNPROVEN, unproven)
    yield _row(catalogue.SHARED_REVISION, fleet.health.revision, "store")
    yield _row(catalogue.SHARED_REVISION, fleet.applied, "workers")
    yield from replicas(fleet)
    lasting = {difference.kind for difference in fleet.differences}
    for kind in KINDS:
        yield _row(catalogue.FLEET_DIFFERENCES, kind in lasting, kind)


def replicas(fleet: Fleet) -> Iterator[Series]:
    """How many replicas there are, by what can be said of them now."""
    states = Counter(replica.state for replica in fleet.shown)
    for state in get_args(Presence):
        yield _row(catalogue.FLEET_REPLICAS, states[state], state)


def _row(metric: Metric, value: float, *labels: str) -> Series:
    return Series(metric=metric.name, labels=labels, value=float(value))
