"""The plan of a rollback: what goes where now, and what legacy would get."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy import tally
from proxy.config.parse import parse_routes
from proxy.supervision.plan import EXCEEDS, FITS, UNKNOWN, Plan, PlannedRoute, plan
from proxy.supervision.traffic import RouteRate, Traffic, TrafficView
from proxy.tally import Series, TallySnapshot

FILE = parse_routes(
    b"""\
version: 1
upstreams:
  legacy: {role: legacy, urls: ["http://127.0.0.1:1"], capacity_rps: 100}
  catalog: {urls: ["http://127.0.0.1:2"]}
  search: {urls: ["http://127.0.0.1:3"]}
groups:
  purchase: {}
routes:
  - id: product
    match: {path: {prefix: /product}}
    new: catalog
    stage: live
    shadow: {sample: 10%}
  - {id: cart, match: {path: {prefix: /cart}}, new: catalog, stage: canary, group: purchase}
  - {id: find, match: {path: {prefix: /search}}, new: search, stage: complete}
  - {id: look, match: {path: {prefix: /look}}, new: search, stage: shadow, shadow: {sample: 100%}}
  - {id: monolith, match: {path: {prefix: /}}}
""",
    "routes.yaml",
)


def rate(route: str, upstream: str, rps: float, peak: float | None = None) -> RouteRate:
    return RouteRate(route=route, upstream=upstream, rps=rps, peak_rps=peak or rps)


NOW = TrafficView(
    seconds=60,
    rates=(
        rate("cart", "catalog", 5),
        rate("cart", "legacy", 15),
        rate("find", "search", 30),
        rate("look", "legacy", 7),
        # Copies.
        rate("look", "", 7),
        rate("monolith", "legacy", 20),
        rate("product", "catalog", 40, 45),
        rate("product", "", 4),
    ),
)


def loads(planned: Plan) -> dict[str, tuple[float, float]]:
    return {each.upstream: (each.rps_before, each.rps_after) for each in planned.upstreams}


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        pytest.param(
            "all", {"legacy": (46, 87), "catalog": (45, 0), "search": (37, 30)}, id="everything"
        ),
        pytest.param(
            "group:purchase",
            {"legacy": (46, 51), "catalog": (45, 40), "search": (37, 37)},
            id="a group",
        ),
        pytest.param(
            "route:product",
            {"legacy": (46, 82), "catalog": (45, 5), "search": (37, 37)},
            id="a route, whose copies at legacy end",
        ),
        pytest.param(
            "route:find",
            {"legacy": (46, 46), "catalog": (45, 45), "search": (37, 37)},
            id="a route that is complete stays",
        ),
        pytest.param(
            "route:look",
            {"legacy": (46, 46), "catalog": (45, 45), "search": (37, 30)},
            id="a route that is only shadowed is not copied any more",
        ),
    ],
)
def test_what_moves_is_added_to_legacy_and_copies_end(
    scope: str, expected: dict[str, tuple[float, float]]
) -> None:
    assert loads(plan(FILE, scope, {"one": NOW})) == expected


def test_routes_with_traffic_on_the_new_side_are_named() -> None:
    assert plan(FILE, "all", {"one": NOW}).routes == (
        PlannedRoute(route="cart", upstream="catalog", rps=5, peak_rps=5, stays=False),
        PlannedRoute(route="find", upstream="search", rps=30, peak_rps=30, stays=True),
        PlannedRoute(route="product", upstream="catalog", rps=40, peak_rps=45, stays=False),
    )


@pytest.mark.parametrize(
    ("capacity", "replicas", "verdict", "words"),
    [
        pytest.param(100.0, 1, FITS, "92 % of its capacity_rps 100", id="it fits"),
        pytest.param(91.0, 1, EXCEEDS, "101 % of its capacity_rps 91", id="its peak does not"),
        pytest.param(100.0, 2, EXCEEDS, "184 % of its", id="a second replica asks the same legacy"),
        pytest.param(None, 1, UNKNOWN, "not declared", id="nobody said what it bears"),
        pytest.param(100.0, 0, UNKNOWN, "nothing is known", id="nothing counted yet"),
    ],
)
def test_the_verdict_holds_the_busiest_moment_against_the_capacity(
    capacity: float | None, replicas: int, verdict: str, words: str
) -> None:
    upstreams = (replace(FILE.upstreams[0], capacity_rps=capacity), *FILE.upstreams[1:])
    traffic = {str(number): NOW for number in range(replicas)}
    planned = plan(replace(FILE, upstreams=upstreams), "all", traffic)
    assert planned.verdict == verdict
    assert words in planned.summary


def test_what_the_numbers_lack_is_said() -> None:
    short = replace(NOW, seconds=12.0)
    planned = plan(FILE, "all", {"a": short}, silent=("b",), failing=("http://127.0.0.1:1",))
    assert planned.notes == (
        "measured over 12 seconds only",
        "not in the numbers, they tell of no traffic: b",
        "a part of legacy fails its health check: http://127.0.0.1:1",
    )


def test_a_rate_of_a_route_that_is_gone_moves_nothing() -> None:
    gone = TrafficView(seconds=60, rates=(rate("gone", "catalog", 5), rate("gone", "", 1)))
    assert loads(plan(FILE, "all", {"one": gone})) == {
        "legacy": (0, 0),
        "catalog": (5, 5),
        "search": (0, 0),
    }


def counted(**totals: float) -> TallySnapshot:
    rows = [
        Series(metric=tally.REQUESTS.name, labels=(route, "legacy", "live", "200"), value=total)
        for route, total in totals.items()
    ]
    copies = Series(metric=tally.SHADOW_HANDED_OVER.name, labels=("product",), value=totals["a"])
    other = Series(metric=tally.SENT_BYTES.name, labels=(), value=1.0)
    return TallySnapshot(series=(*rows, copies, other))


def test_traffic_is_of_the_last_minute_with_its_busiest_stretch() -> None:
    clock = iter(range(0, 1000, 5))
    traffic = Traffic(clock=lambda: float(next(clock)))
    assert traffic.now() == TrafficView()
    traffic.look(counted(a=0))
    assert traffic.now() == TrafficView(seconds=5.0)
    # An hour of silence is forgotten, and so is what came before the window.
    for total in (100, *[100] * 12, 100, 150, 160):
        traffic.look(counted(a=total))
    assert traffic.now() == TrafficView(
        seconds=60.0,
        rates=(
            RouteRate(route="a", upstream="legacy", rps=1.0, peak_rps=10.0),
            RouteRate(route="product", upstream="", rps=1.0, peak_rps=10.0),
        ),
    )


def test_a_route_without_requests_in_the_window_has_no_rate() -> None:
    clock = iter((0.0, 5.0, 70.0, 75.0))
    traffic = Traffic(clock=lambda: next(clock))
    for total in (5, 10, 15):
        traffic.look(counted(a=total, b=7))
    assert [rate.route for rate in traffic.now().rates] == ["a", "product"]
