"""One route, compiled: what it asks of a request, and every decision it can come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

from flags.evaluate import BASIS_POINTS
from proxy.routing.cohort import Cohort
from proxy.routing.criteria import Criterion
from proxy.routing.facts import RequestFacts
from proxy.routing.rewrite import Rewriter
from proxy.routing.route import Route, Upstream
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
_TO_NEW: Final = frozenset({Reason.COMPLETE, Reason.COHORT_ALWAYS, Reason.BUCKET_IN, Reason.LIVE})
# Reasons after which a canary's legacy response may be compared. Not after a rollback, which stops
# everything toward the new side, and not for a cohort that must never reach it.
_SHADOWED_CANARY: Final = frozenset({Reason.NO_STICKY_KEY, Reason.BUCKET_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRoute:
    """Everything `find` and `decide` read about a route, with nothing left to compute."""

    route: Route
    id: str
    # Position in the table's total order of precedence for one host level; lower wins.
    rank: int
    # None: every method.
    methods: frozenset[str] | None
    criteria: tuple[Criterion, ...]

    group: str
    # The name of its flag and the first half of its hash input.
    flag: str
    hash_prefix: str
    ceiling: int
    live: bool
    always: Cohort | None
    never: Cohort | None
    # Reads the key that keeps a client on one side. None: the device id, read without a detour.
    sticky: Callable[[RequestFacts], str | None] | None
    # Set only where a request may lack a value that the rewrite needs.
    rewriter: Rewriter | None

    # A decision that no flag can change (complete, ambiguous target).
    settled: Decision | None
    # A decision that no cohort can change (no new side, stages legacy and shadow).
    parked: Decision | None
    # `parked` for a request that cannot be copied because the rewrite lacks a value.
    parked_alone: Decision | None
    rollback_all: Decision
    rollback_group: Decision
    rollback_route: Decision
    rewrite_value_missing: Decision
    cohort_never: Decision
    cohort_always: Decision
    no_sticky_key: Decision
    bucket_in: Decision
    bucket_out: Decision
    live_new: Decision
    # Every decision above, and those made at dispatch, by reason.
    by_reason: MappingProxyType[Reason, Decision]


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
    by_reason = {reason: _decision(route, reason, legacy, new) for reason in Reason}
    settled = parked = None
    if ambiguous:
        settled = by_reason[Reason.AMBIGUOUS_TARGET]
    elif new is not None and route.stage is Stage.COMPLETE:
        settled = by_reason[Reason.COMPLETE]
    elif new is None or route.stage is Stage.LEGACY:
        parked = by_reason[Reason.STAGE_LEGACY]
    elif route.stage is Stage.SHADOW:
        parked = by_reason[Reason.STAGE_SHADOW]
    flag = route.group or route.id
    return CompiledRoute(
        route=route,
        id=route.id,
        rank=rank,
        methods=_method_set(route.match.methods),
        criteria=criteria,
        group=route.group,
        flag=flag,
        hash_prefix=f"{flag}:",
        ceiling=min(BASIS_POINTS, round(route.max_percent * 100)),
        live=route.stage is Stage.LIVE,
        always=always,
        never=never,
        sticky=sticky_reader(route),
        rewriter=rewriter if rewriter is not None and rewriter.may_fail else None,
        settled=settled,
        parked=parked,
        parked_alone=None
        if parked is None
        else Decision(route=route, side=Side.LEGACY, upstream=legacy, reason=parked.reason),
        rollback_all=by_reason[Reason.ROLLBACK_ALL],
        rollback_group=by_reason[Reason.ROLLBACK_GROUP],
        rollback_route=by_reason[Reason.ROLLBACK_ROUTE],
        rewrite_value_missing=by_reason[Reason.REWRITE_VALUE_MISSING],
        cohort_never=by_reason[Reason.COHORT_NEVER],
        cohort_always=by_reason[Reason.COHORT_ALWAYS],
        no_sticky_key=by_reason[Reason.NO_STICKY_KEY],
        bucket_in=by_reason[Reason.BUCKET_IN],
        bucket_out=by_reason[Reason.BUCKET_OUT],
        live_new=by_reason[Reason.LIVE],
        by_reason=MappingProxyType(by_reason),
    )


@cache
def _method_set(methods: tuple[str, ...]) -> frozenset[str] | None:
    # One set for all routes that name the same methods: in a large table every object that a lookup
    # need not fetch is a cache miss less.
    return frozenset(methods) or None


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
