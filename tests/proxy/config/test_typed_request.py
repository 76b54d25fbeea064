"""A request to be explained: what no client could send is refused, with the reason."""

from __future__ import annotations

import pytest

from proxy.config.typed_request import typed_request
from proxy.routing.facts import PlainFacts

DEVICE = "0123456789abcdef0123456789abcdef"


def facts(**given: str) -> PlainFacts:
    name, _, value = given.pop("header", "X-Employee:1").partition(":")
    asked = {"method": "GET", "url": "http://x/", "client_ip": "192.0.2.1", **given}
    return typed_request(**asked, headers=[(name, value)], cookie_name="figway_id")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"method": "get"}, "method: .*write GET", id="lower_case_method"),
        pytest.param({"method": "FOO"}, "method: FOO is answered with 501", id="unknown_method"),
        pytest.param({"method": "TRACE"}, "method: TRACE is never forwarded", id="trace"),
        pytest.param({"method": "G T"}, "method: must be a method", id="no_method"),
        pytest.param({"url": "product"}, "url: must be http", id="no_slash"),
        pytest.param({"url": ""}, "url: must be http", id="nothing"),
        pytest.param({"url": "ftp://x/"}, "url: must be http", id="other_scheme"),
        pytest.param({"url": "http:///x"}, "url: must name a host", id="no_host"),
        pytest.param({"url": "http://[::1/"}, "url: ", id="half_an_address"),
        pytest.param({"url": "http://x/a b"}, "url: must not hold spaces", id="space"),
        pytest.param({"url": "/a\nb"}, "url: must not hold spaces", id="line_end"),
        pytest.param({"header": "X Y:1"}, "header: must be a name", id="header_name"),
        pytest.param({"header": "X-Y:\r\n"}, "header X-Y: must not hold", id="header_value"),
        pytest.param({"client_ip": "me"}, "client_ip: must be an IP address", id="client_ip"),
        pytest.param({"device_id": "me"}, "device_id: must be the 32 hex digits", id="device_id"),
    ],
)
def test_what_no_client_could_send_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        facts(**given)


@pytest.mark.parametrize(
    ("url", "host", "path", "query"),
    [
        ("http://Shop.example:8080/a?b=c", "shop.example", "/a", "b=c"),
        ("https://x", "x", "/", ""),
        ("/a%20b", "", "/a%20b", ""),
        ("//a/b", "", "//a/b", ""),
        ("/a?b#part", "", "/a", "b"),
        ("*", "", "*", ""),
    ],
)
def test_what_a_client_sends_is_taken_as_it_is(url: str, host: str, path: str, query: str) -> None:
    found = facts(url=url, device_id=DEVICE)
    assert (found.host, found.path, found.query, found.device) == (host, path, query, DEVICE)
