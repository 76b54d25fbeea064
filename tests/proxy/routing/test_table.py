"""Compiling a table: what is refused, and what a table can be asked."""

from __future__ import annotations

import timeit
from dataclasses import replace

import pytest

from flags.snapshot import FlagSnapshot
from proxy.errors import ConfigError
from proxy.routing.decision import decide
from proxy.routing.route import Condition, Rewrite, Route, Segment, StickyKind
from proxy.routing.table import RouteTable
from proxy.stages import Stage
from tests.proxy.routing.samples import (
    CATALOG,
    LEGACY,
    MONOLITH,
    get,
    regex,
    route,
    route_file,
    sticky,
    table,
)


def problems(*routes: Route) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        RouteTable.compile(route_file(*routes))
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        pytest.param(
            route("r", "^/x", stage=Stage.CANARY, new=""),
            "r.stage: canary needs a `new`",
            id="stage without new",
        ),
        pytest.param(
            route("r", "^/x", new="nobody"),
            "r.new: there is no upstream 'nobody'",
            id="unknown upstream",
        ),
        pytest.param(
            route("r", "^/x", new="monolith"),
            "r.new: 'monolith' is the legacy side",
            id="legacy as new",
        ),
        pytest.param(
            route("r", "^/x", always=("vip",)),
            "r.cohorts.always: there is no segment 'vip'",
            id="unknown segment",
        ),
        pytest.param(
            route("r", "~ ("), "r.match.path.regex: RE2 does not accept", id="bad path regex"
        ),
        pytest.param(
            route("r", "~ (a)\\1"), "r.match.path.regex: RE2 does not accept", id="back-reference"
        ),
        pytest.param(
            route("r", "^/x", headers=(regex("a", "["),)),
            "r.match: RE2 does not accept",
            id="bad value regex",
        ),
        pytest.param(
            route("r", "^/x//y"), "no request can match '/x//y': it holds //", id="empty segment"
        ),
        pytest.param(route("r", "= x"), "no request can match 'x'", id="no slash"),
        pytest.param(route("r", "/a/../{x}"), "no request can match", id="dot segment"),
        pytest.param(route("r", "/a/{x}/{x}"), "names a segment twice", id="parameter twice"),
        pytest.param(
            route("r", "/a/p-{x}"), "a parameter is a whole segment", id="part of a segment"
        ),
        pytest.param(
            route("r", "/a/{x}", stickiness=sticky(StickyKind.PATH_PARAM, "y")),
            "{y} is not in the template",
            id="unknown path parameter",
        ),
        pytest.param(
            route("r", "^/a", stickiness=sticky(StickyKind.PATH_PARAM, "y")),
            "{y} is not in the template",
            id="path parameter without template",
        ),
        pytest.param(
            route("r", "^/a", rewrite=Rewrite(path="/{y}")),
            "r.rewrite: {y} is no path parameter",
            id="rewrite",
        ),
        pytest.param(
            route("monolith", "^/x"),
            "monolith.id: is the id of an earlier route too",
            id="id twice",
        ),
    ],
)
def test_what_cannot_work_is_refused(bad: Route, message: str) -> None:
    assert any(message in problem for problem in problems(MONOLITH, bad))


def test_all_problems_are_reported_together() -> None:
    found = problems(route("a", "^/x", new="nobody", always=("vip",)), route("b", "~ ["), MONOLITH)
    assert [problem.partition(": ")[2].partition(":")[0] for problem in found] == [
        "a.cohorts.always",
        "a.new",
        "b.match.path.regex",
    ]


@pytest.mark.parametrize(
    "not_everything",
    [
        pytest.param(route("m", "^/x"), id="another path"),
        pytest.param(route("m", "^/", hosts=("a.example",)), id="only one host"),
        pytest.param(route("m", "^/", methods=("GET",)), id="only one method"),
        pytest.param(route("m", "~ .*"), id="a regular expression"),
    ],
)
def test_a_table_without_a_catch_all_is_refused(not_everything: Route) -> None:
    assert any("a catch-all is missing" in problem for problem in problems(not_everything))


def test_a_catch_all_with_a_new_side_is_refused() -> None:
    bad = route("m", "^/", stage=Stage.CANARY)
    assert any("m.new: the catch-all is always legacy" in problem for problem in problems(bad))


def test_there_is_exactly_one_legacy_upstream() -> None:
    for upstreams in ((CATALOG,), (LEGACY, replace(LEGACY, name="other"), CATALOG)):
        with pytest.raises(ConfigError, match="exactly one must be legacy"):
            RouteTable.compile(replace(route_file(MONOLITH), upstreams=upstreams))


def test_a_bad_block_of_a_segment_is_refused() -> None:
    bad = replace(
        route_file(route("r", "^/x", never=("lan",)), MONOLITH),
        segments=(Segment(name="lan", any=(Condition(cidr="10.0.0.1/8"),)),),
    )
    with pytest.raises(ConfigError, match=r"r\.cohorts\.never: 10\.0\.0\.1/8 has host bits"):
        RouteTable.compile(bad)


def test_a_table_knows_its_file_and_routes() -> None:
    file = replace(route_file(route("r", "^/x"), MONOLITH), revision="0123456789ab")
    routes = RouteTable.compile(file)
    assert routes.file is file
    assert routes.revision == "0123456789ab"
    assert routes.route("r") is file.routes[0]
    assert routes.route("nobody") is None
    assert routes.catch_all.id == "monolith"


def test_the_order_lists_every_route_under_every_host() -> None:
    routes = table(route("two", "^/x", hosts=("b.example", "*.example")), route("any", "= /x"))
    assert [(pattern, compiled.id) for pattern, compiled in routes.order] == [
        ("b.example", "two"),
        ("*.example", "two"),
        ("", "any"),
        ("", "monolith"),
    ]


def test_finding_a_route_does_not_ask_the_other_ten_thousand() -> None:
    # No absolute time: asking every route would make the large table some hundred times slower.
    def seconds(count: int) -> float:
        routes = table(
            *(
                route(f"r{n}", pattern.format(n), stage=Stage.CANARY)
                for n in range(count // 4)
                for n, pattern in (
                    (4 * n, "= /a{0}/b"),
                    (4 * n + 1, "/a{0}/{{slug}}"),
                    (4 * n + 2, "^/a{0}/c"),
                    (4 * n + 3, "^/a{0}"),
                )
            )
        )
        flags = FlagSnapshot(route_basis_points={f"r{n}": 5000 for n in range(count)})
        asked = [get(f"/a{n % count}/{tail}") for n in range(400) for tail in ("b", "x", "c/d")]
        return min(
            timeit.repeat(
                lambda: [decide(routes, flags, facts) for facts in asked], number=1, repeat=5
            )
        )

    assert seconds(10_000) < 8 * seconds(20)
