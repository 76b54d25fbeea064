"""Each side's cookies are kept and sent as a browser would."""

from __future__ import annotations

import pytest

from proxy.conformance.cookies import Cookies


def kept(*lines: str, path: str = "/shop/login") -> Cookies:
    cookies = Cookies()
    cookies.take(tuple((b"Set-Cookie", line.encode()) for line in lines), path)
    return cookies


@pytest.mark.parametrize(
    ("lines", "path", "field"),
    [
        pytest.param(["a=1; Path=/", "b=2; path=/"], "/x", "a=1; b=2", id="two"),
        pytest.param(["a=1; Path=/", "a=2; Path=/"], "/", "a=2", id="again"),
        pytest.param(["a=1"], "/shop/cart", "a=1", id="default path"),
        pytest.param(["a=1"], "/other", "", id="default path elsewhere"),
        pytest.param(["a=1; Path=/shop"], "/shop", "a=1", id="its own path"),
        pytest.param(["a=1; Path=/shop"], "/shop/x", "a=1", id="below"),
        pytest.param(["a=1; Path=/shop"], "/shopping", "", id="no segment border"),
        pytest.param(["a=1; Path=/", "a=2; Path=/shop"], "/shop/x", "a=2; a=1", id="longer first"),
        pytest.param(["a=1; Path=/", "a=; Path=/; Max-Age=0"], "/", "", id="max-age"),
        pytest.param(
            ["a=1; Path=/", "a=x; Path=/; expires=Thu, 01-Jan-1970 00:00:01 GMT"], "/", "", id="php"
        ),
        pytest.param(
            ["a=1; Path=/; Expires=Wed, 01 Jan 2198 00:00:00 GMT"], "/", "a=1", id="later"
        ),
        pytest.param(
            ["a=1; Path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
            "/",
            "a=1",
            id="max-age wins",
        ),
        pytest.param(["a=1; Path=/; Expires=soon"], "/", "a=1", id="no date"),
        pytest.param(
            ['a="x y"; Path=/; Domain=shop.example; Secure; HttpOnly'], "/", 'a="x y"', id="quoted"
        ),
        pytest.param(["a=b=c; Path=/"], "/", "a=b=c", id="equals in it"),
        pytest.param(["novalue", "=x", ""], "/", "", id="none at all"),
    ],
)
def test_what_is_kept_is_sent(lines: list[str], path: str, field: str) -> None:
    assert kept(*lines).field(path) == field


def test_bytes_that_are_no_text_survive() -> None:
    cookies = Cookies()
    cookies.take(((b"set-cookie", b"a=\xff\xfe; Path=/"), (b"X", b"y=1")), "/")
    assert cookies.field("/").encode("utf-8", "surrogateescape") == b"a=\xff\xfe"


def test_what_an_answer_sets_is_told() -> None:
    assert Cookies().take(((b"Set-Cookie", b"id=7; Path=/"),), "/") == {"id": "7"}
