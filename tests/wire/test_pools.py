"""The books of the upstream pools balance, and clocks are fair, whatever happens to a worker."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flags.snapshot import FlagSnapshot
from proxy.http1.pool import Endpoint
from proxy.http1.resolver import Resolver
from proxy.link import Apply
from proxy.routing.route import Match, PathKind, PathMatch, Pool, Route, RouteFile, Upstream
from proxy.stages import Side, Stage
from proxy.worker import Worker, WorkerProcess
from tests.rigs.scripted_origin import OK, Conversation, ScriptedOrigin, answer
from tests.rigs.worker_thread import CATCH_ALL, all_to
from tests.wire.conftest import PATIENT, SETTINGS, TIMEOUTS, MakeWire, Wire, short
from tests.wire.message_bytes import get, sized


def books(wire: Wire) -> tuple[int, int, int, int]:
    """Busy, connecting and waiting of all pools, and requests in flight."""

    def read() -> tuple[int, int, int, int]:
        worker = wire.proxy.worker
        ends = [e for pool in worker._pools.values() for e in pool.endpoints]
        return (
            sum(e.busy for e in ends),
            sum(e.connecting for e in ends),
            sum(len(e.waiting) for e in ends),
            worker.wire.in_flight,
        )

    found: tuple[int, int, int, int] = wire.proxy.ask(read)
    return found


def until_balanced(wire: Wire) -> None:
    """Wait until nothing is under way; fails when that never comes."""
    for _ in range(200):
        if books(wire) == (0, 0, 0, 0):
            return
        threading.Event().wait(0.02)
    assert books(wire) == (0, 0, 0, 0)


def test_a_request_that_waits_while_its_pool_is_replaced_is_served(make_wire: MakeWire) -> None:
    """A reload that changes an upstream retires its pool, with requests in its queue."""
    first, release = threading.Event(), threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        first.set()
        release.wait(10)
        conversation.send(OK)
        answer(OK)(conversation)

    wire = make_wire(script, pool=Pool(connections=1, waiting=10))
    old = wire.proxy.worker._pools["legacy"].endpoints[0]
    busy, waiting = wire.client(), wire.client()
    busy.send(get())
    first.wait(10)
    waiting.send(get())
    for _ in range(100):
        if old.waiting:
            break
        threading.Event().wait(0.02)
    wire.proxy.change(routes=all_to(wire.origin.url, timeouts=TIMEOUTS, pool=Pool(connections=2)))
    release.set()
    assert busy.read_response().status == 200
    assert waiting.read_response().status == 200
    for _ in range(100):
        if not old.busy:
            break
        threading.Event().wait(0.02)
    assert wire.proxy.ask(lambda: (old.busy, old.connecting, len(old.waiting), old.idle)) == (
        0,
        0,
        0,
        [],
    )


def test_D7_a_request_in_the_queue_of_a_replaced_pool_waits_no_longer_than_in_any_other(
    make_wire: MakeWire,
) -> None:
    first = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        first.set()
        conversation.wait_until_left()

    timeouts = replace(TIMEOUTS, queue=0.3)
    wire = make_wire(script, pool=Pool(connections=1, waiting=10), timeouts=timeouts)
    old = wire.proxy.worker._pools["legacy"].endpoints[0]
    wire.client().send(get())
    first.wait(10)
    waiting = wire.client()
    waiting.send(get())
    for _ in range(100):
        if old.waiting:
            break
        threading.Event().wait(0.01)
    wire.proxy.change(routes=all_to(wire.origin.url, timeouts=TIMEOUTS))
    assert waiting.read_response().status == 503


def test_E8_a_rollback_frees_a_whole_queue_at_once(make_wire: MakeWire) -> None:
    """Hundreds of requests wait for the new side when it is taken away from them."""
    # Each takes two descriptors, and this process may have no more than the usual 1,024.
    count = 400
    new = ScriptedOrigin()
    first, release = threading.Event(), threading.Event()

    def stall(conversation: Conversation) -> None:
        conversation.read_request()
        first.set()
        release.wait(20)
        conversation.send(OK)
        answer(OK)(conversation)

    new.script = stall
    with new:
        route = Route(
            id="page",
            match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/page")),
            new="catalog",
            stage=Stage.LIVE,
        )
        patient = replace(TIMEOUTS, queue=15.0)

        def routes(origin: ScriptedOrigin) -> RouteFile:
            return RouteFile(
                upstreams=(
                    Upstream(
                        name="legacy",
                        side=Side.LEGACY,
                        urls=(origin.url,),
                        timeouts=patient,
                        pool=Pool(connections=20, waiting=1000),
                    ),
                    Upstream(
                        name="catalog",
                        side=Side.NEW,
                        urls=(new.url,),
                        timeouts=patient,
                        pool=Pool(connections=1, waiting=1000),
                    ),
                ),
                routes=(route, CATCH_ALL),
                revision="r",
            )

        wire = make_wire(answer(OK), routes=routes, settings=replace(SETTINGS, state_max_age=0))
        queue = wire.proxy.worker._pools["catalog"].endpoints[0]
        wire.client().send(get(b"/page"))
        first.wait(10)
        clients = [wire.client() for _ in range(count)]
        for client in clients:
            client.send(get(b"/page"))
        for _ in range(500):
            if len(queue.waiting) == count:
                break
            threading.Event().wait(0.02)
        wire.proxy.change(flags=FlagSnapshot(rollback_all=True))
        release.set()
        for client in clients:
            assert client.read_response().status == 200
        assert new.targets == [b"/page"]
        until_balanced(wire)


def test_a_connection_that_comes_with_its_timeout_is_counted_once(make_wire: MakeWire) -> None:
    """A worker that could not run for a while finds both in the same turn of its loop."""
    wire = make_wire(timeouts=replace(TIMEOUTS, connect=0.2))
    for _ in range(5):
        with wire.client() as client:
            endpoint = wire.proxy.worker._pools["legacy"].endpoints[0]

            def starve(endpoint: Endpoint = endpoint) -> None:
                for connection in tuple(endpoint.idle):
                    connection.close()
                asyncio.get_running_loop().call_later(0.05, time.sleep, 0.4)

            wire.proxy.ask(starve)
            client.send(get())
            client.read_response()
    until_balanced(wire)


@pytest.mark.parametrize("turn", range(8))
def test_a_connect_cancelled_at_any_turn_of_the_loop_is_counted_once(
    make_wire: MakeWire, turn: int
) -> None:
    wire = make_wire()
    endpoint = wire.proxy.worker._pools["legacy"].endpoints[0]

    async def cancel_late() -> None:
        task = asyncio.get_running_loop().create_task(endpoint._connect())
        for _ in range(turn):
            await asyncio.sleep(0)
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        if not isinstance(outcome, BaseException):
            outcome.close()
        await asyncio.sleep(0.05)

    wire.proxy.do(cancel_late())
    until_balanced(wire)


def test_everyone_in_the_queue_learns_at_once_that_nobody_listens(make_wire: MakeWire) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        wire = make_wire(
            routes=all_to(
                url, timeouts=replace(TIMEOUTS, queue=15.0), pool=Pool(connections=1, waiting=100)
            )
        )
        clients = [wire.client() for _ in range(20)]
        began = time.monotonic()
        for client in clients:
            client.send(get())
        for client in clients:
            assert client.read_response().status == 502
        assert time.monotonic() - began < 10
        until_balanced(wire)


def test_a_name_that_cannot_even_be_asked_for_is_502(make_wire: MakeWire) -> None:
    url = f"http://{'a' * 70}.example:80"
    wire = make_wire(routes=all_to(url, timeouts=replace(TIMEOUTS, connect=1.0)))
    for _ in range(2):
        assert wire.ask(get()).status == 502
    until_balanced(wire)


def test_D9_a_connection_that_ended_in_this_turn_of_the_loop_is_not_lent(
    make_wire: MakeWire,
) -> None:
    """The origin's FIN and a POST arrive together: nothing was sent, so nothing need fail."""
    ends = threading.Event()

    def script(conversation: Conversation) -> None:
        if conversation.number:
            answer(OK)(conversation)
            return
        conversation.read_request()
        conversation.send(OK)
        ends.wait(10)
        conversation.half_close()
        closed.set()
        conversation.wait_until_left()

    closed = threading.Event()
    wire = make_wire(script)
    with wire.client() as client:
        client.send(get())
        assert client.read_response().status == 200

        def together() -> None:
            # The loop sees neither event before this returns, then both at once.
            ends.set()
            closed.wait(10)
            client.send(sized(b"once"))
            time.sleep(0.1)

        wire.proxy.ask(together)
        assert client.read_response("POST").status == 200
    until_balanced(wire)


