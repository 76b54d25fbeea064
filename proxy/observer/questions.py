"""The questions that the supervisor asks for people, and their answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from proxy.compare.policy import CompareRuleError
from proxy.compare_policy import Rule
from proxy.config.rule_draft import DraftError, draft_rules
from proxy.evidence.answers import (
    AcceptAnswer,
    ExemplarsAnswer,
    ReportAnswer,
    RuleLine,
    RulesAnswer,
    TriageAnswer,
    WhatIf,
)
from proxy.evidence.epoch import epoch_of
from proxy.evidence.exemplar import StoredExemplar
from proxy.evidence.noise import Call
from proxy.evidence.proposal import PairShape
from proxy.evidence.report import CauseReport, RouteReport, RuleReport, VerdictState, as_document
from proxy.observer.comparer import Comparer
from proxy.observer.replay import Replay, Unreplayable
from proxy.observer.shown import exemplar_line, shown_exemplar
from proxy.observer.store import EvidenceStore, StoreError
from proxy.observer.telling import Telling, defect_of
from proxy.observer.terms import Terms
from proxy.observer.what_if import Noise, what_if
from proxy.routing.route import Route
from proxy.stages import Side
from proxy.tally import TallySnapshot

# An answer travels in one frame of the link.
_LONGEST: Final = 12 * 1024 * 1024

Params = Mapping[str, object]


class Refused(Exception):
    """A question without a good answer: its status and why."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Questions:
    """Answers with a status as in HTTP (200, 400, 404, 409, 503) and JSON."""

    def __init__(
        self,
        *,
        terms: Terms,
        store: EvidenceStore,
        comparer: Comparer,
        replay: Replay,
        snapshot: Callable[[], TallySnapshot],
        tell: Telling,
    ) -> None:
        self._terms = terms
        self._store = store
        self._comparer = comparer
        self._replay = replay
        self._snapshot = snapshot
        self._tell = tell
        self._known: Mapping[str, Callable[[Params], Awaitable[object]]] = {
            "report": self._report,
            "show": self._show,
            "exemplars": self._exemplars,
            "rules": self._rules,
            "replay": self._replayed,
            "triage": self._triage,
            "accept": self._accept,
            "metrics": self._metrics,
        }

    async def answer(self, what: str, params: str) -> tuple[int, str]:
        """Answer one question. Never raises."""
        try:
            question = self._known.get(what)
            if question is None:
                raise Refused(400, f"{what[:50]!r} is no question: {', '.join(self._known)}")
            body = await _written(await question(_object(params)))
        except Refused as refused:
            return refused.status, _detail(str(refused))
        except (StoreError, Unreplayable, DraftError, CompareRuleError) as error:
            return _STATUS[type(error)], _detail(str(error))
        except Exception as error:  # noqa: BLE001 -- a defect in one answer is told, not fatal
            self._tell("error", "question_failed", what=what, error=defect_of(error))
            return 503, _detail("the observer has a defect here: see its log")
        if len(body) > _LONGEST:
            return 503, _detail("the answer is too large: ask for less, such as one route")
        return 200, body

    # One per question.

    async def _report(self, params: Params) -> object:
        route = _text(params, "route", needed=False)
        reports = await asyncio.to_thread(self._store.report, route or None)
        if route and not reports:
            raise self._nothing_of(route)
        return ReportAnswer(routes=tuple(map(self._as_it_goes_on, reports)))

    async def _show(self, params: Params) -> object:
        stored = await self._stored(_text(params, "id"))
        return shown_exemplar(stored, await self._causes(stored.route))

    async def _exemplars(self, params: Params) -> object:
        route = _text(params, "route")
        fingerprint = _text(params, "fingerprint", needed=False)
        report = await self._evidence(route)
        found = await asyncio.to_thread(self._store.exemplars, route, fingerprint or None)
        if fingerprint and not found and all(c.fingerprint != fingerprint for c in report.causes):
            raise _no_cause(route, fingerprint)
        return ExemplarsAnswer(route=route, exemplars=tuple(map(exemplar_line, found)))

    async def _rules(self, params: Params) -> object:
        name = _text(params, "route")
        report = await self._evidence(name)
        route = self._terms.route(name)
        used = await asyncio.to_thread(self._store.rules, name)
        draft = params.get("draft")
        if draft is not None and not isinstance(draft, list):
            raise Refused(400, "draft: is a list of rules")
        if draft is not None and route is None:
            raise Refused(409, f"route {name} is not in routes.yaml any more")
        return RulesAnswer(
            route=name,
            rules=() if route is None else _rule_lines(route, used, self._expired(route)),
            built_in=tuple(each for each in used if not each.rule.startswith("rule:")),
            noise=report.noise,
            what_if=None
            if draft is None or route is None
            else await self._what_if(route, draft_rules(draft), report),
        )

    async def _what_if(self, route: Route, draft: tuple[Rule, ...], report: RouteReport) -> WhatIf:
        drafted = self._terms.drafted(route, draft)
        problems = tuple(
            f"draft[{rule.line - 1}].expires: {rule.expires} is past: the rule would do nothing"
            for rule in draft
            if rule in drafted.expired
        )
        if problems:
            raise DraftError(problems)
        own: Mapping[str, PairShape] = {}
        if report.epoch is not None:
            epoch = epoch_of(
                legacy_version=report.epoch.legacy_version,
                new_version=report.epoch.new_version,
                rules_hash=report.epoch.rules_hash,
            )
            own = self._store.own_shapes(route.id, epoch)
        return await what_if(
            await asyncio.to_thread(self._store.exemplars, route.id),
            self._terms.compiled(route),
            drafted,
            Noise(calls={each.path: Call(each.call) for each in report.noise}, own=own),
            self._comparer.compare,
        )

    async def _replayed(self, params: Params) -> object:
        return await self._replay.again(await self._stored(_text(params, "id")))

    async def _triage(self, params: Params) -> object:
        route, fingerprint = _text(params, "route"), _text(params, "fingerprint")
        ticket, note = _text(params, "ticket", needed=False), _text(params, "note", needed=False)
        done = await asyncio.to_thread(
            self._store.triage, route, fingerprint, note=note, ticket=ticket
        )
        if not done:
            raise _no_cause(route, fingerprint)
        return TriageAnswer(route=route, fingerprint=fingerprint, note=note, ticket=ticket)

    async def _accept(self, params: Params) -> object:
        route, path = _text(params, "route"), _text(params, "path")
        report = await self._evidence(route)
        noise = next((each for each in report.noise if each.path == path), None)
        if noise is None:
            raise Refused(404, f"nothing is known of noise at {path!r} of route {route}")
        if noise.proposal is None:
            raise Refused(409, noise.refused or f"the paired test proposes nothing for {path}")
        return AcceptAnswer(route=route, path=path, rule=noise.proposal, accepts=noise.accepts)

    async def _metrics(self, _: Params) -> object:
        return self._snapshot()

    # What they share.

    async def _stored(self, id: str) -> StoredExemplar:
        stored = await asyncio.to_thread(self._store.exemplar, id)
        if stored is None:
            raise await self._not_found(id)
        return stored

    async def _not_found(self, id: str) -> Refused:
        for report in await asyncio.to_thread(self._store.report):
            kept = await asyncio.to_thread(self._store.exemplars, report.route)
            alike = [each.exemplar.id for each in kept if each.exemplar.id.startswith(id)]
            # Had it been the only one, it would have been found.
            if alike:
                return Refused(
                    404,
                    f"several exemplars begin with {id[:50]!r}, one is {alike[0]}: give more of it;"
                    f" `figway shadow exemplars {report.route}` lists them",
                )
        return Refused(
            404,
            f"no exemplar of an epoch in force begins with {id[:50]!r}: it has expired, or there"
            " never was one; `figway shadow exemplars ROUTE` lists what is kept, and one of an"
            " ended epoch is found by its whole id",
        )

    async def _evidence(self, route: str) -> RouteReport:
        reports = await asyncio.to_thread(self._store.report, route)
        if not reports:
            raise self._nothing_of(route)
        return reports[0]

    async def _causes(self, route: str) -> Mapping[str, CauseReport]:
        reports = await asyncio.to_thread(self._store.report, route)
        return {cause.fingerprint: cause for report in reports for cause in report.causes}

    def _nothing_of(self, route: str) -> Refused:
        why = "" if self._terms.route(route) is None else self._still(route)
        said = f"there is no evidence of a route {route!r}"
        return Refused(404, f"{said}: {why}" if why else said)

    def _as_it_goes_on(self, report: RouteReport) -> RouteReport:
        still = self._still(report.route)
        if not still and self._terms.paused:
            still = "shadow traffic is paused, by a command or by the kill switch"
        return _while_still(report, f"{still}: nothing is added") if still else report

    def _still(self, name: str) -> str:
        """Why routes.yaml lets nothing of a route be copied; empty if it does."""
        if not self._terms.revision or any(self._terms.shadowed(name, side) for side in Side):
            return ""
        route = self._terms.route(name)
        if route is None:
            return "the route is not in routes.yaml any more"
        if not route.new:
            return "the route has no new side, so nothing is copied"
        if route.shadow.sample > 0:
            return f"at stage {route.stage.value} nothing is copied"
        return "the route has no shadow.sample, so nothing is copied"

    def _expired(self, route: Route) -> frozenset[int]:
        expired = self._terms.compiled(route).expired
        return frozenset(at for at, rule in enumerate(route.compare.rules) if rule in expired)


