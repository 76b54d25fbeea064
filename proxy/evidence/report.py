"""The report of a route: what the evidence says, typed, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, StrEnum


class VerdictState(StrEnum):
    """What the evidence says of a route."""

    GO = "GO"
    NO_GO = "NO-GO"
    NEED_MORE_DATA = "NEED-MORE-DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """The epoch the figures belong to. `started` and `last_seen` in seconds since 1970."""

    id: str
    legacy_version: str
    new_version: str
    rules_hash: str
    started: float
    last_seen: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseReport:
    """One cause: all differences with one explanation, over all comparisons of the epoch."""

    fingerprint: str
    paths: tuple[str, ...]
    cause: str
    explanation: str
    severity: str
    # Comparisons in which it was seen.
    count: int
    # For people, redacted.
    example: str
    first_seen: float
    last_seen: float
    # Ids for `figway shadow show`.
    exemplars: tuple[str, ...] = ()
    # What somebody noted about it; empty until then.
    triage: str = ""
    ticket: str = ""
    # Every path of it is noise at present: it does not count.
    noise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseReport:
    """What the paired test says of one path pattern, and the rule it would take to silence it."""

    path: str
    # regression | noise | undecided
    call: str
    # Re-probed triples: P = S != C; P = C != S; P, S, C all different; S = C != P.
    b: int
    c: int
    d: int
    agrees: int
    # Of the exact one-sided sign test.
    p_value: float
    # Differences of the two sides that are not like those of legacy with itself: they count.
    odd: int = 0
    # The narrowest comparator that accepts every pair legacy made with itself: an entry of
    # compare.rules as it would stand in routes.yaml; empty when refused.
    proposal: Mapping[str, object] | None = None
    # What the comparator accepts, in words; or why none is proposed.
    accepts: str = ""
    refused: str = ""
    # In force without a person: a header of the closed list.
    automatic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RateReport:
    """One limit of the gate and where the route stands against it."""

    severity: str
    # The limit, a share.
    limit: float
    compared: int
    # Mismatches at least that bad: certain ones, and what noise may hide on top of them.
    mismatches: int
    doubtful: int
    # The rate lies below it at the gate's confidence, at every look.
    upper_bound: float
    # E-values; the verdict needs 1 / (1 - confidence).
    e_go: float
    e_no_go: float
    needed: float
    # Clean comparisons that are still missing; None when no number would do.
    to_go: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageReport:
    """Good-Turing: the share of traffic whose kind of request and response was not seen yet."""

    signatures: int
    seen_once: int
    unseen: float
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyReport:
    """Seconds, whole responses. Shadow latency is not production latency: advisory."""

    legacy_p50: float
    legacy_p95: float
    new_p50: float
    new_p95: float
    p95_ratio: float
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReport:
    """What one rule or equivalence did in the epoch: how often it made values equal or expected."""

    # `rule:3` is compare.rules[3]; `php:number`, `header:date`, ... are built in.
    rule: str
    paths: tuple[str, ...]
    # Values made equal or differences expected, and comparisons in which that happened.
    count: int
    comparisons: int
    last_used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectReport:
    """A PHP message in legacy bodies: legacy's own defect, no mismatch."""

    level: str
    message: str
    count: int
    last_seen: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteReport:
    """Everything the report says of one route. Counts are of the current epoch.

    Rule: eligible == sum(outcomes) + pending, or else `unaccounted` is not 0.
    """

    route: str
    verdict: VerdictState
    reasons: tuple[str, ...]
    # What to know, though it does not decide: latency, versions unknown, noise in force.
    advice: tuple[str, ...]
    # Clean comparisons still missing for GO: 0 when only time or triage is missing, None when no
    # number would do.
    to_go: int | None
    # Seconds until GO at this rate; None when it cannot be told.
    eta_seconds: float | None
    eligible: int
    outcomes: Mapping[str, int]
    outcome_details: Mapping[str, Mapping[str, int]]
    pending: int
    unaccounted: int
    # Of all epochs, by reason.
    ineligible: Mapping[str, int]
    unsampled: int
    # Comparisons the verdict is made of: repeats beyond the gate's limit are not among them.
    compared: int
    repeats: int
    # Comparisons per second from the first of them until now.
    rate: float
    rates: tuple[RateReport, ...]
    causes: tuple[CauseReport, ...]
    noise: tuple[NoiseReport, ...]
    defects: tuple[DefectReport, ...]
    rules: tuple[RuleReport, ...]
    expired_rules: tuple[str, ...]
    coverage: CoverageReport
    # Share of eligible requests that came to nothing, and the limit.
    lost: float
    max_lost: float
    window_seconds: float
    min_window: float
    latency: LatencyReport | None
    epoch: EpochReport | None
    # Ended epochs, newest first: shown, never counted.
    earlier_epochs: tuple[EpochReport, ...]
    # Mismatch share by the time between the two reads: (up to seconds, comparisons, mismatches). A
    # share that falls to 0 with the skew speaks for a race.
    skew: tuple[tuple[float, int, int], ...]
    # What the figures do not say.
    limits: tuple[str, ...]
    # Why evidence is not being written, empty when it is.
    store_error: str = ""
    # Filled in by whoever knows routes.yaml.
    stage: str = ""


def as_document(value: object) -> object:
    """A report value as JSON has it: objects, arrays, text, numbers."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: as_document(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(as_document(key)): as_document(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [as_document(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        # JSON has no such numbers.
        return None
    return value
