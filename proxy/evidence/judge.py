"""The judge: what a comparison came to, as exactly one outcome with its detail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from proxy.compare_policy import Severity
from proxy.evidence.noise import Call
from proxy.evidence.outcome import Outcome
from proxy.evidence.proposal import PairShape, is_like
from proxy.evidence.settled import Mark, PathDifference, Triple


class Found(StrEnum):
    """What comparing two answers came to; the words of proxy/compare's Result."""

    EQUAL = "equal"
    NORMALISED = "normalised"
    EXPECTED = "expected"
    DIFFERENT = "different"
    INCOMPARABLE = "incomparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonFacts:
    """What the judge needs to know of a comparison."""

    found: Found
    # Every path pattern that differs and counts, at its worst severity: (path, severity).
    differing: tuple[tuple[str, Severity], ...] = ()
    # Why it is incomparable.
    reason: str = ""
    # What the two values at a differing path look like.
    shapes: tuple[tuple[str, PairShape], ...] = ()
    # The legacy body holds a PHP error message.
    legacy_defect: bool = False
    legacy_status: int = 200
    new_status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One outcome, its detail, and the differences as the verdict will count them."""

    outcome: Outcome
    detail: str = ""
    differences: tuple[PathDifference, ...] = ()


# Without a path nothing can explain a difference.
NOWHERE = "?"
SEVERITIES = tuple(Severity)
_EQUALS = {
    Found.EQUAL: Outcome.MATCH,
    Found.NORMALISED: Outcome.MATCH_NORMALISED,
    Found.EXPECTED: Outcome.EXPECTED,
}


def judge(
    facts: ComparisonFacts,
    triple: Triple | None = None,
    calls: Mapping[str, Call] | None = None,
    own: Mapping[str, PairShape] | None = None,
) -> Judgement:
    """Judge one comparison, with the re-probe if there was one and what the noise test says now.

    `own` is what legacy's differences from itself look like, path by path: a difference that is
    not like them is not excused by them.

    Total: every combination gives exactly one outcome.
    """
    if facts.found in _EQUALS:
        return Judgement(outcome=_EQUALS[facts.found])
    if facts.found is Found.INCOMPARABLE:
        return Judgement(outcome=Outcome.INCOMPARABLE, detail=facts.reason or "unknown")
    # A page that legacy spoiled says nothing of the new side, unless that one broke by itself.
    if facts.legacy_defect and not _new_side_broke(facts):
        return Judgement(outcome=Outcome.LEGACY_DEFECT)
    differences = _marked(facts, triple, own or {})
    counting = [each for each in differences if _counts(each, calls or {})]
    if counting:
        return Judgement(
            outcome=Outcome.MISMATCH,
            detail=worst(each.severity for each in counting),
            differences=differences,
        )
    raced = all(each.mark is Mark.AGREES for each in differences)
    return Judgement(outcome=Outcome.RACE if raced else Outcome.NOISE, differences=differences)


def worst(severities: Iterable[Severity]) -> Severity:
    """The worst of at least one severity."""
    return min(severities, key=SEVERITIES.index)


def _new_side_broke(facts: ComparisonFacts) -> bool:
    return facts.new_status >= 500 > facts.legacy_status


def _marked(
    facts: ComparisonFacts, triple: Triple | None, own: Mapping[str, PairShape]
) -> tuple[PathDifference, ...]:
    odd = {path for path, shape in facts.shapes if path in own and not is_like(own[path], shape)}
    found: dict[str, Severity] = {}
    for path, severity in facts.differing or ((NOWHERE, Severity.CRITICAL),):
        found[path] = worst((severity, found.get(path, severity)))
    return tuple(
        PathDifference(path=path, severity=severity, mark=_mark(path, triple, odd))
        for path, severity in sorted(found.items())
    )


def _mark(path: str, triple: Triple | None, odd: AbstractSet[str]) -> Mark:
    if triple is not None and path in triple.again and path not in triple.again_new:
        return Mark.AGREES
    if path in odd:
        return Mark.ODD
    if triple is None:
        return Mark.UNASKED
    return Mark.UNSTABLE if path in triple.again else Mark.STABLE


def _counts(difference: PathDifference, calls: Mapping[str, Call]) -> bool:
    call = calls.get(difference.path, Call.UNDECIDED)
    match difference.mark:
        case Mark.AGREES:
            return False
        case Mark.ODD:
            return True
        case Mark.UNSTABLE:
            return call is Call.REGRESSION
        case Mark.STABLE | Mark.UNASKED:
            return call is not Call.NOISE
