"""Responses that are fine and odd: HEAD, 204, 304, 1xx, without end (http.md C1, C2, C4, A15)."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from tests.rigs.raw_client import Truncated
from tests.rigs.scripted_origin import (
    OK,
    Conversation,
    answer,
    answer_then_close,
    answer_then_reset,
)
from tests.wire.conftest import MakeWire
from tests.wire.message_bytes import get, in_chunks, ok

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
TE = b"Transfer-Encoding: chunked\r\n"

S = b"HTTP/1.1 200 OK\r\n"


def test_2D_82_a_32_kilobyte_set_cookie_within_the_limit_passes(make_wire: MakeWire) -> None:
    value = b"v" * (32 * 1024 - len(b"Set-Cookie"))
    wire = make_wire(answer(ok(fields=b"Set-Cookie: " + value + b"\r\n")))
    assert wire.ask(get()).values(b"set-cookie") == [value]


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(S + b"Content-Length: 5\r\n\r\n", id="C1-sized"),
        pytest.param(S + TE + b"\r\n", id="C1-chunked"),
        pytest.param(S + b"X: 1\r\n\r\n", id="C1-nothing-announced"),
    ],
)
def test_C1_head_keeps_its_fields_and_both_connections_usable(
    make_wire: MakeWire, head: bytes
) -> None:
    wire = make_wire(answer(head))
    with wire.client() as client:
        for _ in range(3):
            client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            response = client.read_response("HEAD")
            assert response.status == 200
            assert response.body == b""
            if b"Content-Length" in head:
                assert response.values(b"content-length") == [b"5"]
            assert not response.says_close
    assert len(wire.origin.conversations) == 1


@pytest.mark.parametrize(
    ("response", "kept"),
    [
        pytest.param(b"HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n", [(b"X", b"1")], id="C2-204"),
        pytest.param(
            b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", [], id="C2-204-with-cl-0"
        ),
        pytest.param(
            b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n', [(b"ETag", b'"x"')], id="C2-304"
        ),
        pytest.param(
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            [(b"Content-Length", b"5")],
            id="C2-304-with-cl",
        ),
        pytest.param(
            b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
            [(b"Content-Length", b"0")],
            id="C2-205",
        ),
    ],
)
def test_C2_responses_without_content(
    make_wire: MakeWire, response: bytes, kept: list[tuple[bytes, bytes]]
) -> None:
    wire = make_wire(answer(response))
    with wire.client() as client:
        for _ in range(2):
            client.send(get())
            answered = client.read_response()
            assert answered.body == b""
            assert list(answered.headers) == kept
    assert len(wire.origin.conversations) == 1


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(b"HTTP/1.1 204 No\r\n" + TE + b"\r\n0\r\n\r\n", id="204-chunked"),
        pytest.param(b"HTTP/1.1 304 No\r\n" + TE + b"\r\n", id="304-chunked"),
    ],
)
def test_C2_te_never_goes_out_where_no_body_may_be(make_wire: MakeWire, response: bytes) -> None:
    wire = make_wire(answer_then_close(response))
    answered = wire.ask(get())
    assert answered.status in (204, 304, 502)
    assert not answered.has(b"transfer-encoding")


@pytest.mark.parametrize("count", [1, 5])
def test_C4_103_reaches_the_client_before_the_response(make_wire: MakeWire, count: int) -> None:
    hinted = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(HINTS * count)
        assert hinted.wait(20)
        conversation.send(OK)
        conversation.wait_until_left()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(get())
        for _ in range(count):
            assert client.read_until(b"\r\n\r\n") == HINTS
        hinted.set()
        assert client.read_response().body == b"ok"


def test_C4_102_and_103_are_not_for_http_1_0(make_wire: MakeWire) -> None:
    wire = make_wire(answer_then_close(b"HTTP/1.1 102 Processing\r\n\r\n" + HINTS + OK))
    with wire.client() as client:
        client.send(get(version=b"1.0"))
        response = client.read_response()
        assert response.interim == ()
        assert response.body == b"ok"


def test_2D_84_an_unasked_100_is_ignored(make_wire: MakeWire) -> None:
    wire = make_wire(answer(b"HTTP/1.1 100 Continue\r\n\r\n" + OK))
    response = wire.ask(get())
    assert (response.status, response.interim, response.body) == (200, (), b"ok")


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_2D_92_a_close_delimited_response_is_relayed_whole(
    make_wire: MakeWire, version: bytes, size: int
) -> None:
    body = bytes(i % 251 for i in range(1000)) * (size // 1000) + b"x" * (size % 1000)
    wire = make_wire(answer_then_close(b"HTTP/1.0 200 OK\r\nX: 1\r\n\r\n", body))
    with wire.client() as client:
        client.send(get(version=version))
        response = client.read_response()
        assert response.body == body
        assert response.version == b"1.1"
        if version == b"1.1":
            assert response.values(b"transfer-encoding") == [b"chunked"]
            client.send(get(b"/again"))
            assert client.read_response().body == body
        else:
            assert not response.has(b"transfer-encoding")
            client.read_nothing_more()


def test_2D_92_a_close_delimited_response_cut_by_rst_is_cut(make_wire: MakeWire) -> None:
    wire = make_wire(answer_then_reset(b"HTTP/1.0 200 OK\r\n\r\n", b"part"))
    with wire.client() as client:
        client.send(get())
        with suppress(Truncated):
            assert client.read_response().status == 502


def test_A15_a_chunked_response_is_close_delimited_for_http_1_0(make_wire: MakeWire) -> None:
    wire = make_wire(
        answer(S + TE + b"\r\n" + in_chunks(b"hello", b" world", trailers=b"X: 1\r\n"))
    )
    with wire.client() as client:
        client.send(get(version=b"1.0", fields=b"Connection: keep-alive\r\n"))
        response = client.read_response()
        assert response.body == b"hello world"
        assert not response.has(b"transfer-encoding")
        assert not response.has(b"content-length")
        client.read_nothing_more()


def test_an_http_1_0_client_that_asks_is_kept_alive_when_the_length_is_known(
    make_wire: MakeWire,
) -> None:
    wire = make_wire()
    with wire.client() as client:
        for _ in range(2):
            client.send(get(version=b"1.0", fields=b"Connection: keep-alive\r\n"))
            response = client.read_response()
            assert response.body == b"ok"
            if not response.has(b"connection") or response.says_close:
                client.read_nothing_more()
                return
            assert [v.lower() for v in response.values(b"connection")] == [b"keep-alive"]


def test_A6_chunks_of_a_response_are_normalised(make_wire: MakeWire) -> None:
    body = b'5;ext="x"\r\nhello\r\n0000001\r\n!\r\n0;y\r\n\r\n'
    wire = make_wire(answer(S + TE + b"\r\n" + body))
    response = wire.ask(get())
    assert response.body == b"hello!"
    assert b"ext" not in response.raw
    assert b";" not in response.raw.partition(b"\r\n\r\n")[2]


def test_2D_90_a_wrong_content_coding_passes_byte_for_byte(make_wire: MakeWire) -> None:
    for coding in (b"gzip", b"br", b"zstd", b"nonsense", b"gzip, br"):
        body = b"\x00\xffthis is none of those\r\n0\r\n\r\n"
        wire = make_wire(answer(ok(body, b"Content-Encoding: " + coding + b"\r\n")))
        response = wire.ask(get(fields=b"Accept-Encoding: identity\r\n"))
        assert response.body == body
        assert response.values(b"content-encoding") == [coding]
