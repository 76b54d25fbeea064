"""Upgrade and tunnels (http.md A8, C5-C7, 2C-65; RFC 9110, 7.8)."""

from __future__ import annotations

import random
import threading

import pytest

from flags.snapshot import FlagSnapshot
from tests.rigs.scripted_origin import OK, Conversation, answer, answer_then_close
from tests.wire.conftest import MakeWire, Wire, own_fields, short
from tests.wire.message_bytes import CANARY, get, in_chunks, sized

ASK = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    b"Sec-WebSocket-Protocol: chat, superchat\r\n\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
)

NOT_TUNNELLED = [
    pytest.param(b"Connection: keep-alive, Upgrade\r\n", id="2C-65-connection-without-upgrade"),
    pytest.param(b"Upgrade: notwebsocket\r\nConnection: Upgrade\r\n", id="2C-65-notwebsocket"),
    pytest.param(
        b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ\r\n",
        id="2C-65-h2c",
    ),
    pytest.param(b"Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n", id="2C-65-tls"),
    pytest.param(b"Upgrade: websocket\r\n", id="2C-65-upgrade-not-nominated"),
    pytest.param(
        b"Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n", id="2C-65-list-with-others"
    ),
]


@pytest.mark.parametrize("fields", NOT_TUNNELLED)
@pytest.mark.parametrize("body", [None, b"", b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"])
@pytest.mark.parametrize("framing", ["sized", "chunked"])
def test_A8_a_declined_upgrade_is_a_plain_request(
    wire: Wire, fields: bytes, body: bytes | None, framing: str
) -> None:
    if body is None:
        message = get(b"/upload", fields)
    elif framing == "sized":
        message = sized(body, fields)
    else:
        message = (
            b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            + fields
            + b"\r\n"
            + in_chunks(body)
        )
    with wire.client() as client:
        client.send(message + CANARY + CANARY)
        assert [r.status for r in client.read_responses(["GET"] * 3)] == [200, 200, 200]
    upload, *canaries = wire.origin.wait_for_requests(3)
    assert (upload.target, upload.body) == (b"/upload", body or b"")
    assert not upload.has(b"upgrade")
    assert not upload.has(b"connection")
    assert not upload.has(b"http2-settings")
    assert [c.target for c in canaries] == [b"/canary", b"/canary"]


@pytest.mark.parametrize("framing", ["sized", "chunked"])
@pytest.mark.parametrize("pieces", ["one", "many"])
def test_A8_a_websocket_upgrade_with_a_body_is_a_plain_request(
    wire: Wire, framing: str, pieces: str
) -> None:
    fields = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    inner = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    if framing == "sized":
        message = sized(inner, fields)
    else:
        message = (
            b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            + fields
            + b"\r\n"
            + in_chunks(inner[:10], inner[10:])
        )
    stream = message + CANARY
    with wire.client() as client:
        if pieces == "one":
            client.send(stream)
        else:
            client.send(*(bytes([b]) for b in stream))
        assert [r.status for r in client.read_responses(["POST", "GET"])] == [200, 200]
    upload, canary = wire.origin.wait_for_requests(2)
    assert upload.body == inner
    assert not upload.has(b"upgrade")
    assert canary.target == b"/canary"


def test_A8_a_declined_upgrade_with_broken_framing_is_refused(wire: Wire) -> None:
    fields = b"Upgrade: h2c\r\nConnection: Upgrade\r\n"
    for framing in (
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Content-Length: +5\r\n",
    ):
        with wire.client() as client:
            client.send(
                b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + framing + b"\r\n0\r\n\r\n" + CANARY
            )
            assert client.read_response().status in (400, 501)
            client.read_nothing_more()
    wire.settle()
    assert wire.origin.targets == [b"/settle"]


def echo(conversation: Conversation) -> None:
    conversation.read_request()
    conversation.send(SWITCH)
    while piece := conversation.read_some():
        conversation.send(piece)
    conversation.half_close()


def test_C6_a_websocket_is_a_tunnel_for_bytes(make_wire: MakeWire) -> None:
    wire = make_wire(echo)
    rng = random.Random(6)
    with wire.client() as client:
        client.send(ASK)
        head = client.read_until(b"\r\n\r\n")
        # The same fields; those of the connection are said anew, so their place may differ.
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert sorted(head.lower().split(b"\r\n")) == sorted(SWITCH.lower().split(b"\r\n"))
        for size in (1, 2, 125, 126, 65_535, 65_536, 300_000):
            frame = rng.randbytes(size)
            client.send(frame)
            assert client.read_exactly(size) == frame
        client.half_close()
        client.read_nothing_more()
    request = wire.origin.one_request()
    assert [v.lower() for v in request.values(b"connection")] == [b"upgrade"]
    assert request.values(b"upgrade") == [b"websocket"]
    websocket = [(n, v) for n, v in own_fields(request) if n.startswith(b"Sec-")]
    assert websocket == [
        (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Extensions", b"permessage-deflate; client_max_window_bits"),
        (b"Sec-WebSocket-Protocol", b"chat, superchat"),
    ]


def test_C6_bytes_sent_with_the_request_and_with_the_101_are_not_lost(make_wire: MakeWire) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(SWITCH + b"from the origin")
        assert conversation.read_exactly(15) == b"from the client"
        conversation.send(b"!")
        conversation.wait_until_left()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(ASK + b"from the client")
        client.read_until(b"\r\n\r\n")
        assert client.read_exactly(16) == b"from the origin!"


@pytest.mark.parametrize("who", ["client", "origin"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_C6_the_end_of_one_side_is_the_end_of_the_other(
    make_wire: MakeWire, who: str, how: str
) -> None:
    switched, ended = threading.Event(), threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(SWITCH)
        assert switched.wait(20)
        if who == "origin":
            conversation.reset() if how == "reset" else conversation.close()
        else:
            conversation.wait_until_left()
        ended.set()

    wire = make_wire(script)
    client = wire.client()
    client.send(ASK)
    client.read_until(b"\r\n\r\n")
    switched.set()
    if who == "client":
        client.reset() if how == "reset" else client.close()
        assert ended.wait(20)
    else:
        client.read_nothing_more()


def test_C6_half_close_travels_through_the_tunnel(make_wire: MakeWire) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(SWITCH)
        everything = conversation.read_to_end()
        conversation.send(b"%d bytes" % len(everything))
        conversation.close()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(ASK)
        client.read_until(b"\r\n\r\n")
        client.send(b"x" * 100_000)
        client.half_close()
        assert client.read_until_close() == b"100000 bytes"


def test_C6_backpressure_goes_through_the_tunnel(make_wire: MakeWire) -> None:
    may_read = threading.Event()
    size = 32 << 20

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(SWITCH)
        assert may_read.wait(20)
        got = len(conversation.read_to_end())
        conversation.send(b"%d" % got)
        conversation.close()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(ASK)
        client.read_until(b"\r\n\r\n")
        client.sock.settimeout(0.5)
        sent, data = 0, bytes(1 << 16)
        try:
            while sent < size:
                sent += client.sock.send(data)
        except TimeoutError:
            pass
        # The kernel's buffers on both hops and ours are all that can have been taken.
        assert sent < size
        client.sock.settimeout(20)
        may_read.set()
        client.half_close()
        assert client.read_until_close() == b"%d" % sent


def test_C5_a_101_for_another_protocol_is_502(make_wire: MakeWire) -> None:
    wire = make_wire(answer_then_close(SWITCH.replace(b"websocket", b"h2c")))
    assert wire.ask(ASK).status == 502


def test_an_upstream_that_declines_answers_and_the_connection_goes_on(
    make_wire: MakeWire,
) -> None:
    wire = make_wire(answer(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno", OK))
    with wire.client() as client:
        client.send(ASK)
        response = client.read_response()
        assert (response.status, response.body) == (426, b"no")
        client.send(CANARY)
        assert client.read_response().body == b"ok"


def test_an_upstream_that_declines_leaves_pipelined_requests_alive(make_wire: MakeWire) -> None:
    wire = make_wire(answer(OK))
    with wire.client() as client:
        client.send(ASK + CANARY + CANARY)
        assert [r.body for r in client.read_responses(["GET"] * 3)] == [b"ok"] * 3
    assert wire.origin.targets == [b"/chat", b"/canary", b"/canary"]


def test_C7_a_flag_that_flips_leaves_a_tunnel_alone(make_wire: MakeWire) -> None:
    wire = make_wire(echo)
    with wire.client() as client:
        client.send(ASK)
        client.read_until(b"\r\n\r\n")
        wire.proxy.change(flags=FlagSnapshot(revision=2, rollback_all=True))
        wire.proxy.with_revision("other")
        client.send(b"still here")
        assert client.read_exactly(10) == b"still here"


def test_D2_a_tunnel_in_which_nobody_speaks_ends(make_wire: MakeWire) -> None:
    wire = make_wire(echo, settings=short(tunnel_idle=0.3))
    with wire.client() as client:
        client.send(ASK)
        client.read_until(b"\r\n\r\n")
        client.send(b"x")
        assert client.read_exactly(1) == b"x"
        client.read_nothing_more()
    assert wire.origin.conversations[0].left.wait(20)


def test_1_0_clients_cannot_upgrade(wire: Wire) -> None:
    assert wire.ask(ASK.replace(b"HTTP/1.1", b"HTTP/1.0")).status == 200
    assert not wire.origin.one_request().has(b"upgrade")
