"""Each exchange is in the books once, whoever dies or breaks in between."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.observer import carry as carry_module
from tests.proxy.observer.rig import CALM, response, rig
from tests.rigs.child import ROOT
from tests.rigs.scripted_origin import answer, never_answer

# The books.


async def test_a_defect_costs_one_exchange_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect")

    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        with monkeypatch.context() as patch:
            patch.setattr(carry_module, "shadow_request", defect)
            player.whole()
            assert await made.settled(1) == {"incomparable/internal": 1}
        assert [event for event, _ in made.told if event == "exchange_failed"]
        player.whole()
        assert await made.settled(2) == {"incomparable/internal": 1, "match": 1}
        await made.balanced(player)


async def test_an_exchange_that_gets_lost_is_seen_in_the_books(tmp_path: Path) -> None:
    """The check itself: without it a lost exchange would look like a pending one for ever."""
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        player.whole()
        await made.settled(1)
        await made.balanced(player)
        made.store.settled.clear()
        player.tell_books()
        player.whole()
        player.tell_books()
        await made.until(lambda: any(made.store.unaccounted.values()))
        assert made.value("figway_shadow_unaccounted") >= 1
        made.observer.counts.received["a"] += 1
        assert made.observer.dispatch.lost() == 1


async def test_a_worker_that_counts_more_than_it_hands_over_is_seen(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        player.whole()
        await made.settled(1)
        await made.balanced(player)
        player.handed["a"] += 1
        player.eligible["a"] += 1
        player.tell_books()
        await made.until(lambda: made.value("figway_shadow_unaccounted") == 1)


async def test_what_was_lost_on_the_way_is_counted_with_the_next_connection(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        first = made.worker()
        first.whole()
        await made.settled(1)
        first.handed["a"] += 2
        first.eligible["a"] += 2
        first.socket.close()
        again = made.worker()
        again.handed, again.eligible = first.handed, first.eligible
        again.tell_books()
        assert await made.settled(3) == {"match": 1, "shed/observer_lost": 2}
        await made.balanced(again)


async def test_an_exchange_whose_connection_ends_open_is_not_waited_for(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        player.open()
        await made.until(lambda: made.new.requests)
        player.socket.close()
        # The process that played the worker, this one, is still alive.
        assert await made.settled(1) == {"shed/observer_lost": 1}
        assert made.store.ended_boots == []


async def test_the_boot_of_a_dead_worker_is_ended_and_its_open_exchanges_with_it(
    tmp_path: Path,
) -> None:
    play = (
        "import sys; from tests.proxy.observer.rig import Player;"
        "player = Player(sys.argv[1]); player.open(); player.tell_books(); sys.stdin.read()"
    )
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        with subprocess.Popen(  # noqa: ASYNC220 -- it is waited for on the socket
            [sys.executable, "-c", play, made.path], stdin=subprocess.PIPE, cwd=ROOT
        ) as process:
            await made.until(lambda: made.store.ledgers)
            process.kill()
            assert await made.settled(1) == {"aborted/worker_lost": 1}
            await made.until(lambda: made.store.ended_boots == ["b" * 32])


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no_frame"),
        pytest.param(b"", id="nothing_but_an_end"),
        pytest.param(bytes(64), id="zeros"),
    ],
)
async def test_garbage_ends_its_connection_and_nothing_else(tmp_path: Path, garbage: bytes) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player, stranger = made.worker(), made.worker("c" * 32)
        player.whole()
        stranger.socket.sendall(garbage)
        stranger.socket.close()
        await made.settled(1)
        await made.until(lambda: len(made.observer.intake.connections) == 1)
        player.whole()
        assert await made.settled(2) == {"match": 2}


# The end.


async def test_a_drain_finishes_what_is_in_hand(tmp_path: Path) -> None:
    async with rig(tmp_path, new=answer(response()), policy=CALM) as made:
        player = made.worker()
        for _ in range(10):
            player.whole()
        player.tell_books()
        player.socket.close()
        # Whatever the worker wrote before it ended is heard, though nothing was read yet.
        assert await made.observer.drain(10.0)
        assert made.store.outcomes == {"match": 10}
        assert made.store.ledgers["b" * 32, "a"].eligible == 10


async def test_a_drain_that_is_out_of_time_counts_what_it_leaves(tmp_path: Path) -> None:
    async with rig(tmp_path, new=never_answer, policy=replace(CALM, deadline=20.0)) as made:
        player = made.worker()
        for _ in range(3):
            player.whole()
        await made.until(lambda: made.observer.dispatch.asking == 3)
        assert not await made.observer.drain(0.05, 0.05)
        assert made.store.outcomes == {"shed/observer_lost": 3}
