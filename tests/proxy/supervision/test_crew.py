"""The crew, with workers that have exactly one fault each."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from flags.snapshot import FlagSnapshot
from proxy.link import Apply, Heartbeat, Message
from proxy.routing.route import Match, PathKind, PathMatch, Route, RouteFile, Upstream
from proxy.settings import Deadlines, Settings
from proxy.stages import Side
from proxy.supervision import crew as crew_module
from proxy.supervision.crew import Crew, CrewError

FAKE = str(Path(__file__).with_name("fake_worker.py"))
FILE = RouteFile(
    upstreams=(Upstream(name="legacy", side=Side.LEGACY, urls=("http://127.0.0.1:1",)),),
    routes=(Route(id="monolith", match=Match(path=PathMatch(kind=PathKind.PREFIX, value="/"))),),
    revision="x",
)
STATE = Apply(revision=1, flags=FlagSnapshot(), routes=FILE)


class Ship:
    """A crew with its log."""

    def __init__(self, fault: str, *, workers: int = 2, state_max_age: float = 15.0) -> None:
        self.capture = LogCapture()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.crew = Crew(
            settings=Settings(
                workers=workers, deadlines=Deadlines(drain=0.1), state_max_age=state_max_age
            ),
            listener=self.listener,
            log=structlog.wrap_logger(None, processors=[self.capture]),
            command=(FAKE, fault),
        )

    def events(self, name: str) -> list[dict[str, Any]]:
        return [dict(entry) for entry in self.capture.entries if entry["event"] == name]

    async def until(self, question: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not question():  # noqa: ASYNC110 - what is asked for is not announced
                await asyncio.sleep(0.01)


@asynccontextmanager
async def aboard(
    fault: str, *, workers: int = 2, state_max_age: float = 15.0
) -> AsyncIterator[Ship]:
    ship = Ship(fault, workers=workers, state_max_age=state_max_age)
    try:
        await ship.crew.start(STATE)
        yield ship
    finally:
        await ship.crew.close()
        ship.listener.close()


def publish(ship: Ship, revision: int) -> crew_module.Publication:
    return ship.crew.publish(revision=revision, flags=FlagSnapshot(revision=revision))


async def test_a_sound_crew_confirms_with_the_time_of_each() -> None:
    async with aboard("none") as ship:
        done = await ship.crew.confirmed(publish(ship, 2), 10)
        assert [ack.worker for ack in done.workers] == [1, 2]
        assert [ack.pid for ack in done.workers] == [w.pid for w in ship.crew.workers]
        assert done.missing == ()
        assert done.ms == max(ack.ms for ack in done.workers) > 0


async def test_a_worker_that_never_confirms_is_missing_and_the_others_are_not() -> None:
    async with aboard("never_confirms", workers=1) as ship:
        pid = ship.crew.workers[0].pid
        done = await ship.crew.confirmed(publish(ship, 2), 0.2)
        assert done.workers == ()
        assert [(missing.worker, missing.pid) for missing in done.missing] == [(1, pid)]
        assert done.ms >= 200


async def test_a_worker_that_dies_of_a_state_is_not_waited_for() -> None:
    async with aboard("dies_when_told", workers=1) as ship:
        done = await ship.crew.confirmed(publish(ship, 2), 20)
        assert (done.workers, done.missing) == ((), ())
        # Its successor starts on the newest state.
        await ship.until(lambda: ship.crew.workers and ship.crew.workers[0].applied_revision == 2)
        assert ship.crew.restarts == 1
        assert ship.events("worker_died")[0]["signal"] == "SIGKILL"


async def test_workers_that_exit_at_once_are_given_up_with_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crew_module, "BACKOFF_SECONDS", (0.0, 0.01, 0.02))
    ship = Ship("exits_at_once", workers=1)
    with pytest.raises(CrewError, match=r"died 6 times .*last exit code 3"):
        await ship.crew.start(STATE)
    pauses = [event["respawn_seconds"] for event in ship.events("worker_died")]
    assert pauses == sorted(pauses)
    assert pauses[0] == 0
    await ship.crew.close()
    ship.listener.close()


async def test_workers_that_cannot_be_started_are_given_up_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crew_module, "BACKOFF_SECONDS", (0.0,))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    ship = Ship("none", workers=1)
    with pytest.raises(CrewError, match=r"worker 1 could not be started: .*/nowhere/python"):
        await ship.crew.start(STATE)
    assert len(ship.events("worker_not_started")) >= crew_module.HOPELESS
    await ship.crew.close()
    ship.listener.close()


async def test_a_worker_that_is_never_ready_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "START_SECONDS", 0.3)
    ship = Ship("never_ready", workers=1)
    starting = asyncio.create_task(ship.crew.start(STATE))
    await ship.until(lambda: len(ship.events("worker_started")) >= 2)
    assert ship.events("worker_killed")[0]["cause"] == "unready"
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await ship.crew.close()
    ship.listener.close()


@pytest.mark.parametrize("fault", ["speaks_garbage"])
async def test_a_worker_without_a_link_is_replaced(fault: str) -> None:
    async with aboard(fault, workers=1) as ship:
        first = ship.crew.workers[0].pid
        publish(ship, 2)
        await ship.until(lambda: ship.crew.workers and ship.crew.workers[0].pid != first)
        assert ship.events("link_lost")[0]["pid"] == first


async def test_what_a_dead_worker_counted_stays_counted() -> None:
    async with aboard("none", workers=2) as ship:
        before = await ship.crew.collect()
        victim = ship.crew.workers[0]
        os.kill(victim.pid, signal.SIGKILL)
        await ship.until(lambda: ship.crew.restarts == 1)
        after = await ship.crew.collect()
        assert [s.value for s in before.series] == [2]
        assert after.series[0].value >= 2


async def test_a_worker_that_does_not_answer_counts_with_what_it_said_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crew_module, "COLLECT_PATIENCE", 0.2)
    async with aboard("none", workers=2) as ship:
        before = await ship.crew.collect()
        frozen = ship.crew.workers[0].pid
        os.kill(frozen, signal.SIGSTOP)
        try:
            assert await ship.crew.collect() == before
        finally:
            os.kill(frozen, signal.SIGCONT)


async def test_a_drained_crew_is_gone_and_not_replaced() -> None:
    async with aboard("none") as ship:
        ship.crew.drain(1)
        async with asyncio.timeout(20):
            await ship.crew.ended()
        assert ship.crew.workers == ()
        assert ship.crew.restarts == 0
        assert [e["exit_code"] for e in ship.events("worker_ended")] == [0, 0]


async def test_a_crew_that_does_not_drain_is_killed() -> None:
    async with aboard("never_drains") as ship:
        ship.crew.drain(0.1)
        ship.crew.stop()
        assert len(ship.crew.workers) == 2
        ship.crew.kill()
        async with asyncio.timeout(20):
            await ship.crew.ended()
        assert {e["signal"] for e in ship.events("worker_ended")} == {"SIGKILL"}


async def test_after_a_long_stop_workers_hear_nothing_before_all_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crew_module, "HEARTBEAT_SECONDS", 0.01)
    asked, known = asyncio.Event(), asyncio.Event()

    async def catch_up() -> None:
        asked.set()
        await known.wait()

    async with aboard("none", workers=1, state_max_age=1.0) as ship:
        ship.crew.catch_up = catch_up
        [worker] = ship.crew.workers
        sent: list[Message] = []
        send = worker.send

        def noted(message: Message) -> None:
            sent.append(message)
            send(message)

        monkeypatch.setattr(worker, "send", noted)
        await ship.until(lambda: Heartbeat() in sent)
        assert not asked.is_set()

        time.sleep(1.1)  # noqa: ASYNC251 - what SIGSTOP does to this process
        await asyncio.wait_for(asked.wait(), 20)
        sent.clear()
        publish(ship, 2)
        await ship.until(lambda: worker.applied_revision == 2)
        assert Heartbeat() not in sent
        known.set()
        await ship.until(lambda: Heartbeat() in sent)
