"""Half of the places are for the others: a route that hangs starves nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.observer.shares import Shares
from proxy.routing.route import Match, PathKind, PathMatch
from proxy.shadow_policy import ObserverPolicy
from tests.proxy.observer.rig import Asked, Rig, response, rig
from tests.rigs.scripted_origin import Conversation

CALM = ObserverPolicy(loop_lag_shed=0.0, deadline=20.0)
OTHER = Asked(route="b", target=b"/b/1")


def hang_on_a(conversation: Conversation) -> None:
    while request := conversation.read_request():
        if request.target.startswith(b"/a"):
            conversation.wait_until_left()
            return
        conversation.send(response())


def with_a_second_route(made: Rig) -> None:
    (first,) = made.file.routes
    path = PathMatch(kind=PathKind.PREFIX, value="/b")
    second = replace(first, id="b", match=Match(path=path))
    made.apply(replace(made.file, routes=(first, second)))


@pytest.mark.parametrize("hung", [16, 100], ids=["as_many_as_places", "many_more"])
async def test_a_hung_route_does_not_starve_another_of_the_same_upstream(
    tmp_path: Path, hung: int
) -> None:
    policy = replace(CALM, queue=1000)
    async with rig(tmp_path, new=hang_on_a, policy=policy) as made:
        with_a_second_route(made)
        player = made.worker()
        player.whole(OTHER)
        assert await made.settled(1) == {"match": 1}
        for _ in range(hung):
            player.whole()
        for _ in range(50):
            player.whole(OTHER)
        assert await made.settled(51) == {"match": 51}
        assert made.observer.dispatch.asking == policy.concurrency // 2
        assert made.observer.dispatch.queued == hung - policy.concurrency // 2


async def test_a_route_that_comes_alone_gets_every_place(tmp_path: Path) -> None:
    async with rig(tmp_path, new=hang_on_a, policy=CALM) as made:
        player = made.worker()
        for _ in range(30):
            player.whole()
        await made.until(lambda: made.observer.dispatch.asking == CALM.concurrency)


async def test_a_hung_route_gets_half_of_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck: Callable[..., bool] = lambda *given: given[1] == "a"  # noqa: E731 -- as a method
    monkeypatch.setattr(Shares, "is_stuck", stuck)
    policy = replace(CALM, queue=20)
    async with rig(tmp_path, new=hang_on_a, policy=policy) as made:
        with_a_second_route(made)
        player = made.worker()
        player.whole(OTHER)
        for _ in range(40):
            player.whole()
        found = await made.settled(1 + 40 - policy.concurrency // 2 - policy.queue // 2)
        assert found == {"match": 1, "shed/queue": 40 - 8 - 10}
        player.whole(OTHER)
        await made.until(lambda: made.store.outcomes["match"] == 2)


def test_routes_share_for_a_while_after_two_have_come() -> None:
    shares = Shares()
    for who in range(4):
        shares.begin("a", who, 0.0)
    shares.came("a", 0.0, 5.0)
    assert shares.full(8, 0.0) == frozenset()
    shares.came("b", 1.0, 5.0)
    shares.came("a", 2.0, 5.0)
    assert shares.full(8, 6.9) == {"a"}
    assert shares.full(10, 6.9) == frozenset()
    assert shares.full(8, 7.0) == frozenset()


def test_a_single_place_is_shared_by_turns() -> None:
    shares = Shares()
    shares.begin("a", 1, 0.0)
    shares.came("a", 0.0, 5.0)
    shares.came("b", 0.0, 5.0)
    assert shares.full(1, 0.0) == frozenset()


def test_a_route_is_stuck_once_its_oldest_request_has_kept_its_place_for_long() -> None:
    shares = Shares()
    shares.came("a", 0.0, 60.0)
    shares.came("b", 0.0, 60.0)
    shares.begin("a", 1, 0.0)
    shares.begin("a", 2, 5.0)
    assert not shares.is_stuck("a", 4, 0.5)
    assert shares.is_stuck("a", 4, 5.5)
    assert not shares.is_stuck("b", 4, 5.5)
    shares.end("a", 1)
    shares.end("a", 1)
    assert not shares.is_stuck("a", 4, 5.5)
    shares.begin("a", 3, 5.6)
    assert not shares.is_stuck("a", 4, 5.7)
