"""What a transaction adds to the evidence, summed up before it is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from proxy.compare_policy import Severity
from proxy.evidence.noise import PathCounts
from proxy.evidence.outcome import Outcome
from proxy.evidence.proposal import PairShape
from proxy.evidence.settled import CauseSeen, PathDifference, Settled

# Route and epoch.
Of = tuple[str, str]


@dataclass(slots=True, kw_only=True)
class Thin:
    """Ends of which only the counts are left: boot, route, epoch, outcome, detail -> how many."""

    ends: Counter[tuple[str, str, str, Outcome, str]] = field(default_factory=Counter)
    at: float = 0.0

    def add(self, settled: Settled, epoch: str) -> None:
        """Keep the count of one end and let go of the rest."""
        self.ends[settled.boot, settled.route, epoch, settled.outcome, settled.detail] += 1
        self.at = max(self.at, settled.at)


@dataclass(slots=True, kw_only=True)
class GateGain:
    """What an epoch gains in the gate."""

    compared: int = 0
    failed: int = 0
    repeats: int = 0
    more_signatures: int = 0
    first_at: float | None = None
    last_at: float | None = None

    def count(self, at: float, *, compared: int, failed: int) -> None:
        self.compared += compared
        self.failed += failed
        self.first_at = at if self.first_at is None else min(self.first_at, at)
        self.last_at = at if self.last_at is None else max(self.last_at, at)


@dataclass(slots=True, kw_only=True)
class CauseGain:
    """What a cause gains."""

    cause: CauseSeen
    first: float
    last: float
    count: int = 0
    paths: dict[str, None] = field(default_factory=dict)
    severity: Severity = Severity.MINOR


@dataclass(slots=True, kw_only=True)
class Gains:
    """What a transaction adds, before it is written: one statement per row and not per request."""

    ends: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    settled: Counter[tuple[str, str]] = field(default_factory=Counter)
    latency: Counter[tuple[str, str, str, int]] = field(default_factory=Counter)
    skew: Counter[tuple[str, str, int, bool]] = field(default_factory=Counter)
    unplaced: Counter[tuple[str, str, Severity]] = field(default_factory=Counter)
    differences: Counter[tuple[str, str, tuple[PathDifference, ...]]] = field(
        default_factory=Counter
    )
    signatures: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    gates: dict[Of, GateGain] = field(default_factory=dict)
    causes: dict[tuple[str, str, str], CauseGain] = field(default_factory=dict)
    noise: dict[tuple[str, str, str], tuple[PathCounts, PairShape]] = field(default_factory=dict)
    # (values made equal, comparisons, last use)
    rules: dict[tuple[str, str, str, str], tuple[int, int, float]] = field(default_factory=dict)
    defects: dict[tuple[str, str, str, str], tuple[int, float]] = field(default_factory=dict)

    def gate(self, of: Of) -> GateGain:
        """The gains of an epoch."""
        return self.gates.setdefault(of, GateGain())