def test_an_exception_in_one_deadline_leaves_all_others_in_force(make_wire: MakeWire) -> None:
    wire = make_wire(settings=short(keep_alive=0.2, header=0.2))
    broken, other = wire.client(), wire.client()
    broken.send(get())
    broken.read_response()
    other.send(get())
    other.read_response()

    def spoil() -> None:
        for connection in tuple(wire.proxy.worker.wire.clients):
            connection.wire = Spoilt(wire.proxy.worker.wire)  # type: ignore[assignment]  # on purpose
            break

    class Spoilt:
        """Raises when a deadline is looked up, and is the wire otherwise."""

        def __init__(self, wire: Any) -> None:
            self._wire = wire

        def __getattr__(self, name: str) -> Any:
            if name == "deadlines":
                raise RuntimeError("spoilt")
            return getattr(self._wire, name)

    wire.proxy.ask(spoil)
    broken.read_until_close()
    other.read_until_close()
    assert [type(c["exception"]) for c in wire.proxy.unhandled] == [RuntimeError]
    wire.proxy.unhandled.clear()


def test_C12_a_request_whose_client_left_is_finished_within_the_drain(make_wire: MakeWire) -> None:
    asked, release = threading.Event(), threading.Event()
    sent = []

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        asked.set()
        release.wait(10)
        conversation.send(OK)
        sent.append(conversation.read_some())  # b"": ended in order; an abort raises

    wire = make_wire(script)
    client = wire.client()
    client.send(sized(b"order"))
    asked.wait(10)
    client.reset()
    for _ in range(100):
        if not wire.proxy.worker.wire.clients:
            break
        threading.Event().wait(0.02)
    drained = wire.proxy.begin(wire.proxy.worker.drain(5.0))
    threading.Event().wait(0.5)
    assert not drained.done()
    release.set()
    assert drained.result(10)