def _no_cause(route: str, fingerprint: str) -> Refused:
    return Refused(
        404,
        f"route {route} has no cause {fingerprint[:50]!r}: `figway shadow report {route}` lists"
        " them, each with its 16 digits",
    )


def _while_still(report: RouteReport, said: str) -> RouteReport:
    """A report that promises no end: nothing is added now. A verdict stands as it is."""
    if report.verdict is VerdictState.NEED_MORE_DATA:
        return replace(report, reasons=(said, *report.reasons), eta_seconds=None)
    return replace(report, advice=(said, *report.advice))


def _rule_lines(
    route: Route, used: tuple[RuleReport, ...], expired: frozenset[int]
) -> tuple[RuleLine, ...]:
    known = {each.rule: each for each in used}
    lines = []
    for at, rule in enumerate(route.compare.rules):
        name = f"rule:{at}"
        use = known.get(name)
        lines.append(
            RuleLine(
                rule=name,
                path=rule.path,
                op=rule.op.value,
                reason=rule.reason,
                expires=rule.expires,
                expired=at in expired,
                count=0 if use is None else use.count,
                comparisons=0 if use is None else use.comparisons,
                last_used=0.0 if use is None else use.last_used,
            )
        )
    return tuple(lines)


_STATUS: Final = {StoreError: 503, Unreplayable: 409, DraftError: 400, CompareRuleError: 400}


def _object(text: str) -> Params:
    try:
        params = json.loads(text)
    except ValueError:
        raise Refused(400, "the parameters are not JSON") from None
    if not isinstance(params, dict):
        raise Refused(400, "the parameters are not a JSON object")
    return params


def _text(params: Params, name: str, *, needed: bool = True) -> str:
    value = params.get(name) or ""
    if not isinstance(value, str):
        raise Refused(400, f"{name}: is text")
    if needed and not value:
        raise Refused(400, f"{name}: is needed")
    return value


async def _written(value: object) -> str:
    # A report of ten thousand routes takes its time; exchanges go on meanwhile.
    return await asyncio.to_thread(lambda: json.dumps(as_document(value)))


def _detail(text: str) -> str:
    return json.dumps({"detail": text})
