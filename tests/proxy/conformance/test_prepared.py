"""A step becomes one request for each side: the same words, each with its own target and values."""

from __future__ import annotations

import pytest

from proxy import __version__
from proxy.config.parse import parse_routes
from proxy.conformance.case_file import parse_cases
from proxy.conformance.placeholder import Unfilled
from proxy.conformance.prepared import Prepared, Visitor, prepare
from proxy.conformance.sender import PlannedRequest
from proxy.conformance.site import Site
from proxy.stages import Side
from tests.proxy.conformance.two_sides import ROUTES

SITE = Site.of(parse_routes(ROUTES.encode(), "routes.yaml"))


def prepared(
    request: str, *, top: str = "", site: Site = SITE, values: dict[str, str] | None = None
) -> Prepared:
    text = f"version: 1\n{top}cases:\n  - name: one\n    request: {request}\n"
    file = parse_cases(text.encode(), "cases.yaml")
    visitors = {side: Visitor(values=dict(values or {})) for side in Side}
    return prepare(file, file.cases[0].steps[0], site, visitors)


def fields(request: PlannedRequest | None) -> dict[bytes, bytes]:
    assert request is not None
    return dict(request.headers)


def test_a_plain_request_says_who_asks() -> None:
    made = prepared("{url: '/product/saw?a=b'}")
    assert made.legacy is not None
    assert made.new is not None
    assert made.legacy.target == made.new.target == b"/product/saw?a=b"
    assert (
        fields(made.legacy)
        == fields(made.new)
        == {
            b"Host": b"127.0.0.1:1",
            b"User-Agent": f"figway-conform/{__version__}".encode(),
            b"Accept": b"*/*",
            b"X-Forwarded-For": b"192.0.2.1",
            b"X-Forwarded-Proto": b"http",
            b"X-Forwarded-Host": b"127.0.0.1:1",
            b"X-Figway-Conform": b"1",
        }
    )


@pytest.mark.parametrize(
    ("request_", "top", "host"),
    [
        (
            "{url: 'https://shop.example:8443/product/saw'}",
            "host: other.example\n",
            "shop.example:8443",
        ),
        ("{url: /product/saw}", "host: other.example\n", "other.example"),
        (
            "{url: /product/saw, headers: {Host: third.example}}",
            "host: other.example\n",
            "third.example",
        ),
    ],
)
def test_both_sides_get_the_host_of_the_shop(request_: str, top: str, host: str) -> None:
    made = prepared(request_, top=top)
    for request in (made.legacy, made.new):
        assert fields(request)[b"Host"] == host.encode()
        assert fields(request)[b"X-Forwarded-Host"] == host.encode()


def test_the_scheme_of_the_url_is_forwarded() -> None:
    made = prepared("{url: 'https://shop.example/product/saw'}")
    assert fields(made.new)[b"X-Forwarded-Proto"] == b"https"


def test_own_fields_win_over_those_of_the_file_and_the_defaults() -> None:
    made = prepared(
        "{url: /product/saw, headers: {user-agent: me, x-a: own}}",
        top="headers: {X-A: file, X-B: file, Accept: text/html}\n",
    )
    sent = fields(made.legacy)
    assert sent[b"User-Agent"] == b"me"
    assert sent[b"X-A"] == b"own"
    assert sent[b"X-B"] == b"file"
    assert sent[b"Accept"] == b"text/html"


@pytest.mark.parametrize(
    ("written", "body", "kind"),
    [
        ("body: 'ü ${V}'", "ü 1&2".encode(), b"text/plain; charset=utf-8"),
        ("body: {a: ['${V}', 1.5, null]}", b'{"a": ["1&2", 1.5, null]}', b"application/json"),
        ("form: {a: '${V}', b: ü}", b"a=1%262&b=%C3%BC", b"application/x-www-form-urlencoded"),
        ("body_base64: AP8=", b"\x00\xff", b"application/octet-stream"),
    ],
)
def test_a_body_is_sent_as_what_it_is(written: str, body: bytes, kind: bytes) -> None:
    made = prepared(f"{{method: POST, url: /product/saw, {written}}}", values={"V": "1&2"})
    assert made.new is not None
    assert made.new.body == body
    assert fields(made.new)[b"Content-Type"] == kind


def test_a_given_content_type_stays() -> None:
    made = prepared("{method: POST, url: /product/saw, body: {}, headers: {Content-Type: a/b}}")
    assert fields(made.new)[b"Content-Type"] == b"a/b"


def test_values_in_a_url_are_encoded() -> None:
    made = prepared("{url: '/product/${V}?t=${V}'}", values={"V": "a/b &"})
    assert made.legacy is not None
    assert made.legacy.target == b"/product/a%2Fb%20%26?t=a%2Fb%20%26"


def test_a_missing_value_is_no_request() -> None:
    with pytest.raises(Unfilled):
        prepared("{url: '/product/${V}'}")


def test_the_new_side_gets_the_rewritten_target() -> None:
    made = prepared("{url: '/index.php?route=product&id=7'}")
    assert made.legacy is not None
    assert made.new is not None
    assert made.legacy.target == b"/index.php?route=product&id=7"
    assert made.new.target == b"/products/7?route=product&id=7"
    assert made.new.upstream.name == "catalog"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/cart", "route monolith has no new side"),
        (
            "/index.php?route=product",
            "it lacks a value that the rewrite of route old-product needs",
        ),
        ("/product/a%2F", "its target can be read in two ways: it stays on legacy"),
    ],
)
def test_what_the_new_side_never_gets_is_told(url: str, why: str) -> None:
    made = prepared(f"{{url: '{url}'}}")
    assert made.new is None
    assert made.alone == why


def test_each_side_has_its_own_cookies_and_values() -> None:
    file = parse_cases(
        b"version: 1\ncases:\n  - name: one\n"
        b"    request: {url: '/product/saw', headers: {Cookie: a=b, X-T: '${T}'}}\n",
        "cases.yaml",
    )
    visitors = {side: Visitor(values={"T": side.value}) for side in Side}
    visitors[Side.LEGACY].cookies.take(((b"Set-Cookie", b"PHPSESSID=1; Path=/"),), "/")
    visitors[Side.NEW].cookies.take(((b"Set-Cookie", b"PHPSESSID=2; Path=/product"),), "/")
    made = prepare(file, file.cases[0].steps[0], SITE, visitors)
    assert fields(made.legacy)[b"Cookie"] == b"a=b; PHPSESSID=1"
    assert fields(made.new)[b"Cookie"] == b"a=b; PHPSESSID=2"
    assert (fields(made.legacy)[b"X-T"], fields(made.new)[b"X-T"]) == (b"legacy", b"new")
