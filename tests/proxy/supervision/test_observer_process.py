"""The observer's place in the supervisor, with observers that have exactly one fault each."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from flags.snapshot import FlagSnapshot
from proxy.link import Apply
from proxy.routing.route import Match, PathKind, PathMatch, Route, RouteFile, Upstream
from proxy.settings import Settings
from proxy.shadow_policy import ShadowPolicy
from proxy.stages import Side, Stage
from proxy.supervision.observer_process import Observer, can_be_shadowed
from proxy.supervision.observer_socket import ObserverSocket

FAKE = str(Path(__file__).with_name("fake_observer.py"))


def file(stage: Stage = Stage.SHADOW, sample: float = 1.0, new: str = "new") -> RouteFile:
    path = PathMatch(kind=PathKind.PREFIX, value="/a")
    return RouteFile(
        upstreams=(
            Upstream(name="legacy", side=Side.LEGACY, urls=("http://127.0.0.1:1",)),
            Upstream(name="new", side=Side.NEW, urls=("http://127.0.0.1:1",)),
        ),
        routes=(
            Route(
                id="a",
                match=Match(path=path),
                new=new,
                stage=stage,
                shadow=ShadowPolicy(sample=sample),
            ),
        ),
        revision="x",
    )


def state(revision: int = 1, **given: Any) -> Apply:
    return Apply(revision=revision, flags=FlagSnapshot(revision=revision), routes=file(**given))


class Post:
    """An observer's place with its log."""

    def __init__(self, folder: Path, fault: str) -> None:
        self.capture = LogCapture()
        self.socket = ObserverSocket.open(folder)
        self.store = folder / "evidence.sqlite3"
        self.observer = Observer(
            settings=Settings(),
            socket=self.socket,
            store=self.store,
            log=structlog.wrap_logger(None, processors=[self.capture]),
            command=(FAKE, fault),
        )

    def events(self, name: str) -> list[dict[str, Any]]:
        return [dict(entry) for entry in self.capture.entries if entry["event"] == name]

    async def until(self, question: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not question():  # noqa: ASYNC110 - what is asked for is not announced
                await asyncio.sleep(0.01)

    async def ready(self) -> None:
        await self.until(lambda: self.observer.view().state == "ready")


@asynccontextmanager
async def post(folder: Path, fault: str = "none") -> AsyncIterator[Post]:
    place = Post(folder, fault)
    try:
        yield place
    finally:
        await place.observer.close()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"stage": Stage.SHADOW}, True, id="shadow"),
        pytest.param({"stage": Stage.CANARY}, True, id="the_legacy_part_of_a_canary"),
        pytest.param({"stage": Stage.LIVE}, True, id="live_is_shadowed_in_reverse"),
        pytest.param({"stage": Stage.LEGACY}, False, id="legacy"),
        pytest.param({"stage": Stage.COMPLETE}, False, id="complete"),
        pytest.param({"sample": 0.0}, False, id="nothing_is_sampled"),
        pytest.param({"new": ""}, False, id="no_new_side"),
    ],
)
def test_a_route_can_be_shadowed_in_its_middle_stages(given: Any, expected: bool) -> None:
    assert can_be_shadowed(file(**given)) is expected


async def test_without_a_shadowed_route_there_is_no_process(tmp_path: Path) -> None:
    async with post(tmp_path) as place:
        place.observer.follow(state(sample=0.0))
        assert place.observer.view().state == "off"
        status, body = await place.observer.ask("report", {})
        assert (status, "no route is shadowed" in str(body)) == (503, True)


async def test_a_reload_that_shadows_the_first_route_starts_it(tmp_path: Path) -> None:
    async with post(tmp_path) as place:
        place.observer.follow(state(sample=0.0))
        place.observer.follow(state(2))
        await place.ready()


async def test_it_is_of_our_session_but_of_no_group_that_a_ctrl_c_reaches(tmp_path: Path) -> None:
    """Across sessions Linux shares processors out evenly, and its priority would mean nothing."""
    async with post(tmp_path) as place:
        place.observer.follow(state())
        await place.ready()
        process = place.observer.process
        assert process is not None
        assert os.getsid(process.pid) == os.getsid(0)
        assert os.getpgid(process.pid) == process.pid


async def test_evidence_that_is_there_starts_it_too(tmp_path: Path) -> None:
    async with post(tmp_path) as place:
        place.store.touch()
        place.observer.follow(state(sample=0.0))
        await place.ready()


async def test_it_is_told_every_state_and_answers(tmp_path: Path) -> None:
    async with post(tmp_path) as place:
        place.observer.follow(state())
        await place.ready()
        place.observer.follow(Apply(revision=2, flags=FlagSnapshot(revision=2)))
        place.observer.follow(state(3))
        assert await place.observer.ask("report", {"route": "a"}) == (
            200,
            {
                "what": "report",
                "params": {"route": "a"},
                "applies": [[1, True], [2, False], [3, True]],
            },
        )


