"""An observer that is absent, hung or talking costs copies, never an answer or memory."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from proxy.journey import Journey
from proxy.settings import MIB
from proxy.shadow_policy import ObserverPolicy, ShadowPolicy
from proxy.tee import outlet as outlet_module
from proxy.tee.copy import Copy
from tests.rigs.raw_client import PATIENCE, RawClient
from tests.rigs.scripted_observer import ScriptedObserver, hang_up, never_read, talk
from tests.rigs.scripted_origin import Conversation, ScriptedOrigin
from tests.rigs.worker_process import WorkerProcess
from tests.wire.conftest import SETTINGS, MakeWire, Wire
from tests.wire.message_bytes import get, ok
from tests.wire.shadowing.rig import assert_balanced, books, play, shadowed, wait_until


def test_without_an_observer_every_copy_is_shed_and_counted(make_wire: MakeWire) -> None:
    wire = make_wire(routes=lambda origin: shadowed(origin.url))
    for _ in range(3):
        assert wire.ask(get(b"/s")).status == 200
    assert_balanced(wire, eligible=3, handed=0, shed__observer_down=3)


@pytest.mark.parametrize("manner", [None, never_read, talk, hang_up])
def test_no_observer_changes_what_the_client_gets(
    make_wire: MakeWire, tmp_path: Path, manner: Callable[..., None] | None
) -> None:
    body = bytes(range(256)) * 40
    script = play(ok(body, b"X-Some: field\r\n"))
    with ScriptedObserver(tmp_path / "o", manner) as observer:
        observed = make_wire(
            script, routes=lambda origin: shadowed(origin.url), observer=str(observer.path)
        )
        alone = make_wire(script, routes=lambda origin: shadowed(origin.url, ShadowPolicy()))
        raw = []
        for wire in (observed, alone):
            with wire.client() as client:
                for _ in range(100):
                    client.send(get(b"/s"))
                    assert client.read_response().body == body
                raw.append(bytes(client.received))
        assert raw[0] == raw[1]
        assert_sums_up(observed, eligible=100)


def assert_sums_up(wire: Wire, *, eligible: int) -> None:
    wait_until(wire, lambda: wire.proxy.worker.wire.in_flight == 0)
    counted, handed, ended = books(wire)
    assert counted == eligible == handed + sum(ended.values())
    assert set(ended) <= {("shed", "queue"), ("shed", "observer_down")}


def test_an_observer_that_does_not_read_costs_no_more_than_the_bound(
    make_wire: MakeWire, tmp_path: Path
) -> None:
    body = b"x" * 100_000
    with ScriptedObserver(tmp_path / "o", never_read) as observer:
        wire = make_wire(
            play(ok(body)), routes=lambda origin: shadowed(origin.url), observer=str(observer.path)
        )
        observer.wait_for(lambda: observer.connections == 1)
        with wire.client() as client:
            for _ in range(200):
                client.send(get(b"/s"))
                assert len(client.read_response().body) == len(body)
        waiting = wire.proxy.ask(lambda: wire.proxy.worker.outlet.waiting)
        assert len(body) < waiting <= outlet_module.WAITING_BYTES + 100_000
        _, handed, ended = books(wire)
        assert ended == {("shed", "queue"): 200 - handed}
        assert handed < 110
        assert_sums_up(wire, eligible=200)


@pytest.mark.parametrize(
    ("step", "size"),
    [
        pytest.param("_pack", 10, id="handing over"),
        pytest.param("_open", 300_000, id="opening"),
        pytest.param("_hold", 300_000, id="holding"),
    ],
)
def test_a_defect_of_the_copy_ends_the_copy_and_never_the_answer(
    make_shadow: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch, step: str, size: int
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Copy, step, broken)
    body = b"x" * size
    wire = make_shadow(play(ok(body)))
    with wire.client() as client:
        for _ in range(3):
            client.send(get(b"/s"))
            assert client.read_response().body == body
    assert_balanced(wire, eligible=3, handed=0, shed__internal=3)
    assert [str(told["exception"]) for told in wire.proxy.unhandled] == ["a defect"] * 3
    wire.proxy.unhandled.clear()


def test_a_client_has_its_answer_before_the_copy_is_packed(
    make_shadow: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()
    in_time: list[bool] = []
    pack = Copy._pack

    def pack_late(copy: Copy, journey: Journey, ended_at: float) -> None:
        in_time.append(answered.wait(PATIENCE / 2))
        pack(copy, journey, ended_at)

    monkeypatch.setattr(Copy, "_pack", pack_late)
    wire = make_shadow(play(ok(b"the answer")))
    with wire.client() as client:
        client.send(get(b"/s"))
        assert client.read_response().body == b"the answer"
        answered.set()
    assert_balanced(wire, eligible=1, handed=1)
    assert in_time == [True]


def test_what_waited_for_an_observer_comes_whole_when_it_reads_again(
    make_wire: MakeWire, tmp_path: Path
) -> None:
    go = threading.Event()

    def read_later(sock: socket.socket, over: threading.Event) -> None:
        while not (go.wait(0.01) or over.is_set()):
            pass
        observer.read(sock)

    with ScriptedObserver(tmp_path / "o", read_later) as observer:
        wire = make_wire(
            _echo_a_lot, routes=lambda origin: shadowed(origin.url), observer=str(observer.path)
        )
        observer.wait_for(lambda: observer.connections == 1)
        with wire.client() as client:
            for n in range(150):
                client.send(get(b"/s/%d" % n))
                assert client.read_response().status == 200
        _, handed, ended = books(wire)
        assert ended == {("shed", "queue"): 150 - handed}
        go.set()
        # A response that came in two turns of the loop was announced before it found no room.
        observer.wait_for(lambda: len(observer.exchanges) + len(observer.ended) == handed)
        assert set(observer.ended) <= {("shed", "queue")}
        # The first ones: those that found no room came later.
        exchanges = observer.exchanges
        assert len(exchanges) > 60
        assert [r.target for r, _ in exchanges] == [b"/s/%d" % n for n in range(len(exchanges))]
        assert all(taken.body == r.target * 20_000 for r, taken in exchanges)
        assert wire.ask(get(b"/s/last")).status == 200
        later = observer.wait_for_exchanges(len(exchanges) + 1)
        assert later[-1][0].target == b"/s/last"


def _echo_a_lot(conversation: Conversation) -> None:
    while True:
        conversation.send(ok(conversation.read_request().target * 20_000))


def test_what_slow_clients_make_it_hold_is_bounded_too(
    make_shadow: Callable[..., Wire],
    observer: ScriptedObserver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outlet_module, "HELD_BYTES", 250_000)
    monkeypatch.setattr(outlet_module, "WAITING_BYTES", 250_000)
    release = threading.Event()

    def slow(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 60001\r\n\r\n" + b"x" * 60_000)
        release.wait(20)
        conversation.send(b"x")
        conversation.wait_until_left()

    wire = make_shadow(slow, observer=ObserverPolicy(max_body=61_000))
    clients = [wire.client() for _ in range(10)]
    for client in clients:
        client.send(get(b"/s"))
        client.read_until(b"x" * 60_000)
    assert wire.proxy.ask(lambda: wire.proxy.worker.outlet.held) <= 250_000
    release.set()
    for client in clients:
        client.read_exactly(1)
    whole = observer.wait_for_exchanges(4)
    assert all(len(taken.body) == 60_001 for _, taken in whole)
    assert_balanced(wire, eligible=10, handed=4, shed__queue=6)


def test_memory_stays_bounded_with_an_observer_that_never_reads(tmp_path: Path) -> None:
    body = b"x" * 500_000
    with ExitStack() as stack:
        origin = stack.enter_context(ScriptedOrigin(play(ok(body))))
        observer = stack.enter_context(ScriptedObserver(tmp_path / "o", never_read))
        process = stack.enter_context(
            WorkerProcess(shadowed(origin.url), SETTINGS, observer=str(observer.path))
        )
        observer.wait_for(lambda: observer.connections == 1)
        client = stack.enter_context(RawClient(process.address))
        for _ in range(5):
            client.send(get(b"/s"))
            assert len(client.read_response().body) == len(body)
            client.received.clear()
        before = process.resident_bytes()
        for _ in range(200):
            client.send(get(b"/s"))
            assert len(client.read_response().body) == len(body)
            client.received.clear()
        assert process.resident_bytes() - before < 32 * MIB
