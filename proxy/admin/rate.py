"""How often somebody may call: one bucket of allowances for each caller and kind. Pure.

A bucket holds `burst` allowances and gets `per_second` back each second, up to that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

# Callers that are remembered; the one who called longest ago is forgotten, with a full bucket.
MAX_CALLERS = 4096


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls at once, so many more each second."""

    per_second: float
    burst: float


class Limiter:
    """The buckets. `now` is monotonic, in seconds."""

    def __init__(self, callers: int = MAX_CALLERS) -> None:
        self._callers = callers
        # What is left in the bucket, and when that was reckoned.
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, caller: Hashable, rate: Rate, now: float) -> float:
        """Take one allowance: 0.0, or the seconds until there is one. Nothing is taken then."""
        left, at = self._left.pop(caller, (rate.burst, now))
        left = min(rate.burst, left + max(0.0, now - at) * rate.per_second)
        waits = 0.0 if left >= 1 else (1 - left) / rate.per_second
        self._left[caller] = (left - 1 if not waits else left, now)
        if len(self._left) > self._callers:
            self._left.popitem(last=False)
        return waits
