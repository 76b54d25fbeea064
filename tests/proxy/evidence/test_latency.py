"""Latency sketches: quantiles within the promised accuracy, from bounded memory."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.evidence.latency import ACCURACY, SHORTEST, bucket_of, quantile


@settings(deadline=None)
@given(st.lists(st.floats(SHORTEST, 300.0), min_size=1), st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_quantiles_are_within_two_percent(durations: list[float], share: float) -> None:
    found = quantile(Counter(bucket_of(each) for each in durations), share)
    exact = sorted(durations)[int(share * (len(durations) - 1))]
    assert found == pytest.approx(exact, rel=ACCURACY * 1.01)


def test_nothing_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None


def test_all_durations_fit_a_few_hundred_buckets() -> None:
    assert bucket_of(3600.0) - bucket_of(0.0) < 500
