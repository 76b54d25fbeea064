"""Responses that were saved with curl are read as what they were."""

from __future__ import annotations

import gzip

import pytest

from proxy.conformance.response_file import ResponseFileError, comparable, read_response

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@pytest.mark.parametrize(
    ("content", "status", "body"),
    [
        pytest.param(HEAD + b"\r\nbody\n", 200, b"body\n", id="crlf"),
        pytest.param(HEAD.replace(b"\r", b"") + b"\nbody", 200, b"body", id="lf"),
        pytest.param(b"HTTP/2 404 \r\nX: y\r\n\r\n", 404, b"", id="http/2"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"\r\nb", 200, b"b", id="interim"),
        pytest.param(
            b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n" + HEAD + b"\r\nb", 200, b"b", id="followed"
        ),
        pytest.param(HEAD + b"Content-Length: 2\r\n\r\nab\n", 200, b"ab", id="editor's line feed"),
        pytest.param(HEAD + b"Content-Length: 9\r\n\r\n", 200, b"", id="curl -I"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n",
            200,
            b"abc",
            id="chunks",
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n12 dozen",
            200,
            b"12 dozen",
            id="chunks undone",
        ),
        pytest.param(
            HEAD + b"\r\nHTTP/ is a protocol", 200, b"HTTP/ is a protocol", id="body like a head"
        ),
    ],
)
def test_a_dump_is_read(content: bytes, status: int, body: bytes) -> None:
    stored = read_response(content, "a.http")
    assert stored.has_head
    assert (stored.answer.status, stored.answer.body) == (status, body)


def test_fields_keep_their_bytes_and_their_order() -> None:
    stored = read_response(
        b"HTTP/1.1 200 OK\r\nA: \xff\r\nSet-Cookie: a=1\r\n"
        b"X: long\r\n  line\r\nSet-Cookie: b=2\r\n\r\n",
        "a",
    )
    assert stored.answer.headers == (
        *((b"A", b"\xff"), (b"Set-Cookie", b"a=1"), (b"X", b"long line"), (b"Set-Cookie", b"b=2")),
    )


def test_a_coding_stays_unless_curl_undid_it() -> None:
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 7\r\n\r\n"
    packed = read_response(head + gzip.compress(b"text"), "a")
    assert packed.answer.header(b"content-encoding") == b"gzip"
    unpacked = read_response(head + b"text of another length", "a")
    assert unpacked.answer.header(b"content-encoding") is None
    assert unpacked.answer.body == b"text of another length"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            HEAD + b"Content-Length: 9\r\n\r\nhalf",
            "is cut off: Content-Length says 9 bytes, 4 are there",
        ),
        (b"HTTP/1.1 OK\r\n\r\n", "has no status line"),
        (b"HTTP/1.1 200 OK\r\nno field\r\n\r\n", "a line of the head is no field: 'no field'"),
    ],
)
def test_what_is_no_response_is_told(content: bytes, message: str) -> None:
    with pytest.raises(ResponseFileError, match=message):
        read_response(content, "a")


@pytest.mark.parametrize(
    ("name", "given", "kind"),
    [
        ("a.json", "", b"application/json"),
        ("a.HTML", "", b"text/html"),
        ("a.xml", "", b"application/xml"),
        ("a.json", "text/plain", b"text/plain"),
        ("a.unknown-ending", "", None),
        ("-", "", None),
    ],
)
def test_a_bare_body_is_of_the_type_of_its_name(name: str, given: str, kind: bytes | None) -> None:
    stored = read_response(b"{}", name, given)
    assert not stored.has_head
    assert stored.answer.header(b"content-type") == kind


def test_beside_a_bare_body_only_bodies_are_compared() -> None:
    whole = read_response(b"HTTP/1.1 404 No\r\nContent-Type: text/html\r\nX: y\r\n\r\n<p>", "a")
    bare = read_response(b"<p>", "a.txt")
    for legacy, new in ((whole, bare), (bare, whole)):
        one, other = comparable(legacy, new)
        assert one == other
        assert one.headers == ((b"content-type", b"text/html"),)


def test_two_whole_responses_stay_whole() -> None:
    whole = read_response(HEAD + b"\r\na", "a")
    assert comparable(whole, whole) == (whole.answer, whole.answer)
