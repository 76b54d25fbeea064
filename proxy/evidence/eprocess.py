"""E-processes: how strongly comparisons speak for or against a mismatch rate, at every look.

Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", J. R. Stat. Soc.
B 86 (2024). Ville's inequality: under H0 an e-process ever exceeds 1/alpha with probability at most
alpha, however often one looks. n comparisons, k of them mismatches, p0 the limit of the gate.
"""

from __future__ import annotations

import math

# Alternatives as multiples of p0. GO bets on rates below the limit, NO-GO on rates above it.
BELOW = (0.0, 0.01, 1 / 30, 0.1, 1 / 3)
ABOVE = (2.0, 5.0, 10.0, 50.0)
# Beyond this no number of clean comparisons is worth telling.
MOST = 10**12


def log_e_go(n: int, k: int, p0: float) -> float:
    """ln E against H0 "the rate is p0 or more": the mean of the likelihood ratios of BELOW."""
    _check(n, k)
    if p0 >= 1:
        # No rate is above 1: there is nothing to show.
        return math.inf
    return _log_mean(BELOW, n, k, p0)


def log_e_no_go(n: int, k: int, p0: float) -> float:
    """ln E against H0 "the rate is p0 or less". -inf where no rate can be above p0."""
    _check(n, k)
    if p0 >= 1:
        return -math.inf
    if p0 <= 0:
        # A rate of 0 is refuted by one mismatch.
        return math.inf if k else 0.0
    # A likelihood ratio needs an alternative below 1: halfway where every multiple is beyond.
    ratios = tuple(g for g in ABOVE if g * p0 < 1) or ((1 + 1 / p0) / 2,)
    return _log_mean(ratios, n, k, p0)


def threshold(confidence: float) -> float:
    """The ln E that a verdict needs: ln(1 / alpha)."""
    return -math.log1p(-confidence) if confidence < 1 else math.inf


def needed(k: int, p0: float, confidence: float) -> int | None:
    """The smallest n with k mismatches that shows a rate below p0; None when no n does."""
    bar = threshold(confidence)
    if p0 >= 1:
        return k
    if p0 <= 0 or log_e_go(MOST, k, p0) < bar:
        return None
    # E rises with every clean comparison.
    low, high = k, MOST
    while low < high:
        middle = (low + high) // 2
        if log_e_go(middle, k, p0) >= bar:
            high = middle
        else:
            low = middle + 1
    return low


def upper_bound(n: int, k: int, confidence: float) -> float:
    """The smallest rate that the comparisons refute, at every look: a confidence sequence."""
    bar = threshold(confidence)
    low, high = 0.0, 1.0
    if n == 0:
        return 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if log_e_go(n, k, middle) >= bar:
            high = middle
        else:
            low = middle
    return high


def _log_mean(ratios: tuple[float, ...], n: int, k: int, p0: float) -> float:
    logs = [_log_ratio(g, n, k, p0) for g in ratios]
    highest = max(logs)
    if highest == -math.inf:
        return highest
    return highest + math.log(sum(math.exp(each - highest) for each in logs) / len(logs))


def _log_ratio(g: float, n: int, k: int, p0: float) -> float:
    """ln of g^k ((1 - g p0) / (1 - p0))^(n - k), with 0^0 = 1."""
    if g == 0 and k > 0:
        return -math.inf
    mismatches = k * math.log(g) if k else 0.0
    return mismatches + (n - k) * (math.log1p(-g * p0) - math.log1p(-p0))


def _check(n: int, k: int) -> None:
    if not 0 <= k <= n:
        raise ValueError(f"{k} mismatches in {n} comparisons")
