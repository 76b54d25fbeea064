"""The forecast: what a change of routes or flags does to the requests of a log, and to the load."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from proxy.replay.books import Books, Kind, LoadKey
from proxy.replay.load import IDLE, Rate
from proxy.replay.outcomes import Outcome
from proxy.replay.version import Version
from proxy.stages import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Requests that change together: from where to where, and why. Numbers are expected values."""

    route_before: str
    route_after: str
    upstream_before: str
    upstream_after: str
    side_before: Side
    side_after: Side
    reasons_before: tuple[str, ...]
    reasons_after: tuple[str, ...]
    # Both times the same upstream, asked for another target.
    other_target: bool
    requests: float
    # The first such request, without its query, and where it stands in the logs.
    example: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLoad:
    """What one upstream gets of one route; rates are None where the log has no times."""

    route: str
    upstream: str
    side: Side
    requests_before: float
    requests_after: float
    before: Rate | None
    after: Rate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamLoad:
    """What one upstream gets of all routes, against what it is declared to bear."""

    upstream: str
    side: Side
    capacity_rps: float | None
    requests_before: float
    requests_after: float
    before: Rate | None
    after: Rate | None
    # Of shadow traffic, at most: copies that the observer drops are in it.
    copies_before: Rate | None
    copies_after: Rate | None

    @property
    def peak_before(self) -> float:
        """Everything in the busiest minute, requests per second."""
        return _peak(self.before) + _peak(self.copies_before)

    @property
    def peak_after(self) -> float:
        """Everything in the busiest minute, requests per second."""
        return _peak(self.after) + _peak(self.copies_after)

    @property
    def overloaded(self) -> bool:
        """Whether it would get more than it is declared to bear."""
        return self.capacity_rps is not None and self.peak_after > self.capacity_rps

    @property
    def is_to_blame(self) -> bool:
        """Whether the change makes an overload, or a worse one; one that was there is not its."""
        return self.overloaded and self.peak_after > self.peak_before * (1 + 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Everything that a log says about a change."""

    # Replayed, and how many those stand for.
    requests: int
    stands_for: float
    # Requests whose key the log does not hold: they count as shares.
    shared: int
    # Expected; changed in any way, and of those by side.
    changed: float
    to_new: float
    to_legacy: float
    # From one new upstream to another, or to another target of the same.
    within_new: float
    seconds: float
    first: float
    last: float
    flows: tuple[Flow, ...]
    routes: tuple[RouteLoad, ...]
    upstreams: tuple[UpstreamLoad, ...]
    left_out: tuple[tuple[str, int], ...]
    missing: tuple[tuple[str, int], ...]
    untimed: int
    from_figway: bool


def forecast(books: Books, *, scale: float = 1.0) -> Forecast:
    """What the books come to; one line of the log stands for `scale` requests."""
    books.settle()
    kinds = tuple(books.kinds.values())
    flows = _flows(kinds, scale)
    routes = _routes(books, kinds, scale)
    return Forecast(
        requests=books.requests,
        stands_for=books.requests * scale,
        shared=books.shared,
        changed=sum(flow.requests for flow in flows),
        to_new=_sum(flows, Side.LEGACY, Side.NEW),
        to_legacy=_sum(flows, Side.NEW, Side.LEGACY),
        within_new=_sum(flows, Side.NEW, Side.NEW),
        seconds=books.minutes.seconds,
        first=books.minutes.first,
        last=books.minutes.last,
        flows=flows,
        routes=routes,
        upstreams=_upstreams(books, routes, scale),
        left_out=tuple(books.left_out.most_common()),
        missing=tuple(books.missing.most_common()),
        untimed=books.untimed,
        from_figway=books.from_figway,
    )


def _flows(kinds: Iterable[Kind], scale: float) -> tuple[Flow, ...]:
    together: dict[tuple[str, str, str, str, bool], list[tuple[Outcome, Kind]]] = {}
    for kind in kinds:
        for outcome in kind.outcomes:
            if outcome.is_change:
                before, after = outcome.before, outcome.after
                key = (
                    *(before.route.id, after.route.id, before.upstream.name, after.upstream.name),
                    outcome.other_target,
                )
                together.setdefault(key, []).append((outcome, kind))
    flows = []
    for (
        route_before,
        route_after,
        upstream_before,
        upstream_after,
        target,
    ), cases in together.items():
        ranked = sorted(cases, key=lambda case: -case[0].share * case[1].requests)
        first, kind = ranked[0]
        flows.append(
            Flow(
                route_before=route_before,
                route_after=route_after,
                upstream_before=upstream_before,
                upstream_after=upstream_after,
                side_before=first.before.side,
                side_after=first.after.side,
                reasons_before=tuple(dict.fromkeys(o.before.reason.value for o, _ in ranked)),
                reasons_after=tuple(dict.fromkeys(o.after.reason.value for o, _ in ranked)),
                other_target=target,
                requests=sum(o.share * k.requests for o, k in cases) * scale,
                example=kind.example,
                place=kind.place,
            )
        )
    return tuple(sorted(flows, key=lambda flow: (-flow.requests, flow.route_before)))


def _routes(books: Books, kinds: Iterable[Kind], scale: float) -> tuple[RouteLoad, ...]:
    counts: dict[tuple[str, str], list[float]] = {}
    sides: dict[tuple[str, str], Side] = {}
    for kind in kinds:
        for outcome in kind.outcomes:
            for place, decision in enumerate((outcome.before, outcome.after)):
                key = (decision.route.id, decision.upstream.name)
                sides[key] = decision.side
                counts.setdefault(key, [0.0, 0.0])[place] += outcome.share * kind.requests * scale
    order = {
        route.id: place
        for place, route in enumerate(
            (*books.after.table.file.routes, *books.before.table.file.routes)
        )
    }
    return tuple(
        RouteLoad(
            route=route,
            upstream=upstream,
            side=sides[route, upstream],
            requests_before=before,
            requests_after=after,
            before=books.minutes.rate([LoadKey(route, upstream, after=False)], scale),
            after=books.minutes.rate([LoadKey(route, upstream, after=True)], scale),
        )
        for (route, upstream), (before, after) in sorted(
            counts.items(), key=lambda item: (order[item[0][0]], item[0][1])
        )
    )


def _upstreams(
    books: Books, routes: tuple[RouteLoad, ...], scale: float
) -> tuple[UpstreamLoad, ...]:
    before = {upstream.name: upstream for upstream in books.before.table.file.upstreams}
    after = {upstream.name: upstream for upstream in books.after.table.file.upstreams}
    loads = []
    for name, upstream in (before | after).items():
        of_it = [load for load in routes if load.upstream == name]
        loads.append(
            UpstreamLoad(
                upstream=name,
                side=upstream.side,
                capacity_rps=upstream.capacity_rps,
                requests_before=sum(load.requests_before for load in of_it),
                requests_after=sum(load.requests_after for load in of_it),
                before=books.minutes.rate(
                    [LoadKey(load.route, name, after=False) for load in of_it], scale
                ),
                after=books.minutes.rate(
                    [LoadKey(load.route, name, after=True) for load in of_it], scale
                ),
                copies_before=_copies(books, books.before, name, scale, after=False),
                copies_after=_copies(books, books.after, name, scale, after=True),
            )
        )
    return tuple(loads)


def _copies(
    books: Books, version: Version, upstream: str, scale: float, *, after: bool
) -> Rate | None:
    average = peak = 0.0
    for route in version.table.file.routes:
        rate = books.minutes.rate([LoadKey(route.id, upstream, after, copies=True)], scale)
        if rate is None:
            return None
        if rate != IDLE:
            budget = route.shadow.budget_rps
            average += rate.average if budget is None else min(rate.average, budget)
            peak += rate.peak if budget is None else min(rate.peak, budget)
    return Rate(average=average, peak=peak)


def _sum(flows: Iterable[Flow], before: Side, after: Side) -> float:
    return sum(f.requests for f in flows if f.side_before is before and f.side_after is after)


def _peak(rate: Rate | None) -> float:
    return 0.0 if rate is None else rate.peak
