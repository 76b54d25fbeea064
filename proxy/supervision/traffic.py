"""What goes where at the moment: requests per second of the last minute, from workers' counters."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy import tally
from proxy.tally import TallySnapshot

# How far back, in seconds.
WINDOW: Final = 60.0

# Route, upstream (empty for copies, which go to the other side), and whether they are copies.
_Key = tuple[str, str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRate:
    """Requests per second of one route on one upstream, or of its copies."""

    route: str
    # Empty: copies, which go to the side that does not answer.
    upstream: str
    rps: float
    # In the busiest stretch between two looks, a few seconds.
    peak_rps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficView:
    """The rates, and the seconds they are of: less than a minute after the start."""

    seconds: float = 0.0
    rates: tuple[RouteRate, ...] = ()


class Traffic:
    """Keeps what the workers had counted at each look of the last minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # At the start nothing was counted.
        self._looks: deque[tuple[float, Mapping[_Key, float]]] = deque([(clock(), {})])

    def look(self, counted: TallySnapshot) -> None:
        """Take note of the totals of all workers."""
        now = self._clock()
        self._looks.append((now, _totals(counted)))
        # One look from before the window is kept: the window begins there.
        while len(self._looks) > 2 and self._looks[1][0] <= now - WINDOW:
            self._looks.popleft()

    def now(self) -> TrafficView:
        """The rates; nothing before the first look."""
        if len(self._looks) < 2:
            return TrafficView()
        looks = tuple(self._looks)
        (first, before), (last, after) = looks[0], looks[-1]
        rates = []
        for key, total in after.items():
            # A counter is larger only where something was counted; it never runs backwards.
            moved = total - before.get(key, 0.0)
            if moved > 0:
                route, upstream, _ = key
                peak = max(
                    (two.get(key, 0.0) - one.get(key, 0.0)) / (b - a)
                    for (a, one), (b, two) in itertools.pairwise(looks)
                    if b > a
                )
                rps = moved / (last - first)
                rates.append(
                    RouteRate(
                        route=route,
                        upstream=upstream,
                        rps=round(rps, 3),
                        peak_rps=round(max(peak, rps), 3),
                    )
                )
        rates.sort(key=lambda rate: (rate.route, rate.upstream))
        return TrafficView(seconds=round(last - first, 1), rates=tuple(rates))


def _totals(counted: TallySnapshot) -> dict[_Key, float]:
    totals: dict[_Key, float] = {}
    for series in counted.series:
        if series.metric == tally.REQUESTS.name:
            key = (series.labels[0], series.labels[1], False)
        elif series.metric == tally.SHADOW_HANDED_OVER.name:
            key = (series.labels[0], "", True)
        else:
            continue
        totals[key] = totals.get(key, 0.0) + series.value
    return totals
