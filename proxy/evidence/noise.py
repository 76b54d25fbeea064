"""Noise: where legacy differs from itself, told from regression by a paired exact test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Call(StrEnum):
    """What the paired test says of one path pattern of a route."""

    # The new side differs more often than legacy from itself.
    REGRESSION = "regression"
    # Legacy differs from itself often enough to explain it.
    NOISE = "noise"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCounts:
    """Re-probed triples at one path pattern. P legacy, S legacy again, C the new side."""

    # P = S, P != C.
    b: int = 0
    # P = C, P != S: only in triples that were sampled, not asked for because of a mismatch.
    c: int = 0
    # All three different.
    d: int = 0
    # S = C, P != S, in triples asked for because of a mismatch and in sampled ones.
    agrees: int = 0
    agrees_sampled: int = 0
    # Differences of P and C at this path that were not re-probed.
    unasked: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PathTest:
    """The test of one path."""

    counts: PathCounts
    call: Call
    p_value: float


def call_paths(
    paths: Mapping[str, PathCounts], false_discovery: float = 0.05
) -> dict[str, PathTest]:
    """Test all paths of a route together (Benjamini-Hochberg)."""
    raise NotImplementedError
