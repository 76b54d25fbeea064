"""Latency sketches: durations in buckets of equal ratio, so that quantiles are known to 2 %."""

from __future__ import annotations

import math
from collections.abc import Mapping

# Masson, Rim and Lee, "DDSketch", VLDB 12 (2019): with buckets this wide the middle of one is at
# most 2 % from everything in it.
ACCURACY = 0.02
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GAMMA = math.log(_GAMMA)
# What is faster is told as this. Seconds.
SHORTEST = 1e-5


def bucket_of(seconds: float) -> int:
    """The bucket of a duration."""
    return math.ceil(math.log(max(seconds, SHORTEST)) / _LOG_GAMMA)


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """The duration that `share` of them do not exceed, in seconds; None without any."""
    total = sum(buckets.values())
    if not total:
        return None
    rank = share * (total - 1)
    seen = 0
    slowest = max(buckets)
    for bucket, count in sorted(buckets.items()):
        seen += count
        if seen > rank:
            slowest = bucket
            break
    return 2 * math.exp(slowest * _LOG_GAMMA) / (_GAMMA + 1)