def test_14_a_worker_that_could_not_run_judges_nobody_by_that_time(make_wire: MakeWire) -> None:
    """The rest of a head, of a body and of a response came while the worker was stopped."""

    def slow(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        release.wait(10)
        conversation.send(b"cd")

    release = threading.Event()
    deadlines = replace(PATIENT, header=1.6, body_idle=1.6, keep_alive=1.6)
    wire = make_wire(
        slow,
        settings=replace(SETTINGS, deadlines=deadlines),
        timeouts=replace(TIMEOUTS, idle=1.6, first_byte=1.6),
    )
    wire.look_at_requests = False
    head, reading = wire.client(), wire.client()
    reading.send(get())
    reading.read_until(b"ab")
    head.send(get()[:20])
    threading.Event().wait(0.2)

    def frozen() -> None:
        release.set()
        time.sleep(2.5)

    wire.proxy.ask(frozen)
    head.send(get()[20:])
    assert reading.read_until(b"cd") == b"cd"
    assert head.read_until(b"ab").startswith(b"HTTP/1.1 200 ")


def test_14_a_frozen_worker_serves_nothing_from_the_state_it_fell_asleep_with(
    make_wire: MakeWire,
) -> None:
    with ScriptedOrigin() as new:
        route = Route(
            id="page",
            match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/page")),
            new="catalog",
            stage=Stage.LIVE,
        )

        def routes(origin: ScriptedOrigin) -> RouteFile:
            return RouteFile(
                upstreams=(
                    Upstream(name="legacy", side=Side.LEGACY, urls=(origin.url,)),
                    Upstream(name="catalog", side=Side.NEW, urls=(new.url,)),
                ),
                routes=(route, CATCH_ALL),
                revision="r",
            )

        wire = make_wire(answer(OK), routes=routes, settings=replace(SETTINGS, state_max_age=1.5))
        with wire.client() as client:
            # A state is proven when it is applied.
            wire.proxy.change()
            client.send(get(b"/page"))
            assert client.read_response().status == 200
            assert new.targets == [b"/page"]

            def asleep() -> None:
                client.send(get(b"/page"))
                time.sleep(2.0)

            wire.proxy.ask(asleep)
            assert client.read_response().status == 200
        assert new.targets == [b"/page"]
        assert wire.origin.targets == [b"/page"]


def test_a_fresh_connection_is_had_even_when_all_places_are_taken_by_idle_ones(
    make_wire: MakeWire,
) -> None:
    """The second endpoint is full of idle connections when a request flees there from the first."""
    # None is closed because it is too old, which would make room.
    wire = make_wire(pool=Pool(connections=1, waiting=10, idle_seconds=60.0))
    with wire.client() as client:
        client.send(get())
        assert client.read_response().status == 200

        endpoint = wire.proxy.worker._pools["legacy"].endpoints[0]
        came = threading.Event()

        class Fresh:
            def connected(self, connection: Any) -> bool:
                came.set()
                connection.endpoint.release(connection)
                return True

            def not_connected(self, error: type[Exception]) -> None:
                raise AssertionError(error)

        wire.proxy.ask(lambda: endpoint.ask_later(Fresh()))  # type: ignore[arg-type]  # half an Asker
        assert came.wait(20)


async def test_a_resolver_survives_a_name_that_is_none() -> None:
    with pytest.raises(OSError, match="no address"):
        await Resolver("a" * 70 + ".example", 80).addresses()


async def test_a_table_that_cannot_be_used_leaves_rollback_in_force(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near, far = socket.socketpair()
        with near, far:
            process = WorkerProcess(listener, near)
            worker = process._worker = Worker(SETTINGS)

            async def tell(revision: int, routes: RouteFile | None, *, rollback: bool) -> None:
                flags = FlagSnapshot(rollback_all=rollback)
                process._told(Apply(revision=revision, routes=routes, flags=flags, unhealthy=()))
                if routes is not None and process._compiling is not None:
                    await process._compiling

            await tell(1, all_to("http://127.0.0.1:1"), rollback=False)
            assert worker.generation is not None
            table = worker.generation.table
            missing = all_to("https://127.0.0.1:1", tls_ca=str(tmp_path / "missing.pem"))
            with pytest.raises(OSError, match="No such file"):
                await tell(2, missing, rollback=False)
            await tell(3, None, rollback=True)
            assert worker.generation.table is table
            assert worker.generation.flags.rollback_all
            worker.close()
    gc.unfreeze()  # what a worker freezes after a table is, here, everything pytest has
