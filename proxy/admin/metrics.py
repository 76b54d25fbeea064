"""The Prometheus page: the workers' catalogue summed, and what only the supervisor knows."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry

from proxy.observer_tally import OBSERVER_CATALOGUE
from proxy.supervision.catalogue import SUPERVISOR_CATALOGUE
from proxy.tally import BUCKETS, CATALOGUE, Kind, Metric, Series, TallySnapshot


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
    for metric in (*CATALOGUE, *OBSERVER_CATALOGUE, *SUPERVISOR_CATALOGUE):
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
