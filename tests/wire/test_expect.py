"""Expect: 100-continue (http.md C3, 2C-67; RFC 9110, 10.1.1): we ask for the body ourselves."""

from __future__ import annotations

import pytest

from tests.rigs.scripted_origin import Conversation, answer, closed_port
from tests.rigs.worker_thread import all_to
from tests.wire.conftest import MakeWire, Wire, limited, short
from tests.wire.message_bytes import CANARY, chunked, get, in_chunks, ok, post, sized

EXPECT = b"Expect: 100-continue\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        pytest.param(b"Content-Length: 5\r\n", b"hello", id="sized"),
        pytest.param(b"Transfer-Encoding: chunked\r\n", in_chunks(b"hello"), id="chunked"),
    ],
)
@pytest.mark.parametrize("spelling", [b"100-continue", b"100-Continue", b"  100-CONTINUE\t"])
def test_C3_the_client_is_asked_for_its_body_and_the_upstream_is_not_asked(
    wire: Wire, head: bytes, body: bytes, spelling: bytes
) -> None:
    with wire.client() as client:
        client.send(post(b"Expect: " + spelling + b"\r\n" + head))
        assert client.read_until(b"\r\n\r\n") == CONTINUE
        client.send(body)
        response = client.read_response("POST")
        assert (response.status, response.interim) == (200, ())
        client.send(CANARY)
        assert client.read_response().status == 200
    upload = wire.origin.requests[0]
    assert upload.body == b"hello"
    assert not upload.has(b"expect")


@pytest.mark.parametrize("message", [sized(b"hello", EXPECT), chunked(b"hello", fields=EXPECT)])
def test_2C_67_a_client_that_does_not_wait_is_served_as_well(wire: Wire, message: bytes) -> None:
    with wire.client() as client:
        client.send(message + CANARY)
        first, second = client.read_responses(["POST", "GET"])
        assert (first.status, second.status) == (200, 200)
    assert wire.origin.requests[0].body == b"hello"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(get(fields=EXPECT), id="2C-67-with-get"),
        pytest.param(post(EXPECT + b"Content-Length: 0\r\n"), id="2C-67-with-empty-body"),
        pytest.param(
            post(EXPECT + b"Content-Length: 5\r\n", b"hello", version=b"1.0"), id="2C-67-with-1.0"
        ),
    ],
)
def test_C3_nobody_is_asked_for_a_body_who_cannot_or_need_not(wire: Wire, message: bytes) -> None:
    with wire.client() as client:
        client.send(message)
        response = client.read_response()
        assert (response.status, response.interim) == (200, ())


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(v, id=f"2C-67-{v.decode()}")
        for v in (b"x 100-continue", b"y", b"100-continue, y", b"100-continue=1", b"200-ok", b"")
    ],
)
def test_C3_an_unknown_expectation_is_417(wire: Wire, value: bytes) -> None:
    wire.assert_refused(
        sized(b"", b"Expect: " + value + b"\r\n").replace(b"Length: 0", b"Length: 5"), status=417
    )


def test_C3_two_different_expectations_are_417(wire: Wire) -> None:
    wire.assert_refused(post(EXPECT + b"Expect: y\r\nContent-Length: 5\r\n"), status=417)


def test_C3_a_body_that_is_too_large_is_never_asked_for(make_wire: MakeWire) -> None:
    wire = make_wire(settings=limited(body_bytes=10))
    response = wire.assert_refused(post(EXPECT + b"Content-Length: 11\r\n"), status=413)
    assert response.interim == ()


def test_C3_a_request_that_cannot_be_served_is_answered_instead_of_asked_on(
    make_wire: MakeWire,
) -> None:
    """Admitted and routed first: when the upstream is down, the body is not sent for nothing."""
    wire = make_wire(routes=all_to(f"http://127.0.0.1:{closed_port()}"))
    with wire.client() as client:
        client.send(post(EXPECT + b"Content-Length: 1000000\r\n"))
        response = client.read_response("POST")
        assert response.status == 502
        client.read_nothing_more()


def test_2C_67_a_client_that_is_asked_and_never_sends_is_408(make_wire: MakeWire) -> None:
    wire = make_wire(settings=short(body_idle=0.3))
    with wire.client() as client:
        client.send(post(EXPECT + b"Content-Length: 5\r\n"))
        assert client.read_until(b"\r\n\r\n") == CONTINUE
        response = client.read_response("POST")
        assert response.status == 408
        client.read_nothing_more()
    assert wire.origin.requests == []


def test_C3_a_final_response_before_the_body_is_relayed_and_ends_the_connection(
    make_wire: MakeWire,
) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(ok(b"no").replace(b"200 OK", b"401 No"))
        conversation.wait_until_left()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(post(EXPECT + b"Content-Length: 100000\r\n"))
        response = client.read_response("POST")
        assert response.status == 401
        assert response.body == b"no"
        client.read_nothing_more()


def test_an_upstream_that_asks_as_well_is_not_repeated(make_wire: MakeWire) -> None:
    wire = make_wire(answer(CONTINUE + ok()))
    with wire.client() as client:
        client.send(post(EXPECT + b"Content-Length: 5\r\n"))
        assert client.read_until(b"\r\n\r\n") == CONTINUE
        client.send(b"hello")
        assert client.read_response("POST").interim == ()
