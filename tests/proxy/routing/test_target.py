"""What can be read in one way, and what cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.routing.target import (
    ambiguity,
    encode_segment,
    literal_view,
    matching_view,
    read_query,
    split_target,
)


@pytest.mark.parametrize(
    ("path", "view"),
    [
        pytest.param("/", "/", id="root"),
        pytest.param("/cart", "/cart", id="plain"),
        pytest.param("/cart/", "/cart/", id="slash at the end is kept"),
        pytest.param("/.well-known/acme", "/.well-known/acme", id="hidden file is no dot segment"),
        pytest.param("/...", "/...", id="three dots are a name"),
        pytest.param("/a..b", "/a..b", id="dots inside a name"),
        pytest.param("/%7Euser", "/~user", id="unreserved is decoded"),
        pytest.param("/%41%2d%5F%2E%7e", "/A-_.~", id="all unreserved, any hex case"),
        pytest.param("/a%2cb", "/a%2Cb", id="reserved stays, hex upper case"),
        pytest.param("/a,b", "/a,b", id="reserved as itself is another path"),
        pytest.param("/stra%c3%9fe", "/stra%C3%9Fe", id="UTF-8"),
        pytest.param("/%F0%9F%94%A7", "/%F0%9F%94%A7", id="UTF-8 of four bytes"),
        pytest.param("/100%25", "/100%25", id="a percent sign"),
        pytest.param("/a|b", "/a|b", id="a raw character browsers send"),
        pytest.param("/a%3Bb", "/a%3Bb", id="an encoded semicolon is data"),
        pytest.param("/a%20b", "/a%20b", id="an encoded space"),
    ],
)
def test_a_clear_path_has_one_view(path: str, view: str) -> None:
    assert matching_view(path) == view
    assert ambiguity(path) == ""


@pytest.mark.parametrize(
    ("path", "why"),
    [
        pytest.param("", "start with /", id="empty"),
        pytest.param("*", "start with /", id="asterisk form"),
        pytest.param("http://a/b", "start with /", id="absolute form"),
        pytest.param("/a/./b", ". or .. segment", id="dot"),
        pytest.param("/a/.", ". or .. segment", id="dot at the end"),
        pytest.param("/a/../b", ". or .. segment", id="dot dot"),
        pytest.param("/..", ". or .. segment", id="only dot dot"),
        pytest.param("/%2e%2e/x", ". or .. segment", id="encoded dot dot"),
        pytest.param("/.%2E/x", ". or .. segment", id="half encoded dot dot"),
        pytest.param("/a/%2e", ". or .. segment", id="encoded dot at the end"),
        pytest.param("/a//b", "//", id="empty segment"),
        pytest.param("//evil.example/x", "//", id="like an authority"),
        pytest.param("/a//", "//", id="empty segment at the end"),
        pytest.param("/a;b=c", ";", id="path parameter"),
        pytest.param("/cart/;/x", ";", id="empty path parameter"),
        pytest.param("/a%2Fb", "slash", id="encoded slash"),
        pytest.param("/a%2fb", "slash", id="encoded slash, lower case"),
        pytest.param("/a%5Cb", "backslash", id="encoded backslash"),
        pytest.param("/a\\b", "backslash", id="backslash"),
        pytest.param("/..%2f..%2fetc", "slash", id="climbing"),
        pytest.param("/bar%", "two hex digits", id="percent at the end"),
        pytest.param("/bar%1", "two hex digits", id="half an escape"),
        pytest.param("/%zz", "two hex digits", id="not hex"),
        pytest.param("/%u0041", "two hex digits", id="the escapes of IIS"),
        pytest.param("/%c0%af", "UTF-8", id="overlong slash"),
        pytest.param("/%e0%80%af", "UTF-8", id="overlong slash in three bytes"),
        pytest.param("/%c0%ae%c0%ae/x", "UTF-8", id="overlong dots"),
        pytest.param("/%ff", "UTF-8", id="no UTF-8 byte"),
        pytest.param("/%c3", "UTF-8", id="half a character"),
        pytest.param("/%ed%a0%80", "UTF-8", id="surrogate"),
        pytest.param("/stra%dfe", "UTF-8", id="latin-1"),
        pytest.param("/a%00", "control", id="NUL"),
        pytest.param("/a%0d%0ab", "control", id="CR LF"),
        pytest.param("/a%7f", "control", id="DEL"),
        pytest.param("/a%c2%85", "control", id="C1 control"),
        pytest.param("/%252e%252e/x", "twice", id="dot dot encoded twice"),
        pytest.param("/a%252fb", "twice", id="slash encoded twice"),
        pytest.param("/a%2525b", "twice", id="percent encoded twice"),
        pytest.param("/a b", "space", id="raw space"),
        pytest.param("/a\tb", "control character", id="raw tab"),
        pytest.param("/\x00", "control character", id="raw NUL"),
        pytest.param("/stra\u00dfe", "beyond ASCII", id="raw byte beyond ASCII"),
        pytest.param("/x#frag", "#", id="fragment"),
    ],
)
def test_an_ambiguous_path_has_no_view_and_a_reason(path: str, why: str) -> None:
    assert matching_view(path) is None
    assert why in ambiguity(path)


@given(st.text(alphabet="/.;%\\abz0257cfFeE~-, \x00\u00e9", max_size=12).map("/".__add__))
def test_the_short_cut_for_plain_paths_never_changes_the_answer(path: str) -> None:
    assert (matching_view(path) is None) == bool(ambiguity(path))
    view = matching_view(path)
    if view is not None:
        assert matching_view(view) == view
        assert ".." not in view.split("/")
        assert "." not in view.split("/")
        assert "" not in view.split("/")[1:-1]


@pytest.mark.parametrize(
    ("literal", "view"),
    [
        pytest.param("/straße", "/stra%C3%9Fe", id="written as people do"),
        pytest.param("/a b", "/a%20b", id="a space"),
        pytest.param("/%7euser", "/~user", id="written encoded"),
        pytest.param("/a%2cb", "/a%2Cb", id="hex case"),
        pytest.param("/a//b", "/a//b", id="what no request looks like stays"),
    ],
)
def test_a_path_of_the_file_is_compared_in_the_same_view(literal: str, view: str) -> None:
    assert literal_view(literal) == view


@pytest.mark.parametrize(
    ("query", "value"),
    [
        pytest.param("route=a", "a", id="alone"),
        pytest.param("x=1&route=a&y=2", "a", id="among others"),
        pytest.param("route=", "", id="empty value"),
        pytest.param("route", "", id="no equals sign"),
        pytest.param("r%6Fute=a", "a", id="encoded name"),
        pytest.param("route=product%2Fproduct", "product/product", id="encoded value"),
        pytest.param("route=a+b", "a b", id="plus is a space"),
        pytest.param("route=a%2Bb", "a+b", id="encoded plus"),
        pytest.param("route=a=b", "a=b", id="equals sign in the value"),
        pytest.param("route=a&route=a", "a", id="twice the same"),
        pytest.param("route=a&route=%61", "a", id="twice the same, once encoded"),
        pytest.param("route=stra%C3%9Fe", "straße", id="UTF-8"),
        pytest.param("", None, id="no query"),
        pytest.param("a=1", None, id="absent"),
        pytest.param("routes=a&oroute=b&Route=c", None, id="similar names"),
        pytest.param("a=route", None, id="only as a value"),
        pytest.param("%ff=1&a=%zz", None, id="others may be broken"),
        pytest.param("x;y=1", None, id="semicolons elsewhere"),
    ],
)
def test_a_clear_parameter_has_one_value(query: str, value: str | None) -> None:
    reading = read_query(query, "route")
    assert reading.clear
    assert reading.value == value


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("route=a&route=b", id="twice: PHP takes the last, others the first"),
        pytest.param("route=&route=a", id="once empty"),
        pytest.param("route[]=a", id="PHP array"),
        pytest.param("route%5B%5D=a", id="PHP array, encoded"),
        pytest.param("route=a&route[x]=b", id="PHP array beside the value"),
        pytest.param("%20route=a", id="PHP strips leading spaces"),
        pytest.param("+route=a", id="PHP strips leading pluses"),
        pytest.param("route%00x=a", id="PHP cuts at NUL"),
        pytest.param("x=1;route=a", id="semicolon as separator"),
        pytest.param("route=a;b", id="semicolon in the value"),
        pytest.param("a=b&amp;route=c", id="an HTML escape that went out"),
        pytest.param("route=%", id="broken escape"),
        pytest.param("route=%zz", id="not hex"),
        pytest.param("route=%ff", id="not UTF-8"),
        pytest.param("route=%c0%af", id="overlong"),
        pytest.param("route=a%00b", id="NUL in the value"),
        pytest.param("&".join(["a=1"] * 1000) + "&route=a", id="beyond PHP's max_input_vars"),
    ],
)
def test_a_parameter_that_readers_disagree_about_is_not_clear(query: str) -> None:
    reading = read_query(query, "route")
    assert not reading.clear
    assert reading.value is None


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("product.id=1", id="dot"),
        pytest.param("product%20id=1", id="space"),
        pytest.param("product+id=1", id="plus"),
        pytest.param("product%5Bid=1", id="unclosed bracket"),
        pytest.param("product_id=1&product.id=2", id="mangled after the real one"),
    ],
)
def test_what_php_turns_into_an_underscore_makes_a_name_unclear(query: str) -> None:
    assert not read_query(query, "product_id").clear


def test_a_name_with_a_dot_is_unclear_beside_the_name_php_gives_it() -> None:
    assert read_query("a.b=1", "a.b").value == "1"
    assert not read_query("a.b=1&a_b=2", "a.b").clear


@given(st.text(alphabet="route[]%20.+;&=aé\x00_", max_size=16))
def test_an_undisputed_value_is_what_a_form_decoder_says(query: str) -> None:
    from urllib.parse import parse_qsl

    reading = read_query(query, "route")
    if reading.clear:
        said = [value for name, value in parse_qsl(query, True) if name == "route"]
        assert set(said) == ({reading.value} if reading.value is not None else set())


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        pytest.param("/a", ("/a", "", False), id="no query"),
        pytest.param("/a?", ("/a", "", True), id="bare question mark"),
        pytest.param("/a?b?c", ("/a", "b?c", True), id="question mark in the query"),
    ],
)
def test_a_target_splits_at_its_first_question_mark(
    target: str, parts: tuple[str, str, bool]
) -> None:
    assert split_target(target) == parts


def test_a_value_put_into_a_segment_cannot_leave_it() -> None:
    assert encode_segment("../a b?c#d;é") == "..%2Fa%20b%3Fc%23d%3B%C3%A9"
