"""Everything that can happen to Redis, at once and in no order: in the end all agree."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, suppress
from functools import partial

import pytest

from flags.shared import NOTHING_SHARED, SharedState, SharedStoreError, merge
from tests.flags.redis.fleet import Replica, change_of, connected, fleet, until
from tests.rigs.redis_server import RedisServer
from tests.rigs.redis_wire import RedisWire

STEPS = 40
SCOPES = ("all", "group:g", "route:a", "route:b")


class Chaos:
    """Harm, in turns: each is ended by another turn, and all by `end`."""

    def __init__(self, server: RedisServer, wires: list[RedisWire], rng: random.Random) -> None:
        self._server, self._wires, self._rng = server, wires, rng
        self._frozen = False

    async def harm(self) -> None:
        """One more thing goes wrong, or is mended."""
        of_the_server = (self._restart, self._freeze, self._forget)
        harm = self._rng.choice((*of_the_server, self._cut, self._deaf, self._mend))
        if harm in of_the_server:
            await asyncio.to_thread(harm)
        else:
            harm()

    async def end(self) -> None:
        """Mend everything."""
        self._thaw()
        if self._server.child is None:
            await asyncio.to_thread(self._server.start)
        self._mend()

    def _thaw(self) -> None:
        if self._frozen:
            self._server.thaw()
        self._frozen = False

    def _restart(self) -> None:
        self._thaw()
        if self._server.child is None:
            self._server.start()
        else:
            self._server.kill()

    def _freeze(self) -> None:
        if self._frozen:
            self._thaw()
        elif self._server.child is not None:
            self._server.freeze()
            self._frozen = True

    def _forget(self) -> None:
        if self._server.child is not None and not self._frozen:
            self._server.command(
                *self._rng.choice((("FLUSHALL",), ("CLIENT", "KILL", "TYPE", "pubsub")))
            )

    def _cut(self) -> None:
        self._rng.choice(self._wires).cut()

    def _deaf(self) -> None:
        wire = self._rng.choice(self._wires)
        wire.deaf, wire.mute = self._rng.choice(((True, False), (False, True)))

    def _mend(self) -> None:
        for wire in self._wires:
            wire.deaf = wire.mute = False


async def say(replica: Replica, rng: random.Random) -> None:
    """A command on one replica: a rollback, a resume or a percentage."""
    scope = rng.choice(SCOPES)
    if rng.random() < 0.7:
        await replica.roll_back(scope, on=rng.random() < 0.5)
        return
    change = change_of(rng.choice(SCOPES[1:]), basis_points=rng.randrange(10_001))
    with suppress(SharedStoreError):
        await replica.change(change, 0.2)


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_happens_to_redis_all_agree_on_the_newest_words_in_the_end(
    redis_server: RedisServer, seed: int
) -> None:
    rng = random.Random(seed)
    seen: dict[str, int] = {}
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(RedisWire(redis_server.port)) for _ in "abc"]
        paces = partial(fleet, ping=0.05, deaf_after=0.2, answer_within=0.3, longest_pause=0.2)
        replicas = [
            (await stack.enter_async_context(paces(wire.url, name)))[0]
            for wire, name in zip(wires, "abc", strict=True)
        ]
        await connected(replicas)
        chaos = Chaos(redis_server, wires, rng)
        for _ in range(STEPS):
            if rng.random() < 0.4:
                await chaos.harm()
            await asyncio.gather(*(say(each, rng) for each in replicas if rng.random() < 0.5))
            for each in replicas:
                forward(each, seen)
        everything = NOTHING_SHARED
        for each in replicas:
            everything = merge(everything, each.held)
        await chaos.end()
        await connected(replicas)
        # A write that nobody waits for any more may still have been made: then it is newer.
        await until(lambda: all(words(each.held) == words(replicas[0].held) for each in replicas))
        await until(lambda: words(merge(everything, replicas[0].held)) == words(replicas[0].held))
        # And so does whoever begins now, who knows Redis alone.
        async with fleet(redis_server.url, "d") as (fresh,):
            await until(lambda: words(fresh.held) == words(replicas[0].held))
        assert not [each.name for each in replicas if each.store.counts.damaged]


def words(state: SharedState) -> tuple[object, object]:
    return dict(state.marks), dict(state.shares)


def forward(replica: Replica, seen: dict[str, int]) -> None:
    """Nothing that a replica holds ever goes back."""
    for scope, mark in replica.held.marks.items():
        key = f"{replica.name} {scope}"
        assert mark.revision >= seen.get(key, 0)
        seen[key] = mark.revision
