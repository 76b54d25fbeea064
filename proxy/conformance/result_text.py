"""A case result for people: where it stands, what differs, and how to ask again by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from proxy.compare.comparison import Cause, Comparison
from proxy.compare.silence import silencing_rule, written
from proxy.conformance.comparison_text import PLAIN, Paint, comparison_lines
from proxy.conformance.concealment import printable, printable_lines
from proxy.conformance.result import Asked, CaseResult, StepResult


def headline(result: CaseResult) -> str:
    """What is wrong with a case, in one sentence."""
    if result.reason:
        return result.reason
    step = result.steps[-1]
    found = list(step.failures)
    if step.comparison is not None:
        found += [f"{_where(cause)}: {cause.explanation}" for cause in step.comparison.causes]
        if step.comparison.incomparable:
            found.append(f"cannot be compared: {step.comparison.incomparable}")
    return found[0] + (f" (and {len(found) - 1} more)" if len(found) > 1 else "") if found else ""


def failure_lines(
    file: str, result: CaseResult, *, width: int = 100, paint: Paint = PLAIN
) -> Iterator[str]:
    """The failed step of a case: place, request, failures, causes side by side, curl lines."""
    if result.reason:
        # What came before it went well.
        unsent = result.case.steps[len(result.steps)]
        yield f"{file}:{unsent.line}: {unsent.request.method} {unsent.request.url}"
        yield paint.bad(result.reason)
        return
    step = result.steps[-1]
    which = (
        f", step {step.number} of {len(result.case.steps)}" if len(result.case.steps) > 1 else ""
    )
    route = f", route {step.route}" if step.route else ""
    request = step.step.request
    yield f"{file}:{step.step.line}: {request.method} {request.url}{which}{route}"
    yield "; ".join(_told(each) for each in step.asked)
    for failure in step.failures:
        yield paint.bad(printable(failure))
    if step.comparison is not None:
        yield from comparison_lines(step.comparison, width=width, paint=paint)
    for each in step.asked:
        # A body of several lines is quoted as it is.
        yield f"{printable_lines(each.curl)}  # {each.side}"


def _told(asked: Asked) -> str:
    answer = asked.sent.answer
    said = f"answered {answer.status}" if answer is not None else "gave no answer"
    return f"{asked.side} {said} in {asked.sent.seconds * 1000:.0f} ms"


def _where(cause: Cause) -> str:
    return cause.paths[0] if cause.paths else cause.example.path


def result_json(result: CaseResult) -> dict[str, Any]:
    """A case result as plain JSON values."""
    return {
        "name": result.case.name,
        "line": result.case.line,
        "outcome": result.outcome.value,
        "reason": result.reason,
        "seconds": round(result.seconds, 6),
        "steps": [_step_json(step) for step in result.steps],
    }


def _step_json(step: StepResult) -> dict[str, Any]:
    return {
        "route": step.route,
        "method": step.step.request.method,
        "url": step.step.request.url,
        "alone": step.alone,
        "failures": list(step.failures),
        "comparison": comparison_json(step.comparison) if step.comparison is not None else None,
        **{each.side.value: _asked_json(each) for each in step.asked},
    }


def _asked_json(asked: Asked) -> dict[str, Any]:
    return {
        "target": asked.target,
        "status": asked.sent.answer.status if asked.sent.answer is not None else None,
        "error": asked.sent.error,
        "seconds": round(asked.sent.seconds, 6),
        "curl": asked.curl,
    }


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain JSON values; each cause with the rule that would silence it."""
    plain = asdict(comparison)
    severity = comparison.severity
    plain["severity"] = severity.value if severity is not None else None
    for cause, entry in zip(comparison.causes, plain["causes"], strict=True):
        rule = silencing_rule(cause, comparison.differences)
        entry["rule"] = written(rule) if rule is not None else None
    return plain