async def test_a_question_waits_for_one_that_is_starting(tmp_path: Path) -> None:
    async with post(tmp_path) as place:
        await place.observer.until_started()
        assert (await place.observer.ask("x", {}))[0] == 503
        place.observer.follow(state())
        await place.until(lambda: place.observer.process is not None)
        await place.observer.until_started()
        assert (await place.observer.ask("x", {}))[0] == 200
        await place.observer.until_started()


@pytest.mark.parametrize("fault", ["never_ready", "exits_at_once"])
async def test_one_that_does_not_start_is_not_waited_for_without_end(
    tmp_path: Path, fault: str
) -> None:
    async with post(tmp_path, fault) as place:
        place.observer.follow(state())
        await place.until(lambda: place.observer.process is not None)
        await place.observer.until_started(0.01 if fault == "never_ready" else 60.0)
        assert (await place.observer.ask("x", {}))[0] == 503


async def test_its_successor_starts_with_the_newest_whole_state(tmp_path: Path) -> None:
    async with post(tmp_path) as place:
        place.observer.follow(state())
        await place.ready()
        place.observer.follow(Apply(revision=2, flags=FlagSnapshot(revision=2)))
        first = place.observer.process
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        await place.until(lambda: place.events("observer_died"))
        await place.ready()
        _, body = await place.observer.ask("x", {})
        assert body == {"what": "x", "params": {}, "applies": [[2, True]]}
        assert place.observer.view().restarts == 1


async def test_its_totals_outlive_it_and_its_gauges_do_not(tmp_path: Path) -> None:
    async with post(tmp_path) as place:
        place.observer.follow(state())
        await place.ready()
        await place.observer.collect()
        process = place.observer.process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        await place.until(lambda: place.observer.process not in (None, process))
        await place.ready()
        tally = await place.observer.collect()
        assert {s.metric: s.value for s in tally.series} == {
            "figway_log_dropped_total": 2.0,
            "figway_tunnels": 1.0,
        }


async def test_a_question_that_kills_it_is_answered_with_503(tmp_path: Path) -> None:
    async with post(tmp_path, "dies_when_asked") as place:
        place.observer.follow(state())
        await place.ready()
        status, body = await place.observer.ask("report", {})
        assert status == 503
        assert body == {"detail": "the observer ended: ask again"}


async def test_a_question_is_not_waited_for_without_end(tmp_path: Path) -> None:
    async with post(tmp_path, "never_answers") as place:
        place.observer.follow(state())
        await place.ready()
        status, body = await place.observer.ask("report", {}, patience=0.01)
        assert status == 503
        assert "did not answer" in str(body)


async def test_one_that_cannot_start_is_tried_again_and_shown(tmp_path: Path) -> None:
    async with post(tmp_path, "exits_at_once") as place:
        place.observer.follow(state())
        await place.until(lambda: len(place.events("observer_died")) >= 3)
        view = place.observer.view()
        assert view.state in ("down", "starting")
        waits = [event["respawn_seconds"] for event in place.events("observer_died")]
        assert waits == sorted(waits)
        assert waits[-1] > 0


async def test_a_drain_ends_it_and_a_kill_ends_one_that_does_not(tmp_path: Path) -> None:
    async with post(tmp_path) as place:
        place.observer.follow(state())
        await place.ready()
        assert await place.observer.drain(10)
    (tmp_path / "second").mkdir()
    async with post(tmp_path / "second", "never_drains") as place:
        brief = state()
        assert brief.routes is not None
        policy = replace(brief.routes.shadow, deadline=0.0)
        place.observer.follow(replace(brief, routes=replace(brief.routes, shadow=policy)))
        await place.ready()
        assert not await place.observer.drain(0.1)


async def test_one_that_is_not_there_drains_at_once(tmp_path: Path) -> None:
    async with post(tmp_path) as place:
        assert await place.observer.drain(10)


def test_the_socket_is_this_users_alone_and_replaces_what_a_crash_left(tmp_path: Path) -> None:
    left = ObserverSocket.open(tmp_path)
    left.listener.close()
    with_mode = ObserverSocket.open(tmp_path)
    assert stat.S_IMODE(with_mode.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(with_mode.path.parent.stat().st_mode) == 0o700
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(with_mode.path))
    with_mode.close()
    assert not with_mode.path.exists()


def test_a_long_state_directory_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    opened = ObserverSocket.open(deep)
    assert len(str(opened.path)) < 100
    assert stat.S_IMODE(opened.path.parent.stat().st_mode) == 0o700
    opened.close()
    assert not opened.path.parent.exists()
