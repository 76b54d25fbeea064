"""Pauses and reloads while exchanges are under way."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.shadow_policy import ShadowPolicy
from proxy.stages import Stage
from tests.proxy.observer.rig import CALM, Asked, response, rig
from tests.rigs.scripted_origin import Conversation, answer, never_answer


async def test_a_pause_sheds_what_waits_and_what_comes(tmp_path: Path) -> None:
    policy = replace(CALM, concurrency=1, deadline=20.0)
    async with rig(tmp_path, new=never_answer, policy=policy) as made:
        player = made.worker()
        for _ in range(3):
            player.whole()
        await made.until(lambda: made.observer.dispatch.queued == 2)
        made.apply(paused=True)
        assert made.store.outcomes == {"shed/paused": 2}
        player.whole()
        assert await made.settled(3) == {"shed/paused": 3}
        made.apply(paused=False)
        made.new.script = answer(response())
        await made.until(lambda: made.observer.dispatch.asking == 1)


async def test_what_a_worker_copied_after_a_pause_is_not_stopped_by_it(tmp_path: Path) -> None:
    """The worker may hear that the pause has ended before this process does."""
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        made.apply(paused=True)
        player.whole(Asked(flags=made.revision))
        assert await made.settled(1) == {"shed/paused": 1}
        player.whole(Asked(flags=made.revision + 1))
        assert await made.settled(2) == {"shed/paused": 1, "match": 1}
        made.apply(replace(made.file, shadow=replace(CALM, kill_switch=True)))
        player.whole(Asked(flags=made.revision + 1))
        assert await made.settled(3) == {"shed/paused": 2, "match": 1}
        player.whole(Asked(revision="r2"))
        await made.until(lambda: made.observer.dispatch.at_work)
        made.apply(replace(made.file, revision="r2"))
        assert await made.settled(4) == {"shed/paused": 2, "match": 2}


async def test_the_kill_switch_of_the_file_does_the_same(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        made.apply(replace(made.file, shadow=replace(CALM, kill_switch=True)))
        player.whole()
        assert await made.settled(1) == {"shed/paused": 1}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"stage": Stage.LEGACY}, id="back_to_legacy"),
        pytest.param({"stage": Stage.LIVE}, id="the_other_direction"),
        pytest.param({"shadow": ShadowPolicy(sample=0.0)}, id="nothing_is_sampled"),
        pytest.param({"id": "b"}, id="gone"),
    ],
)
async def test_a_reload_that_takes_the_route_away_ends_what_waits(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    policy = replace(CALM, concurrency=1, deadline=20.0)
    release = threading.Event()

    def held(conversation: Conversation) -> None:
        conversation.read_request()
        release.wait(20)
        conversation.send(response())

    async with rig(tmp_path, new=held, policy=policy) as made:
        player = made.worker()
        player.whole()
        player.whole()
        await made.until(lambda: made.observer.dispatch.queued == 1)
        route = replace(made.file.routes[0], **change)
        made.apply(replace(made.file, routes=(route,), revision="r2"))
        release.set()
        found = await made.settled(2)
        assert found == {"match": 1, "incomparable/config_changed": 1}
        await made.balanced(player)


async def test_a_revision_that_is_still_on_its_way_is_waited_for(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        player.whole(Asked(revision="r2", route="b"))
        await made.until(lambda: made.observer.dispatch.at_work)
        route = replace(made.file.routes[0], id="b")
        made.apply(replace(made.file, routes=(route,), revision="r2"))
        assert await made.settled(1) == {"match": 1}
