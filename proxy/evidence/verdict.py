"""The verdict: GO, NO-GO or NEED-MORE-DATA for a route, with reasons. Doubt is never GO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.compare_policy import Severity
from proxy.evidence.epoch import Epoch
from proxy.evidence.noise import PathCounts
from proxy.evidence.outcome import Outcome
from proxy.evidence.report import RateReport, VerdictState
from proxy.evidence.settled import PathDifference
from proxy.gate import Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCause:
    """A fingerprint as far as the verdict looks at it."""

    fingerprint: str
    severity: Severity
    paths: tuple[str, ...]
    last_seen: float
    triaged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteEvidence:
    """Everything known of one route in one epoch. Exact counts; times in seconds since 1970."""

    route: str
    epoch: Epoch | None
    # Every eligible request of the epoch.
    eligible: int = 0
    pending: int = 0
    unaccounted: int = 0
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    # Outcome LOST by detail, for the reason's text.
    lost_details: Mapping[str, int] = field(default_factory=dict)
    # Comparisons that count: judged, and not repeated too often within an hour. Everything below is
    # of these.
    compared: int = 0
    # Shadow errors and timeouts.
    failed: int = 0
    # How often exactly these differences came together. No entry where nothing differed.
    differences: tuple[tuple[tuple[PathDifference, ...], int], ...] = ()
    # Mismatches whose paths are no longer known (the store's rows are bounded).
    unplaced: Mapping[Severity, int] = field(default_factory=dict)
    # Path pattern -> re-probes.
    noise: Mapping[str, PathCounts] = field(default_factory=dict)
    signatures: int = 0
    seen_once: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    causes: tuple[OpenCause, ...] = ()
    expired_rules: tuple[str, ...] = ()
    # p95 of whole responses, seconds; None without figures.
    legacy_p95: float | None = None
    new_p95: float | None = None
    # Why evidence is not being written.
    store_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the evidence says, why, and how far it is to GO."""

    state: VerdictState
    reasons: tuple[str, ...]
    to_go: int | None
    eta_seconds: float | None
    advice: tuple[str, ...] = ()
    rates: tuple[RateReport, ...] = ()
    unseen: float = 1.0
    lost: float = 0.0
    window_seconds: float = 0.0
    rate: float = 0.0
    limits: tuple[str, ...] = ()


def verdict(evidence: RouteEvidence, gate: Gate, now: float) -> Verdict:
    """Judge a route. `now` is seconds since 1970.

    GO needs every condition of the gate. What cannot be known counts against GO and never for
    NO-GO.
    """
    raise NotImplementedError
