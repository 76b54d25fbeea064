"""The observer's numbers as a TallySnapshot, which the supervisor adds to those of the workers."""

from __future__ import annotations

from proxy import observer_tally, tally
from proxy.observer.breaker import BreakerState
from proxy.observer.counts import Counts
from proxy.observer.dispatch import Dispatch
from proxy.observer.lag import LoopLag
from proxy.observer.store import EvidenceStore
from proxy.observer.upstreams import Upstreams
from proxy.tally import HistogramSeries, Metric, Series, TallySnapshot


def snapshot(
    *, counts: Counts, dispatch: Dispatch, upstreams: Upstreams, lag: LoopLag, store: EvidenceStore
) -> TallySnapshot:
    """Everything counted since the start, and the state of the moment."""
    balances = store.balances()
    rows: list[tuple[Metric, tuple[str, ...], float]] = [
        (observer_tally.SHADOW_QUEUE, (), dispatch.queued),
        (observer_tally.SHADOW_IN_FLIGHT, (), dispatch.asking),
        (observer_tally.SHADOW_IN_HAND, (), dispatch.queued + dispatch.at_work),
        (observer_tally.SHADOW_HELD_BYTES, (), dispatch.held),
        (observer_tally.SHADOW_LOOP_LAG, (), lag.seconds),
        (
            observer_tally.SHADOW_UNACCOUNTED,
            (),
            sum(abs(each.unaccounted) for each in balances) + abs(dispatch.lost()),
        ),
        (observer_tally.SHADOW_RESPONSE_BYTES, (), counts.response_bytes),
    ]
    rows += [(tally.SHADOW_OUTCOMES, key, n) for key, n in counts.outcomes.items()]
    rows += [(observer_tally.SHADOW_REASONS, key, n) for key, n in counts.reasons.items()]
    rows += [(observer_tally.SHADOW_REPROBES, key, n) for key, n in counts.reprobes.items()]
    rows += [
        (
            observer_tally.SHADOW_BREAKER_OPEN,
            (name,),
            float(breaker.state is not BreakerState.CLOSED),
        )
        for name, breaker in upstreams.breakers.items()
    ]
    rows += [
        (observer_tally.SHADOW_STORE_FAILURES, (reason,), n)
        for reason, n in store.failures().items()
    ]
    return TallySnapshot(
        series=tuple(Series(metric=m.name, labels=labels, value=float(n)) for m, labels, n in rows),
        histograms=tuple(
            HistogramSeries(
                metric=observer_tally.SHADOW_DURATION.name,
                labels=(route, upstream),
                counts=buckets,
                total_seconds=seconds,
            )
            for route, upstream, buckets, seconds in counts.durations()
        ),
    )
