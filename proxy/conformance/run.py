"""Runs cases: legacy first, then new, then compared by the rules of the route."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from proxy.compare.comparison import Comparison, Result
from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import ComparePolicy, Rule, Severity
from proxy.conformance.case import Case, CaseFile, Step
from proxy.conformance.case_file import names_of
from proxy.conformance.concealment import Secret, concealed, concealed_comparison
from proxy.conformance.curl import curl_line
from proxy.conformance.expectations import captured, filled, unmet
from proxy.conformance.placeholder import Unfilled
from proxy.conformance.prepared import Prepared, Unsendable, Visitor, prepare
from proxy.conformance.result import Asked, CaseOutcome, CaseResult, StepResult
from proxy.conformance.sender import Sender, Unreachable
from proxy.conformance.site import Site, may_change
from proxy.exchange import joined
from proxy.routing.route import Route
from proxy.stages import Side

# Seconds for one answer, where neither the file nor an option says it.
TIMEOUT = 10.0
_SEVERITIES = tuple(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How cases are run."""

    # Cases whose method is not safe are sent too.
    allow_writes: bool = False
    # Seconds for one answer.
    timeout: float = TIMEOUT
    # The mildest severity of a difference that fails a case.
    fail_on: Severity = Severity.MINOR
    # What `${NAME}` stands for.
    environment: Mapping[str, str] = field(default_factory=dict)
    # ISO date: rules that ended before are not applied.
    today: str = ""


class Runner:
    """Runs the cases of one file against one site."""

    def __init__(self, file: CaseFile, site: Site, options: RunOptions) -> None:
        self._file = file
        self._site = site
        self._options = options
        self._policies: dict[tuple[str, tuple[Rule, ...]], CompiledPolicy] = {}

    async def run_all(
        self,
        *,
        concurrency: int = 1,
        fail_fast: bool = False,
        tell: Callable[[CaseResult], None] = lambda _: None,
    ) -> tuple[CaseResult, ...]:
        """Run every case; `tell` hears of each in file order. Raises Unreachable.

        With `fail_fast` what has not begun when a case fails is skipped.
        """
        waiting = iter(enumerate(self._file.cases))
        results: dict[int, CaseResult] = {}
        told = 0
        stopped = False

        async def work(sender: Sender) -> None:
            nonlocal told, stopped
            for index, case in waiting:
                results[index] = (
                    CaseResult(
                        case=case, outcome=CaseOutcome.SKIPPED, reason="an earlier case failed"
                    )
                    if stopped
                    else await self.run_case(sender, case)
                )
                if results[index].outcome in (CaseOutcome.FAILED, CaseOutcome.ERROR):
                    stopped = fail_fast
                while told in results:
                    tell(results[told])
                    told += 1

        async with Sender(self._options.timeout) as sender:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(max(1, concurrency)):
                        group.create_task(work(sender))
            except* Unreachable as errors:
                raise _first(errors) from None
            finally:
                # Beyond the case that ended the run.
                for index in sorted(set(results) - set(range(told))):
                    tell(results[index])
        return tuple(results[index] for index in sorted(results))

    async def run_one(self, case: Case) -> CaseResult:
        """Run one case with connections of its own. Raises Unreachable."""
        async with Sender(self._options.timeout) as sender:
            return await self.run_case(sender, case)

    async def run_case(self, sender: Sender, case: Case) -> CaseResult:
        """Run one case. Raises Unreachable."""
        reason = self._why_not(case)
        if reason:
            return CaseResult(case=case, outcome=CaseOutcome.SKIPPED, reason=reason)
        started = time.perf_counter()
        visitors = {side: Visitor(values=dict(self._options.environment)) for side in Side}
        steps: list[StepResult] = []
        outcome, reason = CaseOutcome.PASSED, ""
        for number, step in enumerate(case.steps, start=1):
            try:
                prepared = prepare(self._file, step, self._site, visitors)
            except Unfilled as error:
                outcome, reason = CaseOutcome.ERROR, f"${{{error}}} has no value"
                break
            except Unsendable as error:
                outcome, reason = CaseOutcome.ERROR, str(error)
                break
            result = await self._run_step(sender, case, number, step, prepared, visitors)
            steps.append(result)
            if result.outcome is not CaseOutcome.PASSED:
                # What follows builds on it.
                outcome = result.outcome
                break
        return CaseResult(
            case=case,
            outcome=outcome,
            reason=reason,
            steps=tuple(steps),
            seconds=time.perf_counter() - started,
        )

    def expired_rules(self) -> tuple[Rule, ...]:
        """Rules that met their end and were not applied so far."""
        found = {rule: None for policy in self._policies.values() for rule in policy.expired}
        return tuple(found)

    def _why_not(self, case: Case) -> str:
        """Why a case is not run, as far as that is known before its first request."""
        if case.skip:
            return case.skip
        visitors = {side: Visitor(values=dict(self._options.environment)) for side in Side}
        for name in (c.name for step in case.steps for c in step.captures):
            for visitor in visitors.values():
                visitor.values.setdefault(name, name)
        alone: str | None = ""
        for step in case.steps:
            try:
                prepared = prepare(self._file, step, self._site, visitors)
            except (Unfilled, Unsendable):
                return ""
            method = step.request.method
            if not self._options.allow_writes and may_change(
                prepared.route, method, prepared.path, prepared.query
            ):
                what = f"{method} {step.request.url}"
                return f"{what} may change something: --allow-writes sends it"
            if prepared.new is not None and prepared.legacy is not None:
                alone = None
            elif alone is not None and step.only is None:
                alone = alone or prepared.alone
        return f"nothing to compare: {alone}" if alone is not None else ""

    async def _run_step(
        self,
        sender: Sender,
        case: Case,
        number: int,
        step: Step,
        prepared: Prepared,
        visitors: Mapping[Side, Visitor],
    ) -> StepResult:
        several = len(case.steps) > 1
        names = names_of(self._file, step)
        asked: list[Asked] = []
        # Filled in on either side; nothing of it is told.
        secrets: set[Secret] = set()
        for request in filter(None, (prepared.legacy, prepared.new)):
            known = visitors[request.side].values
            used = {(name, known[name]) for name in names if name in known}
            asked.append(
                Asked(
                    request=request,
                    sent=await sender.send(request),
                    target=concealed(request.target.decode("ascii"), used),
                    curl=curl_line(request, used, several=several),
                )
            )
            secrets |= used
        failures = [f"{each.side}: {each.sent.error}" for each in asked if each.sent.answer is None]
        result = StepResult(
            step=step,
            number=number,
            route=prepared.route.id if prepared.route is not None else "",
            asked=tuple(asked),
            outcome=CaseOutcome.ERROR if failures else CaseOutcome.PASSED,
            failures=tuple(failures),
            alone=prepared.alone if prepared.new is None or prepared.legacy is None else "",
        )
        if failures:
            return result
        comparison = self._compared(case, prepared.route, asked)
        failures += _unmet(step, asked, visitors)
        failures += _captures(prepared.path, step, asked, visitors)
        failed = failures or (comparison is not None and self.fails(comparison))
        return replace(
            result,
            outcome=CaseOutcome.FAILED if failed else CaseOutcome.PASSED,
            failures=tuple(concealed(failure, secrets) for failure in failures),
            comparison=comparison and concealed_comparison(comparison, secrets),
        )

    def fails(self, comparison: Comparison) -> bool:
        """Whether a comparison fails its case."""
        if comparison.result is Result.INCOMPARABLE:
            return True
        worst = comparison.severity
        limit = _SEVERITIES.index(self._options.fail_on)
        return worst is not None and _SEVERITIES.index(worst) <= limit

    def _compared(self, case: Case, route: Route | None, asked: list[Asked]) -> Comparison | None:
        answers = {each.side: each.sent.answer for each in asked}
        legacy, new = answers.get(Side.LEGACY), answers.get(Side.NEW)
        if legacy is None or new is None:
            return None
        request = asked[0].request
        # Both sides are asked with the same Host.
        host = (joined(request.headers, b"host") or b"").decode("latin-1")
        return compare(legacy, new, self._policy(case, route), method=request.method, host=host)

    def _policy(self, case: Case, route: Route | None) -> CompiledPolicy:
        key = (route.id if route is not None else "", case.rules)
        policy = self._policies.get(key)
        if policy is None:
            written = policy_of(self._file, case, route)
            policy = CompiledPolicy.compile(written, today=self._options.today)
            self._policies[key] = policy
        return policy


