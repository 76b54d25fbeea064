"""Load over time: requests per minute of each series, their average and their busiest minute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Requests per second: over the whole log, and in its busiest minute."""

    average: float = 0.0
    peak: float = 0.0


IDLE = Rate()


@dataclass(slots=True)
class Minutes:
    """How many requests fell into each minute, by any key; expected numbers are no integers."""

    # Seconds since the epoch of the first and last request with a time.
    first: float = 0.0
    last: float = 0.0
    _by_key: defaultdict[Hashable, defaultdict[int, float]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(float))
    )

    def see(self, moment: float) -> None:
        """Take note of a time, so that the whole is known to last until then."""
        if not self.first or moment < self.first:
            self.first = moment
        self.last = max(self.last, moment)

    def add(self, key: Hashable, minute: int, requests: float) -> None:
        """Count requests of a key in a minute since the epoch."""
        self._by_key[key][minute] += requests

    @property
    def seconds(self) -> float:
        """How long the log lasts; a moment counts as a second."""
        return max(self.last - self.first, 1.0) if self.last else 0.0

    def rate(self, keys: Iterable[Hashable], scale: float = 1.0) -> Rate | None:
        """The rate of all these keys together; None when the log holds no times."""
        if not self.last:
            return None
        together: defaultdict[int, float] = defaultdict(float)
        for key in keys:
            for minute, requests in self._by_key.get(key, {}).items():
                together[minute] += requests
        average = sum(together.values()) * scale / self.seconds
        # A log shorter than a minute has no busiest one: its average is all there is to say.
        busiest = max(together.values(), default=0.0) * scale / 60
        return Rate(average=average, peak=max(busiest, average))
