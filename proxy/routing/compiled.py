"""One route, compiled: what it asks of a request, and every decision it can come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from sys import intern
from types import MappingProxyType
from typing import Final

from flags.evaluate import BASIS_POINTS
from flags.scope import group_scope, route_scope
from proxy.routing.cohort import Cohort
from proxy.routing.criteria import Criterion
from proxy.routing.facts import RequestFacts
from proxy.routing.rewrite import Rewriter
from proxy.routing.route import Route, StickyKind, Upstream
from proxy.routing.sticky import sticky_reader
from proxy.stages import Reason, Side, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who answers a request, why, and which side would get a copy of it.

    `shadow` says what the stage allows; whether this one request is copied (safe method, sample) is
    the dispatcher's business.
    """

    route: Route
    side: Side
    upstream: Upstream
    reason: Reason
    shadow: Side | None = None


# Reasons that come with a response from the new side when the flags or Git put it there.
_TO_NEW: Final = frozenset(
    {Reason.COMPLETE, Reason.COHORT_ALWAYS, Reason.FLAG_ON, Reason.BUCKET_IN, Reason.LIVE}
)
# Reasons after which a canary's legacy response may be compared. Not after a rollback, which stops
# everything toward the new side, and not for a cohort that must never reach it.
_SHADOWED_CANARY: Final = frozenset({Reason.NO_STICKY_KEY, Reason.FLAG_OFF, Reason.BUCKET_OUT})


# Made after the pure decision, where a request for the new side cannot go there.
_AT_DISPATCH: Final = frozenset({Reason.STATE_UNPROVEN, Reason.BREAKER_OPEN, Reason.FALLBACK})


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRoute:
    """Everything `find` and `decide` read about a route, with nothing left to compute.

    The fields stand in the order in which a canary's request reads them: in a table of thousands of
    routes each further line of memory is a cache miss, and those are most of what a decision costs.
    """

    # None: every method.
    methods: frozenset[str] | None
    criteria: tuple[Criterion, ...]
    # Nothing but flags decides: `rewriter`, `settled`, `parked`, `never` and `always` are not set.
    plain: bool
    live: bool
    group: str
    # The name of the flag.
    flag: str
    ceiling: int
    # Reads the key that keeps a client on one side. None: the device id, read without a detour.
    sticky: Callable[[RequestFacts], str | None] | None
    # The first half of the hash input.
    hash_prefix: str
    # On a route whose stage asks no bucket, these are what it always comes to.
    bucket_in: Decision
    bucket_out: Decision
    live_new: Decision

    # Set only where a request may lack a value that the rewrite needs.
    rewriter: Rewriter | None
    # The decision that no flag can change (complete, ambiguous target).
    settled: Decision | None
    # The decision that no cohort can change (no new side, stages legacy and shadow).
    parked: Decision | None
    never: Cohort | None
    always: Cohort | None

    id: str
    # The scope that the flag speaks for, and what it comes to where a rule says it.
    scope: str
    flag_on: Decision
    flag_off: Decision
    rollback_all: Decision
    # Every decision this route can come to, here or at dispatch.
    by_reason: MappingProxyType[Reason, Decision]
    # `parked` for a request that is not copied: its rewrite lacks a value, or its cohort is never.
    parked_alone: Decision | None
    # Position in the table's total order of precedence under one host; lower wins.
    rank: int
    route: Route


