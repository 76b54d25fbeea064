"""Deadlines of slow peers (http.md D1, D2, E10, 2C-75, 2D-88)."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tests.rigs.raw_client import RawClient, Truncated
from tests.rigs.scripted_origin import OK, Conversation, answer, never_answer
from tests.wire.conftest import SETTINGS, TIMEOUTS, MakeWire, Wire, short
from tests.wire.message_bytes import CANARY, chunked, get, ok, post, sized

SOON = 0.3


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"G", id="2C-75-method"),
        pytest.param(b"GET /", id="2C-75-target"),
        pytest.param(b"GET / HTTP/1.1\r\n", id="2C-75-line"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX", id="2C-75-name"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\r", id="2C-75-almost"),
    ],
)
def test_D1_a_head_that_is_never_finished_is_408(make_wire: MakeWire, start: bytes) -> None:
    wire = make_wire(settings=short(header=SOON))
    with wire.client() as client:
        client.send(start)
        response = client.read_response()
        assert response.status == 408
        assert response.says_close
        client.read_nothing_more()
    assert wire.origin.received == b""


def test_D1_a_head_that_drips_is_408_all_the_same(make_wire: MakeWire) -> None:
    """Progress does not extend the deadline of a head: that is what slowloris counts on."""
    wire = make_wire(settings=short(header=SOON))
    done = threading.Event()
    with wire.client() as client:

        def drip() -> None:
            client.send_as_far_as_taken(b"GET / HTTP/1.1\r\nHost: a\r\n")
            while not done.wait(0.02):
                client.send_as_far_as_taken(b"X: y\r\n")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert client.read_response().status == 408
        finally:
            done.set()
            dripping.join()


def test_D1_a_connection_that_says_nothing_is_closed(make_wire: MakeWire) -> None:
    wire = make_wire(settings=short(header=SOON))
    with wire.client() as client:
        answer = client.read_until_close()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")


def test_D1_a_pipelined_head_that_is_never_finished_is_408_after_the_first_answer(
    make_wire: MakeWire,
) -> None:
    wire = make_wire(settings=short(header=SOON))
    with wire.client() as client:
        client.send(get() + b"GET /half")
        assert client.read_response().status == 200
        assert client.read_response().status == 408
        client.read_nothing_more()


def test_a_kept_alive_connection_without_a_request_is_closed_silently(make_wire: MakeWire) -> None:
    wire = make_wire(settings=short(keep_alive=SOON))
    with wire.client() as client:
        client.send(get())
        assert client.read_response().status == 200
        client.read_nothing_more()


@pytest.mark.parametrize("pace", [0.02])
def test_2C_75_a_request_that_comes_byte_by_byte_in_time_is_served(wire: Wire, pace: float) -> None:
    pause = threading.Event()
    with wire.client() as client:
        for byte in sized(b"hi", b"X: y\r\n"):
            client.send(bytes([byte]))
            pause.wait(pace / 10)
        assert client.read_response("POST").status == 200
    assert wire.origin.one_request().body == b"hi"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(post(b"Content-Length: 10\r\n", b"hello"), id="sized"),
        pytest.param(chunked(b"hello")[:-5], id="chunked"),
        pytest.param(post(b"Content-Length: 10\r\n"), id="nothing-sent"),
    ],
)
def test_D2_a_body_that_stops_is_408_and_unfinished_upstream(
    make_wire: MakeWire, message: bytes
) -> None:
    wire = make_wire(never_answer, settings=short(body_idle=SOON))
    with wire.client() as client:
        client.send(message)
        response = client.read_response("POST")
        assert response.status == 408
        assert response.says_close
        client.read_nothing_more()
    for conversation in wire.origin.conversations:
        assert conversation.left.wait(20)
    assert wire.origin.requests == []
    assert b"\r\n0\r\n" not in wire.origin.received


def test_D2_a_body_slower_than_the_minimum_rate_is_408(make_wire: MakeWire) -> None:
    settings = short(body_idle=SOON)
    settings = replace(settings, deadlines=replace(settings.deadlines, body_min_rate=100_000))
    wire = make_wire(never_answer, settings=settings)
    done = threading.Event()
    with wire.client() as client:

        def drip() -> None:
            client.send_as_far_as_taken(post(b"Content-Length: 1000000\r\n"))
            while not done.wait(0.02):
                client.send_as_far_as_taken(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert client.read_response("POST").status == 408
        finally:
            done.set()
            dripping.join()
    assert wire.origin.requests == []


def test_D2_a_client_that_does_not_read_its_response_is_cut_off(make_wire: MakeWire) -> None:
    ended = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        try:
            conversation.send(ok(bytes(64 << 20)))
            conversation.wait_until_left()
        finally:
            ended.set()

    wire = make_wire(script, settings=short(write=SOON))
    with wire.client(receive_buffer=4096) as client:
        client.send(get())
        assert ended.wait(20)
        with pytest.raises(Truncated):
            client.read_response()


def test_D2_a_client_that_reads_slowly_but_reads_is_not_cut_off(make_wire: MakeWire) -> None:
    """The deadline is for silence: progress resets it, even where only the kernel sees it."""
    size = 24 << 20
    wire = make_wire(answer(ok(bytes(size))), settings=short(write=SOON))
    pace = threading.Event()
    with wire.client(receive_buffer=4096) as client:
        client.send(get())
        client.read_until(b"\r\n\r\n")
        received = client.buffered()
        for _ in range(int(4 * SOON / 0.02)):
            pace.wait(0.02)
            received += len(client.sock.recv(2048))
        assert received < size
        while received < size:
            piece = client.sock.recv(1 << 20)
            assert piece
            received += len(piece)


def test_D2_an_upstream_that_does_not_read_the_request_is_504(make_wire: MakeWire) -> None:
    may_end = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        assert may_end.wait(20)

    wire = make_wire(script, timeouts=replace(TIMEOUTS, write=SOON))
    wire.look_at_requests = False
    size = 64 << 20
    with wire.client() as client:
        client.send(post(b"Content-Length: %d\r\n" % size))
        sender = threading.Thread(target=client.send_as_far_as_taken, args=(bytes(size),))
        sender.start()
        response = client.read_response("POST")
        assert response.status == 504
        client.close()
        sender.join()
    may_end.set()


@pytest.mark.parametrize(
    "partial",
    [
        pytest.param(b"", id="2D-89-nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: y", id="2D-88-inside-head"),
    ],
)
def test_E10_no_response_in_time_is_504(make_wire: MakeWire, partial: bytes) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(partial)
        conversation.wait_until_left()

    wire = make_wire(script, timeouts=replace(TIMEOUTS, first_byte=SOON, idle=SOON))
    with wire.client() as client:
        client.send(get())
        response = client.read_response()
        assert response.status == 504
        client.send(CANARY)  # the request was whole, so the client's connection may go on
        if not response.says_close:
            assert client.read_response().status == 504
    assert wire.origin.conversations[0].left.wait(20)
    assert len(wire.origin.conversations[0].requests) == 1


def test_2D_88_a_head_that_drips_is_504_all_the_same(make_wire: MakeWire) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\n")
        while not conversation.left.wait(0.02):
            conversation.send(b"X: y\r\n")

    wire = make_wire(script, timeouts=replace(TIMEOUTS, first_byte=SOON))
    assert wire.ask(get()).status in (502, 504)


def test_E10_a_slow_upload_is_not_a_slow_first_byte(make_wire: MakeWire) -> None:
    """The patience for the first byte begins when the request is out."""
    wire = make_wire(timeouts=replace(TIMEOUTS, first_byte=SOON))
    pause = threading.Event()
    with wire.client() as client:
        client.send(post(b"Content-Length: 10\r\n"))
        for _ in range(10):
            pause.wait(SOON / 4)
            client.send(b"x")
        assert client.read_response("POST").status == 200


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n", b""],
    ids=["sized", "chunked", "close-delimited"],
)
def test_E10_a_response_that_stops_is_cut(make_wire: MakeWire, head: bytes) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        conversation.send(b"5\r\nhello\r\n" if b"chunked" in head else b"hello")
        conversation.wait_until_left()

    wire = make_wire(script, timeouts=replace(TIMEOUTS, idle=SOON))
    with wire.client() as client:
        client.send(get())
        with pytest.raises(Truncated):
            client.read_response()
    assert wire.origin.conversations[0].left.wait(20)


def test_E10_a_slow_stream_that_moves_is_not_cut(make_wire: MakeWire) -> None:
    pause = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            pause.wait(0.1)
            conversation.send(b"x")
        conversation.wait_until_left()

    wire = make_wire(script, timeouts=replace(TIMEOUTS, idle=0.5))
    assert wire.ask(get()).body == b"x" * 10


def _is_refused_in_the_end(client: RawClient) -> bool:
    pause = threading.Event()
    for _ in range(2000):
        try:
            client.send(b"more")
        except (BrokenPipeError, ConnectionResetError):
            return True
        pause.wait(0.01)
    return False


def test_lingering_after_an_error_is_bounded(make_wire: MakeWire) -> None:
    wire = make_wire(settings=short(linger=SOON, linger_idle=SOON))
    with wire.client() as client:
        client.send(b"BAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().status == 501
        client.read_nothing_more()
        assert _is_refused_in_the_end(client)


def test_a_deadline_does_not_hit_the_next_request(make_wire: MakeWire) -> None:
    wire = make_wire(answer(OK), settings=replace(short(header=SOON), via=SETTINGS.via))
    pause = threading.Event()
    with wire.client() as client:
        for _ in range(4):
            client.send(get())
            assert client.read_response().status == 200
            pause.wait(SOON / 2)
