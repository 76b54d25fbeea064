"""Bodies flow while they come, in flat memory, and both sides may leave (http.md C8-C13)."""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress

import pytest

from flags.snapshot import FlagSnapshot
from proxy.routing.route import Pool
from tests.rigs.raw_client import Truncated
from tests.rigs.scripted_origin import OK, Conversation, answer
from tests.wire.conftest import MakeWire, own_fields
from tests.wire.message_bytes import get, ok, post, sized

S = b"HTTP/1.1 200 OK\r\n"
EVENTS = S + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_C8_every_event_arrives_before_the_next_is_sent(make_wire: MakeWire) -> None:
    arrived = threading.Semaphore(0)

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(EVENTS)
        for number in range(5):
            assert arrived.acquire(timeout=20)
            event = b"data: %d\n\n" % number
            conversation.send(b"%x\r\n%b\r\n" % (len(event), event))
        assert arrived.acquire(timeout=20)
        conversation.send(b"0\r\n\r\n")
        conversation.wait_until_left()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(get())
        assert client.read_until(b"\r\n\r\n").startswith(S)  # the head before any event
        arrived.release()
        for number in range(5):
            client.read_until(b"data: %d\n\n" % number)
            arrived.release()
        assert client.read_until(b"0\r\n\r\n").endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(S + b"Content-Length: 10\r\n\r\n", id="sized"),
        pytest.param(S + b"\r\n", id="close-delimited"),
    ],
)
def test_C8_single_bytes_are_not_held_back(make_wire: MakeWire, head: bytes) -> None:
    arrived = threading.Semaphore(0)

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(head)
        for number in range(10):
            assert arrived.acquire(timeout=20)
            conversation.send(b"%d" % number)

    wire = make_wire(script)
    with wire.client() as client:
        client.send(get())
        client.read_until(b"\r\n\r\n")
        for number in range(10):
            arrived.release()
            client.read_until(b"%d" % number)


def test_request_bodies_are_not_held_back_either(make_wire: MakeWire) -> None:
    arrived = threading.Semaphore(0)

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        for number in range(5):
            assert b"piece %d" % number in conversation.read_until(b"piece %d\r\n" % number)
            arrived.release()
        conversation.read_until(b"0\r\n\r\n")
        conversation.send(OK)
        conversation.wait_until_left()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(post(b"Transfer-Encoding: chunked\r\n"))
        for number in range(5):
            client.send(b"7\r\npiece %d\r\n" % number)
            assert arrived.acquire(timeout=20)
        client.send(b"0\r\n\r\n")
        assert client.read_response("POST").status == 200


def test_C13_a_client_that_does_not_read_stops_the_upstream(make_wire: MakeWire) -> None:
    size = 64 << 20
    stuck = threading.Event()
    sent = 0

    def script(conversation: Conversation) -> None:
        nonlocal sent
        conversation.read_request()
        conversation.send(S + b"Content-Length: %d\r\n\r\n" % size)
        conversation._sock.settimeout(0.5)
        try:
            while sent < size:
                sent += conversation._sock.send(bytes(min(1 << 16, size - sent)))
        except TimeoutError:
            stuck.set()
        conversation._sock.settimeout(20)
        while sent < size:
            sent += conversation._sock.send(bytes(min(1 << 16, size - sent)))
        conversation.wait_until_left()

    wire = make_wire(script)
    with wire.client(receive_buffer=8192) as client:
        client.send(get())
        assert stuck.wait(20)
        assert len(client.read_response().body) == size


def test_C13_an_upstream_that_does_not_read_stops_the_client(make_wire: MakeWire) -> None:
    size = 64 << 20
    may_read = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        assert may_read.wait(20)
        got = 0
        while got < size:
            got += len(conversation.read_some())
        conversation.send(ok(b"%d" % got))
        conversation.wait_until_left()

    wire = make_wire(script)
    wire.look_at_requests = False
    with wire.client() as client:
        client.send(post(b"Content-Length: %d\r\n" % size))
        client.sock.settimeout(0.5)
        sent, data = 0, bytes(1 << 16)
        try:
            while sent < size:
                sent += client.sock.send(data)
        except TimeoutError:
            pass
        assert sent < size
        client.sock.settimeout(20)
        may_read.set()
        client.send(bytes(size - sent))
        assert client.read_response("POST").body == b"%d" % size


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param([b"", b"hello"], id="nothing-of-the-body"),
        pytest.param([b"he", b"llo"], id="a-part-of-the-body"),
    ],
)
@pytest.mark.parametrize("framing", ["sized", "chunked"])
def test_A2_a_body_that_comes_after_its_turn_has_come_is_read(
    make_wire: MakeWire, rest: list[bytes], framing: str
) -> None:
    """The second of two pipelined requests is whole only after the first was answered."""
    wire = make_wire()
    head = b"Content-Length: 5\r\n" if framing == "sized" else b"Transfer-Encoding: chunked\r\n"
    pieces = [p if framing == "sized" or not p else b"%x\r\n%b\r\n" % (len(p), p) for p in rest]
    with wire.client() as client:
        client.send(get() + post(head) + pieces[0])
        assert client.read_response().status == 200
        client.send(pieces[1] + (b"" if framing == "sized" else b"0\r\n\r\n"))
        assert client.read_response("POST").status == 200
    assert wire.origin.requests[1].body == b"hello"


