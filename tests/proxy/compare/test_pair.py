"""Two answers, top to bottom: what is compared with what."""

from __future__ import annotations

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.charset import is_faulty, text_of
from proxy.compare.comparison import Result
from proxy.compare.media import parameters
from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare.shape import shape_of
from proxy.compare_policy import CompareLimits, ComparePolicy, HeaderPolicy, Severity
from proxy.exchange import Answer
from tests.proxy.compare.pairs import JSON, answer

POLICY = CompiledPolicy.compile(ComparePolicy())
NO_HEADERS = CompiledPolicy.compile(ComparePolicy(headers=HeaderPolicy(compare=(), presence=())))
PAGE = b"<!doctype html><title>Drill</title><p>A drill</p>"


def test_equal_answers_are_equal_and_have_a_shape() -> None:
    found = compare(answer(b'{"a":1}'), answer(b'{"a":1}'), POLICY)
    assert found.result is Result.EQUAL
    assert found.shape.startswith("json:")
    assert (found.differences, found.causes, found.severity) == ((), (), None)


@pytest.mark.parametrize(
    ("legacy", "new", "method", "incomparable"),
    [
        pytest.param(304, 200, "GET", "conditional", id="only-legacy-not-modified"),
        pytest.param(200, 304, "GET", "conditional", id="only-new-not-modified"),
        pytest.param(304, 304, "GET", "", id="both-not-modified"),
        pytest.param(204, 204, "GET", "", id="no-content"),
        pytest.param(200, 200, "HEAD", "", id="head"),
    ],
)
def test_answers_without_a_body_are_compared_without(
    legacy: int, new: int, method: str, incomparable: str
) -> None:
    found = compare(
        Answer(status=legacy, body=b"[1]"), Answer(status=new, body=b"[2]"), POLICY, method=method
    )
    assert found.incomparable == incomparable
    assert found.result is (Result.INCOMPARABLE if incomparable else Result.EQUAL)


@pytest.mark.parametrize("coding", [b"gzip", b"zstd"])
def test_another_content_coding_is_a_minor_difference(coding: bytes) -> None:
    packed = {b"gzip": gzip.compress, b"zstd": zstandard.ZstdCompressor().compress}[coding](b"[1]")
    found = compare(answer(b"[1]"), answer(packed, coding=coding), POLICY)
    assert [(c.paths, c.severity) for c in found.causes] == [
        (("header:content-encoding",), Severity.MINOR)
    ]


def test_equal_bodies_beyond_the_limits_are_equal() -> None:
    policy = CompiledPolicy.compile(ComparePolicy(), CompareLimits(decoded_bytes=3))
    assert compare(answer(b"[1,2]"), answer(b"[1,2]"), policy).result is Result.EQUAL


def test_packed_bodies_are_compared_unpacked() -> None:
    one, other = (answer(gzip.compress(text), coding=b"gzip") for text in (b"[1]", b"[2]"))
    assert [d.path for d in compare(one, other, POLICY).differences] == ["$[*]"]


def test_a_body_that_cannot_be_unpacked_hides_no_other_difference() -> None:
    broken = Answer(status=500, headers=((b"Content-Encoding", b"gzip"),), body=b"x")
    found = compare(answer(b"[1]"), broken, POLICY)
    assert found.result is Result.DIFFERENT
    packed = answer(gzip.compress(b"[1]"), coding=b"gzip")
    found = compare(packed, answer(b"x", coding=b"gzip"), POLICY)
    assert (found.result, found.causes[0].cause) == (Result.DIFFERENT, "undecodable:new")
    found = compare(answer(b"y", coding=b"gzip"), answer(b"x", coding=b"gzip"), POLICY)
    assert (found.result, found.incomparable) == (Result.INCOMPARABLE, "decode")


@pytest.mark.parametrize(
    ("legacy", "new", "paths"),
    [
        pytest.param((JSON, b"[1]"), (b"application/hal+json", b"[2]"), {"$[*]"}, id="plus-json"),
        pytest.param((b"text/html", b"[1]"), (JSON, b"[2]"), {"$[*]"}, id="php-without-a-header"),
        pytest.param((b"", b"[1]"), (b"", b"[2]"), {"$[*]"}, id="no-type"),
        pytest.param((b"", b"[1]"), (JSON, b"[2]"), {"$[*]"}, id="type-on-one-side"),
        pytest.param((JSON, b"[1]"), (b"text/html", PAGE), {"body"}, id="json-and-html"),
        pytest.param((b"image/png", b"[1]"), (b"image/png", b"[2]"), {"body"}, id="binary"),
    ],
)
def test_the_media_type_decides_how_bodies_are_read(
    legacy: tuple[bytes, bytes], new: tuple[bytes, bytes], paths: set[str]
) -> None:
    found = compare(answer(legacy[1], legacy[0]), answer(new[1], new[0]), NO_HEADERS)
    assert {d.path for d in found.differences} == paths


