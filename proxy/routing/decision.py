"""Who answers a request, and why: one pure function for traffic, `explain`, tests and replay."""

from __future__ import annotations

from flags.evaluate import BASIS_POINTS, bucket_of
from flags.snapshot import FlagSnapshot
from proxy.routing.compiled import CompiledRoute, Decision
from proxy.routing.facts import RequestFacts
from proxy.routing.table import RouteTable
from proxy.stages import Reason

__all__ = ["Decision", "decide"]


def decide(table: RouteTable, flags: FlagSnapshot, facts: RequestFacts) -> Decision:
    """Decide one request: no I/O, no clock, no randomness, and nothing is allocated for the answer.

    The first hit wins, in the order of `Reason`. Everything missing ends on legacy.
    """
    route = table.find(facts)
    if not route.plain:
        decision = _by_policy(route, flags, facts)
        if decision is not None:
            return decision
    elif flags.rollback_all or flags.rollback_groups or flags.rollback_routes:
        decision = _rolled_back(route, flags)
        if decision is not None:
            return decision

    if flags.rules:
        decision = _by_rule(table, route, flags, facts)
        if decision is not None:
            return decision
    said = flags.group_basis_points if route.group else flags.route_basis_points
    if route.live:
        threshold = said.get(route.flag, BASIS_POINTS)
        if threshold >= BASIS_POINTS:
            return route.live_new
    else:
        threshold = min(route.ceiling, said.get(route.flag, 0))
    if route.sticky is None:
        if threshold <= 0:
            # Without asking for the device id, which would mint a cookie that nobody needs yet.
            return route.bucket_out
        key = facts.device_id()
    else:
        sticky = route.sticky(facts)
        if sticky is None:
            return route.by_reason[Reason.NO_STICKY_KEY]
        key = sticky
    return route.bucket_in if bucket_of(route.hash_prefix + key) < threshold else route.bucket_out


def _by_policy(route: CompiledRoute, flags: FlagSnapshot, facts: RequestFacts) -> Decision | None:
    """What stage, rollback, rewrite and cohorts say; None when it is left to the percentage."""
    lacks_value = route.rewriter is not None and route.rewriter.path(facts) is None
    if route.settled is not None:
        return route.by_reason[Reason.REWRITE_VALUE_MISSING] if lacks_value else route.settled
    rolled_back = _rolled_back(route, flags)
    if rolled_back is not None:
        return rolled_back
    if route.parked is not None:
        # A copy for a cohort that must never reach the new side would compare what never moves.
        alone = lacks_value or (
            route.never is not None and route.never.perhaps_holding(facts) is not None
        )
        return (alone and route.parked_alone) or route.parked
    if lacks_value:
        return route.by_reason[Reason.REWRITE_VALUE_MISSING]
    if route.never is not None and route.never.perhaps_holding(facts) is not None:
        return route.by_reason[Reason.COHORT_NEVER]
    if route.always is not None and route.always.holding(facts) is not None:
        return route.by_reason[Reason.COHORT_ALWAYS]
    return None


def _by_rule(
    table: RouteTable, route: CompiledRoute, flags: FlagSnapshot, facts: RequestFacts
) -> Decision | None:
    """What a flag says that no percentage can say; None when the flag is not of that kind."""
    rule = flags.rules.get(route.scope)
    if rule is None:
        return None
    if table.rules.admission(route, rule).admits(facts):
        return route.flag_on
    if route.sticky is not None and route.sticky(facts) is None:
        return route.by_reason[Reason.NO_STICKY_KEY]
    return route.flag_off


def _rolled_back(route: CompiledRoute, flags: FlagSnapshot) -> Decision | None:
    if flags.rollback_all:
        return route.rollback_all
    if route.group and route.group in flags.rollback_groups:
        return route.by_reason[Reason.ROLLBACK_GROUP]
    if route.id in flags.rollback_routes:
        return route.by_reason[Reason.ROLLBACK_ROUTE]
    return None
