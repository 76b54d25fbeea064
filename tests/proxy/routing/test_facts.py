"""Hosts, cookies and identities, as routing reads them."""

from __future__ import annotations

import pytest

from proxy.routing.facts import (
    UNKNOWN_DEVICE,
    PlainFacts,
    cookie_values,
    is_device_id,
    normal_host,
    read_cookie,
)


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        pytest.param("shop.example", "shop.example", id="plain"),
        pytest.param("SHOP.Example", "shop.example", id="case"),
        pytest.param("shop.example:8080", "shop.example", id="port"),
        pytest.param("shop.example.", "shop.example", id="trailing dot"),
        pytest.param("shop.example.:80", "shop.example", id="trailing dot and port"),
        pytest.param("[::1]:8080", "[::1]", id="IPv6 with port"),
        pytest.param("[FE80::1]", "[fe80::1]", id="IPv6"),
        pytest.param("", "", id="none"),
    ],
)
def test_a_host_is_lower_case_without_port_and_trailing_dot(authority: str, host: str) -> None:
    assert normal_host(authority) == host


@pytest.mark.parametrize(
    ("header", "value"),
    [
        pytest.param("a=1", "1", id="alone"),
        pytest.param("b=2; a=1; c=3", "1", id="among others"),
        pytest.param("b=2;a=1", "1", id="no space"),
        pytest.param(" a = 1 ", "1", id="spaces around"),
        pytest.param("a=x=y", "x=y", id="equals sign in the value"),
        pytest.param('a="1"', '"1"', id="quotes are part of the value, as PHP reads it"),
        pytest.param("a=", "", id="empty"),
        pytest.param("a=1; a=1", "1", id="twice the same"),
        pytest.param("a=1; a=2", None, id="twice and different"),
        pytest.param("ba=1; ab=2; b=a=3", None, id="similar names"),
        pytest.param("a", None, id="no value"),
        pytest.param(None, None, id="no header"),
    ],
)
def test_a_cookie_counts_only_when_it_has_one_value(header: str | None, value: str | None) -> None:
    assert read_cookie(header, "a") == value


def test_every_value_of_a_cookie_can_be_asked_for() -> None:
    assert cookie_values("a=1; b=2; a=3; a=1", "a") == ("1", "3")


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        pytest.param("0123456789abcdef0123456789abcdef", True, id="32 hex digits"),
        pytest.param("0123456789ABCDEF0123456789ABCDEF", True, id="upper case"),
        pytest.param("0123456789abcdef0123456789abcde", False, id="too short"),
        pytest.param("0123456789abcdef0123456789abcdef0", False, id="too long"),
        pytest.param("0123456789abcdef0123456789abcdeg", False, id="not hex"),
        pytest.param("0123456789abcdef0123456789abcdef\n", False, id="line end"),
        pytest.param("٠" * 32, False, id="digits of another script"),
        pytest.param(None, False, id="absent"),
    ],
)
def test_an_identity_is_32_hex_digits(value: str | None, valid: bool) -> None:
    assert is_device_id(value) is valid


@pytest.mark.parametrize(
    ("url", "host", "path", "query", "has_query"),
    [
        pytest.param("https://Shop.example:443/a?b=c", "shop.example", "/a", "b=c", True, id="all"),
        pytest.param("http://shop.example", "shop.example", "/", "", False, id="no path"),
        pytest.param("http://shop.example?a=1", "shop.example", "/", "a=1", True, id="only query"),
        pytest.param("http://a/b?u=http://c/d", "a", "/b", "u=http://c/d", True, id="nested URL"),
        pytest.param("/a?u=http://c/d", "from.host", "/a", "u=http://c/d", True, id="origin form"),
        pytest.param("/a%2Fb/../c?", "from.host", "/a%2Fb/../c", "", True, id="kept byte for byte"),
        pytest.param("http://a//b", "a", "//b", "", False, id="two slashes"),
        pytest.param("*", "from.host", "*", "", False, id="asterisk form"),
    ],
)
def test_a_url_is_taken_apart_without_changing_it(
    url: str, host: str, path: str, query: str, has_query: bool
) -> None:
    facts = PlainFacts.of("GET", url, headers=[("Host", "from.HOST:80")])
    assert (facts.host, facts.path, facts.query) == (host, path, query)
    assert facts.has_query is has_query


def test_lines_of_one_field_are_joined_as_the_standard_says() -> None:
    facts = PlainFacts.of(
        "GET", "/", headers=[("X-A", "1"), ("x-a", "2"), ("Cookie", "a=1"), ("cookie", "b=2")]
    )
    assert facts.header("x-a") == "1, 2"
    assert facts.cookie("a") == "1"
    assert facts.cookie("b") == "2"


def test_the_identity_is_the_given_one_then_the_cookie_then_unknown() -> None:
    cookie = [("Cookie", "figway_id=" + "a" * 32)]
    assert PlainFacts.of("GET", "/", headers=cookie, device_id="b" * 32).device_id() == "b" * 32
    assert PlainFacts.of("GET", "/", headers=cookie).device_id() == "a" * 32
    assert PlainFacts.of("GET", "/").device_id() == UNKNOWN_DEVICE
    odd = [("Cookie", "figway_id=new")]
    assert PlainFacts.of("GET", "/", headers=odd).device_id() == UNKNOWN_DEVICE