def compile_route(
    route: Route,
    *,
    rank: int,
    legacy: Upstream,
    new: Upstream | None,
    criteria: tuple[Criterion, ...],
    always: Cohort | None,
    never: Cohort | None,
    rewriter: Rewriter | None,
    ambiguous: bool = False,
) -> CompiledRoute:
    """Make every decision of a route in advance.

    `ambiguous` makes the catch-all's twin for requests that cannot be read in one way.
    """
    fallible = rewriter if rewriter is not None and rewriter.may_fail else None
    stage = route.stage if new is not None else Stage.LEGACY
    reasons = {Reason.AMBIGUOUS_TARGET} if ambiguous else _reasons(route, stage, fallible)
    by_reason = {
        reason: _decision(route, reason, legacy, new) for reason in Reason if reason in reasons
    }
    settled = by_reason.get(Reason.AMBIGUOUS_TARGET) or by_reason.get(Reason.COMPLETE)
    parked = by_reason.get(Reason.STAGE_LEGACY) or by_reason.get(Reason.STAGE_SHADOW)
    always_so = settled or parked
    flag = route.group or route.id
    return CompiledRoute(
        plain=all(each is None for each in (fallible, settled, parked, never, always)),
        methods=_method_set(route.match.methods),
        criteria=criteria,
        rewriter=fallible,
        settled=settled,
        group=route.group,
        id=route.id,
        scope=intern(group_scope(route.group)) if route.group else route_scope(route.id),
        flag_on=always_so or by_reason[Reason.FLAG_ON],
        flag_off=always_so or by_reason[Reason.FLAG_OFF],
        parked=parked,
        never=never,
        always=always,
        live=stage is Stage.LIVE,
        flag=flag,
        ceiling=min(BASIS_POINTS, round(route.max_percent * 100)),
        sticky=sticky_reader(route),
        # One object for all routes of a group.
        hash_prefix=intern(f"{flag}:"),
        bucket_in=always_so or by_reason[Reason.BUCKET_IN],
        bucket_out=always_so or by_reason[Reason.BUCKET_OUT],
        live_new=always_so or by_reason.get(Reason.LIVE) or by_reason[Reason.BUCKET_IN],
        rollback_all=by_reason.get(Reason.ROLLBACK_ALL) or _settled(settled),
        by_reason=MappingProxyType(by_reason),
        parked_alone=None
        if parked is None
        else Decision(route=route, side=Side.LEGACY, upstream=legacy, reason=parked.reason),
        rank=rank,
        route=route,
    )


def _settled(decision: Decision | None) -> Decision:
    assert decision is not None, "only a settled route has no rollback"
    return decision


@cache
def _method_set(methods: tuple[str, ...]) -> frozenset[str] | None:
    # One set for all routes that name the same methods: in a large table every object that a lookup
    # need not fetch is a cache miss less.
    return frozenset(methods) or None


def _reasons(route: Route, stage: Stage, rewriter: Rewriter | None) -> set[Reason]:
    """Every reason this route can come to."""
    lacking = {Reason.REWRITE_VALUE_MISSING} if rewriter is not None else set()
    if stage is Stage.COMPLETE:
        return {Reason.COMPLETE, *lacking, *_AT_DISPATCH}
    reasons = {Reason.ROLLBACK_ALL, Reason.ROLLBACK_ROUTE}
    if route.group:
        reasons.add(Reason.ROLLBACK_GROUP)
    if stage is Stage.LEGACY:
        return reasons | {Reason.STAGE_LEGACY}
    if stage is Stage.SHADOW:
        return reasons | {Reason.STAGE_SHADOW}
    reasons |= {Reason.FLAG_ON, Reason.FLAG_OFF, Reason.BUCKET_IN, Reason.BUCKET_OUT}
    reasons |= lacking | _AT_DISPATCH
    if stage is Stage.LIVE:
        reasons.add(Reason.LIVE)
    if route.always:
        reasons.add(Reason.COHORT_ALWAYS)
    if route.never:
        reasons.add(Reason.COHORT_NEVER)
    if route.stickiness.kind is not StickyKind.DEVICE:
        reasons.add(Reason.NO_STICKY_KEY)
    return reasons


def _decision(route: Route, reason: Reason, legacy: Upstream, new: Upstream | None) -> Decision:
    if new is not None and reason in _TO_NEW:
        shadow = Side.LEGACY if route.stage is Stage.LIVE else None
        return Decision(route=route, side=Side.NEW, upstream=new, reason=reason, shadow=shadow)
    copied = new is not None and (
        reason is Reason.STAGE_SHADOW
        or (route.stage is Stage.CANARY and reason in _SHADOWED_CANARY)
    )
    return Decision(
        route=route,
        side=Side.LEGACY,
        upstream=legacy,
        reason=reason,
        shadow=Side.NEW if copied else None,
    )
