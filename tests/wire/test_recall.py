"""on_rollback: what becomes of tunnels and streams on the new side when a route is rolled back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flags.snapshot import NOTHING_SET, FlagSnapshot
from proxy import recall, tally
from proxy.http1 import tunnel
from proxy.routing.route import Match, PathKind, PathMatch, Pool, Route, RouteFile, Upstream
from proxy.shadow_policy import DispatchAt, ShadowPolicy
from proxy.stages import Side, Stage
from tests.rigs.raw_client import RawClient
from tests.rigs.scripted_observer import ScriptedObserver
from tests.rigs.scripted_origin import OK, Conversation, Script, ScriptedOrigin, answer
from tests.rigs.worker_thread import CATCH_ALL
from tests.wire.conftest import TIMEOUTS, MakeWire, Wire
from tests.wire.message_bytes import get
from tests.wire.test_upgrades import ASK, SWITCH

ALL = FlagSnapshot(revision=2, rollback_all=True)
# RFC 6455, 5.5.1: final, opcode 8, two bytes of payload: 1012.
RESTART = b"\x88\x02\x03\xf4"
EVENTS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
FIRST = b"a\r\ndata: one\n\r\n"
LAST = b"0\r\n\r\n"


def frame(payload: bytes) -> bytes:
    """An unmasked text frame, short enough for the shortest head."""
    return bytes((0x81, len(payload))) + payload


@pytest.fixture
def legacy() -> Iterator[ScriptedOrigin]:
    """What answers after a rollback."""
    with ScriptedOrigin(answer(OK)) as origin:
        yield origin


@pytest.fixture
def make(make_wire: MakeWire, legacy: ScriptedOrigin) -> object:
    """Make a proxy whose only route with a new side is live there."""

    def made(script: Script, after: float | None, *, observer: str = "", **route: object) -> Wire:
        def routes(new: ScriptedOrigin) -> RouteFile:
            live = Route(
                id="live",
                match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/")),
                new="new",
                stage=Stage.LIVE,
                recall_after=after,
            )
            # Behind the route above, which takes everything.
            last = replace(CATCH_ALL, id="monolith")
            return RouteFile(
                upstreams=(
                    Upstream(
                        name="legacy", side=Side.LEGACY, urls=(legacy.url,), timeouts=TIMEOUTS
                    ),
                    Upstream(name="new", side=Side.NEW, urls=(new.url,), timeouts=TIMEOUTS),
                ),
                routes=(
                    replace(
                        live,
                        match=Match(path=live.match.path, methods=("GET", "POST")),
                        **route,  # type: ignore[arg-type]  # fields of Route, by the test
                    ),
                    last,
                ),
                revision="test",
            )

        return make_wire(script, routes=routes, observer=observer)

    return made


def recalled(wire: Wire, kind: str) -> float:
    series = wire.proxy.ask(wire.proxy.worker.snapshot).series
    return sum(
        each.value
        for each in series
        if each.metric == tally.RECALLED.name and each.labels == ("live", kind)
    )


def gauge(wire: Wire, metric: tally.Metric) -> float:
    series = wire.proxy.ask(wire.proxy.worker.snapshot).series
    return next(each.value for each in series if each.metric == metric.name)


def pass_ticks(wire: Wire, count: int) -> None:
    """Let the worker look at its deadlines so many times."""

    async def passed() -> None:
        ticked = asyncio.Event()
        left = count

        def tick(_: float) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                ticked.set()

        wire.proxy.worker.wire.on_tick.append(tick)
        await ticked.wait()
        wire.proxy.worker.wire.on_tick.remove(tick)

    wire.proxy.do(passed())


def open_tunnel(wire: Wire) -> RawClient:
    client = wire.client()
    client.send(ASK)
    client.read_until(b"\r\n\r\n")
    return client


def talks(conversation: Conversation) -> None:
    """A WebSocket server: says hello, then listens until it is left."""
    conversation.read_request()
    conversation.send(SWITCH + frame(b"hello"))
    conversation.read_to_end()


def test_close_ends_a_websocket_as_its_protocol_has_it_and_the_next_one_is_legacys(
    make, legacy: ScriptedOrigin
) -> None:
    wire = make(talks, 0.0)
    client = open_tunnel(wire)
    assert client.read_exactly(7) == frame(b"hello")
    wire.proxy.change(flags=ALL)
    assert client.read_exactly(4) == RESTART
    client.read_nothing_more()
    conversation = wire.origin.conversations[0]
    assert conversation.left.wait(20)
    goodbye = bytes(conversation.received)[conversation.whole_bytes :]
    # Masked, as everything a client sends: 1001.
    assert goodbye[:2] == b"\x88\x82"
    unmasked = bytes(a ^ b for a, b in zip(goodbye[6:8], goodbye[2:4], strict=True))
    assert int.from_bytes(unmasked) == 1001
    assert not conversation.was_reset
    assert wire.ask(get(b"/")).status == 200
    assert legacy.targets == [b"/"]
    assert gauge(wire, tally.TUNNELS) == 0
    assert gauge(wire, tally.IN_FLIGHT) == 0
    assert recalled(wire, "tunnel") == 1


def test_a_frame_under_way_is_waited_for(make) -> None:
    rest = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        whole = frame(b"half")
        conversation.send(SWITCH + whole[:3])
        assert rest.wait(20)
        # What stands behind the frame is not for this client any more.
        conversation.send(whole[3:] + frame(b"never"))
        conversation.read_to_end()

    wire = make(script, 0.0)
    client = open_tunnel(wire)
    assert client.read_exactly(3) == frame(b"half")[:3]
    wire.proxy.change(flags=ALL)
    # Looked at more than once, and counted once.
    pass_ticks(wire, 2)
    rest.set()
    assert client.read_until_close() == frame(b"half")[3:] + RESTART
    assert recalled(wire, "tunnel") == 1


def test_a_frame_that_never_ends_is_not_waited_for_long(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "_PARTING", 0.2)

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(SWITCH + frame(b"half")[:3])
        conversation.wait_until_left()

    wire = make(script, 0.0)
    client = open_tunnel(wire)
    client.read_exactly(3)
    wire.proxy.change(flags=ALL)
    client.read_nothing_more()
    assert wire.origin.conversations[0].left.wait(20)


def test_a_server_that_said_goodbye_is_not_interrupted(make) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(SWITCH + b"\x88\x02\x03\xe8")
        conversation.read_to_end()

    wire = make(script, 0.0)
    client = open_tunnel(wire)
    assert client.read_exactly(4) == b"\x88\x02\x03\xe8"
    wire.proxy.change(flags=ALL)
    client.read_nothing_more()


def test_keep_leaves_everything_where_it_is(make) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(SWITCH)
        while piece := conversation.read_some():
            conversation.send(piece)
        conversation.half_close()

    wire = make(script, None)
    client = open_tunnel(wire)
    wire.proxy.change(flags=ALL)
    client.send(b"still here")
    assert client.read_exactly(10) == b"still here"


def test_drain_waits_and_a_resume_in_time_ends_nothing(make) -> None:
    wire = make(talks, 1.0)
    client = open_tunnel(wire)
    client.read_exactly(7)
    wire.proxy.change(flags=ALL)
    held = wire.proxy.worker.recall
    wire.proxy.change(flags=NOTHING_SET)
    # A whole drain after the resume.
    pass_ticks(wire, 12)
    assert gauge(wire, tally.TUNNELS) == 1
    assert wire.proxy.ask(lambda: list(held.journeys.values())) == [0.0]
    wire.proxy.change(flags=ALL)
    assert client.read_exactly(4) == RESTART


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(FlagSnapshot(revision=2, rollback_routes=frozenset({"live"})), id="route"),
        pytest.param(FlagSnapshot(revision=2, rollback_groups=frozenset({"talk"})), id="group"),
    ],
)
def test_a_rollback_of_the_route_or_its_group_is_one(make, flags: FlagSnapshot) -> None:
    wire = make(talks, 0.0, group="talk")
    client = open_tunnel(wire)
    client.read_exactly(7)
    wire.proxy.change(flags=replace(flags, rollback_routes=flags.rollback_routes | {"other"}))
    assert client.read_exactly(4) == RESTART


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(FlagSnapshot(revision=2, rollback_routes=frozenset({"other"})), id="other"),
        pytest.param(FlagSnapshot(revision=2, route_basis_points={"live": 0}), id="a percentage"),
    ],
)
def test_what_is_no_rollback_of_the_route_ends_nothing(make, flags: FlagSnapshot) -> None:
    wire = make(talks, 0.0)
    client = open_tunnel(wire)
    client.read_exactly(7)
    wire.proxy.change(flags=flags)
    pass_ticks(wire, 3)
    assert gauge(wire, tally.TUNNELS) == 1


def streams(head: bytes, piece: bytes) -> Script:
    """An origin that answers with the beginning of something long."""

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(head + piece)
        conversation.wait_until_left()

    return script


def test_close_ends_an_event_stream_whole_and_its_connection_goes_on(
    make, legacy: ScriptedOrigin
) -> None:
    wire = make(streams(EVENTS, FIRST), 0.0)
    with wire.client() as client:
        client.send(get(b"/events"))
        client.read_until(FIRST)
        wire.proxy.change(flags=ALL)
        assert client.read_exactly(len(LAST)) == LAST
        client.send(get(b"/events"))
        assert client.read_response().body == b"ok"
    assert legacy.targets == [b"/events"]
    assert wire.origin.conversations[0].left.wait(20)
    assert recalled(wire, "stream") == 1
    assert gauge(wire, tally.IN_FLIGHT) == 0


def test_the_copy_of_a_recalled_response_is_given_up_with_its_reason(make, tmp_path: Path) -> None:
    with ScriptedObserver(tmp_path / "observer") as observer:
        wire = make(
            streams(EVENTS, FIRST),
            0.0,
            observer=str(observer.path),
            shadow=ShadowPolicy(sample=1.0, dispatch=DispatchAt.AFTER_RESPONSE),
        )
        observer.wait_for(lambda: observer.connections > 0)
        with wire.client() as client:
            client.send(get(b"/events"))
            client.read_until(FIRST)
            wire.proxy.change(flags=ALL)
            assert client.read_exactly(len(LAST)) == LAST
        series = wire.proxy.ask(wire.proxy.worker.snapshot).series
        drops = {s.labels: s.value for s in series if s.metric == tally.SHADOW_DROPS.name}
        assert drops == {("live", "aborted", "rollback"): 1}


def test_an_event_stream_that_begins_after_the_rollback_ends_too(make) -> None:
    begin = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        assert begin.wait(20)
        conversation.send(EVENTS + FIRST)
        conversation.wait_until_left()

    wire = make(script, 0.0)
    with wire.client() as client:
        client.send(get(b"/events"))
        wire.origin.wait_for_requests(1)
        wire.proxy.change(flags=ALL)
        begin.set()
        client.read_until(FIRST)
        assert client.read_exactly(len(LAST)) == LAST


def test_a_request_that_moves_to_another_table_while_it_waits_is_forgotten_when_it_ends(
    make, legacy: ScriptedOrigin
) -> None:
    busy = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        assert busy.wait(20)
        conversation.send(OK)
        conversation.wait_until_left()

    wire = make(script, 0.0)
    routes = wire.proxy._routes
    one = replace(routes.upstreams[1], pool=Pool(connections=1))
    wire.proxy.change(routes=replace(routes, upstreams=(routes.upstreams[0], one)))
    with wire.client() as first, wire.client() as second:
        first.send(get(b"/first"))
        wire.origin.wait_for_requests(1)
        second.send(get(b"/second"))
        while wire.proxy.ask(lambda: len(wire.proxy.worker.recall.journeys)) < 2:
            pass
        # It waits for the only connection, and the table in which it gets it has no such key.
        plain = replace(routes.routes[0], recall_after=None, stage=Stage.LEGACY)
        wire.proxy.change(routes=replace(routes, routes=(plain, routes.routes[1])))
        busy.set()
        assert first.read_response().status == 200
        assert second.read_response().status == 200
    assert legacy.targets == [b"/second"]
    assert wire.proxy.ask(lambda: len(wire.proxy.worker.recall.journeys)) == 0


def test_a_short_response_is_not_cut(make) -> None:
    begin = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nto")
        assert begin.wait(20)
        conversation.send(b"go")
        conversation.wait_until_left()

    wire = make(script, 0.0)
    with wire.client() as client:
        client.send(get(b"/"))
        client.read_until(b"to")
        wire.proxy.change(flags=ALL)
        pass_ticks(wire, 3)
        begin.set()
        assert client.read_exactly(2) == b"go"


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n", id="chunked"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"abc", id="sized"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\n",
            b"abc",
            id="events with a length",
        ),
    ],
)
@pytest.mark.parametrize("after", [0.0, 0.3])
def test_any_other_long_response_is_cut_so_that_its_client_sees_it(
    make, monkeypatch: pytest.MonkeyPatch, head: bytes, piece: bytes, after: float
) -> None:
    monkeypatch.setattr(recall, "GRACE", 0.3)
    wire = make(streams(head, piece), after)
    with wire.client() as client:
        client.send(get(b"/download"))
        client.read_until(piece)
        wire.proxy.change(flags=ALL)
        client.read_nothing_more()
    assert recalled(wire, "response") == 1
    assert gauge(wire, tally.IN_FLIGHT) == 0


def test_many_tunnels_end_a_few_at_a_time(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "_AT_ONCE", 2)
    wire = make(talks, 0.0)
    clients = [open_tunnel(wire) for _ in range(7)]
    for client in clients:
        client.read_exactly(7)
    wire.proxy.change(flags=ALL)
    for client in clients:
        assert client.read_exactly(4) == RESTART
        client.read_nothing_more()
    assert recalled(wire, "tunnel") == 7


def test_a_client_that_does_not_read_holds_nobody_up(make) -> None:
    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(SWITCH)
        big = bytes((0x82, 127)) + (1 << 20).to_bytes(8) + bytes(1 << 20)
        try:
            while True:
                conversation.send(big)
        except Exception:  # noqa: BLE001 -- the proxy left, or stopped reading: both are the point
            return

    wire = make(script, 0.0)
    client = open_tunnel(wire)
    wire.proxy.change(flags=ALL)
    everything = client.read_until_close()
    # Whole frames, then the goodbye; or, where the reader was too slow for that, at least an end.
    assert len(everything) % ((1 << 20) + 10) in (0, 4)