def policy_of(file: CaseFile, case: Case, route: Route | None) -> ComparePolicy:
    """How the answers of a case are compared: as its route says, and its own rules besides."""
    written = route.compare if route is not None else file.compare or ComparePolicy()
    return replace(written, rules=(*written.rules, *case.rules))


def _unmet(step: Step, asked: list[Asked], visitors: Mapping[Side, Visitor]) -> Iterator[str]:
    for each in asked:
        assert each.sent.answer is not None
        try:
            wanted = filled(step.expect, visitors[each.side].values)
        except Unfilled as error:
            yield f"{each.side}: ${{{error}}} has no value"
            continue
        for sentence in unmet(wanted, each.sent.answer):
            yield f"{each.side}: {sentence}"
    if not step.expect.status and asked:
        said = {e.side: e.sent.answer.status for e in asked if e.sent.answer is not None}
        if min(said.values()) >= 500:
            # Two broken servers are alike, and prove nothing.
            told = " and ".join(f"{side} answered {status}" for side, status in said.items())
            yield f"{told}: write expect: {{status: {max(said.values())}}} if that is meant"


def _captures(
    path: str, step: Step, asked: list[Asked], visitors: Mapping[Side, Visitor]
) -> Iterator[str]:
    """Take over cookies and captured values; a side that was not asked gets the other's."""
    there = {each.side for each in asked}
    for each in asked:
        answer = each.sent.answer
        assert answer is not None
        for side in Side if len(there) == 1 else (each.side,):
            cookies = visitors[side].cookies.take(answer.headers, path)
            for capture in step.captures:
                value = captured(capture, answer, cookies)
                if value is not None:
                    visitors[side].values[capture.name] = value
                elif side is each.side:
                    yield f"{side}: nothing to capture as {capture.name} ({capture.source})"


def _first(errors: BaseExceptionGroup[Unreachable]) -> Unreachable:
    error = errors.exceptions[0]
    return error if isinstance(error, Unreachable) else _first(error)
