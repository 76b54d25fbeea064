"""Noise: where legacy differs from itself, told from regression by a paired exact test.

P is legacy's answer, C the new side's, S legacy's second answer to the same request. Where only
noise is at work the three are exchangeable: each is as likely as the others to be the odd one out.
A regression makes C the odd one out more often.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from proxy.evidence.settled import Mark, PathDifference, Triple


class Call(StrEnum):
    """What the paired test says of one path pattern of a route."""

    # The new side differs more often than legacy from itself.
    REGRESSION = "regression"
    # Legacy differs from itself often enough to explain it.
    NOISE = "noise"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCounts:
    """Re-probed triples at one path pattern."""

    # P = S, P != C.
    b: int = 0
    # P = C, P != S: only in triples that were sampled. A triple asked for because of a mismatch has
    # P != C somewhere, so this would be seen less often than it happens.
    c: int = 0
    # All three different.
    d: int = 0
    # S = C, P != S; and how many of these were sampled.
    agrees: int = 0
    agrees_sampled: int = 0
    # Differences of P and C that were not re-probed.
    unasked: int = 0
    # Differences of P and C that are not like those of legacy with itself.
    odd: int = 0

    def __add__(self, other: PathCounts) -> PathCounts:
        """Both together."""
        return PathCounts(
            b=self.b + other.b,
            c=self.c + other.c,
            d=self.d + other.d,
            agrees=self.agrees + other.agrees,
            agrees_sampled=self.agrees_sampled + other.agrees_sampled,
            unasked=self.unasked + other.unasked,
            odd=self.odd + other.odd,
        )

    @property
    def asked(self) -> int:
        """Re-probed triples in which the two sides differed here."""
        return self.b + self.d + self.agrees

    @property
    def mirror(self) -> int:
        """How often legacy was the odd one out where the new side could have been, as b counts.

        A sampled triple with P = C != S mirrors one with P = S != C. In a triple asked for because
        P != C, S = C is as likely as P = S while the three are exchangeable.
        """
        return self.c + self.agrees - self.agrees_sampled

    @property
    def unstable(self) -> bool:
        """Whether legacy was seen to differ from itself in a way that a mere change does not.

        S = C alone also happens when the data changed between the reads: a race.
        """
        return self.c + self.d > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PathTest:
    """The test of one path."""

    counts: PathCounts
    call: Call
    # P(at least b of b + mirror | both equally likely).
    p_value: float
    # The other way: legacy is the odd one out too often for noise. The data changes between reads.
    drifts: bool

    @property
    def excess(self) -> int:
        """Differences with a stable legacy beyond those that noise makes as often the other way.

        Drift is no noise: it mirrors nothing.
        """
        return max(0, self.counts.b - (0 if self.drifts else self.counts.mirror))


# A path whose legacy is the odd one out with a smaller probability than this drifts.
DRIFT = 0.05
_MARKED = {Mark.UNASKED: PathCounts(unasked=1), Mark.ODD: PathCounts(odd=1)}


def triple_counts(triple: Triple) -> dict[str, PathCounts]:
    """What one triple adds to the counts of its paths."""
    added: dict[str, PathCounts] = {}
    for path in triple.new | triple.again:
        if path not in triple.again:
            added[path] = PathCounts(b=1)
        elif path not in triple.new:
            if triple.sampled:
                added[path] = PathCounts(c=1)
        elif path in triple.again_new:
            added[path] = PathCounts(d=1)
        else:
            added[path] = PathCounts(agrees=1, agrees_sampled=int(triple.sampled))
    return added


def marked_counts(differences: tuple[PathDifference, ...]) -> dict[str, PathCounts]:
    """What the marks of differences add to the counts of their paths, beside the triple."""
    return {each.path: _MARKED[each.mark] for each in differences if each.mark in _MARKED}


def call_paths(
    paths: Mapping[str, PathCounts], false_discovery: float = 0.05
) -> dict[str, PathTest]:
    """Test all paths of a route together.

    McNemar's exact test per path; Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995), across
    those that could be told at all.
    """
    p_values = {
        path: at_least(counts.b, counts.b + counts.mirror)
        for path, counts in paths.items()
        if counts.b + counts.mirror
    }
    regressions = _discoveries(p_values, false_discovery)
    tests = {}
    for path, counts in paths.items():
        call = Call.UNDECIDED
        if path in regressions:
            call = Call.REGRESSION
        elif counts.unstable:
            call = Call.NOISE
        tests[path] = PathTest(
            counts=counts,
            call=call,
            p_value=p_values.get(path, 1.0),
            drifts=at_least(counts.mirror, counts.b + counts.mirror) <= DRIFT,
        )
    return tests


def at_least(successes: int, trials: int) -> float:
    """P(X >= successes), X binomial with probability 1/2. Exact but for rounding."""
    if successes <= 0:
        return 1.0
    if successes > trials:
        return 0.0
    # The shorter tail has falling terms, so summing may stop where they no longer matter.
    if 2 * successes <= trials:
        return 1.0 - at_least(trials - successes + 1, trials)
    log_first = (
        math.lgamma(trials + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(trials - successes + 1)
        - trials * math.log(2)
    )
    term = total = 1.0
    for count in range(successes, trials):
        term *= (trials - count) / (count + 1)
        total += term
        if term < total * 1e-17:
            break
    return min(1.0, math.exp(log_first + math.log(total)))


def _discoveries(p_values: Mapping[str, float], rate: float) -> frozenset[str]:
    """The paths that Benjamini-Hochberg calls at this false discovery rate."""
    ranked = sorted(p_values, key=lambda path: (p_values[path], path))
    called = 0
    for rank, path in enumerate(ranked, start=1):
        if p_values[path] <= rank / len(ranked) * rate:
            called = rank
    return frozenset(ranked[:called])
