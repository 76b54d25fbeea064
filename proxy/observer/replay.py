"""Replay: the request of an exemplar asked of both sides again, and compared."""

from __future__ import annotations

import asyncio
import time

from proxy.evidence.answers import ReplayAnswer, ShownExemplar
from proxy.evidence.exemplar import StoredExemplar
from proxy.evidence.judge import judge
from proxy.evidence.outcome import Outcome
from proxy.exchange import AskedRequest, Exchange
from proxy.observer.asking import OVERSIZE, Asking, outcome_without_answer
from proxy.observer.comparer import Comparer
from proxy.observer.examine import Job
from proxy.observer.exemplars import Keeping, request_of
from proxy.observer.names import comparison_id, span_id
from proxy.observer.settling import Pair, facts_of
from proxy.observer.shadow_request import replay_request
from proxy.observer.shown import shown_cause, shown_exemplar
from proxy.observer.terms import Terms
from proxy.observer.upstreams import Upstreams
from proxy.routing.route import Route
from proxy.stages import Side


class Unreplayable(Exception):
    """The request cannot be asked again; the message says why."""


class Replay:
    """Asks both sides at the same time. What comes of it is shown and counts nowhere."""

    def __init__(self, *, terms: Terms, upstreams: Upstreams, comparer: Comparer) -> None:
        self._terms = terms
        self._upstreams = upstreams
        self._comparer = comparer

    async def again(self, stored: StoredExemplar) -> ReplayAnswer:
        """Ask and compare. Raises Unreplayable."""
        terms = self._terms
        route = terms.route(stored.route)
        if route is None or not route.new:
            raise Unreplayable(f"route {stored.route} has no new side any more")
        if terms.paused:
            raise Unreplayable("shadow traffic is paused: resume it first")
        asked = request_of(stored.exemplar)
        if asked is None:
            raise Unreplayable("its path held a secret, which was not written down")
        legacy, new = await asyncio.gather(
            self._ask(asked, route, Side.LEGACY), self._ask(asked, route, Side.NEW)
        )
        pair = Pair(asked=asked, primary=legacy, shadow=new)
        return await self._answer(stored, route, pair)

    async def _ask(self, asked: AskedRequest, route: Route, side: Side) -> Exchange:
        terms = self._terms
        plan = replay_request(
            asked,
            route,
            side=side,
            upstream=terms.legacy if side is Side.LEGACY else route.new,
            span_id=span_id(),
        )
        if plan is None:
            raise Unreplayable(f"{asked.method} may change something, so it is not asked again")
        pool = self._upstreams.pool(plan.upstream)
        if pool is None:
            raise Unreplayable(f"there is no upstream {plan.upstream} any more")
        policy = terms.policy
        return await Asking(pool, plan, max_body=policy.max_body).ask(policy.deadline)

    async def _answer(self, stored: StoredExemplar, route: Route, pair: Pair) -> ReplayAnswer:
        policy = self._terms.compiled(route)
        found = None
        if pair.primary.answer is None or pair.shadow.answer is None:
            outcome, detail = _unanswered(pair)
        else:
            found = await self._comparer.compare(
                Job(
                    legacy=pair.primary.answer,
                    new=pair.shadow.answer,
                    policy=policy,
                    method=pair.asked.method,
                    host=pair.asked.host,
                )
            )
            judged = judge(facts_of(pair, found))
            outcome, detail = judged.outcome, judged.detail
        keeping = Keeping(
            id=comparison_id(),
            pair=pair,
            found=found,
            policy=policy,
            trace_id=stored.exemplar.trace_id,
            replay_of=stored.exemplar.id,
        )
        exemplar = await self._comparer.keep(keeping)
        if exemplar is None:
            raise Unreplayable("the answers are too large to be shown")
        shown: ShownExemplar = shown_exemplar(
            StoredExemplar(
                route=route.id,
                epoch_id=stored.epoch_id,
                at=time.time(),
                outcome=outcome.value,
                detail=detail,
                fingerprints=(),
                exemplar=exemplar,
            ),
            {},
            ()
            if found is None
            else tuple(shown_cause(cause, found.differences) for cause in found.causes),
        )
        return ReplayAnswer(
            of=stored.exemplar.id,
            outcome=outcome.value,
            detail=detail,
            lacked=stored.exemplar.redacted,
            shown=shown,
        )


def _unanswered(pair: Pair) -> tuple[Outcome, str]:
    """What came of a pair of which a side gave no answer, and why."""
    legacy = pair.primary
    if legacy.answer is None and legacy.error != OVERSIZE:
        # Whatever new answered: nothing is there to hold it against.
        return Outcome.ABORTED, legacy.error
    error = pair.shadow.error if legacy.answer is not None else legacy.error
    return outcome_without_answer(error), error
