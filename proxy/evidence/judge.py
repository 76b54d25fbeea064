"""The judge: what a comparison came to, as exactly one outcome with its detail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from proxy.compare_policy import Severity
from proxy.evidence.noise import Call
from proxy.evidence.outcome import Outcome
from proxy.evidence.settled import PathDifference, Triple


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


def judge(
    facts: ComparisonFacts,
    triple: Triple | None = None,
    calls: Mapping[str, Call] | None = None,
) -> Judgement:
    """Judge one comparison, with the re-probe if there was one and what the noise test says now.

    Total: every combination gives exactly one outcome.
    """
    raise NotImplementedError
