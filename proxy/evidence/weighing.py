"""Weighing: how many comparisons count as mismatches, given what the noise test says now.

Two numbers per severity. `certain` holds nothing that noise or a race may explain; NO-GO is judged
by it. `possible` holds everything that they do not explain; GO is judged by it. So a doubt never
makes a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from proxy.compare_policy import Severity
from proxy.evidence.judge import SEVERITIES
from proxy.evidence.noise import Call, PathCounts, PathTest
from proxy.evidence.proposal import VOLATILE
from proxy.evidence.settled import Mark, PathDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatches:
    """Comparisons with a mismatch of a severity or a worse one."""

    certain: int
    possible: int


@dataclass(frozen=True, slots=True)
class _Weight:
    """The probability that a difference is a mismatch: at least and at most."""

    least: float
    most: float


_FULL = _Weight(1.0, 1.0)
_NONE = _Weight(0.0, 0.0)


def weigh(
    differences: Iterable[tuple[tuple[PathDifference, ...], int]],
    tests: Mapping[str, PathTest],
    *,
    failed: int = 0,
    unplaced: Mapping[Severity, int] | None = None,
) -> dict[Severity, Mismatches]:
    """Weigh all differences of a route. Failed shadow requests are critical; `unplaced` is certain.

    A comparison counts once, at its worst severity, however many differences it holds.
    """
    reprobed = any(test.counts.asked or test.counts.c for test in tests.values())
    least = dict.fromkeys(SEVERITIES, 0.0)
    most = dict.fromkeys(SEVERITIES, 0.0)
    for together, count in differences:
        weights = [
            (each.severity, _weight(each.mark, each.path, tests.get(each.path), reprobed))
            for each in together
        ]
        for severity in SEVERITIES:
            bad = [weight for of, weight in weights if _at_least(of, severity)]
            if bad:
                least[severity] += count * max(weight.least for weight in bad)
                # They may be differences of different causes: none explains the other.
                most[severity] += count * min(1.0, sum(weight.most for weight in bad))
    weighed = {}
    for severity in SEVERITIES:
        sure = failed + sum(
            count for of, count in (unplaced or {}).items() if _at_least(of, severity)
        )
        certain = sure + math.floor(least[severity] + 1e-9)
        weighed[severity] = Mismatches(
            certain=certain, possible=max(certain, sure + math.floor(most[severity] + 0.5))
        )
    return weighed


def _weight(mark: Mark, path: str, test: PathTest | None, reprobed: bool) -> _Weight:
    counts = test.counts if test else PathCounts()
    call = test.call if test else Call.UNDECIDED
    if mark is Mark.AGREES:
        return _NONE
    if call is Call.REGRESSION or mark is Mark.ODD:
        # A regression counts also where legacy was unstable this time.
        return _FULL
    if mark is Mark.UNSTABLE:
        return _NONE
    if call is Call.NOISE and path.lower() in VOLATILE:
        return _NONE
    if mark is Mark.STABLE:
        if test is None or call is Call.UNDECIDED:
            return _FULL
        # Noise makes as many of them as it makes mirror images. The rest it does not explain.
        return _Weight(0.0, test.excess / counts.b if counts.b else 1.0)
    if not counts.asked:
        # Nobody has looked: a doubt, unless re-probing is off and nobody ever will.
        return _Weight(0.0 if reprobed else 1.0, 1.0)
    # As the ones that were asked for came out, with one more that would have come out badly.
    bad = test.excess if test and call is Call.NOISE else counts.b
    most = min(1.0, (bad + 1) / (counts.asked + 1))
    return _Weight(0.0 if call is Call.NOISE else counts.b / counts.asked, most)


def _at_least(severity: Severity, limit: Severity) -> bool:
    return SEVERITIES.index(severity) <= SEVERITIES.index(limit)
