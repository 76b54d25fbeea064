"""Early answers, half-closes, clients that leave and workers that drain (http.md C10-C12, E9)."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from proxy.routing.route import Pool
from tests.rigs.scripted_origin import OK, Conversation
from tests.rigs.worker_thread import CATCH_ALL, all_to
from tests.wire.conftest import TIMEOUTS, MakeWire, Wire, short
from tests.wire.message_bytes import CANARY, get, ok, post, sized

S = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "status_line", [b"HTTP/1.1 413 Too Large", b"HTTP/1.1 401 No", b"HTTP/1.1 302 Found"]
)
def test_C10_a_response_before_the_body_is_whole_reaches_the_client(
    make_wire: MakeWire, status_line: bytes
) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.read_exactly(1000)
        conversation.send(status_line + b"\r\nContent-Length: 5\r\n\r\nearly")
        conversation.half_close()
        conversation.wait_until_left()

    wire = make_wire(script)
    size = 50 << 20
    with wire.client() as client:
        client.send(post(b"Content-Length: %d\r\n" % size))
        sender = threading.Thread(target=client.send_as_far_as_taken, args=(bytes(size),))
        sender.start()
        response = client.read_response("POST")
        assert response.status == int(status_line.split()[1])
        assert response.body == b"early"
        # Reading everything the proxy sends, the client ends by itself once its upload is refused.
        sender.join()
    assert len(wire.origin.received) < size


def test_2D_85_a_response_before_the_request_is_read_and_then_rst_reaches_the_client(
    make_wire: MakeWire,
) -> None:
    sent = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 400 No\r\nContent-Length: 5\r\n\r\nearly")
        assert sent.wait(20)
        conversation.reset()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(post(b"Content-Length: 100000\r\n", b"x" * 1000))
        wire.origin.wait_for_connections(1)
        response = client.read_response("POST")
        sent.set()
        assert (response.status, response.body) == (400, b"early")
        client.send_as_far_as_taken(b"x" * 10_000)


def test_C11_a_client_that_half_closes_gets_its_response(make_wire: MakeWire) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        asked.set()
        assert may_answer.wait(20)
        conversation.send(ok(b"x" * 100_000))
        conversation.wait_until_left()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(get())
        assert asked.wait(20)
        client.half_close()
        may_answer.set()
        assert client.read_response().body == b"x" * 100_000
        client.read_nothing_more()


def test_C11_pipelined_requests_before_a_half_close_are_all_answered(wire: Wire) -> None:
    with wire.client() as client:
        client.send(get() * 5)
        client.half_close()
        assert [r.status for r in client.read_responses(["GET"] * 5)] == [200] * 5
        client.read_nothing_more()


@pytest.mark.parametrize(
    ("method", "finish", "cut_off"),
    [
        pytest.param(b"GET", True, True, id="C12-get"),
        pytest.param(b"HEAD", True, True, id="C12-head"),
        pytest.param(b"POST", True, False, id="C12-post-finishes"),
        pytest.param(b"POST", False, True, id="C12-post-cut-off-where-the-route-says-so"),
    ],
)
def test_C12_what_becomes_of_the_upstream_when_the_client_leaves_before_the_response(
    make_wire: MakeWire, method: bytes, finish: bool, cut_off: bool
) -> None:
    asked, may_answer, done = threading.Event(), threading.Event(), threading.Event()
    left_early: list[bool] = []

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        asked.set()
        if cut_off:
            conversation.wait_until_left()
        else:
            assert may_answer.wait(20)
            # Still there: the response is taken, and the connection is used again.
            conversation.send(OK)
            left_early.append(conversation.read_request().target != b"/settle")
            conversation.send(OK)
        done.set()

    route = replace(CATCH_ALL, finish_when_client_leaves=finish)
    wire = make_wire(
        script,
        routes=lambda origin: replace(
            all_to(origin.url, timeouts=TIMEOUTS, pool=Pool(connections=1)), routes=(route,)
        ),
    )
    client = wire.client()
    client.send(sized(b"hello", method=method) if method == b"POST" else method + get()[3:])
    assert asked.wait(20)
    client.reset()
    may_answer.set()
    if not cut_off:
        assert wire.ask(get(b"/settle")).status == 200
    assert done.wait(20)
    assert not any(left_early)


def test_C12_a_client_that_closed_is_noticed_at_the_first_bytes_for_it(
    make_wire: MakeWire,
) -> None:
    """FIN alone may be a half-close (C11); the RST that answers our bytes tells it was the end."""
    asked, may_answer, ended = threading.Event(), threading.Event(), threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        asked.set()
        assert may_answer.wait(20)
        conversation.send(S + b"Content-Length: 1000000000\r\n\r\n")
        try:
            while True:
                conversation.send(bytes(1 << 16))
        finally:
            ended.set()

    wire = make_wire(script)
    client = wire.client()
    client.send(get())
    assert asked.wait(20)
    client.close()
    may_answer.set()
    assert ended.wait(20)


def test_C12_a_client_that_leaves_during_the_response_ends_the_upstream_of_a_get(
    make_wire: MakeWire,
) -> None:
    ended = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(S + b"Content-Length: 1000000000\r\n\r\n")
        try:
            while True:
                conversation.send(bytes(1 << 16))
        finally:
            ended.set()

    wire = make_wire(script)
    client = wire.client()
    client.send(get())
    client.read_until(b"\r\n\r\n")
    client.reset()
    assert ended.wait(20)


def test_C12_a_client_that_leaves_during_its_upload_cuts_the_upload(make_wire: MakeWire) -> None:
    ended = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_until(b"hello")
        conversation.wait_until_left()
        ended.set()

    wire = make_wire(script)
    client = wire.client()
    client.send(post(b"Content-Length: 100\r\n", b"hello"))
    wire.origin.wait_for(lambda: b"hello" in wire.origin.received)
    client.reset()
    assert ended.wait(20)
    assert wire.origin.requests == []


def test_E9_a_drain_finishes_uploads_and_responses_in_flight(make_wire: MakeWire) -> None:
    begun, may_answer = threading.Event(), threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_until(b"first half")
        begun.set()
        conversation.read_until(b"second half")
        assert may_answer.wait(20)
        conversation.send(ok(b"whole"))
        conversation.wait_until_left()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(post(b"Content-Length: 21\r\n", b"first half"))
        assert begun.wait(20)
        drained = wire.proxy.begin(wire.proxy.worker.drain(15.0))
        wire.proxy.ask(lambda: None)  # the drain has begun: the loop takes its work in order
        client.send(b"second half")
        may_answer.set()
        response = client.read_response("POST")
        assert response.body == b"whole"
        assert response.says_close
        client.read_nothing_more()
        drained.result(20)


def test_E9_idle_connections_are_told_at_their_next_request(make_wire: MakeWire) -> None:
    wire = make_wire(settings=short(drain_idle=5.0))
    with wire.client() as client:
        client.send(get())
        assert not client.read_response().says_close
        drained = wire.proxy.begin(wire.proxy.worker.drain(15.0))
        wire.proxy.ask(lambda: None)
        client.send(CANARY)
        response = client.read_response()
        assert response.status == 200
        assert response.says_close
        client.read_nothing_more()
        drained.result(20)