def test_C13_an_upstream_that_stops_reading_what_was_held_stops_the_client(
    make_wire: MakeWire,
) -> None:
    """What came while the request waited for a connection fills the upstream's buffers at once."""
    may_answer, may_read = threading.Event(), threading.Event()
    size = 64 << 20

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        assert may_answer.wait(20)
        conversation.send(OK)
        conversation.read_head()
        assert may_read.wait(20)
        left = size
        while left:
            left -= len(conversation.read_some())
        conversation.send(OK)
        conversation.wait_until_left()

    wire = make_wire(script, pool=Pool(connections=1))
    wire.look_at_requests = False
    busy, waiting = wire.client(), wire.client()
    busy.send(get())
    wire.origin.wait_for_requests(1)
    waiting.send(post(b"Content-Length: %d\r\n" % size))
    waiting.sock.settimeout(0.5)
    sent, data = 0, bytes(1 << 16)
    for step in range(2):
        with suppress(TimeoutError):
            while sent < size:
                sent += waiting.sock.send(data)
        assert sent < size, step
        may_answer.set()
        if step == 0:
            assert busy.read_response().status == 200
    waiting.sock.settimeout(20)
    may_read.set()
    waiting.send(bytes(size - sent))
    assert waiting.read_response("POST").status == 200


def test_C13_duplex_an_echo_of_any_size_does_not_deadlock(make_wire: MakeWire) -> None:
    """An origin that answers while it reads, and a client that reads while it sends."""
    size = 16 << 20

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(S + b"Content-Length: %d\r\n\r\n" % size)
        left = size
        while left:
            piece = conversation.read_some()
            left -= len(piece)
            conversation.send(piece)
        conversation.wait_until_left()

    wire = make_wire(script)
    wire.look_at_requests = False
    body = hashlib.sha256(b"duplex").digest() * (size // 32)
    with wire.client() as client:
        client.send(post(b"Content-Length: %d\r\n" % size))
        sender = threading.Thread(target=client.send, args=(body,))
        sender.start()
        assert client.read_response("POST").body == body
        sender.join()


@pytest.mark.parametrize("direction", ["down", "up"])
def test_C13_a_large_body_arrives_whole_and_exact(make_wire: MakeWire, direction: str) -> None:
    body = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(1 << 18))  # 8 MiB
    if direction == "down":
        wire = make_wire(answer(ok(body)))
        assert wire.ask(get()).body == body
    else:
        wire = make_wire()
        assert wire.ask(sized(body)).status == 200
        assert wire.origin.one_request().body == body


def test_C7_a_flag_that_flips_leaves_a_stream_alone(make_wire: MakeWire) -> None:
    flipped = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(EVENTS + b"5\r\nfirst\r\n")
        assert flipped.wait(20)
        conversation.send(b"6\r\nsecond\r\n0\r\n\r\n")
        conversation.wait_until_left()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(get())
        client.read_until(b"first\r\n")
        wire.proxy.change(flags=FlagSnapshot(revision=2, rollback_all=True))
        flipped.set()
        assert client.read_until(b"0\r\n\r\n").startswith(b"6\r\nsecond")


def test_B19_the_body_of_a_response_is_not_touched(make_wire: MakeWire) -> None:
    body = bytes(range(256)) * 100
    wire = make_wire(answer(ok(body)))
    response = wire.ask(get(fields=b"Cache-Control: no-transform\r\n"))
    assert response.body == body
    assert own_fields(wire.origin.one_request())[-1] == (b"Cache-Control", b"no-transform")


def test_one_slow_client_does_not_hold_up_others(make_wire: MakeWire) -> None:
    def script(conversation: Conversation) -> None:
        while True:
            request = conversation.read_request()
            conversation.send(ok(bytes(32 << 20)) if request.target == b"/large" else OK)

    wire = make_wire(script, pool=Pool(connections=8))
    with wire.client(receive_buffer=4096) as slow:
        slow.send(get(b"/large"))
        slow.read_until(b"\r\n\r\n")
        for _ in range(20):
            assert wire.ask(get(b"/small")).body == b"ok"
        slow.reset()


def test_what_came_before_a_cut_reaches_the_client(make_wire: MakeWire) -> None:
    seen = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(S + b"Content-Length: 10\r\n\r\nshort")
        assert seen.wait(20)
        conversation.reset()

    wire = make_wire(script)
    with wire.client() as client:
        client.send(get())
        client.read_until(b"short")
        seen.set()
        with pytest.raises(Truncated):
            client.read_exactly(1)
