"""The link between supervisor and worker, over real socket pairs."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from flags.rule import Constraint, Parent, Rule, Strategy, Variant
from flags.snapshot import FlagSnapshot
from proxy.link import (
    Answer,
    Applied,
    Apply,
    Ask,
    Assembler,
    Collect,
    Counters,
    Drain,
    Drained,
    Heartbeat,
    Link,
    LinkBroken,
    Message,
    Ready,
    Start,
    Stop,
    decode,
    encode,
    open_link,
    parts,
)
from proxy.link import end as end_module
from proxy.link.end import MAX_WAITING
from proxy.link.frames import PART_ITEMS
from proxy.routing.route import (
    HealthCheck,
    Match,
    PathKind,
    PathMatch,
    Route,
    RouteFile,
    Stickiness,
    StickyKind,
    Upstream,
)
from proxy.settings import Limits, Settings
from proxy.stages import Side, Stage
from proxy.tally import HistogramSeries, Series, TallySnapshot


def route_file(count: int) -> RouteFile:
    legacy = Upstream(name="legacy", side=Side.LEGACY, urls=("http://127.0.0.1:1",))
    catalog = Upstream(
        name="catalog",
        side=Side.NEW,
        urls=("http://127.0.0.1:2", "unix:/run/catalog.sock"),
        health=HealthCheck(path="/healthz"),
    )
    routes = tuple(
        Route(
            id=f"r{index}",
            match=Match(path=PathMatch(kind=PathKind.TEMPLATE, value=f"/a{index}/{{slug}}")),
            new="catalog",
            stage=Stage.CANARY,
            max_percent=12.5,
            stickiness=Stickiness(kind=StickyKind.HEADER, name="x-user"),
        )
        for index in range(count)
    )
    return RouteFile(upstreams=(legacy, catalog), routes=routes, revision="0123456789ab")


def tally(count: int) -> TallySnapshot:
    return TallySnapshot(
        series=tuple(
            Series(
                metric="figway_requests_total",
                labels=(f"r{i}", "new", "live", "200"),
                value=float(i),
            )
            for i in range(count)
        ),
        histograms=tuple(
            HistogramSeries(
                metric="figway_request_duration_seconds",
                labels=(f"r{i}", "new"),
                counts=(1,) * 17,
                total_seconds=0.25,
            )
            for i in range(count)
        ),
    )


FLAGS = FlagSnapshot(
    revision=7,
    rollback_all=True,
    rollback_groups=frozenset({"purchase"}),
    rollback_routes=frozenset({"a", "b"}),
    group_basis_points=MappingProxyType({"purchase": 1250}),
    route_basis_points=MappingProxyType({"product-page": 10000}),
)


def rules(count: int) -> dict[str, Rule]:
    return {
        f"route:r{i}": Rule(
            flag=f"figway-r{i}",
            strategies=(
                Strategy(
                    name="flexibleRollout",
                    basis_points=2500,
                    hash_group="r",
                    constraints=(Constraint(field="country", operator="IN", values=("DE", "AT")),),
                    variants=(Variant(name="blue", weight=1),),
                ),
            ),
            parents=(Parent(flag="p", strategies=(Strategy(name="default"),)),),
        )
        for i in range(count)
    }


MESSAGES = [
    pytest.param(
        Start(worker=3, settings=Settings(workers=9, limits=Limits(header_count=5))), id="start"
    ),
    pytest.param(Apply(revision=1, flags=FlagSnapshot()), id="apply_flags_only"),
    pytest.param(
        Apply(revision=2**53, flags=FLAGS, routes=route_file(3), unhealthy=("catalog|http://x",)),
        id="apply_all",
    ),
    pytest.param(
        Apply(revision=2, flags=FLAGS, routes=route_file(1000)), id="apply_a_thousand_routes"
    ),
    pytest.param(
        Apply(revision=3, flags=replace(FLAGS, rules=rules(40)), routes=route_file(300)),
        id="apply_rules_and_routes",
    ),
    pytest.param(Heartbeat(), id="heartbeat"),
    pytest.param(Collect(id=1), id="collect"),
    pytest.param(Drain(seconds=0.5), id="drain"),
    pytest.param(Stop(), id="stop"),
    pytest.param(Ready(worker=0, pid=12), id="ready"),
    pytest.param(Applied(revision=5, config_revision="abc", routes_revision=3), id="applied"),
    pytest.param(Counters(id=1, tally=TallySnapshot()), id="counters_empty"),
    pytest.param(Counters(id=1, tally=tally(300)), id="counters_many"),
    pytest.param(Drained(), id="drained"),
    pytest.param(Ask(id=1, what="report", params='{"route": "a"}'), id="ask"),
    pytest.param(Answer(id=1, status=404, body='{"detail": "\u00fc"}'), id="answer"),
    pytest.param(Start(worker=1, settings=Settings(), observer="/run/o"), id="start_with_observer"),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_comes_out_as_it_went_in(message: Message) -> None:
    assembler = Assembler()
    results = [assembler.add(decode(encode(part)[4:])) for part in parts(message)]
    assert results[:-1] == [None] * (len(results) - 1)
    assert results[-1] == message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{}", id="no_type"),
        pytest.param(b'{"type":"shutdown"}', id="unknown_type"),
        pytest.param(b'{"type":"apply","revision":"x"}', id="wrong_value"),
        pytest.param(b"\xff\xfe", id="not_utf8"),
    ],
)
def test_what_is_no_message_is_refused(text: bytes) -> None:
    with pytest.raises(LinkBroken):
        decode(text)


class End:
    """One end with what it heard."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Message] = asyncio.Queue()
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.link: Link

    async def open(self, end: socket.socket) -> None:
        self.link = await open_link(
            end, on_message=self.heard.put_nowait, on_closed=self.closed.set_result
        )


