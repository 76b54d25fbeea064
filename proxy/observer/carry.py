"""Carrying one exchange, top to bottom: ask the shadow, wait for the primary, compare, judge."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy.compare.comparison import Comparison, Result
from proxy.compare.policy import CompareRuleError
from proxy.errors import (
    PoolExhausted,
)
from proxy.evidence.exemplar import Exemplar
from proxy.evidence.judge import judge
from proxy.evidence.outcome import Outcome
from proxy.evidence.settled import Settled, Triple
from proxy.exchange import AskedRequest, Exchange
from proxy.handover import HandoverBroken, TakenRequest, TakenResponse
from proxy.observer.asking import OVERSIZE, Asking, outcome_without_answer
from proxy.observer.comparer import Comparer
from proxy.observer.counts import Counts
from proxy.observer.examine import Job
from proxy.observer.exemplars import Keeping
from proxy.observer.in_hand import InHand
from proxy.observer.names import comparison_id, span_id
from proxy.observer.offers import Offers
from proxy.observer.reprobe import Reprobe
from proxy.observer.settling import Pair, compared, facts_of, unanswered
from proxy.observer.shadow_request import NotSent, ShadowRequest, shadow_request
from proxy.observer.store import EvidenceStore
from proxy.observer.terms import Terms
from proxy.observer.upstreams import Upstreams, clock
from proxy.routing.route import Route
from proxy.shadow_policy import ExemplarStore
from proxy.stages import Side

# A request that has waited longer than this part of its deadline is not sent: what is left would
# not be a fair time to answer in, and a failure would be held against the wrong one.
LATEST: Final = 0.5
# How long routes.yaml of a revision that a worker uses already may be on its way here (seconds).
_NEWS_PATIENCE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Ending:
    """An outcome with its detail, where there is nothing more to tell."""

    outcome: Outcome
    detail: str


class Carry:
    """Everything that one exchange needs on its way."""

    def __init__(
        self,
        *,
        terms: Terms,
        upstreams: Upstreams,
        comparer: Comparer,
        reprobe: Reprobe,
        store: EvidenceStore,
        counts: Counts,
        wall: Callable[[], float],
    ) -> None:
        self._terms = terms
        self._upstreams = upstreams
        self._comparer = comparer
        self._reprobe = reprobe
        self._store = store
        self._counts = counts
        self._wall = wall
        self._offers = Offers(random.random)

    async def carry(self, hand: InHand, asked: Callable[[int], None]) -> Ending | Settled:
        """Bring an exchange to its end.

        `asked` is called once the upstream is free again, with the bytes that are held from then.
        """
        request = hand.request
        route = await self._route(request)
        if isinstance(route, Ending):
            return route
        if hand.response is not None and hand.response.status == 304:
            return _CONDITIONAL
        try:
            client = request.asked()
        except HandoverBroken:
            return Ending(Outcome.INCOMPARABLE, "request")
        plan = shadow_request(
            client,
            route,
            side=request.decided.shadow,
            legacy=self._terms.legacy,
            span_id=span_id(),
        )
        if isinstance(plan, NotSent):
            asked(0)
            return await self._not_sent(plan, hand, client, route)
        shadow = await self._ask(plan, hand, route)
        if isinstance(shadow, Ending):
            return shadow
        asked(0 if shadow.answer is None else len(shadow.answer.body))
        primary = await hand.primary()
        if primary.status == 304:
            return _CONDITIONAL
        pair = Pair(asked=client, primary=_primary(request, primary), shadow=shadow)
        return await self._weigh(pair, request.boot, route)

    async def _route(self, request: TakenRequest) -> Route | Ending:
        """The route as routes.yaml has it now, unless what was decided is not shadowed any more."""
        terms, decided = self._terms, request.decided
        await terms.until_known(decided.config_revision, _NEWS_PATIENCE)
        if terms.stopped(decided):
            return Ending(Outcome.SHED, "paused")
        route = terms.shadowed(decided.route, decided.shadow)
        return Ending(Outcome.INCOMPARABLE, "config_changed") if route is None else route

    # Asking.

    async def _ask(self, plan: ShadowRequest, hand: InHand, route: Route) -> Exchange | Ending:
        policy = self._terms.policy
        now = clock()
        left = policy.deadline - (now - hand.arrived)
        if left < policy.deadline * LATEST:
            return Ending(Outcome.SHED, "queue")
        pool = self._upstreams.pool(plan.upstream)
        if pool is None:
            return Ending(Outcome.INCOMPARABLE, "config_changed")
        breaker = self._upstreams.breaker(plan.upstream)
        if not breaker.admit(now):
            return Ending(Outcome.SHED, "breaker")
        asking = Asking(pool, plan, max_body=policy.max_body)
        try:
            shadow = await asking.ask(left)
        except BaseException:
            breaker.abandoned(clock())
            raise
        self._counts.took(route.id, plan.upstream, shadow.elapsed)
        self._counts.response_bytes += asking.received
        if shadow.error == PoolExhausted.cause:
            # Ours, not the upstream's: its pool is smaller than what is asked at once.
            breaker.abandoned(clock())
            return Ending(Outcome.SHED, "queue")
        if shadow.error and shadow.error != OVERSIZE:
            breaker.failed(clock())
        else:
            breaker.succeeded()
        return shadow

    async def _not_sent(
        self, plan: NotSent, hand: InHand, client: AskedRequest, route: Route
    ) -> Ending | Settled:
        if not plan.recorded:
            return Ending(plan.outcome, plan.detail)
        primary = await hand.primary()
        side = hand.request.decided.shadow
        nobody = Exchange(side=side, upstream=route.new, answer=None, error=plan.detail)
        pair = Pair(asked=client, primary=_primary(hand.request, primary), shadow=nobody)
        return await self._unanswered(pair, plan.outcome, hand.request.boot, route)

    # Weighing.

    async def _weigh(self, pair: Pair, boot: str, route: Route) -> Ending | Settled:
        shadow = pair.shadow
        if shadow.answer is None:
            outcome = outcome_without_answer(shadow.error)
            return await self._unanswered(pair, outcome, boot, route)
        legacy, new = pair.of(Side.LEGACY), pair.of(Side.NEW)
        assert legacy.answer is not None
        assert new.answer is not None
        try:
            policy = self._terms.compiled(route)
        except CompareRuleError:
            return Ending(Outcome.INCOMPARABLE, "rules")
        found = await self._comparer.compare(
            Job(
                legacy=legacy.answer,
                new=new.answer,
                policy=policy,
                method=pair.asked.method,
                host=pair.asked.host,
            )
        )
        epoch = self._terms.epoch(route, {Side.LEGACY: legacy.answer, Side.NEW: new.answer})
        triple = await self._triple(pair, found, route)
        judgement = judge(
            facts_of(pair, found),
            triple,
            self._store.calls(route.id, epoch),
            self._store.own_shapes(route.id, epoch),
        )
        id = comparison_id()
        exemplar = None
        if found.causes:
            offered = [cause.fingerprint for cause in found.causes]
            exemplar = await self._exemplar(id, pair, found, route, offered)
        return compared(
            pair,
            found,
            judgement,
            boot=boot,
            route=route,
            epoch=epoch,
            at=self._wall(),
            id=id,
            triple=triple,
            exemplar=exemplar,
        )

    async def _triple(self, pair: Pair, found: Comparison, route: Route) -> Triple | None:
        if found.result is Result.INCOMPARABLE:
            return None
        return await self._reprobe.triple(pair, found, route)

    async def _unanswered(self, pair: Pair, outcome: Outcome, boot: str, route: Route) -> Settled:
        side = pair.primary.side
        id = comparison_id()
        return unanswered(
            pair,
            outcome,
            boot=boot,
            route=route,
            epoch=self._terms.epoch(route, {side: pair.primary.answer}),
            at=self._wall(),
            id=id,
            exemplar=await self._exemplar(
                id, pair, None, route, [f"{outcome}:{pair.shadow.error}"]
            ),
        )

    async def _exemplar(
        self, id: str, pair: Pair, found: Comparison | None, route: Route, offered: list[str]
    ) -> Exemplar | None:
        """The pair fit for the disk, if pairs are kept and this one may be wanted."""
        if self._terms.policy.exemplars is ExemplarStore.OFF:
            return None
        if not self._offers.wanted(route.id, offered):
            return None
        try:
            policy = self._terms.compiled(route)
        except CompareRuleError:
            return None
        trace_id = (pair.asked.header(b"traceparent") or b"").decode("ascii", "replace")[3:35]
        return await self._comparer.keep(
            Keeping(id=id, pair=pair, found=found, policy=policy, trace_id=trace_id)
        )


_CONDITIONAL: Final = Ending(Outcome.INCOMPARABLE, "conditional")


def _primary(request: TakenRequest, response: TakenResponse) -> Exchange:
    return Exchange(
        side=request.decided.side,
        upstream=request.decided.upstream,
        answer=response.answer(),
        asked_at=request.started,
        first_byte=response.first_byte,
        elapsed=response.elapsed,
    )
