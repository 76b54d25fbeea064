"""A good routes.yaml: what each key becomes, the defaults, and what loading many routes costs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from proxy.config.load import load_routes
from proxy.config.parse import parse_routes
from proxy.errors import ConfigError
from proxy.routing.route import (
    Condition,
    Fallback,
    FallbackCause,
    HealthCheck,
    Match,
    PathKind,
    PathMatch,
    Pool,
    Rewrite,
    Route,
    RouteFile,
    RouteTest,
    Stickiness,
    StickyKind,
    Timeouts,
    Upstream,
    ValueKind,
    ValueMatch,
)
from proxy.routing.table import RouteTable
from proxy.stages import Side, Stage
from tests.proxy.config.example import GOOD, changed, line_of
from tests.rigs.certificates import Authority

ROOT = Path(__file__).parents[3]
SMALL = b"""\
version: 1
upstreams: {legacy: {role: legacy, urls: ["http://a:1"]}, catalog: {urls: ["http://a:2"]}}
routes:
  - {id: page, match: {path: {exact: /page}}, new: catalog%s}
  - {id: monolith, match: {path: {prefix: /}}}
"""


@pytest.fixture(scope="module")
def file() -> RouteFile:
    return parse_routes(GOOD.encode(), "routes.yaml")


def small(extra: str) -> Route:
    text = SMALL % (f", {extra}" if extra else "").encode()
    return parse_routes(text, "routes.yaml").routes[0]


def test_upstreams_become_definitions_with_the_defaults_of_the_house(file: RouteFile) -> None:
    assert file.upstreams == (
        Upstream(
            name="legacy",
            side=Side.LEGACY,
            urls=("http://127.0.0.1:8081",),
            timeouts=Timeouts(connect=2.0, first_byte=30.0),
            capacity_rps=900.0,
        ),
        Upstream(
            name="catalog",
            side=Side.NEW,
            urls=("https://catalog.internal:8443", "http://127.0.0.1:8102"),
            pool=Pool(connections=64, waiting=10, idle_seconds=4.0),
            health=HealthCheck(path="/healthz", interval=5.0),
            tls_server_name="catalog.internal",
        ),
    )


def test_a_route_becomes_a_definition_with_its_line(file: RouteFile) -> None:
    assert file.routes[0] == Route(
        id="product-page",
        line=line_of("- id: product-page"),
        owner="team-catalog",
        match=Match(
            path=PathMatch(kind=PathKind.TEMPLATE, value="/product/{slug}"),
            hosts=("shop.example", "*.shop.example"),
            methods=("GET", "HEAD"),
            headers=(ValueMatch(name="x-beta", kind=ValueKind.PRESENT),),
            query=(ValueMatch(name="lang", kind=ValueKind.REGEX, value="[a-z]{2}"),),
            cookies=(ValueMatch(name="theme", kind=ValueKind.EXACT, value="dark"),),
        ),
        new="catalog",
        stage=Stage.CANARY,
        max_percent=25.0,
        stickiness=Stickiness(kind=StickyKind.PATH_PARAM, name="slug"),
        always=("staff",),
        never=("trade",),
        rewrite=Rewrite(path="/v2/{slug}/{query.lang}"),
        fallback=Fallback(
            when=(FallbackCause.CONNECT, FallbackCause.STATUS_502, FallbackCause.TIMEOUT),
            methods=("GET",),
            budget=0.1,
        ),
        shadow=file.routes[0].shadow,
    )
    assert file.routes[0].shadow.sample == 0.125


def test_what_is_left_out_has_the_defaults_of_the_definition() -> None:
    route = small("")
    assert route == Route(id="page", match=route.match, new="catalog", line=4)


def test_segments_hold_their_conditions(file: RouteFile) -> None:
    staff, trade = file.segments
    assert staff.any == (
        Condition(header=ValueMatch(name="x-employee", kind=ValueKind.EXACT, value="1")),
        Condition(cidr="10.0.0.0/8"),
    )
    assert trade.any == (
        Condition(cookie=ValueMatch(name="tenant", kind=ValueKind.REGEX, value="b2b-.*")),
    )


def test_a_test_becomes_a_definition(file: RouteFile) -> None:
    assert file.tests == (
        RouteTest(
            name="staff see the new page",
            line=line_of("- name: staff"),
            method="GET",
            url="http://shop.example/product/drill?lang=de",
            headers=(("x-beta", "1"),),
            rollback_routes=("cart",),
            percent=(("purchase", 10.0),),
            expect_route="monolith",
        ),
    )


def test_the_revision_is_of_the_bytes(file: RouteFile) -> None:
    assert file.revision != parse_routes(GOOD.encode() + b"\n", "x").revision
    assert file.revision == parse_routes(GOOD.encode(), "y").revision
    assert len(file.revision) == 12


@pytest.mark.parametrize(
    ("group", "route", "expected"),
    [
        pytest.param("{}", "", Stickiness(kind=StickyKind.DEVICE), id="neither"),
        pytest.param("", "", Stickiness(kind=StickyKind.DEVICE), id="group without anything"),
        pytest.param(
            "{stickiness: {header: X-User}}",
            "",
            Stickiness(kind=StickyKind.HEADER, name="x-user"),
            id="group",
        ),
        pytest.param(
            "{stickiness: {cookie: u}}",
            ", stickiness: {query: Token}",
            Stickiness(kind=StickyKind.QUERY, name="Token"),
            id="route wins",
        ),
        pytest.param(
            "{stickiness: none}", "", Stickiness(kind=StickyKind.NONE), id="group without key"
        ),
    ],
)
def test_a_route_takes_its_own_stickiness_then_its_groups_then_the_device(
    group: str, route: str, expected: Stickiness
) -> None:
    text = SMALL % f", group: shared{route}".encode() + f"groups:\n  shared: {group}\n".encode()
    assert parse_routes(text, "routes.yaml").routes[0].stickiness == expected


@pytest.mark.parametrize(
    ("extra", "name", "expected"),
    [
        pytest.param("max_percent: 12.5%", "max_percent", 12.5, id="with its sign"),
        pytest.param("max_percent: 0.01", "max_percent", 0.01, id="smallest step"),
        pytest.param("max_percent: 100", "max_percent", 100.0, id="all"),
        pytest.param("fallback: null", "fallback", None, id="no fallback"),
        pytest.param("fallback: {}", "fallback", Fallback(), id="fallback of the house"),
        pytest.param("idempotent: true", "idempotent", True, id="idempotent"),
        pytest.param("on_rollback: keep", "recall_after", None, id="streams stay"),
        pytest.param("on_rollback: close", "recall_after", 0.0, id="streams end"),
        pytest.param("on_rollback: drain 1.5m", "recall_after", 90.0, id="streams end later"),
        pytest.param(
            "finish_when_client_leaves: false", "finish_when_client_leaves", False, id="cut off"
        ),
    ],
)
def test_a_route_key_becomes_a_field(extra: str, name: str, expected: object) -> None:
    assert getattr(small(extra), name) == expected


def test_a_slash_at_the_end_of_a_prefix_means_nothing() -> None:
    file = parse_routes(changed("prefix: /cart", "prefix: /cart/"), "routes.yaml")
    assert file.routes[1].match.path.value == "/cart"


def test_empty_optional_sections_are_allowed() -> None:
    text = SMALL % b"" + b"groups:\nsegments:\ntests:\nsettings:\n"
    assert parse_routes(text, "routes.yaml").groups == ()


def test_every_good_file_compiles_to_a_table(file: RouteFile) -> None:
    assert RouteTable.compile(file).revision == file.revision


def test_the_shops_own_file_loads() -> None:
    assert load_routes(ROOT / "routes.yaml").legacy.name == "legacy"


def test_a_missing_file_is_one_problem_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file") as caught:
        load_routes(tmp_path / "none.yaml")
    assert [problem.rule for problem in caught.value.problems] == ["READ"]


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_routes(tmp_path)


def test_a_ca_file_is_found_beside_the_file_that_names_it(tmp_path: Path) -> None:
    Authority(tmp_path).bundle.rename(tmp_path / "ca.pem")
    (tmp_path / "routes.yaml").write_bytes(changed("tls: {", "tls: {ca: ca.pem, "))
    file = load_routes(tmp_path / "routes.yaml")
    assert file.upstreams[1].tls_ca == str((tmp_path / "ca.pem").resolve())


def test_a_ca_file_without_certificates_is_a_problem(tmp_path: Path) -> None:
    """It would be one to every worker later, and no worker could take on the table."""
    (tmp_path / "ca.pem").write_text("x")
    (tmp_path / "routes.yaml").write_bytes(changed("tls: {", "tls: {ca: ca.pem, "))
    with pytest.raises(ConfigError, match=r"tls\.ca: .*ca\.pem holds no certificates in PEM form"):
        load_routes(tmp_path / "routes.yaml")


def test_a_ca_file_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_bytes(changed("tls: {", "tls: {ca: ca.pem, "))
    with pytest.raises(
        ConfigError, match=r"upstreams\.catalog\.tls\.ca: there is no file .*ca\.pem"
    ):
        load_routes(tmp_path / "routes.yaml")


def test_loading_time_grows_with_the_number_of_routes_and_not_faster() -> None:
    def seconds(routes: int) -> float:
        lines = "".join(
            f"- {{id: r{n}, match: {{path: {{exact: /p/{n}}}}}, new: new, stage: live}}\n"
            for n in range(routes)
        )
        text = (
            'version: 1\nupstreams: {old: {role: legacy, urls: ["http://a:1"]}, '
            'new: {urls: ["http://a:2"]}}\nroutes:\n'
            f"{lines}- {{id: rest, match: {{path: {{prefix: /}}}}}}\n"
        ).encode()
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            assert len(parse_routes(text, "many.yaml").routes) == routes + 1
            best = min(best, time.process_time() - start)
        return best

    # Ten times the routes cost about ten times as much; quadratic work would cost a hundred times.
    assert seconds(10_000) < 25 * seconds(1_000)
