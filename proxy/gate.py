"""The gate: what the evidence of a route must show before its verdict is GO."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Limits as shares (0..1). The mismatch rates must lie below theirs at `confidence`."""

    max_critical: float = 0.001
    max_major: float = 0.005
    confidence: float = 0.95
    # Evidence must span this long. Seconds; a weekly cycle is 604,800.
    min_window: float = 0.0
    # Good-Turing mass of request signatures not seen yet.
    max_unseen: float = 0.01
    # Shed and incomparable, of all eligible.
    max_lost: float = 0.02
    # p95 of new / p95 of legacy, advisory; None does not look.
    p95_ratio: float | None = None
    # Comparisons of one and the same request that count within an hour: one health check or bot
    # shall not make up the evidence.
    repeats_per_hour: int = 1000
