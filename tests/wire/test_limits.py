"""Limits on connections, pipelines and waiting (http.md D3, D6, D7, D9)."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace

import pytest

from proxy.routing.route import Pool
from tests.rigs.redis_server import wait_until
from tests.rigs.scripted_origin import OK, Conversation, answer, never_answer
from tests.wire.conftest import TIMEOUTS, MakeWire, Wire, limited
from tests.wire.message_bytes import get, ok


def test_D6_ten_thousand_pipelined_requests_are_answered_in_order(make_wire: MakeWire) -> None:
    count = 10_000

    def script(conversation: Conversation) -> None:
        while True:
            conversation.send(ok(conversation.read_request().target))

    wire = make_wire(script)
    wire.look_at_requests = False
    with wire.client() as client:
        stream = b"".join(get(b"/%d" % n) for n in range(count))
        sender = threading.Thread(target=client.send, args=(stream,))
        sender.start()
        for number in range(count):
            client.read_until(b"\r\n\r\n")
            want = b"/%d" % number
            assert client.read_exactly(len(want)) == want
        sender.join()
    assert wire.origin.targets == [b"/%d" % n for n in range(count)]


def test_D6_a_client_that_pipelines_without_reading_is_held_back(make_wire: MakeWire) -> None:
    wire = make_wire(answer(ok(b"x" * 10_000)))
    wire.look_at_requests = False
    request = get(b"/" + b"x" * 1000)
    with wire.client(receive_buffer=4096, send_buffer=4096) as client:
        client.sock.settimeout(0.5)
        sent = 0
        with suppress(TimeoutError):
            while sent < 64 << 20:
                sent += client.sock.send(request * 16)
    assert sent < 64 << 20


def test_D3_connections_over_the_limit_wait_until_others_leave(make_wire: MakeWire) -> None:
    wire = make_wire(settings=limited(connections=3))
    clients = [wire.client() for _ in range(3)]
    for client in clients:
        client.send(get())
        assert client.read_response().status == 200
    waiting = wire.client()
    waiting.send(get())
    waiting.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        waiting.sock.recv(1)
    waiting.sock.settimeout(20)
    clients[0].close()
    assert waiting.read_response().status == 200


def test_D3_connections_of_one_address_over_the_limit_are_ended(make_wire: MakeWire) -> None:
    wire = make_wire(settings=limited(connections_per_address=2))
    first, second = wire.client(), wire.client()
    for client in (first, second):
        client.send(get())
        assert client.read_response().status == 200
    third = wire.client()
    third.send_as_far_as_taken(get())
    assert third.read_until_close() == b""
    other = wire.client(source="127.0.0.2")
    other.send(get())
    assert other.read_response().status == 200
    first.close()
    with wire.client(source="127.0.0.2") as again:
        again.send(get())
        assert again.read_response().status == 200


ONE = Pool(connections=1, waiting=1)


def until_waiting(wire: Wire, count: int) -> None:
    """Wait until so many requests wait for a connection to the origin."""
    (endpoint,) = wire.proxy.worker._pools["legacy"].endpoints
    wait_until(lambda: wire.proxy.ask(lambda: len(endpoint.waiting)) == count)


def test_D7_a_request_waits_for_a_connection_and_gets_it(make_wire: MakeWire) -> None:
    may_answer = threading.Event()

    def script(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            assert may_answer.wait(20)
            conversation.send(OK)

    wire = make_wire(script, pool=ONE)
    first, second = wire.client(), wire.client()
    first.send(get(b"/1"))
    wire.origin.wait_for_requests(1)
    second.send(get(b"/2"))
    may_answer.set()
    assert first.read_response().status == 200
    assert second.read_response().status == 200
    assert len(wire.origin.conversations) == 1


def test_D7_a_full_queue_is_503_at_once(make_wire: MakeWire) -> None:
    wire = make_wire(never_answer, pool=ONE)
    busy, queued = wire.client(), wire.client()
    busy.send(get(b"/1"))
    wire.origin.wait_for(lambda: b"/1" in wire.origin.received)
    queued.send(get(b"/2"))
    until_waiting(wire, 1)
    response = wire.ask(get(b"/3"))
    assert response.status == 503
    assert response.has(b"retry-after")
    assert b"/3" not in wire.origin.received


def test_D7_waiting_longer_than_the_queue_timeout_is_503(make_wire: MakeWire) -> None:
    wire = make_wire(never_answer, pool=ONE, timeouts=replace(TIMEOUTS, queue=0.3))
    busy = wire.client()
    busy.send(get(b"/1"))
    wire.origin.wait_for(lambda: b"/1" in wire.origin.received)
    response = wire.ask(get(b"/2"))
    assert response.status == 503
    assert response.has(b"retry-after")
    assert len(wire.origin.conversations) == 1


def test_D7_with_a_stalled_upstream_every_request_ends_within_its_patience(
    make_wire: MakeWire,
) -> None:
    wire = make_wire(
        never_answer,
        pool=Pool(connections=4, waiting=16),
        timeouts=replace(TIMEOUTS, queue=0.2, first_byte=0.4),
    )
    statuses: list[int] = []

    def ask() -> None:
        for _ in range(8):
            with wire.client() as client:
                client.send(get())
                statuses.append(client.read_response().status)

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == 400
    assert set(statuses) <= {503, 504}
    assert statuses.count(503) > 300
    assert len(wire.origin.conversations) < 100


def test_D7_a_client_that_leaves_the_queue_frees_its_place(make_wire: MakeWire) -> None:
    may_answer = threading.Event()

    def script(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            assert may_answer.wait(20)
            conversation.send(OK)

    wire = make_wire(script, pool=ONE)
    busy, leaves = wire.client(), wire.client()
    busy.send(get(b"/1"))
    wire.origin.wait_for_requests(1)
    leaves.send(get(b"/2"))
    until_waiting(wire, 1)
    leaves.reset()
    until_waiting(wire, 0)
    patient = wire.client()
    patient.send(get(b"/3"))
    until_waiting(wire, 1)
    may_answer.set()
    assert busy.read_response().status == 200
    assert patient.read_response().status == 200
    assert b"/2" not in wire.origin.targets


def test_a_pool_opens_no_more_connections_than_it_may(make_wire: MakeWire) -> None:
    wire = make_wire(pool=Pool(connections=3))

    def ask() -> None:
        with wire.client() as client:
            for _ in range(20):
                client.send(get())
                assert client.read_response().status == 200

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wire.origin.requests) == 240
    assert len(wire.origin.conversations) <= 3


def test_D9_an_idle_upstream_connection_is_closed_before_the_upstream_does(
    make_wire: MakeWire,
) -> None:
    wire = make_wire(pool=Pool(idle_seconds=0.2))
    with wire.client() as client:
        client.send(get())
        assert client.read_response().status == 200
        assert wire.origin.conversations[0].left.wait(20)
        client.send(get())
        assert client.read_response().status == 200
    assert len(wire.origin.conversations) == 2


def test_upstream_connections_are_reused(wire: Wire) -> None:
    for _ in range(20):
        assert wire.ask(get()).status == 200
    assert len(wire.origin.conversations) == 1
