"""Which route a request belongs to: every rule of precedence, and a plain search beside it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.routing.criteria import Fit, compile_criteria
from proxy.routing.facts import PlainFacts
from proxy.routing.match import fits_host, fits_path
from proxy.routing.route import Match, PathKind, PathMatch, Route, ValueKind, ValueMatch
from proxy.routing.table import RouteTable
from proxy.routing.target import matching_view
from proxy.stages import Stage
from tests.proxy.routing.samples import MONOLITH, exact, get, present, regex, route, table


def found(routes: RouteTable, facts: PlainFacts) -> str:
    """The id of the route, with `!` for a request that can be read in two ways."""
    compiled = routes.find(facts)
    return "!" if compiled is routes.ambiguous else compiled.id


@pytest.mark.parametrize(
    ("where", "url", "matches"),
    [
        pytest.param("= /cart", "/cart", True, id="exact"),
        pytest.param("= /cart", "/cart/", False, id="exact is strict about the slash"),
        pytest.param("= /cart/", "/cart/", True, id="exact with a slash"),
        pytest.param("= /cart", "/Cart", False, id="case matters"),
        pytest.param("= /~user", "/%7euser", True, id="escapes of unreserved are the same"),
        pytest.param("= /straße", "/stra%C3%9fe", True, id="written in UTF-8"),
        pytest.param("= /a,b", "/a%2Cb", False, id="an encoded delimiter is another path"),
        pytest.param("= /index.php", "/index.php?route=x", True, id="the query is not the path"),
        pytest.param("/product/{slug}", "/product/red-drill", True, id="template"),
        pytest.param("/product/{slug}", "/product", False, id="template needs the segment"),
        pytest.param("/product/{slug}", "/product/", False, id="a segment is not empty"),
        pytest.param("/product/{slug}", "/product/a/", False, id="template is strict"),
        pytest.param("/product/{slug}", "/product/a/b", False, id="one segment only"),
        pytest.param("/{a}/x/{b}", "/1/x/2", True, id="two parameters"),
        pytest.param("/product/{slug}/", "/product/a/", True, id="template with a slash"),
        pytest.param("/straße/{nr}", "/stra%c3%9Fe/1", True, id="literal segments in UTF-8"),
        pytest.param("^/cart", "/cart", True, id="prefix itself"),
        pytest.param("^/cart", "/cart/", True, id="prefix and slash"),
        pytest.param("^/cart", "/cart/x/y", True, id="under the prefix"),
        pytest.param("^/cart", "/carts", False, id="prefix is by segment"),
        pytest.param("^/cart", "/cart.php", False, id="prefix is by segment, not by character"),
        pytest.param("^/cart/", "/cart", True, id="a slash at the end of a prefix means nothing"),
        pytest.param("^/", "/anything/at/all", True, id="root prefix"),
        pytest.param("~ /p[0-9]+", "/p12", True, id="regex"),
        pytest.param("~ /p[0-9]+", "/p12/x", False, id="regex matches the whole path"),
        pytest.param("~ .*/p", "/x/p", True, id="regex over segments"),
    ],
)
def test_a_path_matches_as_written(where: str, url: str, matches: bool) -> None:
    routes = table(route("r", where))
    assert (found(routes, get(url)) == "r") is matches
    view = matching_view(get(url).path)
    assert view is not None
    assert fits_path(route("r", where), view) is matches


@pytest.mark.parametrize(
    ("stronger", "weaker", "url"),
    [
        pytest.param(
            {"where": "^/a", "hosts": ("shop.example",)},
            {"where": "= /a"},
            "http://shop.example/a",
            id="a host goes before any path",
        ),
        pytest.param(
            {"where": "^/a", "hosts": ("shop.example",)},
            {"where": "= /a", "hosts": ("*.example",)},
            "http://shop.example/a",
            id="exact host before wildcard",
        ),
        pytest.param(
            {"where": "^/a", "hosts": ("*.shop.example",)},
            {"where": "= /a", "hosts": ("*.example",)},
            "http://x.shop.example/a",
            id="longer wildcard first",
        ),
        pytest.param(
            {"where": "^/a", "hosts": ("*.example",)},
            {"where": "= /a"},
            "http://x.y.example/a",
            id="wildcard before any host, over several labels",
        ),
        pytest.param({"where": "= /a/b"}, {"where": "/a/{x}"}, "/a/b", id="exact before template"),
        pytest.param(
            {"where": "/a/{x}/c"}, {"where": "/a/{x}/{y}"}, "/a/b/c", id="more literals first"
        ),
        pytest.param(
            {"where": "/{x}/b/c"}, {"where": "/a/{x}/{y}"}, "/a/b/c", id="wherever they stand"
        ),
        pytest.param({"where": "/a/{x}"}, {"where": "^/a/b"}, "/a/b", id="template before prefix"),
        pytest.param({"where": "^/a/b"}, {"where": "^/a"}, "/a/b/c", id="longer prefix first"),
        pytest.param({"where": "^/a"}, {"where": "~ /a.*"}, "/a/b", id="prefix before regex"),
        pytest.param(
            {"where": "~ /a.*"}, {"where": "^/", "methods": ("GET",)}, "/a", id="regex before /"
        ),
        pytest.param(
            {"where": "~ /a.*"},
            {"where": "~ /ab", "methods": ("GET",)},
            "/ab",
            id="regexes in file order",
        ),
        pytest.param(
            {"where": "^/a", "methods": ("GET",)}, {"where": "^/a"}, "/a", id="method first"
        ),
        pytest.param(
            {"where": "^/a", "methods": ("GET",)},
            {"where": "^/a", "headers": (present("x-a"), present("x-b"))},
            "/a",
            id="a method before headers",
        ),
        pytest.param(
            {"where": "^/a", "headers": (present("x-a"), present("x-b"))},
            {"where": "^/a", "headers": (present("x-a"),), "query": (present("p"),)},
            "/a?p=1",
            id="more headers before query",
        ),
        pytest.param(
            {"where": "^/a", "query": (present("p"), present("q"))},
            {"where": "^/a", "query": (present("p"),), "cookies": (present("c"),)},
            "/a?p=1&q=2",
            id="more query before cookies",
        ),
        pytest.param(
            {"where": "^/a", "cookies": (present("c"), present("d"))},
            {"where": "^/a", "cookies": (present("c"),)},
            "/a",
            id="more cookies first",
        ),
        pytest.param({"where": "^/a"}, {"where": "^/a"}, "/a", id="then the first in the file"),
    ],
)
def test_precedence(stronger: dict[str, object], weaker: dict[str, object], url: str) -> None:
    facts = get(url, headers={"X-A": "1", "X-B": "1", "Cookie": "c=1; d=1"})
    one, other = route("stronger", **stronger), route("weaker", **weaker)  # type: ignore[arg-type]  # fields by name
    assert found(table(one, other), facts) == "stronger"
    if "file" not in url and one.match.path.kind is not PathKind.REGEX and one.match != other.match:
        assert found(table(other, one), facts) == "stronger"


def test_a_more_specific_path_whose_other_criteria_fail_gives_way() -> None:
    routes = table(
        route("exact", "= /a/b/c", methods=("POST",)),
        route("template", "/a/{x}/c", headers=(exact("x-a", "1"),)),
        route("other-template", "/{x}/b/c", query=(exact("q", "1"),)),
        route("prefix", "^/a/b", cookies=(present("c"),)),
        route("short-prefix", "^/a", methods=("PUT",)),
        route("regex", "~ /a/.*", headers=(present("x-r"),)),
    )
    assert found(routes, get("/a/b/c", method="POST")) == "exact"
    assert found(routes, get("/a/b/c", headers={"X-A": "1"})) == "template"
    assert found(routes, get("/a/b/c?q=1")) == "other-template"
    assert found(routes, get("/a/b/c", headers={"Cookie": "c=1"})) == "prefix"
    assert found(routes, get("/a/b/c", method="PUT")) == "short-prefix"
    assert found(routes, get("/a/b/c", headers={"X-R": ""})) == "regex"
    assert found(routes, get("/a/b/c")) == "monolith"


@pytest.mark.parametrize(
    ("templates", "url", "wanted"),
    [
        pytest.param(["/{a}"], "/x", "r0", id="one parameter alone"),
        pytest.param(["/{a}/{b}"], "/x/y", "r0", id="two parameters"),
        pytest.param(["/{a}/{b}", "/{a}"], "/x", "r1", id="a shorter one beside a longer one"),
        pytest.param(["/{a}/{b}", "/{a}"], "/x/y", "r0", id="and the longer one"),
        pytest.param(["/{a}/x", "/{a}/{b}"], "/1/x", "r0", id="literal below a parameter"),
        pytest.param(["/{a}/x", "/{a}/{b}"], "/1/y", "r1", id="parameter beside it"),
        pytest.param(["/a/{b}", "/{a}/b"], "/a/b", "r0", id="both ways, file order decides"),
        pytest.param(["/a/{b}", "/{a}/b"], "/c/b", "r1", id="only the other way"),
        pytest.param(["/a/b/{c}", "/a/{b}"], "/a/b", "r1", id="a literal way that ends nowhere"),
        pytest.param(["/a/{b}"], "/a/b/c", "monolith", id="longer than the template"),
    ],
)
def test_templates_beside_each_other(templates: list[str], url: str, wanted: str) -> None:
    routes = table(*(route(f"r{n}", where) for n, where in enumerate(templates)))
    assert found(routes, get(url)) == wanted


def test_a_host_whose_routes_all_fail_gives_way_to_the_next_host() -> None:
    routes = table(
        route("exact-host", "= /x", hosts=("a.shop.example",)),
        route("long", "= /y", hosts=("*.shop.example",)),
        route("short", "= /z", hosts=("*.example",)),
        route("any", "= /w"),
    )
    for url, wanted in (("/x", "exact-host"), ("/y", "long"), ("/z", "short"), ("/w", "any")):
        assert found(routes, get(f"http://a.shop.example{url}")) == wanted
    assert found(routes, get("http://b.shop.example/x")) == "monolith"


@pytest.mark.parametrize(
    ("pattern", "host", "fits"),
    [
        pytest.param("shop.example", "shop.example", True, id="exact"),
        pytest.param("shop.example", "x.shop.example", False, id="exact is no suffix"),
        pytest.param("*.shop.example", "x.shop.example", True, id="one label"),
        pytest.param("*.shop.example", "y.x.shop.example", True, id="two labels"),
        pytest.param("*.shop.example", "shop.example", False, id="at least one label"),
        pytest.param("*.shop.example", "xshop.example", False, id="whole labels"),
        pytest.param("*.shop.example", ".shop.example", False, id="no empty label"),
        pytest.param("", "", True, id="any, even none"),
    ],
)
def test_host_patterns(pattern: str, host: str, fits: bool) -> None:
    assert fits_host(pattern, host) is fits
    routes = table(route("r", "^/x", hosts=(pattern,) if pattern else ()))
    facts = PlainFacts(method="GET", host=host, path="/x")
    assert (found(routes, facts) == "r") is fits


@pytest.mark.parametrize(
    ("criteria", "url", "headers", "wanted"),
    [
        pytest.param({"query": (exact("a", "1"),)}, "/x?a=1", {}, "r", id="query value"),
        pytest.param({"query": (exact("a", "1"),)}, "/x?a=2", {}, "monolith", id="other value"),
        pytest.param({"query": (present("a"),)}, "/x?a", {}, "r", id="query present"),
        pytest.param({"query": (present("a"),)}, "/x?a=1&a=2", {}, "r", id="present either way"),
        pytest.param({"query": (regex("a", "[0-9]+"),)}, "/x?a=12", {}, "r", id="query regex"),
        pytest.param(
            {"query": (regex("a", "[0-9]+"),)}, "/x?a=1x", {}, "monolith", id="whole value"
        ),
        pytest.param({"query": (exact("a", "1"),)}, "/x?a=1&a=2", {}, "!", id="query twice"),
        pytest.param({"query": (exact("a", "3"),)}, "/x?a=1&a=2", {}, "monolith", id="neither"),
        pytest.param({"query": (exact("a", "1"),)}, "/x?a[]=1", {}, "!", id="PHP array"),
        pytest.param(
            {"query": (exact("a", "1"), exact("b", "9"))},
            "/x?a=1&a=2",
            {},
            "monolith",
            id="another criterion fails anyway",
        ),
        pytest.param({"headers": (exact("x-a", "1"),)}, "/x", {"X-A": "1"}, "r", id="header"),
        pytest.param(
            {"headers": (exact("x-a", "é"),)}, "/x", {"X-A": "é"}, "r", id="header latin-1"
        ),
        pytest.param(
            {"headers": (regex("x-a", "(?i)YES"),)}, "/x", {"X-A": "yes"}, "r", id="header regex"
        ),
        pytest.param(
            {"cookies": (exact("c", "1"),)}, "/x", {"Cookie": "c=1; d=2"}, "r", id="cookie"
        ),
        pytest.param(
            {"cookies": (exact("c", "1"),)}, "/x", {"Cookie": "c=1; c=2"}, "!", id="cookie twice"
        ),
        pytest.param(
            {"cookies": (present("c"),)},
            "/x",
            {"Cookie": "c=1; c=2"},
            "r",
            id="cookie there either way",
        ),
        pytest.param({"cookies": (exact("c", "1"),)}, "/x", {}, "monolith", id="no cookie"),
    ],
)
def test_values(
    criteria: dict[str, object], url: str, headers: dict[str, str], wanted: str
) -> None:
    routes = table(route("r", "^/x", **criteria))
    assert found(routes, get(url, headers=headers)) == wanted


def test_a_value_that_decides_and_is_not_clear_never_falls_through_to_another_new_side() -> None:
    routes = table(
        route("checkout", "= /index.php", query=(exact("route", "checkout"),)),
        route("shop", "^/index.php", stage=Stage.COMPLETE),
    )
    assert found(routes, get("/index.php?route=product")) == "shop"
    assert found(routes, get("/index.php?route=checkout&route=product")) == "!"


def test_a_legacy_shop_with_hundreds_of_query_routes_is_indexed_by_the_value() -> None:
    routes = table(
        *(route(f"q{n}", "= /index.php", query=(exact("route", f"page/{n}"),)) for n in range(300)),
        route("with-tab", "= /index.php", query=(exact("route", "page/7"), exact("tab", "2"))),
        route("posted", "= /index.php", methods=("POST",), query=(present("token"),)),
        route("rest", "= /index.php"),
    )
    assert found(routes, get("/index.php?route=page%2F299")) == "q299"
    assert found(routes, get("/index.php?route=page/7&tab=2")) == "with-tab"
    assert found(routes, get("/index.php?route=page/7&tab=3")) == "q7"
    assert found(routes, get("/index.php?route=page/7&token=1", method="POST")) == "posted"
    assert found(routes, get("/index.php?route=page/none")) == "rest"
    assert found(routes, get("/index.php")) == "rest"
    assert found(routes, get("/index.php?route=page/1&route=page/2")) == "!"


def test_many_regular_expressions_keep_file_order() -> None:
    routes = table(*(route(f"r{n}", f"~ /p/[{n}-9]x?") for n in range(9)))
    assert found(routes, get("/p/8x")) == "r0"
    assert found(routes, get("/p/x")) == "monolith"
    only_post = table(
        *(route(f"r{n}", "~ /p/.*", methods=("POST",)) for n in range(9)), route("get", "~ /p/.*")
    )
    assert found(only_post, get("/p/1")) == "get"


# A search that knows nothing of tries: sort all routes by the rules, ask them one after another.

_SEGMENTS = st.sampled_from(["a", "b", "c"])
_TEMPLATE = st.lists(
    st.one_of(_SEGMENTS, st.sampled_from(["{x}", "{y}", "{z}"])), min_size=1, max_size=3
)
_HOSTS = st.lists(
    st.sampled_from(["a.example", "b.a.example", "*.example", "*.a.example"]),
    max_size=2,
    unique=True,
).map(tuple)
_VALUES = st.builds(
    ValueMatch,
    name=st.sampled_from(["p", "q"]),
    kind=st.sampled_from(list(ValueKind)),
    value=st.sampled_from(["1", "2"]),
)


@st.composite
def _paths(draw: st.DrawFn) -> PathMatch:
    kind = draw(st.sampled_from(list(PathKind)))
    match kind:
        case PathKind.REGEX:
            return PathMatch(kind=kind, value=draw(st.sampled_from(["/a.*", "/[ab]/.*", ".*c"])))
        case PathKind.TEMPLATE:
            segments = draw(_TEMPLATE)
            unique = [f"{{v{n}}}" if each[0] == "{" else each for n, each in enumerate(segments)]
            return PathMatch(kind=kind, value="/" + "/".join(unique))
        case _:
            return PathMatch(kind=kind, value="/" + "/".join(draw(st.lists(_SEGMENTS, max_size=3))))


_ROUTES = st.lists(
    st.builds(
        Match,
        path=_paths(),
        hosts=_HOSTS,
        methods=st.sampled_from([(), (), ("GET",), ("GET", "POST")]),
        headers=st.lists(_VALUES, max_size=2).map(tuple),
        query=st.lists(_VALUES, max_size=2).map(tuple),
        cookies=st.lists(_VALUES, max_size=1).map(tuple),
    ),
    max_size=25,
).map(lambda matches: [Route(id=f"r{n}", match=match) for n, match in enumerate(matches)])

_PAIRS = st.lists(st.tuples(st.sampled_from(["p", "q"]), st.sampled_from(["1", "2"])), max_size=3)
_REQUESTS = st.builds(
    lambda method, host, segments, slash, pairs, cookies, headers: PlainFacts(
        method=method,
        host=host,
        path="/" + "/".join(segments) + ("/" if slash and segments else ""),
        query="&".join(f"{name}={value}" for name, value in pairs),
        has_query=bool(pairs),
        headers=(
            ("cookie", "; ".join(f"{name}={value}" for name, value in cookies)),
            *dict(headers).items(),
        ),
    ),
    st.sampled_from(["GET", "POST", "PUT"]),
    st.sampled_from(["a.example", "b.a.example", "c.b.a.example", "example", "other.test", ""]),
    st.lists(_SEGMENTS, max_size=4),
    st.booleans(),
    _PAIRS,
    _PAIRS,
    _PAIRS,
)


def _strength(item: tuple[int, str, Route]) -> tuple[object, ...]:
    position, host, each = item
    match = each.match
    kind, value = match.path.kind, match.path.value
    host_class = 2 if not host else 1 if host.startswith("*") else 0
    segments = [segment for segment in value.split("/") if segment]
    if kind is PathKind.EXACT:
        path: tuple[int, int] = (0, 0)
    elif kind is PathKind.TEMPLATE:
        path = (1, -sum(not segment.startswith("{") for segment in segments))
    elif kind is PathKind.PREFIX:
        path = (2, -len(segments)) if segments else (4, 0)
    else:
        path = (3, position)
    return (
        host_class,
        -len(host),
        path,
        not match.methods,
        -len(match.headers),
        -len(match.query),
        -len(match.cookies),
        position,
    )


def _plainly(routes: list[Route], facts: PlainFacts) -> str:
    pairs = [
        (position, host, each)
        for position, each in enumerate(routes)
        for host in (each.match.hosts or ("",))
    ]
    for _, host, each in sorted(pairs, key=_strength):
        fits = (
            fits_host(host, facts.host)
            and fits_path(each, facts.path)
            and (not each.match.methods or facts.method in each.match.methods)
        )
        if not fits:
            continue
        answers = {criterion.fit(facts) for criterion in compile_criteria(each.match)}
        if Fit.NO in answers:
            continue
        return "!" if Fit.UNCLEAR in answers else each.id
    raise AssertionError("the catch-all takes everything")


@settings(max_examples=250, deadline=None)
@given(_ROUTES, st.lists(_REQUESTS, min_size=1, max_size=12))
def test_the_index_finds_what_a_plain_search_in_order_finds(
    routes: list[Route], requests: list[PlainFacts]
) -> None:
    routes = [*routes, MONOLITH]
    indexed = table(*routes[:-1])
    for facts in requests:
        assert found(indexed, facts) == _plainly(routes, facts)
