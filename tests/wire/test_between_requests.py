"""What one request may leave behind for the next on its connection: nothing (http.md 1A, D6)."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tests.rigs.raw_client import Truncated
from tests.rigs.scripted_origin import OK, Conversation, answer
from tests.wire.conftest import PATIENT, SETTINGS, MakeWire, Wire
from tests.wire.message_bytes import CANARY, chunked, get, in_chunks, ok, post, sized

WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def test_A2_connection_cannot_nominate_the_framing_of_a_body(wire: Wire) -> None:
    """What is left of the body would be the next request to the origin."""
    with wire.client() as client:
        client.send(chunked(CANARY, fields=b"Connection: transfer-encoding\r\n"), CANARY)
        first, second = client.read_responses(["POST", "GET"])
    assert (first.status, second.status) == (200, 200)
    assert wire.origin.targets == [b"/upload", b"/canary"]
    assert wire.origin.requests[0].body == CANARY


@pytest.mark.parametrize("connection", [b"Upgrade", b"keep-alive, upgrade", b"close, Upgrade"])
@pytest.mark.parametrize(
    "upload",
    [
        pytest.param(lambda fields: sized(CANARY, fields), id="length"),
        pytest.param(lambda fields: chunked(CANARY, fields=fields), id="chunked"),
    ],
)
def test_A8_an_upgrade_that_only_proxy_connection_asks_for_keeps_its_body(
    wire: Wire, connection: bytes, upload: object
) -> None:
    """llhttp takes Proxy-Connection for Connection, and stops at the head."""
    assert callable(upload)
    fields = b"Proxy-Connection: %b\r\nUpgrade: websocket\r\n" % connection
    with wire.client() as client:
        client.send(upload(fields))
        assert client.read_response("POST").status == 200
    wire.settle()
    assert wire.origin.targets == [b"/upload", b"/settle"]
    assert wire.origin.requests[0].body == CANARY


def test_A8_an_upgrade_waits_for_its_turn_and_so_does_what_follows(make_wire: MakeWire) -> None:
    def script(conversation: Conversation) -> None:
        while (request := conversation.read_request()).target != b"/ws":
            conversation.send(ok(request.target))
        conversation.send(SWITCHING)
        conversation.send(conversation.read_exactly(len(CANARY)))
        conversation.wait_until_left()

    wire = make_wire(script)
    wire.look_at_requests = False
    with wire.client() as client:
        client.send(get(b"/first") + get(b"/ws", WEBSOCKET) + CANARY)
        assert client.read_response().body == b"/first"
        assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        assert client.read_exactly(len(CANARY)) == CANARY


def test_A8_a_declined_upgrade_that_waited_leaves_the_order_alone(make_wire: MakeWire) -> None:
    def script(conversation: Conversation) -> None:
        while True:
            conversation.send(ok(conversation.read_request().target))

    wire = make_wire(script)
    with wire.client() as client:
        client.send(get(b"/1") + get(b"/2", WEBSOCKET) + get(b"/3") + get(b"/4"))
        bodies = [r.body for r in client.read_responses(["GET"] * 4)]
    assert bodies == [b"/1", b"/2", b"/3", b"/4"]
    assert wire.origin.targets == bodies


def test_C6_a_half_close_before_the_101_travels_through_the_tunnel(make_wire: MakeWire) -> None:
    closed = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        closed.wait(10)
        conversation.send(SWITCHING)
        conversation.send(b"got " + conversation.read_to_end())

    wire = make_wire(script)
    wire.look_at_requests = False
    with wire.client() as client:
        client.send(get(b"/ws", WEBSOCKET) + b"frames")
        client.half_close()
        wire.origin.wait_for(lambda: b"/ws" in wire.origin.received)
        closed.set()
        client.read_until(b"\r\n\r\n")
        assert client.read_until_close() == b"got frames"


def test_C6_a_tunnel_ends_when_both_sides_have_ended(make_wire: MakeWire) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(SWITCHING)
        conversation.read_to_end()
        conversation.half_close()
        conversation.wait_until_left()
        stay.wait(10)

    stay = threading.Event()
    wire = make_wire(script)
    wire.look_at_requests = False
    with wire.client() as client:
        client.send(get(b"/ws", WEBSOCKET))
        client.read_until(b"\r\n\r\n")
        client.half_close()
        assert client.read_until_close() == b""
        shared = wire.proxy.worker.wire
        for _ in range(100):
            if not shared.tunnels:
                break
            threading.Event().wait(0.05)
        left = wire.proxy.ask(lambda: (shared.tunnels, len(shared.clients), len(shared.upstreams)))
        stay.set()
        assert left == (0, 0, 0)


@pytest.mark.parametrize("ending", ["cut", "ends with close"])
def test_nothing_is_begun_behind_the_last_response(make_wire: MakeWire, ending: str) -> None:
    """A response behind one without its end would be taken for that end.

    The loop tells a connection that its buffers have room again also when it is being closed.
    """
    asked = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        asked.set()
        conversation.wait_until_left()

    wire = make_wire(script)

    def end() -> int:
        (connection,) = wire.proxy.worker.wire.clients
        answerer = connection.answerer
        assert answerer is not None
        answerer.client_gone()
        if ending == "cut":
            connection.cut(reset=False)
        else:
            connection.answerer = None
            connection.close_softly()
        connection.resume_writing()
        return wire.proxy.worker.wire.in_flight

    with wire.client() as client:
        client.send(get() + CANARY + CANARY)
        asked.wait(10)
        assert wire.proxy.ask(end) == 0
        assert client.read_until_close() == b""
    assert wire.origin.targets == [b"/"]


def test_D1_a_head_that_had_to_wait_is_not_late(make_wire: MakeWire) -> None:
    release = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        release.wait(10)
        conversation.send(OK)
        answer(OK)(conversation)

    settings = replace(SETTINGS, deadlines=replace(PATIENT, header=0.4))
    wire = make_wire(script, settings=settings)
    with wire.client() as client:
        # The third head is not whole when the proxy stops reading.
        client.send(get() + get() + get()[:20])
        threading.Event().wait(1.0)
        client.send(get()[20:])
        release.set()
        assert [r.status for r in client.read_responses(["GET"] * 3)] == [200] * 3


def test_C4_an_interim_response_cannot_frame_anything(make_wire: MakeWire) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\r\n"
    wire = make_wire(answer(early + OK))
    with wire.client() as client:
        client.send(get())
        response = client.read_response()
    assert [(s, [n.lower() for n, _ in f]) for s, f in response.interim] == [(103, [b"link"])]
    assert response.body == b"ok"


def test_a_1_0_client_that_would_stay_can_tell_that_an_error_ends_the_connection(
    make_wire: MakeWire,
) -> None:
    """Without `Connection: keep-alive` it waits for the end of the connection."""
    wire = make_wire(lambda conversation: conversation.close())
    with wire.client() as client:
        client.send(get(fields=b"Connection: keep-alive\r\n", version=b"1.0"))
        response = client.read_response()
        assert response.status == 502
        assert response.says_close
        client.read_nothing_more()


def test_an_answer_of_our_own_to_half_a_request_says_that_it_is_the_last(wire: Wire) -> None:
    with wire.client() as client:
        client.send(
            b"OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nContent-Length: 5\r\n\r\nhe"
        )
        response = client.read_response("OPTIONS")
        assert response.status == 200
        assert response.says_close
        client.read_nothing_more()


def test_a_head_cut_short_is_counted_once(make_wire: MakeWire) -> None:
    release = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        release.wait(10)
        conversation.send(OK)

    wire = make_wire(script, settings=replace(SETTINGS, deadlines=replace(PATIENT, header=0.3)))
    with wire.client() as client:
        client.send(get() + get()[:20])
        client.half_close()
        threading.Event().wait(0.8)
        release.set()
        assert [r.status for r in client.read_responses(["GET"] * 2)] == [200, 400]
    assert wire.proxy.worker.wire.refused == {"bad_request": 1}


def test_C3_an_upload_that_waits_for_100_gets_the_early_answer_and_no_more(
    make_wire: MakeWire,
) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        conversation.wait_until_left()

    wire = make_wire(script)
    wire.look_at_requests = False
    with wire.client() as client:
        client.send(post(b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"))
        response = client.read_response("POST")
        assert response.status == 413
        assert response.says_close
        client.send_as_far_as_taken(in_chunks(b"late") + CANARY)
        client.read_nothing_more()
    assert b"canary" not in wire.origin.received


def test_a_chunked_response_of_nothing_but_trailers_leaves_both_connections_usable(
    make_wire: MakeWire,
) -> None:
    empty = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-T: 1\r\n\r\n"
    wire = make_wire(answer(empty))
    with wire.client() as client:
        for _ in range(3):
            client.send(get(fields=b"Connection: TE\r\nTE: trailers\r\n") + get())
            with_trailers, without = client.read_responses(["GET", "GET"])
            assert (with_trailers.body, with_trailers.trailers) == (b"", ((b"X-T", b"1"),))
            assert (without.body, without.trailers) == (b"", ())
    assert len(wire.origin.conversations) == 1


@pytest.mark.parametrize("bad", [b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00", post(b"X\r\n")])
def test_D6_a_fault_deep_in_a_pipeline_leaves_all_before_it_answered(
    wire: Wire, bad: bytes
) -> None:
    with wire.client() as client:
        sender = threading.Thread(
            target=client.send_as_far_as_taken, args=(get() * 500 + bad + CANARY * 500,)
        )
        sender.start()
        responses = client.read_responses(["GET"] * 501)
        with pytest.raises(Truncated):
            client.read_response()
        sender.join()
    assert [r.status for r in responses] == [200] * 500 + [400]
    assert b"/canary" not in wire.origin.targets
