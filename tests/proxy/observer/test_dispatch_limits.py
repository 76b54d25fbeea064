"""What waits, and what is shed, when more comes than the observer or the shadow side bears."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.shadow_policy import ObserverPolicy, ShadowPolicy
from tests.proxy.observer.rig import CALM, NO_REPROBE, response, rig
from tests.rigs.scripted_origin import Conversation, answer, answer_then_reset, never_answer


async def test_a_burst_beyond_the_queue_waits_where_it_is_and_all_of_it_is_shadowed(
    tmp_path: Path,
) -> None:
    release = threading.Event()

    def held(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            release.wait(20)
            conversation.send(response())

    policy = replace(CALM, queue=5, concurrency=2, deadline=20.0)
    async with rig(tmp_path, new=held, policy=policy) as made:
        player, other = made.worker(), made.worker("c" * 32)
        for _ in range(20):
            player.whole()
            other.whole()
        await made.until(
            lambda: [c.is_held_back for c in made.observer.intake.connections] == [True] * 2
        )
        assert (made.observer.dispatch.asking, made.observer.dispatch.queued) == (2, 5)
        assert made.observer.counts.received["a"] == 7
        release.set()
        assert await made.settled(40) == {"match": 40}
        await made.balanced(player)
        await made.balanced(other)


async def test_what_was_held_back_too_long_is_shed_as_it_comes(tmp_path: Path) -> None:
    policy = replace(CALM, queue=2, concurrency=1, deadline=0.6)
    async with rig(tmp_path, new=never_answer, policy=policy) as made:
        player = made.worker()
        for _ in range(30):
            player.whole()
        found = await made.settled(30)
        assert found["shed/queue"] >= 20
        assert set(found) <= {"shed/queue", "shadow_timeout/timeout", "shed/breaker"}
        await made.balanced(player)


async def test_what_is_held_back_when_a_drain_begins_is_known_before_it_ends(
    tmp_path: Path,
) -> None:
    policy = replace(CALM, queue=2, concurrency=1, deadline=20.0)
    async with rig(tmp_path, new=never_answer, policy=policy) as made:
        player = made.worker()
        for _ in range(30):
            player.whole()
        player.tell_books()
        player.socket.close()
        await made.until(lambda: made.observer.dispatch.queued == 2)
        assert not await made.observer.drain(0.05)
        assert made.store.outcomes == {"shed/queue": 27, "shed/observer_lost": 3}
        assert made.store.ledgers["b" * 32, "a"].eligible == 30


async def test_a_worker_that_dies_held_back_is_heard_to_the_end(tmp_path: Path) -> None:
    release = threading.Event()

    def held(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            release.wait(20)
            conversation.send(response())

    policy = replace(CALM, queue=2, concurrency=1, deadline=20.0)
    async with rig(tmp_path, new=held, policy=policy) as made:
        player = made.worker()
        for _ in range(10):
            player.whole()
        player.tell_books()
        player.socket.close()
        await made.until(lambda: made.observer.dispatch.queued == 2)
        release.set()
        assert await made.settled(10) == {"match": 10}
        await made.until(lambda: made.store.ledgers)
        assert not any(made.store.unaccounted.values())


async def test_what_waits_holds_no_more_bytes_than_it_may(tmp_path: Path) -> None:
    policy = replace(CALM, queue=1000, concurrency=1, deadline=20.0, max_body=10_000)
    async with rig(tmp_path, new=never_answer, policy=policy) as made:
        player = made.worker()
        for _ in range(200):
            await asyncio.to_thread(player.whole, answered=response(bytes(9_000)))
        await made.until(lambda: made.store.outcomes["shed/queue"] > 100)
        await made.until(lambda: made.observer.counts.received["a"] == 200)
        assert made.observer.dispatch.held <= 65 * 10_000


async def test_answers_that_wait_for_a_slow_primary_are_bounded_too(tmp_path: Path) -> None:
    policy = replace(CALM, queue=1000, deadline=20.0, max_body=10_000)
    reply = response(bytes(9_000))
    async with rig(tmp_path, new=answer(reply), policy=policy) as made:
        player = made.worker()
        numbers = [player.open() for _ in range(200)]
        await made.until(lambda: made.observer.dispatch.at_work > 60)
        await made.until(lambda: not made.observer.dispatch.asking)
        # Those that are asked at the same time may each bring one body more.
        assert made.observer.dispatch.held <= (64 + policy.concurrency) * 10_000
        assert made.observer.dispatch.queued > 50
        for number in numbers:
            await asyncio.to_thread(player.close, number, reply)
        assert await made.settled(200) == {"match": 200}
        assert made.observer.dispatch.held == 0
        await made.balanced(player)


async def test_what_waits_behind_a_hung_shadow_ends_before_its_deadline(tmp_path: Path) -> None:
    policy = replace(CALM, concurrency=1, deadline=4.0)
    async with rig(tmp_path, new=never_answer, policy=policy) as made:
        player = made.worker()
        for _ in range(10):
            player.whole()
        assert await made.settled(9) == {"shed/queue": 9}
        assert made.observer.dispatch.asking == 1


async def test_one_that_waited_too_long_is_not_held_against_the_shadow(tmp_path: Path) -> None:
    policy = replace(CALM, concurrency=1, deadline=0.4)
    async with rig(tmp_path, new=never_answer, policy=policy) as made:
        player = made.worker()
        for _ in range(3):
            player.whole()
        assert await made.settled(3) == {"shadow_timeout/timeout": 1, "shed/queue": 2}


async def test_a_shadow_that_fails_in_a_row_is_left_alone_and_tried_again(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer_then_reset(b""), policy=CALM) as made:
        player = made.worker()
        for count in range(1, 6):
            player.whole()
            await made.settled(count)
        player.whole()
        assert await made.settled(6) == {"shadow_error/closed": 5, "shed/breaker": 1}
        assert made.value("figway_shadow_breaker_open", "new") == 1
        made.new.script = answer(response())
        while made.store.outcomes["match"] < 1:
            player.whole()
            await made.settled(len(made.store.settled) + 1)
        assert made.value("figway_shadow_breaker_open", "new") == 0
        await made.balanced(player)


async def test_the_budget_of_a_route_is_kept(tmp_path: Path) -> None:
    shadow = ShadowPolicy(sample=1.0, budget_rps=3.0, aa=NO_REPROBE)
    async with rig(tmp_path, new=answer(response()), policy=CALM, shadow=shadow) as made:
        player = made.worker()
        for _ in range(50):
            player.whole()
        found = await made.settled(50)
        assert found["shed/budget"] >= 40
        assert found["match"] >= 3
        assert set(found) == {"shed/budget", "match"}


@pytest.mark.parametrize(
    ("lag", "outcome"),
    [
        pytest.param(0.3, "match", id="a_burst_on_a_busy_machine_is_only_late"),
        pytest.param(0.6, "shed/loop_lag", id="what_would_be_held_against_the_shadow_is_shed"),
    ],
)
async def test_a_loop_that_lags_far_behind_takes_no_new_work(
    tmp_path: Path, lag: float, outcome: str
) -> None:
    async with rig(tmp_path, new=answer(response()), policy=ObserverPolicy()) as made:
        player = made.worker()
        made.observer.lag.stop()
        made.observer.lag.seconds = lag
        player.whole()
        assert await made.settled(1) == {outcome: 1}
