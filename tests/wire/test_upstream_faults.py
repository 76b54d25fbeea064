"""What an upstream may do wrong (http.md 1A A12-A15, 2D): 502 or a visible cut, never a guess."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tests.rigs.raw_client import Truncated
from tests.rigs.scripted_origin import (
    OK,
    Conversation,
    answer,
    answer_then_close,
    answer_then_reset,
    blackhole,
    closed_port,
    hang_up,
    never_answer,
    reset_at_once,
)
from tests.rigs.worker_thread import all_to
from tests.wire.conftest import TIMEOUTS, MakeWire, Wire
from tests.wire.message_bytes import get, ok, sized

S = b"HTTP/1.1 200 OK\r\n"
TE = b"Transfer-Encoding: chunked\r\n"


def assert_502_and_connection_not_reused(wire: Wire, status: int = 502) -> None:
    """The client gets an error; its connection goes on; the upstream connection does not."""
    with wire.client() as client:
        client.send(get(b"/first"))
        response = client.read_response()
        assert response.status == status
        assert b"evil" not in response.raw
        if response.says_close:
            client.read_nothing_more()
    assert wire.origin.targets.count(b"/first") >= 1
    for conversation in wire.origin.conversations:
        conversation.left.wait(20)
        assert len(conversation.requests) <= 1


BROKEN_HEADS = [
    pytest.param(S + b"Content-Length: foo\r\n\r\nhello", id="2D-77-cl-foo"),
    pytest.param(S + b"Content-Length: -1\r\n\r\nhello", id="2D-77-cl-minus"),
    pytest.param(S + b"Content-Length: +5\r\n\r\nhello", id="2D-77-cl-plus"),
    pytest.param(S + b"Content-Length: 5, 5\r\n\r\nhello", id="2D-77-cl-list"),
    pytest.param(S + b"Content-Length: 5 5\r\n\r\nhello", id="2D-77-cl-space"),
    pytest.param(S + b"Content-Length:\r\n\r\nhello", id="2D-77-cl-empty"),
    pytest.param(S + b"Content-Length: 99999999999999999999\r\n\r\nx", id="2D-77-cl-overflow"),
    pytest.param(S + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", id="2D-77-two-cls"),
    pytest.param(
        S + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", id="2D-77-two-equal-cls"
    ),
    pytest.param(S + b"Content-Length: 5\r\n" + TE + b"\r\n0\r\n\r\n", id="2D-77-cl-and-te"),
    pytest.param(S + TE + b"Content-Length: 5\r\n\r\n0\r\n\r\n", id="2D-77-te-and-cl"),
    pytest.param(S + b"Transfer-Encoding: foo\r\n\r\nhello", id="2D-77-te-foo"),
    pytest.param(S + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="2D-77-te-gzip"),
    pytest.param(S + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", id="2D-77-te-not-last"),
    pytest.param(S + b"Transfer-Encoding: identity\r\n\r\nhello", id="2D-77-te-identity"),
    pytest.param(S + TE + TE + b"\r\n0\r\n\r\n", id="2D-77-te-twice"),
    pytest.param(b"HTTP/1.0 200 OK\r\n" + TE + b"\r\n0\r\n\r\n", id="2D-77-te-in-1.0"),
    pytest.param(S + b"X: a\rb\r\n\r\n", id="2D-82-bare-cr"),
    pytest.param(S + b"X: a\rContent-Length: 5\r\n\r\nhello", id="2D-82-bare-cr-field"),
    pytest.param(S + b"X: a\nContent-Length: 2\r\n\r\nok", id="2D-82-bare-lf"),
    pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", id="2D-82-lf-everywhere"),
    pytest.param(S + b"X: a\x00b\r\n\r\n", id="2D-82-nul"),
    pytest.param(S + b"X: a\x01b\r\n\r\n", id="2D-82-control"),
    pytest.param(S + b"X: a\x7fb\r\n\r\n", id="2D-82-del"),
    pytest.param(S + b"X: a\r\n evil: b\r\n\r\n", id="2D-82-obs-fold"),
    pytest.param(S + b"nocolon\r\n\r\n", id="2D-82-no-colon"),
    pytest.param(S + b": evil\r\n\r\n", id="2D-82-empty-name"),
    pytest.param(S + b"X : evil\r\n\r\n", id="2D-82-space-before-colon"),
    pytest.param(S + b"A B: evil\r\n\r\n", id="2D-82-space-in-name"),
    pytest.param(S + b"Set-Cookie: " + b"v" * 70_000 + b"\r\n\r\n", id="2D-82-70k-set-cookie"),
    pytest.param(S + b"X: 1\r\n" * 500 + b"Content-Length: 0\r\n\r\n", id="2D-82-500-fields"),
    pytest.param(
        S + (b"X: " + b"v" * 30_000 + b"\r\n") * 5 + b"\r\n", id="D5-response-head-over-limit"
    ),
    pytest.param(b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", id="A12-version-2.0"),
    pytest.param(b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n", id="A12-version-0.9"),
    pytest.param(b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", id="A12-two-digit-status"),
    pytest.param(b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", id="A12-four-digit-status"),
    pytest.param(b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n", id="A12-no-status"),
    pytest.param(b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", id="A12-status-099"),
    pytest.param(b"HTTP/1.1 200 a\rb\r\nContent-Length: 0\r\n\r\n", id="1G-cr-in-reason"),
    pytest.param(b"HTTP/1.1 200 a\x00b\r\nContent-Length: 0\r\n\r\n", id="1G-nul-in-reason"),
    pytest.param(b"<html>evil</html>", id="A12-no-http"),
    pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="A12-ssh"),
    pytest.param(b"\x15\x03\x01\x00\x02\x02\x50", id="A12-tls-alert"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", id="A12-a-request"),
]


@pytest.mark.parametrize("response", BROKEN_HEADS)
def test_a_response_that_is_not_clear_is_502(make_wire: MakeWire, response: bytes) -> None:
    assert_502_and_connection_not_reused(make_wire(answer_then_close(response)))


@pytest.mark.parametrize("response", BROKEN_HEADS)
def test_a_response_that_is_not_clear_is_502_however_it_arrives(
    make_wire: MakeWire, response: bytes
) -> None:
    if len(response) > 1000:
        pieces = [response[i : i + 997] for i in range(0, len(response), 997)]
    else:
        pieces = [bytes([b]) for b in response]
    assert_502_and_connection_not_reused(make_wire(answer_then_close(*pieces)))


CUTS = [
    pytest.param(S + b"Content-Length: 100\r\n\r\n" + b"x" * 50, id="2D-78-sized"),
    pytest.param(S + TE + b"\r\n5\r\nhello\r\n", id="2D-79-no-last-chunk"),
    pytest.param(S + TE + b"\r\n5\r\nhel", id="2D-79-inside-a-chunk"),
    pytest.param(S + TE + b"\r\n5\r\nhello\r\n0\r\n", id="2D-79-no-end-of-trailers"),
    pytest.param(S + TE + b"\r\n5\r\nhello\r\n0x5\r\nworld\r\n0\r\n\r\n", id="A12-bad-chunk-size"),
    pytest.param(S + TE + b"\r\n5\r\nhello!\r\n0\r\n\r\n", id="A12-chunk-spill"),
    pytest.param(S + TE + b"\r\n5\r\nhello\r\n5\nworld\r\n0\r\n\r\n", id="A12-chunk-lf"),
]


@pytest.mark.parametrize("then", [answer_then_close, answer_then_reset], ids=["fin", "rst"])
@pytest.mark.parametrize("response", CUTS)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_A14_a_cut_response_is_cut_toward_the_client(
    make_wire: MakeWire, then: object, response: bytes, version: bytes
) -> None:
    head, _, body = response.partition(b"\r\n\r\n")
    wire = make_wire(then(head + b"\r\n\r\n", body))  # type: ignore[operator]  # both are script makers
    with wire.client() as client:
        client.send(get(version=version))
        # Either nothing usable reached the client (502), or a response that it can tell is cut.
        try:
            outcome = client.read_response().status
        except Truncated as cut:
            # Without a length or chunks only RST can tell (1.0); FIN will do otherwise.
            framed = cut.response is not None and cut.response.has(b"content-length")
            outcome = 0 if not cut.clean or version == b"1.1" or framed else 200
        assert outcome in (0, 502)
    assert len(wire.origin.requests) == 1


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize(
    ("head", "piece"),
    [
        pytest.param(S + b"Content-Length: 100\r\n\r\n", b"x" * 50, id="A14-sized"),
        pytest.param(S + TE + b"\r\n", b"5\r\nhello\r\n", id="A14-chunked"),
    ],
)
def test_A15_a_cut_after_the_client_saw_the_beginning_is_visible(
    make_wire: MakeWire, head: bytes, piece: bytes, version: bytes
) -> None:
    seen = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(head, piece)
        assert seen.wait(20)
        conversation.close()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(get(version=version))
        start = client.read_until(b"\r\n\r\n")
        assert start.startswith(b"HTTP/1.1 200 OK\r\n")
        if b"chunked" in start.lower():
            assert version == b"1.1"
        seen.set()
        rest = client.read_until_close()
        assert b"\r\n0\r\n" not in rest
        # A length or missing last chunk tells by itself; without either only RST does.
        framed = b"content-length" in start.lower() or b"chunked" in start.lower()
        assert framed or client.ended == "reset"


def test_A13_bytes_after_a_whole_response_end_the_connection(make_wire: MakeWire) -> None:
    wire = make_wire(answer(OK + b"xyz"))
    with wire.client() as client:
        for _ in range(3):
            client.send(get())
            assert client.read_response().body == b"ok"
    assert len(wire.origin.conversations) == 3
    assert [len(c.requests) for c in wire.origin.conversations] == [1, 1, 1]


def test_A13_bytes_that_come_while_a_connection_is_idle_end_it(make_wire: MakeWire) -> None:
    seen = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(OK)
        assert seen.wait(20)
        conversation.send(OK.replace(b"ok", b"no"))
        conversation.wait_until_left()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(get(b"/1"))
        assert client.read_response().body == b"ok"
        seen.set()
        # The unasked response must end the connection, not answer the next request.
        wire.origin.wait_for_connections(1)[0].left.wait(20)
        wire.origin.script = answer(OK)
        client.send(get(b"/2"))
        assert client.read_response().body == b"ok"
    assert [c.received.count(b"GET ") for c in wire.origin.conversations] == [1, 1]


@pytest.mark.parametrize(
    ("method", "response"),
    [
        pytest.param(b"HEAD", S + b"Content-Length: 5\r\n\r\nhello", id="2D-81-head-with-body"),
        pytest.param(b"HEAD", S + TE + b"\r\n5\r\nhello\r\n0\r\n\r\n", id="2D-81-head-chunked"),
        pytest.param(b"GET", b"HTTP/1.1 204 No Content\r\n\r\nhello", id="2D-81-204"),
        pytest.param(
            b"GET", b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello", id="2D-81-204-with-cl"
        ),
        pytest.param(b"GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\nhello", id="2D-81-304"),
    ],
)
def test_2D_81_a_body_where_none_may_be_is_not_relayed(
    make_wire: MakeWire, method: bytes, response: bytes
) -> None:
    wire = make_wire(answer(response))
    with wire.client() as client:
        for _ in range(2):
            client.send(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
            answered = client.read_response(method.decode())
            assert answered.body == b""
            if answered.says_close:
                client.read_nothing_more()
                break
        else:
            client.half_close()
            client.read_nothing_more()
    for conversation in wire.origin.conversations:
        assert len(conversation.requests) == 1


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"


def test_2D_84_103_then_close_is_502(make_wire: MakeWire) -> None:
    wire = make_wire(answer_then_close(HINTS))
    with wire.client() as client:
        client.send(get())
        response = client.read_response()
        assert response.status == 502
        assert [status for status, _ in response.interim] == [103]


@pytest.mark.parametrize("fields", [b"", b"Upgrade: websocket\r\nConnection: Upgrade\r\n"])
def test_C5_an_unasked_101_is_502(make_wire: MakeWire, fields: bytes) -> None:
    wire = make_wire(
        answer_then_close(b"HTTP/1.1 101 Switching Protocols\r\n" + fields + b"\r\nevil")
    )
    assert_502_and_connection_not_reused(wire)


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param([S] + [b"X-%d: 1\r\n" % n for n in range(20_000)], id="2D-91-fields"),
        pytest.param([S, *[b"X" * 1000] * 2000], id="2D-91-one-name"),
        pytest.param([S, b"X: ", *[b"v" * 1000] * 2000], id="2D-91-one-value"),
        pytest.param([HINTS] * 10_000, id="2D-91-1xx"),
        pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n"] * 20_000, id="2D-91-100s"),
        pytest.param([b"HTTP/1.1 200 ", *[b"r" * 1000] * 2000], id="2D-91-reason"),
    ],
)
def test_2D_91_an_endless_head_is_502(make_wire: MakeWire, endless: list[bytes]) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"".join(endless))
        conversation.wait_until_left()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(get())
        response = client.read_response()
        assert response.status == 502
        assert len(client.received) < 1_000_000
    assert wire.origin.conversations[0].left.wait(20)


UNREACHABLE = [
    pytest.param(hang_up, 502, id="2D-89-fin-after-accept"),
    pytest.param(reset_at_once, 502, id="2D-89-rst-after-accept"),
    pytest.param(answer_then_close(), 502, id="2D-89-fin-after-request"),
    pytest.param(answer_then_reset(), 502, id="2D-89-rst-after-request"),
    pytest.param(answer_then_close(b"HTTP/1.1 200 O"), 502, id="2D-78-fin-inside-head"),
    pytest.param(answer_then_reset(S + b"X: y"), 502, id="2D-78-rst-inside-head"),
    pytest.param(never_answer, 504, id="2D-89-never-answers"),
]


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize(("script", "status"), UNREACHABLE)
def test_E11_an_upstream_that_gives_no_response(
    make_wire: MakeWire, script: object, status: int, method: bytes
) -> None:
    wire = make_wire(script, timeouts=replace(TIMEOUTS, first_byte=0.3))  # type: ignore[arg-type]  # a script
    with wire.client() as client:
        client.send(sized(b"hello", method=method))
        response = client.read_response()
        assert response.status == status
        assert response.has(b"x-figway-error")
    if method == b"POST":
        assert len(wire.origin.requests) <= 1


def test_E11_a_refused_connection_is_502(make_wire: MakeWire) -> None:
    wire = make_wire(routes=all_to(f"http://127.0.0.1:{closed_port()}"))
    assert wire.ask(get()).status == 502


def test_E11_an_unknown_name_is_502(make_wire: MakeWire) -> None:
    wire = make_wire(routes=all_to("http://no-such-host.invalid:80"))
    assert wire.ask(get()).status == 502


def test_E11_a_blackhole_is_504(make_wire: MakeWire) -> None:
    with blackhole() as port:
        patience = replace(TIMEOUTS, connect=0.3)
        wire = make_wire(routes=all_to(f"http://127.0.0.1:{port}", timeouts=patience))
        assert wire.ask(get()).status == 504


def test_an_upstream_that_says_close_is_not_reused(make_wire: MakeWire) -> None:
    wire = make_wire(answer(ok(fields=b"Connection: close\r\n")))
    with wire.client() as client:
        for _ in range(2):
            client.send(get())
            response = client.read_response()
            assert response.body == b"ok"
            assert not response.says_close  # that was said to us, not to the client
    assert len(wire.origin.conversations) == 2


def test_an_http_1_0_upstream_is_not_reused_unless_it_says_so(make_wire: MakeWire) -> None:
    wire = make_wire(answer(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    with wire.client() as client:
        for _ in range(2):
            client.send(get())
            assert client.read_response().body == b"ok"
    assert len(wire.origin.conversations) == 2