@pytest.mark.parametrize(
    ("legacy", "new", "cause"),
    [
        pytest.param((b"", b"{not json}"), (b"", b'{"a":1}'), None, id="only-looks-like-it"),
        pytest.param((JSON, b"{not json}"), (b"", b'{"a":1}'), "not_json:legacy", id="says-so"),
        pytest.param((b"", b'{"a":1}'), (JSON, b"{not json}"), "not_json:new", id="new-says-so"),
    ],
)
def test_what_only_looks_like_json_need_not_be_json(
    legacy: tuple[bytes, bytes], new: tuple[bytes, bytes], cause: str | None
) -> None:
    found = compare(answer(legacy[1], legacy[0]), answer(new[1], new[0]), NO_HEADERS)
    assert found.result is Result.DIFFERENT
    assert ([c.cause for c in found.causes] == [cause]) is (cause is not None)


def test_json_on_one_side_and_a_page_on_the_other_is_critical_once() -> None:
    for policy in (POLICY, NO_HEADERS):
        found = compare(answer(b"[1]"), answer(PAGE, b"text/html"), policy)
        assert [cause.severity for cause in found.causes] == [Severity.CRITICAL]


@pytest.mark.parametrize(
    ("legacy", "new", "side"),
    [pytest.param(b"", b"[1]", "legacy", id="legacy"), pytest.param(b"[1]", b"", "new", id="new")],
)
@pytest.mark.parametrize("content_type", [JSON, b"text/html", b"text/plain", b"image/png", b""])
def test_a_body_on_one_side_only_is_critical(
    legacy: bytes, new: bytes, side: str, content_type: bytes
) -> None:
    found = compare(answer(legacy, content_type), answer(new, content_type), POLICY)
    assert [(c.cause, c.severity) for c in found.causes] == [
        (f"empty_body:{side}", Severity.CRITICAL)
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"text/html", (b"text/html", ""), id="bare"),
        pytest.param(b"Text/HTML; Charset=ISO-8859-1", (b"text/html", "iso-8859-1"), id="case"),
        pytest.param(b'text/html;charset="utf-8";x=y', (b"text/html", "utf-8"), id="quoted"),
        pytest.param(b"", (b"", ""), id="none"),
    ],
)
def test_a_content_type_is_read(value: bytes, expected: tuple[bytes, str]) -> None:
    assert parameters(value) == expected


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        pytest.param("é".encode(), "", "é", id="utf-8"),
        pytest.param("é€".encode("cp1252"), "iso-8859-1", "é€", id="latin-1-is-windows-1252"),
        pytest.param("é".encode("utf-16"), "iso-8859-1", "é", id="byte-order-mark-wins"),
        pytest.param("日本".encode("shift_jis"), "Shift_JIS", "日本", id="shift-jis"),
        pytest.param("日本".encode(), "euc-jp", "日本", id="wrong-header"),
        pytest.param(b"a\xffb", "", "a\udcffb", id="stray-byte"),
        pytest.param(b"abc", "rot13", "abc", id="no-charset-of-texts"),
        pytest.param(b"abc", "\x00", "abc", id="no-name"),
    ],
)
def test_bytes_become_text(content: bytes, charset: str, text: str) -> None:
    assert text_of(content, charset) == text


@given(st.binary(max_size=60), st.sampled_from(["", "utf-8", "utf-16", "ascii", "gbk", "cp1252"]))
def test_any_bytes_become_text(content: bytes, charset: str) -> None:
    text = text_of(content, charset)
    assert isinstance(text, str)
    if not charset and not content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        assert text.encode("utf-8", "surrogateescape") == content or b"\x00\x00\xfe" in content


def test_stray_bytes_are_seen() -> None:
    assert is_faulty(text_of(b"\xff"))
    assert not is_faulty(text_of("ÿ".encode()))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(b'{"a":1,"b":2}', b'{"b":"x","a":null}', True, id="values"),
        pytest.param(b'{"a":1}', b'{"a":1,"b":2}', False, id="members"),
        pytest.param(b'{"a":{"17":1}}', b'{"a":{"18":1,"19":2}}', True, id="ids-as-names"),
        pytest.param(b"[]", b"[1]", True, id="elements"),
        pytest.param(b"", b"[]", False, id="empty"),
        pytest.param(b"<p>", b"{}", False, id="media-type"),
    ],
)
def test_a_shape_is_of_members_not_of_values(one: bytes, other: bytes, same: bool) -> None:
    assert (shape_of(b"text/html", one) == shape_of(b"text/html", other)) is same


@given(st.binary(max_size=100), st.binary(max_size=100), st.sampled_from([b"", JSON, b"text/html"]))
def test_comparing_never_fails(one: bytes, other: bytes, content_type: bytes) -> None:
    found = compare(answer(one, content_type), answer(other, content_type), POLICY)
    if one == other:
        assert found.result is Result.EQUAL


@given(st.binary(max_size=100), st.sampled_from([b"gzip", b"br", b"zstd", b"deflate"]))
def test_what_is_equal_as_sent_needs_no_unpacking(content: bytes, coding: bytes) -> None:
    one = answer(content, coding=coding)
    assert compare(one, one, POLICY).result is Result.EQUAL


def test_limits_beyond_what_python_can_walk_are_no_crash() -> None:
    policy = CompiledPolicy.compile(ComparePolicy(), CompareLimits(depth=100_000))
    legacy, new = (answer(b"[" * 450 + inner + b"]" * 450) for inner in (b"1", b"2"))
    assert compare(legacy, new, policy).result in (Result.INCOMPARABLE, Result.DIFFERENT)
