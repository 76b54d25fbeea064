"""The verdict: GO, NO-GO or NEED-MORE-DATA for a route, with reasons. Doubt is never GO."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from proxy.compare_policy import Severity
from proxy.evidence.coverage import unseen_mass
from proxy.evidence.epoch import Epoch
from proxy.evidence.eprocess import log_e_go, log_e_no_go, needed, threshold, upper_bound
from proxy.evidence.noise import Call, PathCounts, PathTest, call_paths
from proxy.evidence.outcome import LOST, Outcome
from proxy.evidence.report import RateReport, VerdictState
from proxy.evidence.settled import PathDifference
from proxy.evidence.weighing import Mismatches, weigh
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


# A cause that nobody looked at blocks for so long after it was last seen. Seconds.
UNTRIAGED_SECONDS = 86_400.0
# Evidence older than this says little of today. Seconds.
STALE_SECONDS = 7 * 86_400.0
# Of the eligible requests, at least this share must have been compared at all.
FEWEST_COMPARED = 0.5
# A burst of less than this says nothing of the rate. Seconds.
SHORTEST_RATE_SECONDS = 10.0
# So many in flight are no sign of anything.
FEW_PENDING = 100
# What was compared, that is what counts as n in the gate.
COMPARED = frozenset(
    {
        *(Outcome.MATCH, Outcome.MATCH_NORMALISED, Outcome.NOISE, Outcome.RACE, Outcome.EXPECTED),
        *(Outcome.MISMATCH, Outcome.SHADOW_ERROR, Outcome.SHADOW_TIMEOUT),
    }
)
LIMITS = (
    "The figures are about sampled, eligible requests of this window: not about writes that are not"
    " shadowed, requests nobody sent, or behaviour under production load.",
    "Requests are not independent. Repeats of one request are capped, and the window spreads them;"
    " a cause that strikes in bursts can still be missed.",
    "Where legacy differs from itself, a rare regression at the same path shows late if its values"
    " look like legacy's own.",
    "Every epoch is a new test: whoever begins many epochs gets many chances of a wrong GO.",
)


def verdict(evidence: RouteEvidence, gate: Gate, now: float) -> Verdict:
    """Judge a route. `now` is seconds since 1970.

    GO needs every condition of the gate. What cannot be known counts against GO and never for
    NO-GO.
    """
    tests = call_paths(evidence.noise)
    rates = _rates(evidence, gate, tests)
    window = max(0.0, evidence.last_at - evidence.first_at)
    # Silence since the last comparison makes the rate lower. It is no part of the window.
    elapsed = max(window, now - evidence.first_at)
    unseen = unseen_mass(evidence.compared, evidence.seen_once)
    lost = _share(sum(evidence.outcomes.get(outcome, 0) for outcome in LOST), evidence)
    rate = evidence.compared / max(elapsed, SHORTEST_RATE_SECONDS)
    refuted = [each for each in rates if each.e_no_go >= each.needed]
    figures = Verdict(
        state=VerdictState.NEED_MORE_DATA,
        reasons=(),
        to_go=_to_go(rates),
        eta_seconds=None,
        advice=tuple(_advice(evidence, gate, tests)),
        rates=rates,
        unseen=unseen,
        lost=lost,
        window_seconds=window,
        rate=rate,
        limits=LIMITS,
    )
    if refuted:
        return replace(
            figures,
            state=VerdictState.NO_GO,
            reasons=tuple(_refuted(each, gate) for each in refuted),
            to_go=None,
        )
    missing = [
        *_missing_comparisons(evidence, gate, rates),
        *_blocked(figures, evidence, gate, tests, now),
    ]
    if not missing:
        return replace(
            figures, state=VerdictState.GO, reasons=(_shown(rates, gate),), eta_seconds=0.0
        )
    return replace(figures, reasons=tuple(missing), eta_seconds=_eta(figures, gate, elapsed))


def _rates(
    evidence: RouteEvidence, gate: Gate, tests: Mapping[str, PathTest]
) -> tuple[RateReport, ...]:
    weighed = weigh(evidence.differences, tests, failed=evidence.failed, unplaced=evidence.unplaced)
    limits = ((Severity.CRITICAL, gate.max_critical), (Severity.MAJOR, gate.max_major))
    return tuple(
        _rate(severity, limit, evidence.compared, weighed[severity], gate.confidence)
        for severity, limit in limits
    )


def _rate(
    severity: Severity, limit: float, compared: int, found: Mismatches, confidence: float
) -> RateReport:
    # More mismatches than comparisons would be a defect of the store; it must not look like GO.
    possible = min(found.possible, compared)
    certain = min(found.certain, compared)
    total = needed(possible, limit, confidence)
    return RateReport(
        severity=severity.value,
        limit=limit,
        compared=compared,
        mismatches=certain,
        doubtful=possible - certain,
        upper_bound=upper_bound(compared, possible, confidence),
        e_go=_exp(log_e_go(compared, possible, limit)),
        e_no_go=_exp(log_e_no_go(compared, certain, limit)),
        needed=_exp(threshold(confidence)),
        to_go=None if total is None else max(0, total - compared),
    )


def _missing_comparisons(
    evidence: RouteEvidence, gate: Gate, rates: tuple[RateReport, ...]
) -> Iterator[str]:
    """Why the comparisons do not yet show that the rates are low enough."""
    if not evidence.compared:
        yield "nothing was compared in this epoch yet"
    for each in rates:
        if each.e_go >= each.needed:
            continue
        seen = f"{each.mismatches + each.doubtful:,} of {each.compared:,} comparisons"
        if each.to_go is None:
            yield (
                f"{each.severity}: a mismatch rate below {_percent(each.limit)} cannot be shown by"
                " any number of comparisons: raise gate.max_mismatch"
            )
            continue
        doubt = f" ({each.doubtful} of them may be noise)" if each.doubtful else ""
        yield (
            f"{each.severity}: {seen} mismatch{doubt}; {each.to_go:,} more without one show a rate"
            f" below {_percent(each.limit)} at {_percent(gate.confidence)}"
        )


def _blocked(
    figures: Verdict,
    evidence: RouteEvidence,
    gate: Gate,
    tests: Mapping[str, PathTest],
    now: float,
) -> Iterator[str]:
    """Everything else that must hold for GO and does not."""
    if evidence.store_error:
        yield f"evidence is not being written: {evidence.store_error}"
    if evidence.unaccounted:
        yield f"the books do not balance: {evidence.unaccounted:+,} requests unaccounted for"
    if figures.window_seconds < gate.min_window:
        yield (
            f"the evidence spans {duration(figures.window_seconds)} of {duration(gate.min_window)}"
        )
    if evidence.compared and figures.unseen > gate.max_unseen:
        kinds = "1 kind was" if evidence.seen_once == 1 else f"{evidence.seen_once:,} kinds were"
        yield (
            f"{_percent(figures.unseen)} of the traffic is of a kind not seen yet"
            f" (limit {_percent(gate.max_unseen)}): {kinds} seen once"
        )
    if figures.lost > gate.max_lost:
        most = sorted(evidence.lost_details.items(), key=lambda item: (-item[1], item[0]))[:3]
        told = ", ".join(f"{name} {count:,}" for name, count in most)
        yield (
            f"{_percent(figures.lost)} of the eligible requests were lost"
            f" (limit {_percent(gate.max_lost)}){': ' if told else ''}{told}"
        )
    spoiled = _share(evidence.outcomes.get(Outcome.LEGACY_DEFECT, 0), evidence)
    if spoiled > gate.max_lost:
        yield (
            f"{_percent(spoiled)} of the pages hold a PHP error of legacy and could not be judged"
            f" (limit {_percent(gate.max_lost)})"
        )
    if evidence.pending > max(FEW_PENDING, gate.max_lost * evidence.eligible):
        yield f"{evidence.pending:,} requests are still without an outcome"
    compared = sum(evidence.outcomes.get(outcome, 0) for outcome in COMPARED)
    if evidence.eligible and compared < FEWEST_COMPARED * (evidence.eligible - evidence.pending):
        yield f"only {_percent(_share(compared, evidence))} of the eligible requests were compared"
    if evidence.compared and now - evidence.last_at > max(STALE_SECONDS, gate.min_window):
        yield f"the last comparison is {duration(now - evidence.last_at)} old"
    yield from _open_causes(evidence, tests, now)
    for rule in evidence.expired_rules:
        yield f"rule expired: {rule}: mend the cause, or renew the rule"


def _open_causes(
    evidence: RouteEvidence, tests: Mapping[str, PathTest], now: float
) -> Iterator[str]:
    for cause in evidence.causes:
        recent = now - cause.last_seen <= UNTRIAGED_SECONDS
        if cause.severity is not Severity.CRITICAL or cause.triaged or not recent:
            continue
        if explained_by_noise(cause.paths, tests):
            continue
        yield (
            f"critical cause {cause.fingerprint} at {', '.join(cause.paths[:3])} was seen within"
            " 24 h and nobody has looked at it"
        )


def explained_by_noise(paths: tuple[str, ...], tests: Mapping[str, PathTest]) -> bool:
    """Whether every path of a cause is noise with nothing in excess of it."""
    return bool(paths) and all(
        path in tests
        and tests[path].call is Call.NOISE
        and not tests[path].excess
        and not tests[path].counts.odd
        for path in paths
    )


def _advice(evidence: RouteEvidence, gate: Gate, tests: Mapping[str, PathTest]) -> Iterator[str]:
    if evidence.epoch and not evidence.epoch.new_version:
        yield (
            "the version of the new side is not known, so a deploy does not begin a new epoch:"
            " give its upstream `version` or `version_header`"
        )
    for path, test in sorted(tests.items()):
        if test.call is Call.REGRESSION:
            yield (
                f"regression at {path}: of the re-probed requests the new side alone differs in"
                f" {test.counts.b}, legacy alone in {test.counts.mirror} (p = {test.p_value:.2g})"
            )
    noisy = sorted(path for path, test in tests.items() if test.call is Call.NOISE)
    if noisy:
        more = f" and {len(noisy) - 5} more" if len(noisy) > 5 else ""
        yield f"legacy differs from itself at {', '.join(noisy[:5])}{more}: see the proposed rules"
    if gate.p95_ratio is not None and evidence.legacy_p95 and evidence.new_p95:
        ratio = evidence.new_p95 / evidence.legacy_p95
        if ratio > gate.p95_ratio:
            yield (
                f"the new side's p95 is {ratio:.2f} x legacy's (limit {gate.p95_ratio:g});"
                " shadow latency is not production latency"
            )


def _refuted(rate: RateReport, gate: Gate) -> str:
    return (
        f"{rate.severity}: {rate.mismatches:,} of {rate.compared:,} comparisons mismatch; that the"
        f" rate is {_percent(rate.limit)} or less is refuted at {_percent(gate.confidence)}"
    )


def _shown(rates: tuple[RateReport, ...], gate: Gate) -> str:
    parts = (
        f"{each.mismatches + each.doubtful} {each.severity}, rate below {_percent(each.limit)}"
        for each in rates
    )
    return f"{rates[0].compared:,} comparisons: {'; '.join(parts)} at {_percent(gate.confidence)}"


def _to_go(rates: tuple[RateReport, ...]) -> int | None:
    missing = [each.to_go for each in rates]
    return None if None in missing else max(each for each in missing if each is not None)


def _eta(figures: Verdict, gate: Gate, elapsed: float) -> float | None:
    """Seconds until comparisons and window suffice at this rate; other reasons have no time."""
    if figures.to_go is None or (figures.to_go and not figures.rate):
        return None
    comparing = figures.to_go / figures.rate if figures.to_go else 0.0
    # Silence is made good by the next comparison.
    return max(comparing, gate.min_window - elapsed, 0.0)


def _share(count: int, evidence: RouteEvidence) -> float:
    ended = max(1, evidence.eligible - evidence.pending)
    return count / ended


def _exp(log: float) -> float:
    return math.exp(log) if log < 700 else math.inf


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def duration(seconds: float) -> str:
    """A duration for people: `3 d 4 h`, `2 h 10 min`, `40 s`."""
    whole = max(0, round(seconds))
    units = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
    parts = []
    for name, size in units:
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"
