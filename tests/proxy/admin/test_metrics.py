"""The Prometheus page."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from proxy.admin.metrics import render
from proxy.observer_tally import OBSERVER_CATALOGUE
from proxy.supervision.catalogue import SUPERVISOR_CATALOGUE
from proxy.tally import BUCKETS, CATALOGUE, HistogramSeries, Kind, Series, TallySnapshot

CATALOGUES = (*CATALOGUE, *OBSERVER_CATALOGUE, *SUPERVISOR_CATALOGUE)
TALLY = TallySnapshot(
    series=(
        Series(
            metric="figway_requests_total", labels=("a", "legacy", "bucket_out", "200"), value=3
        ),
        Series(metric="figway_client_connections", labels=(), value=5),
        Series(metric="figway_unheard_of", labels=(), value=5),
    ),
    histograms=(
        HistogramSeries(
            metric="figway_request_duration_seconds",
            labels=("a", "legacy"),
            counts=(2, *(0,) * (len(BUCKETS) - 1), 1),
            total_seconds=12.5,
        ),
    ),
)
SUPERVISOR = (
    Series(metric="figway_workers", labels=("ready",), value=2),
    Series(metric="figway_rollback_active", labels=('group:a"b\\c\nd',), value=1),
)


@pytest.mark.parametrize(
    ("accept", "parser"),
    [
        pytest.param("", prometheus, id="text"),
        pytest.param("application/openmetrics-text; version=1.0.0", open_metrics, id="openmetrics"),
    ],
)
def test_every_metric_of_every_catalogue_is_there_once(accept: str, parser: Any) -> None:
    page = render(TALLY, SUPERVISOR, accept)
    families = list(parser(page.text.decode()))
    expected = {m.name.removesuffix("_total") for m in CATALOGUES}
    assert sorted(f.name for f in families) == sorted(expected)
    assert b"figway_unheard_of" not in page.text


def test_numbers_and_labels_come_out_as_counted() -> None:
    page = render(TALLY, SUPERVISOR, "")
    samples = {
        (s.name, *sorted(s.labels.values())): s.value
        for family in prometheus(page.text.decode())
        for s in family.samples
    }
    assert samples["figway_requests_total", "200", "a", "bucket_out", "legacy"] == 3
    assert samples["figway_client_connections",] == 5
    assert samples["figway_request_duration_seconds_bucket", "0.001", "a", "legacy"] == 2
    assert samples["figway_request_duration_seconds_bucket", "10.0", "a", "legacy"] == 2
    assert samples["figway_request_duration_seconds_bucket", "+Inf", "a", "legacy"] == 3
    assert samples["figway_request_duration_seconds_count", "a", "legacy"] == 3
    assert samples["figway_request_duration_seconds_sum", "a", "legacy"] == 12.5
    assert samples["figway_rollback_active", 'group:a"b\\c\nd'] == 1
    # What was never counted is 0, not absent: an alert on an absent series never fires.
    assert samples["figway_log_dropped_total",] == 0


def test_names_follow_the_conventions() -> None:
    for metric in CATALOGUES:
        assert metric.name.startswith("figway_")
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert metric.help.endswith(".")
        assert "path" not in metric.labels
