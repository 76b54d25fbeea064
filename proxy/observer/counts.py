"""What the observer counts for the metrics, beside what the store keeps."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

from proxy.evidence.outcome import LOST, Outcome
from proxy.tally import BUCKETS


class Counts:
    """Totals since this observer began."""

    def __init__(self) -> None:
        # (route, outcome, severity); severity is empty but for mismatches.
        self.outcomes: Counter[tuple[str, str, str]] = Counter()
        # (route, outcome, reason) of what came to nothing or failed.
        self.reasons: Counter[tuple[str, str, str]] = Counter()
        # Exchanges taken over, by route.
        self.received: Counter[str] = Counter()
        # (route, outcome) of re-probes: asked, skipped, failed.
        self.reprobes: Counter[tuple[str, str]] = Counter()
        self.response_bytes = 0
        self._durations: dict[tuple[str, str], list[int]] = {}
        self._seconds: dict[tuple[str, str], float] = {}

    def settled(self, route: str, outcome: Outcome, detail: str) -> None:
        """Count the end of an exchange."""
        mismatch = outcome is Outcome.MISMATCH
        self.outcomes[route, outcome.value, str(detail) if mismatch else ""] += 1
        if not mismatch and detail and (outcome in LOST or outcome in _WITH_REASON):
            self.reasons[route, outcome.value, detail] += 1

    def took(self, route: str, upstream: str, seconds: float) -> None:
        """Count how long a shadow request took, whatever came of it."""
        key = route, upstream
        buckets = self._durations.setdefault(key, [0] * (len(BUCKETS) + 1))
        buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds[key] = self._seconds.get(key, 0.0) + seconds

    def durations(self) -> list[tuple[str, str, tuple[int, ...], float]]:
        """(route, upstream, counts per bucket, sum of seconds)."""
        return [
            (route, upstream, tuple(counts), self._seconds[route, upstream])
            for (route, upstream), counts in self._durations.items()
        ]


_WITH_REASON = frozenset({Outcome.SHADOW_ERROR, Outcome.SHADOW_TIMEOUT, Outcome.ABORTED})
