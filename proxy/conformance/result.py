"""What became of a case, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxy.compare.comparison import Comparison
from proxy.conformance.case import Case, Step
from proxy.conformance.sender import PlannedRequest, Sent
from proxy.stages import Side


class CaseOutcome(StrEnum):
    """How a case ended."""

    PASSED = "passed"
    # The answers differ, or do not hold what is expected.
    FAILED = "failed"
    # There is no whole answer to compare.
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One side's request with what came of it, to be told of.

    `target` and `curl`, which repeats the request by hand, are without the values of secrets.
    """

    request: PlannedRequest
    sent: Sent
    target: str
    curl: str

    @property
    def side(self) -> Side:
        """Which side."""
        return self.request.side


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What became of one step; `failures` are sentences."""

    step: Step
    # From 1.
    number: int
    # Id of the route; empty without a route table.
    route: str
    asked: tuple[Asked, ...]
    outcome: CaseOutcome
    failures: tuple[str, ...] = ()
    # None when only one side was asked, or one gave no answer.
    comparison: Comparison | None = None
    # Why only one side was asked.
    alone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What became of a case. `reason` says why it was skipped, or what could not be done."""

    case: Case
    outcome: CaseOutcome
    reason: str = ""
    steps: tuple[StepResult, ...] = ()
    # Wall-clock seconds.
    seconds: float = 0.0

    @property
    def route(self) -> str:
        """The route of the first step that was compared; empty without one."""
        compared = [step for step in self.steps if step.comparison is not None]
        return next((step.route for step in (*compared, *self.steps)), "")
