"""The plan of a rollback: the load that legacy would get, against what it can bear. Pure.

Rates are those of the last minute. What is added up over replicas is at most: their busiest moments
need not be the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flags.scope import ALL, group_scope, route_scope
from proxy.routing.route import Route, RouteFile, Upstream
from proxy.stages import Side, Stage
from proxy.supervision.traffic import WINDOW, RouteRate, TrafficView

# What the plan comes to.
FITS = "fits"
EXCEEDS = "exceeds"
# No capacity is declared, or no traffic was counted yet.
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRoute:
    """One route with traffic on a new upstream now."""

    route: str
    upstream: str
    rps: float
    peak_rps: float
    # Stage complete: it stays where it is.
    stays: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedUpstream:
    """One upstream before and after; copies of shadow traffic are in the numbers."""

    upstream: str
    side: str
    capacity_rps: float | None
    rps_before: float
    peak_before: float
    rps_after: float
    peak_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a rollback of a scope would do to the load of each upstream."""

    scope: str
    # fits, exceeds or unknown: legacy's busiest moment against its capacity.
    verdict: str
    # The verdict in one sentence.
    summary: str
    # What the rates are of.
    seconds: float
    # Whose traffic is added up; one that is live and tells nothing is not in it.
    replicas: tuple[str, ...]
    routes: tuple[PlannedRoute, ...]
    upstreams: tuple[PlannedUpstream, ...]
    notes: tuple[str, ...]


def plan(
    file: RouteFile,
    scope: str,
    traffic: Mapping[str, TrafficView],
    *,
    silent: Sequence[str] = (),
    failing: Sequence[str] = (),
) -> Plan:
    """Plan a rollback of a scope that the table knows.

    `traffic` is by replica; `silent` are live replicas that tell nothing; `failing` are endpoints
    of legacy that fail their health checks.
    """
    rates = _together(view.rates for view in traffic.values())
    seconds = max((view.seconds for view in traffic.values()), default=0.0)
    legacy = file.legacy
    routes = {route.id: route for route in file.routes}
    moving = {
        route.id
        for route in file.routes
        if scope in (ALL, group_scope(route.group), route_scope(route.id))
        and route.new
        and route.stage is not Stage.COMPLETE
    }
    upstreams = tuple(
        _upstream(upstream, legacy, rates, routes, moving) for upstream in file.upstreams
    )
    after = next(each for each in upstreams if each.upstream == legacy.name)
    verdict, summary = _verdict(after, seconds)
    return Plan(
        scope=scope,
        verdict=verdict,
        summary=summary,
        seconds=seconds,
        replicas=tuple(sorted(traffic)),
        routes=tuple(
            PlannedRoute(
                route=rate.route,
                upstream=rate.upstream,
                rps=rate.rps,
                peak_rps=rate.peak_rps,
                stays=routes[rate.route].stage is Stage.COMPLETE,
            )
            for rate in rates
            if rate.upstream not in ("", legacy.name)
            and rate.route in routes
            and (rate.route in moving or routes[rate.route].stage is Stage.COMPLETE)
        ),
        upstreams=upstreams,
        notes=tuple(_notes(seconds, silent, failing)),
    )


def _together(views: Iterable[tuple[RouteRate, ...]]) -> tuple[RouteRate, ...]:
    sums: dict[tuple[str, str], list[float]] = {}
    for rates in views:
        for rate in rates:
            known = sums.setdefault((rate.route, rate.upstream), [0.0, 0.0])
            known[0] += rate.rps
            known[1] += rate.peak_rps
    return tuple(
        RouteRate(route=route, upstream=upstream, rps=rps, peak_rps=peak)
        for (route, upstream), (rps, peak) in sorted(sums.items())
    )


def _upstream(
    upstream: Upstream,
    legacy: Upstream,
    rates: tuple[RouteRate, ...],
    routes: Mapping[str, Route],
    moving: set[str],
) -> PlannedUpstream:
    before, after = [0.0, 0.0], [0.0, 0.0]
    is_legacy = upstream.side is Side.LEGACY
    for rate in rates:
        route = routes.get(rate.route)
        asked = rate.upstream or _copied_to(route, legacy)
        moves = rate.route in moving and rate.upstream != legacy.name
        # A rollback stops the copies of what it moves; what legacy answered it answers still.
        goes_to = ("" if not rate.upstream else legacy.name) if moves else asked
        for numbers, where in ((before, asked), (after, goes_to)):
            if where == upstream.name:
                numbers[0] += rate.rps
                numbers[1] += rate.peak_rps
    return PlannedUpstream(
        upstream=upstream.name,
        side=str(Side.LEGACY if is_legacy else Side.NEW),
        capacity_rps=upstream.capacity_rps,
        rps_before=round(before[0], 3),
        peak_before=round(before[1], 3),
        rps_after=round(after[0], 3),
        peak_after=round(after[1], 3),
    )


def _copied_to(route: Route | None, legacy: Upstream) -> str:
    if route is None:
        return ""
    return legacy.name if route.stage is Stage.LIVE else route.new


def _verdict(legacy: PlannedUpstream, seconds: float) -> tuple[str, str]:
    more = f"{legacy.upstream} would get {legacy.rps_after:g} rps"
    more += f", {legacy.peak_after:g} in its busiest moment"
    if not seconds:
        return UNKNOWN, "nothing is known of the traffic yet: ask again in ten seconds"
    capacity = legacy.capacity_rps
    if capacity is None:
        return UNKNOWN, f"{more}; what it bears is not declared (capacity_rps)"
    share = f"{100 * legacy.peak_after / capacity:.0f} % of its capacity_rps {capacity:g}"
    if legacy.peak_after > capacity:
        return EXCEEDS, f"{more}: {share}"
    return FITS, f"{more}: {share}"


def _notes(seconds: float, silent: Sequence[str], failing: Sequence[str]) -> Iterable[str]:
    if 0 < seconds < WINDOW * 0.9:
        yield f"measured over {seconds:g} seconds only"
    if silent:
        yield f"not in the numbers, they tell of no traffic: {', '.join(sorted(silent))}"
    for endpoint in failing:
        yield f"a part of legacy fails its health check: {endpoint}"