@pytest.fixture
async def ends(loop: asyncio.AbstractEventLoop) -> AsyncIterator[tuple[End, End]]:
    ours, theirs = socket.socketpair()
    one, other = End(), End()
    await one.open(ours)
    await other.open(theirs)
    yield one, other
    one.link.close()
    other.link.close()
    await asyncio.gather(one.closed, other.closed)


async def test_messages_arrive_in_order_both_ways(ends: tuple[End, End]) -> None:
    one, other = ends
    sent = [Apply(revision=n, flags=FLAGS, routes=route_file(n * 100)) for n in range(4)]
    for message in sent:
        one.link.send(message)
    other.link.send(Ready(worker=1, pid=2))
    assert [await other.heard.get() for _ in sent] == sent
    assert await one.heard.get() == Ready(worker=1, pid=2)


async def test_rules_are_sent_when_they_change_and_held_while_they_do_not(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = ends
    sent: list[object] = []

    def noted(frame: Any) -> bytes:
        sent.append(type(frame).__name__)
        return encode(frame)

    monkeypatch.setattr(end_module, "encode", noted)
    some, fewer = FlagSnapshot(rules=rules(20)), FlagSnapshot(rules=rules(1))
    flags = (some, replace(some, revision=1), replace(fewer, revision=2), FlagSnapshot(revision=3))
    for revision, snapshot in enumerate(flags):
        message = Apply(revision=revision, flags=replace(snapshot, rules=dict(snapshot.rules)))
        one.link.send(message)
        assert await other.heard.get() == message
    assert sent == ["_Rules", "_Rules", "Apply", "Apply", "_Rules", "Apply", "_Rules", "Apply"]


async def test_ten_thousand_routes_leave_the_loop_free_in_between(ends: tuple[End, End]) -> None:
    one, other = ends
    file = route_file(10_000)
    turns = 0
    done = False

    async def live() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    living = asyncio.create_task(live())
    one.link.send(Apply(revision=1, flags=FLAGS, routes=file))
    heard = await other.heard.get()
    done = True
    await living
    assert heard == Apply(revision=1, flags=FLAGS, routes=file)
    # Others had at least one turn for every part that was encoded or decoded.
    assert turns >= 10_000 / PART_ITEMS


async def test_the_end_of_one_side_ends_the_other_after_its_last_message(
    ends: tuple[End, End],
) -> None:
    one, other = ends
    one.link.send(Drained())
    one.link.send(Stop())
    one.link.close()
    assert await other.closed is None
    assert other.heard.get_nowait() == Drained()
    assert other.heard.get_nowait() == Stop()
    other.link.send(Heartbeat())  # to nobody: no error


async def test_an_end_that_does_not_read_is_given_up_after_a_bound() -> None:
    ours, theirs = socket.socketpair()
    one = End()
    await one.open(ours)
    try:
        file = route_file(2_000)
        for revision in range(MAX_WAITING + 200):
            one.link.send(Apply(revision=revision, flags=FLAGS, routes=file))
        fault = await asyncio.wait_for(one.closed, 10)
        assert isinstance(fault, LinkBroken)
    finally:
        theirs.close()


async def test_heartbeats_do_not_pile_up_for_an_end_that_does_not_read() -> None:
    ours, theirs = socket.socketpair()
    one = End()
    await one.open(ours)
    try:
        one.link.pause_writing()
        for _ in range(MAX_WAITING * 2):
            one.link.send(Heartbeat())
        assert one.link.is_open
        one.link.resume_writing()
        one.link.send(Stop())
        theirs.setblocking(True)
        theirs.settimeout(5)
        assert await asyncio.to_thread(theirs.recv, 4096) == encode(Stop())
    finally:
        theirs.close()
        await one.closed


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="another_protocol"),
        pytest.param(b"\x00\x00\x00\x02[]", id="not_an_object"),
    ],
)
async def test_garbage_breaks_the_link(sent: bytes) -> None:
    ours, theirs = socket.socketpair()
    one = End()
    await one.open(ours)
    theirs.sendall(sent)
    assert isinstance(await asyncio.wait_for(one.closed, 5), LinkBroken)
    theirs.close()


async def test_a_frame_may_come_byte_by_byte(ends: tuple[End, End]) -> None:
    ours, theirs = socket.socketpair()
    one = End()
    await one.open(ours)
    for byte in encode(Collect(id=4)):
        theirs.send(bytes([byte]))
        await asyncio.sleep(0)
    assert await asyncio.wait_for(one.heard.get(), 5) == Collect(id=4)
    theirs.close()
    assert await one.closed is None


def test_decoding_a_part_is_short_against_decoding_the_whole() -> None:
    """A part costs a small, fixed share of the whole, whatever the number of routes."""
    whole = encode(Apply(revision=1, flags=FLAGS, routes=route_file(5_000)))[4:]
    biggest = max(
        (encode(p)[4:] for p in parts(Apply(revision=1, flags=FLAGS, routes=route_file(5_000)))),
        key=len,
    )

    def fastest(text: bytes) -> float:
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            decode(text)
            times.append(time.perf_counter() - begin)
        return min(times)

    assert fastest(biggest) < fastest(whole) / 5
