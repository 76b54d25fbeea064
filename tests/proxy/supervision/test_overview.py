"""What `figway routes` shows agrees with what requests get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flags.snapshot import FlagSnapshot
from proxy.routing.decision import decide
from proxy.routing.facts import PlainFacts
from proxy.routing.route import (
    Group,
    Match,
    PathKind,
    PathMatch,
    Route,
    RouteFile,
    Upstream,
    ValueKind,
    ValueMatch,
)
from proxy.routing.table import RouteTable
from proxy.stages import Side, Stage
from proxy.supervision.overview import describe, effective_basis_points, routes

PATH = PathMatch(kind=PathKind.PREFIX, value="/x")


def one_route(stage: Stage, *, group: str = "", ceiling: float = 100.0) -> RouteFile:
    return RouteFile(
        upstreams=(
            Upstream(name="legacy", side=Side.LEGACY, urls=("http://127.0.0.1:1",)),
            Upstream(name="catalog", side=Side.NEW, urls=("http://127.0.0.1:2",)),
        ),
        routes=(
            Route(
                id="r",
                match=Match(path=PATH),
                new="catalog",
                stage=stage,
                group=group,
                max_percent=ceiling,
            ),
            Route(id="rest", match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/"))),
        ),
        groups=(Group(name="g"),),
    )


flag_snapshots = st.builds(
    FlagSnapshot,
    rollback_all=st.booleans(),
    rollback_groups=st.sets(st.just("g")).map(frozenset),
    rollback_routes=st.sets(st.just("r")).map(frozenset),
    group_basis_points=st.dictionaries(st.just("g"), st.integers(0, 10_000)),
    route_basis_points=st.dictionaries(st.just("r"), st.integers(0, 10_000)),
)


@given(
    stage=st.sampled_from(Stage),
    group=st.sampled_from(["", "g"]),
    ceiling=st.integers(0, 10_000),
    flags=flag_snapshots,
    device=st.text("0123456789abcdef", min_size=32, max_size=32),
)
def test_nobody_is_on_new_beyond_the_share_that_is_shown_and_everybody_at_100(
    stage: Stage, group: str, ceiling: int, flags: FlagSnapshot, device: str
) -> None:
    file = one_route(stage, group=group, ceiling=ceiling / 100)
    shown, because = effective_basis_points(file.routes[0], flags)
    facts = PlainFacts.of("GET", "/x", device_id=device)
    decision = decide(RouteTable.compile(file), flags, facts)
    if shown == 0:
        assert decision.side is Side.LEGACY, because
    if shown == 10_000:
        assert decision.side is Side.NEW, because
    if because.startswith(("rollback", "stage")):
        assert decision.reason.value == because


@pytest.mark.parametrize(
    ("stage", "flag", "percent", "because"),
    [
        pytest.param(Stage.CANARY, None, 0, "no flag", id="canary_without_a_flag"),
        pytest.param(Stage.CANARY, 1234, 12.34, "flag", id="canary_with_one"),
        pytest.param(Stage.CANARY, 5000, 25, "max_percent", id="canary_above_the_ceiling"),
        pytest.param(Stage.LIVE, None, 100, "live", id="live_without_a_flag"),
        pytest.param(Stage.LIVE, 0, 0, "flag", id="live_lowered"),
        pytest.param(Stage.SHADOW, 5000, 0, "stage_shadow", id="shadow"),
        pytest.param(Stage.COMPLETE, 0, 100, "complete", id="complete"),
    ],
)
def test_the_share_comes_with_its_reason(
    stage: Stage, flag: int | None, percent: float, because: str
) -> None:
    flags = FlagSnapshot(route_basis_points={} if flag is None else {"r": flag})
    view = routes(one_route(stage, ceiling=25), flags)[0]
    assert (view.effective_percent, view.because) == (percent, because)
    assert view.flag_percent == (None if flag is None else flag / 100)


@pytest.mark.parametrize(
    ("match", "text"),
    [
        pytest.param(Match(path=PATH), "/x/*", id="prefix"),
        pytest.param(Match(path=PathMatch(kind=PathKind.PREFIX, value="/")), "/*", id="catch_all"),
        pytest.param(
            Match(path=PathMatch(kind=PathKind.REGEX, value="/a.*"), methods=("GET", "HEAD")),
            "GET,HEAD ~ /a.*",
            id="regex",
        ),
        pytest.param(
            Match(
                path=PathMatch(kind=PathKind.EXACT, value="/index.php"),
                hosts=("shop.example",),
                query=(ValueMatch(name="route", kind=ValueKind.EXACT, value="secret"),),
            ),
            "shop.example/index.php route=…",
            id="host_and_query",
        ),
    ],
)
def test_a_match_is_one_line(match: Match, text: str) -> None:
    assert describe(match) == text
