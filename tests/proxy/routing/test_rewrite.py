"""The target that the new side gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.routing.rewrite import RewriteError, compile_rewrite, upstream_target
from proxy.routing.route import Rewrite
from proxy.routing.target import matching_view
from proxy.stages import Stage
from tests.proxy.routing.samples import get, route


def target(where: str, rewrite: Rewrite | None, url: str) -> str:
    return upstream_target(route("r", where, stage=Stage.LIVE, rewrite=rewrite), get(url))


@pytest.mark.parametrize(
    ("where", "rewrite", "url", "expected"),
    [
        pytest.param("^/a", None, "/a%7e/b?x=%41", "/a%7e/b?x=%41", id="none: byte for byte"),
        pytest.param("^/a", None, "/a?", "/a?", id="none: a bare question mark"),
        pytest.param(
            "= /search",
            Rewrite(path="/v1/search"),
            "/search?q=a%20b",
            "/v1/search?q=a%20b",
            id="path",
        ),
        pytest.param(
            "= /search",
            Rewrite(path="/v1/search"),
            "/search?",
            "/v1/search?",
            id="bare question mark kept",
        ),
        pytest.param(
            "= /s", Rewrite(path="/v1", keep_query=False), "/s?q=a", "/v1", id="query dropped"
        ),
        pytest.param(
            "/p/{slug}",
            Rewrite(path="/products/{slug}"),
            "/p/red%2Ddrill",
            "/products/red%2Ddrill",
            id="parameter, the client's bytes",
        ),
        pytest.param(
            "/{a}/x/{b}", Rewrite(path="/{b}/{a}.html"), "/1/x/2", "/2/1.html", id="two parameters"
        ),
        pytest.param(
            "= /index.php",
            Rewrite(path="/products/{query.product_id}"),
            "/index.php?route=p&product_id=40",
            "/products/40?route=p&product_id=40",
            id="query value",
        ),
        pytest.param(
            "= /i",
            Rewrite(path="/p/{query.n}", keep_query=False),
            "/i?n=a%20b%2Bc",
            "/p/a%20b%2Bc",
            id="query value encoded again",
        ),
        pytest.param(
            "= /i",
            Rewrite(path="/p/{query.n}", keep_query=False),
            "/i?n=stra%c3%9fe",
            "/p/stra%C3%9Fe",
            id="query value in UTF-8",
        ),
        pytest.param(
            "^/cart",
            Rewrite(prefix="/v2/basket"),
            "/cart/items/3?x=1",
            "/v2/basket/items/3?x=1",
            id="prefix",
        ),
        pytest.param("^/cart", Rewrite(prefix="/basket"), "/cart", "/basket", id="prefix itself"),
        pytest.param(
            "^/cart", Rewrite(prefix="/basket"), "/cart/", "/basket/", id="prefix and slash"
        ),
        pytest.param(
            "^/cart/",
            Rewrite(prefix="/basket/"),
            "/cart/a",
            "/basket/a",
            id="slashes at the end mean nothing",
        ),
        pytest.param("^/cart", Rewrite(prefix="/"), "/cart/a", "/a", id="prefix taken away"),
        pytest.param(
            "^/cart", Rewrite(prefix="/"), "/cart", "/", id="prefix taken away, nothing left"
        ),
        pytest.param("^/", Rewrite(prefix="/shop"), "/a/b", "/shop/a/b", id="prefix put in front"),
        pytest.param(
            "^/", Rewrite(prefix="/shop"), "/", "/shop/", id="prefix put in front of the root"
        ),
        pytest.param(
            "^/c/d", Rewrite(prefix="/x"), "/%63/d/e%41", "/x/e%41", id="prefix written in escapes"
        ),
    ],
)
def test_targets(where: str, rewrite: Rewrite | None, url: str, expected: str) -> None:
    assert target(where, rewrite, url) == expected


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("", id="absent"),
        pytest.param("n=", id="empty"),
        pytest.param("n=1&n=2", id="twice"),
        pytest.param("n[]=1", id="array"),
        pytest.param("n=..", id="a dot segment"),
        pytest.param("n=.", id="one dot"),
        pytest.param("n=../admin", id="climbing"),
        pytest.param("n=a/b", id="a slash"),
        pytest.param("n=a%5Cb", id="a backslash"),
        pytest.param("n=%252e%252e", id="encoded twice"),
        pytest.param("n=a%00", id="NUL"),
    ],
)
def test_a_value_that_is_missing_or_would_escape_gives_no_target(query: str) -> None:
    with pytest.raises(LookupError, match="route r: this request lacks a value"):
        target("= /i", Rewrite(path="/p/{query.n}"), f"/i?{query}")


@given(
    st.text(min_size=1, max_size=8),
    st.sampled_from(["/p/{query.n}", "/{query.n}", "/p-{query.n}.html"]),
)
def test_no_query_value_ever_makes_an_ambiguous_target(value: str, path: str) -> None:
    from urllib.parse import quote

    rewriter = compile_rewrite(route("r", "= /i", rewrite=Rewrite(path=path)))
    assert rewriter is not None
    made = rewriter.path(get(f"/i?n={quote(value, safe='', errors='replace')}"))
    if made is not None:
        assert matching_view(made) is not None
        assert made.count("/") == path.count("/")


def test_a_parameter_and_the_text_around_it_cannot_make_an_ambiguous_target() -> None:
    rewrite = Rewrite(path="/x/{a}2e")
    assert target("/{a}", rewrite, "/1") == "/x/12e"
    with pytest.raises(LookupError):
        target("/{a}", rewrite, "/%25")


@pytest.mark.parametrize(
    ("where", "rewrite", "message"),
    [
        pytest.param("^/a", Rewrite(), "exactly one", id="neither"),
        pytest.param("^/a", Rewrite(path="/b", prefix="/c"), "exactly one", id="both"),
        pytest.param("= /a", Rewrite(prefix="/b"), "matched by prefix", id="prefix without prefix"),
        pytest.param("^/a", Rewrite(prefix="/{x}"), "takes no values", id="value in a prefix"),
        pytest.param("^/a", Rewrite(path="b"), "must start with /", id="no slash"),
        pytest.param("^/a", Rewrite(path="/b?c=d"), "without a query", id="query"),
        pytest.param("^/a", Rewrite(path="/b/{"), "every brace closed", id="open brace"),
        pytest.param("^/a", Rewrite(path="/b/../c"), "two ways", id="dot segment"),
        pytest.param(
            "/a/{x}",
            Rewrite(path="/b/{y}"),
            r"\{y\} is no path parameter .* \{x\}",
            id="unknown parameter",
        ),
        pytest.param("^/a", Rewrite(path="/b/{query.}"), "is no path parameter", id="no name"),
    ],
)
def test_a_rewrite_that_cannot_work_is_refused(where: str, rewrite: Rewrite, message: str) -> None:
    with pytest.raises(RewriteError, match=message):
        compile_rewrite(route("r", where, rewrite=rewrite))
