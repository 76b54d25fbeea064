"""Re-probes: legacy asked once more, to tell its noise from the new side's regressions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from proxy.compare.comparison import Comparison, Result
from proxy.evidence.settled import Triple
from proxy.exchange import Exchange
from proxy.observer.asking import Asking
from proxy.observer.budget import Budgets
from proxy.observer.comparer import Comparer
from proxy.observer.counts import Counts
from proxy.observer.examine import Job
from proxy.observer.names import span_id
from proxy.observer.settling import Pair, triple_of
from proxy.observer.shadow_request import ShadowRequest, reprobe_request
from proxy.observer.terms import Terms
from proxy.observer.upstreams import Upstreams, clock
from proxy.routing.route import Route
from proxy.stages import Side

# Re-probes in flight: they are extra load, so one that finds no place is not made.
_AT_ONCE: Final = 4


class Reprobe:
    """Asks legacy once more for a share of the comparisons, and on mismatches, within a budget."""

    def __init__(
        self,
        *,
        terms: Terms,
        upstreams: Upstreams,
        comparer: Comparer,
        counts: Counts,
        chance: Callable[[], float],
    ) -> None:
        """`chance` gives a number in [0, 1)."""
        self._terms = terms
        self._upstreams = upstreams
        self._comparer = comparer
        self._counts = counts
        self._chance = chance
        self._budgets = Budgets()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def triple(self, pair: Pair, found: Comparison, route: Route) -> Triple | None:
        """The comparisons of a re-probe with both answers; None when there was none."""
        policy = route.shadow.aa
        sampled = self._chance() < policy.rate
        wanted = sampled or (policy.on_mismatch and found.result is Result.DIFFERENT)
        if not wanted:
            return None
        plan = reprobe_request(
            pair.asked,
            route,
            legacy=self._terms.legacy,
            span_id=span_id(),
        )
        if plan is None or not self._may_ask(route):
            self._counts.reprobes[route.id, "skipped"] += 1
            return None
        async with self._places:
            again = await self._ask(plan)
        if again is None or again.answer is None:
            self._counts.reprobes[route.id, "failed"] += 1
            return None
        self._counts.reprobes[route.id, "asked"] += 1
        legacy, new = pair.of(Side.LEGACY).answer, pair.of(Side.NEW).answer
        assert legacy is not None
        assert new is not None
        policies = self._terms.compiled(route)
        method, host = pair.asked.method, pair.asked.host
        with_itself = await self._comparer.compare(
            Job(legacy=legacy, new=again.answer, policy=policies, method=method, host=host)
        )
        with_new = await self._comparer.compare(
            Job(legacy=again.answer, new=new, policy=policies, method=method, host=host)
        )
        if Result.INCOMPARABLE in (with_itself.result, with_new.result):
            return None
        return triple_of(sampled=sampled, new=found, again=with_itself, again_new=with_new)

    def _may_ask(self, route: Route) -> bool:
        return (
            not self._terms.paused
            and not self._places.locked()
            and self._budgets.take(route.id, route.shadow.legacy_extra_rps, clock())
        )

    async def _ask(self, plan: ShadowRequest) -> Exchange | None:
        pool = self._upstreams.pool(plan.upstream)
        breaker = self._upstreams.breaker(plan.upstream)
        if pool is None or not breaker.admit(clock()):
            return None
        policy = self._terms.policy
        try:
            again = await Asking(pool, plan, max_body=policy.max_body).ask(policy.deadline)
        except BaseException:
            breaker.abandoned(clock())
            raise
        if again.error:
            breaker.failed(clock())
        else:
            breaker.succeeded()
        return again
