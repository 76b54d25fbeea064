"""Trailers (http.md C9; RFC 9110, 6.5): to clients that sent TE: trailers, and to nobody else."""

from __future__ import annotations

import pytest

from tests.rigs.raw_client import Truncated
from tests.rigs.scripted_origin import answer
from tests.wire.conftest import MakeWire
from tests.wire.message_bytes import get, in_chunks

S = b"HTTP/1.1 200 OK\r\nTrailer: X-Sum, X-T\r\nTransfer-Encoding: chunked\r\n\r\n"
TRAILERS = b"X-Sum: \xe4bc\r\nX-T: 1\r\nX-T: 2\r\n"
WANTED = b"TE: trailers\r\nConnection: TE\r\n"


def test_C9_a_client_that_asked_gets_trailers(make_wire: MakeWire) -> None:
    wire = make_wire(answer(S + in_chunks(b"hello", trailers=TRAILERS)))
    response = wire.ask(get(fields=WANTED))
    assert response.body == b"hello"
    assert response.trailers == ((b"X-Sum", b"\xe4bc"), (b"X-T", b"1"), (b"X-T", b"2"))
    assert wire.origin.one_request().values(b"te") == [b"trailers"]


@pytest.mark.parametrize(
    ("version", "fields"),
    [(b"1.1", b""), (b"1.1", b"TE: gzip\r\nConnection: TE\r\n"), (b"1.0", WANTED)],
    ids=["not-asked", "asked-for-gzip", "1.0"],
)
def test_C9_a_client_that_did_not_ask_gets_none(
    make_wire: MakeWire, version: bytes, fields: bytes
) -> None:
    wire = make_wire(answer(S + in_chunks(b"hello", trailers=TRAILERS)))
    response = wire.ask(get(fields=fields, version=version))
    assert response.body == b"hello"
    assert response.trailers == ()
    assert b"X-Sum" not in response.raw


@pytest.mark.parametrize(
    "name",
    [
        b"Content-Length",
        b"Transfer-Encoding",
        b"Connection",
        b"Set-Cookie",
        b"Host",
        b"Content-Type",
        b"Trailer",
        b"Keep-Alive",
    ],
    ids=bytes.decode,
)
def test_C9_fields_that_may_not_come_late_do_not(make_wire: MakeWire, name: bytes) -> None:
    trailers = b"%b: 5\r\nX-Sum: 1\r\n" % name
    wire = make_wire(answer(S + in_chunks(b"hello", trailers=trailers)))
    try:
        response = wire.ask(get(fields=WANTED))
    except Truncated:
        # Fields that frame the message are a framing fault, and a fault is a visible cut.
        assert name in (b"Content-Length", b"Transfer-Encoding")
        return
    assert response.body == b"hello"
    assert name.lower() not in {n.lower() for n, _ in response.trailers}
    assert (b"X-Sum", b"1") in response.trailers


def test_C9_both_connections_go_on_after_trailers(make_wire: MakeWire) -> None:
    wire = make_wire(answer(S + in_chunks(b"hello", trailers=TRAILERS)))
    with wire.client() as client:
        for number in range(4):
            client.send(get(fields=WANTED if number % 2 else b""))
            assert client.read_response().body == b"hello"
    assert len(wire.origin.conversations) == 1


@pytest.mark.parametrize(
    "trailers",
    [
        pytest.param(b"X: 1\r\n" * 20_000, id="many"),
        pytest.param(b"X: " + b"v" * 500_000 + b"\r\n", id="one-large"),
    ],
)
@pytest.mark.parametrize("fields", [b"", WANTED], ids=["not-asked", "asked"])
def test_1G_endless_response_trailers_are_a_cut(
    make_wire: MakeWire, trailers: bytes, fields: bytes
) -> None:
    wire = make_wire(answer(S + in_chunks(b"hello", trailers=trailers)))
    with wire.client() as client:
        client.send(get(fields=fields))
        received = client.read_until_close()
        # The response was begun, so it can only be cut; or nothing was sent, then it is 502.
        assert received.startswith(b"HTTP/1.1 502") or b"\r\n0\r\n" not in received
        assert len(received) < 200_000
