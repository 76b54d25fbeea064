"""What clients of one proxy noticed: turns with shadow traffic and without, and their ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from bench.open_loop import OpenLoopReport, nearest_rank
from bench.rounds import Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One proxy under load for one turn. Microseconds per request, KiB."""

    report: OpenLoopReport
    ran: float
    waited: float
    rss_kib: int
    beside_kib: int
    # Share of the proxies' core that went to others, 0..1.
    disturbed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Suffered:
    """One proxy under one condition: turns with shadow, and those without beside them."""

    proxy: str
    condition: str
    alone: Sequence[Turn]
    shadowed: Sequence[Turn]

    @property
    def pairs(self) -> tuple[tuple[Turn, Turn], ...]:
        """(with, without), turn by turn."""
        return tuple(zip(self.shadowed, self.alone, strict=True))

    def ratios(self, percentile: float = 99.0) -> tuple[float, ...]:
        """Latency with shadow to latency without, pair by pair."""
        return tuple(
            a.report.latency(percentile) / b.report.latency(percentile) for a, b in self.pairs
        )

    def ratio(self, percentile: float = 99.0) -> float:
        """The median of the pairs."""
        return Spread.of(self.ratios(percentile)).median

    def added_milliseconds(self, percentile: float = 99.0) -> float:
        """The median over the pairs of what shadow adds."""
        added = [a.report.latency(percentile) - b.report.latency(percentile) for a, b in self.pairs]
        return Spread.of(added).median * 1e3

    def milliseconds(self, *, shadow: bool, percentile: float = 99.0) -> float:
        """The percentile over the requests of all pairs."""
        turns = [pair[0 if shadow else 1] for pair in self.pairs]
        every = sorted(taken for turn in turns for taken in turn.report.latencies)
        return nearest_rank(every, percentile) * 1e3

    def median(self, figure: str, *, shadow: bool = True) -> float:
        """The median of `ran` or `waited` over the pairs."""
        return Spread.of([getattr(pair[0 if shadow else 1], figure) for pair in self.pairs]).median

    @property
    def errors(self) -> int:
        """Requests that failed with shadow."""
        return sum(one.report.errors for one in self.shadowed)

    @property
    def memory_mib(self) -> tuple[float, float]:
        """The most that the proxy had in memory at the end of a turn, and what works beside it."""
        return (
            max(one.rss_kib for one in self.shadowed) / 1024,
            max(one.beside_kib for one in self.shadowed) / 1024,
        )


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the median lies with at least 95 %, whatever the distribution (sign test).

    Order statistics: the k-th lowest and highest, with k as large as the binomial allows.
    """
    ordered, count = sorted(values), len(values)
    depth, outside = 0, 0.0
    while depth + 1 <= count // 2:
        outside += 2 * comb(count, depth) / 2**count
        if outside > 0.05:
            break
        depth += 1
    at = max(depth - 1, 0)
    return ordered[at], ordered[count - 1 - at]
