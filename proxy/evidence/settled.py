"""Settled: how one eligible request ended, with everything the store keeps of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxy.compare_policy import Severity
from proxy.evidence.epoch import Epoch
from proxy.evidence.exemplar import Exemplar
from proxy.evidence.outcome import Outcome
from proxy.evidence.proposal import PairShape


class Mark(StrEnum):
    """What the re-probe of legacy says of one path at which the two sides differ.

    P is legacy's answer, C the new side's, S legacy's second answer.
    """

    # Legacy was not asked once more.
    UNASKED = "unasked"
    # P = S, P != C: legacy is stable here.
    STABLE = "stable"
    # P != S, S != C: legacy differs from itself, and from the new side both times.
    UNSTABLE = "unstable"
    # P != S, S = C: asked later, legacy says what the new side said.
    AGREES = "agrees"
    # Legacy is known to differ from itself here, but never in this way: a time that is an hour off
    # among times that are a second off, `null` among tokens.
    ODD = "odd"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathDifference:
    """One path pattern at which the two sides differ, at its worst severity there."""

    path: str
    severity: Severity
    mark: Mark = Mark.UNASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Triple:
    """P, S and C of one request: at which path patterns they are pairwise different."""

    # Chosen by the re-probe rate and not because of a mismatch. Only such a triple can show
    # P = C, P != S.
    sampled: bool
    # P != C.
    new: frozenset[str]
    # P != S.
    again: frozenset[str]
    # S != C.
    again_new: frozenset[str]
    # What the pair P, S looks like at the paths of `again`; of it proposals are made.
    shapes: tuple[tuple[str, PairShape], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseSeen:
    """One cause (fingerprint) in one comparison."""

    # 16 hex digits, the same for the same cause in every comparison of the route.
    fingerprint: str
    # Word and parameter, such as `offset:+3600s`; empty when nothing explains it.
    cause: str
    # One sentence.
    explanation: str
    severity: Severity
    paths: tuple[str, ...]
    # Differences it made in this comparison.
    count: int
    # For people, redacted: `$.items[3].price: legacy 12.345, new 12.35`.
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The one end of one eligible request. Goes to EvidenceStore.settle.

    Give what is known; only the first block is needed for every end.
    """

    # Of the worker that counted the request as eligible.
    boot: str
    route: str
    # None when it ended before the versions were known: the route's current epoch.
    epoch: Epoch | None
    outcome: Outcome
    # mismatch: the severity; lost and failed outcomes: the reason.
    detail: str = ""
    # When it ended. Seconds since 1970.
    at: float = 0.0

    # The comparison's id, by which `figway shadow show` finds it; empty when nothing was compared.
    id: str = ""
    # coverage.signature(...).
    signature: str = ""
    # repeats.request_key(...); an empty key is never a repeat.
    request: str = ""
    # Judgement.differences.
    differences: tuple[PathDifference, ...] = ()
    causes: tuple[CauseSeen, ...] = ()
    triple: Triple | None = None
    # (rule, path, how often) of every rule and equivalence that made values equal or expected.
    rules_used: tuple[tuple[str, str, int], ...] = ()
    # (level, message) of PHP messages in the legacy body.
    legacy_defects: tuple[tuple[str, str], ...] = ()
    legacy_status: int = 0
    new_status: int = 0
    # Of the whole response, seconds; None when there was none.
    legacy_seconds: float | None = None
    new_seconds: float | None = None
    # From asking the first side to asking the second.
    skew_seconds: float = 0.0
    # Redacted by the caller; None keeps nothing.
    exemplar: Exemplar | None = None
