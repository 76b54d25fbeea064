"""Replicas of a fleet without the proxy: a RedisStore each, and what a replica does with it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from flags.redis.settings import RedisSettings
from flags.redis.store import RedisStore
from flags.redis.url import parse_redis_url
from flags.shared import (
    NOTHING_SHARED,
    AckView,
    Mark,
    SharedChange,
    SharedState,
    SharedStoreError,
    StoreHealth,
    merge,
)

PATIENCE = 20.0
_ids = itertools.count()


class Replica:
    """Holds what it was told and what it heard, and asserts it, as a supervisor does."""

    def __init__(self, store: RedisStore, name: str) -> None:
        self.store = store
        self.name = name
        self.held: SharedState = NOTHING_SHARED
        self.health = StoreHealth(state="starting")
        self.healths: list[StoreHealth] = []
        self.acks: list[AckView] = []
        self.nudges: list[str] = []
        store.start(self)

    def on_state(self, state: SharedState) -> None:
        self.held = merge(self.held, state)
        self.store.assert_state(self.held)

    def on_part(self, state: SharedState) -> None:
        self.on_state(state)

    def on_health(self, health: StoreHealth) -> None:
        self.health = health
        if not self.healths or self.healths[-1].state != health.state:
            self.healths.append(health)

    def on_ack(self, ack: AckView) -> None:
        self.acks.append(ack)

    def on_nudge(self, what: str) -> None:
        self.nudges.append(what)

    async def change(self, change: SharedChange, patience: float = PATIENCE) -> SharedState:
        """Ask the store. Raises SharedStoreError."""
        state = await self.store.write(change, patience)
        self.on_state(state)
        return state

    async def roll_back(self, scope: str = "all", *, on: bool = True) -> int:
        """Hold at once, then share; a store that does not confirm changes nothing of the first."""
        least = max(self.held.revision + 1, self.store.now_us())
        mark = Mark(scope=scope, on=on, revision=least, reason="r", replica=self.name)
        self.on_state(SharedState(revision=least, marks={scope: mark}))
        with suppress(SharedStoreError):
            await self.change(change_of(scope, rollback=on, revision=least), 0.2)
        return self.held.revision

    def rolled_back(self, scope: str = "all") -> bool:
        """Whether the newest word it knows is a rollback."""
        mark = self.held.marks.get(scope)
        return mark is not None and mark.on


def change_of(
    scope: str = "all",
    *,
    rollback: bool | None = None,
    basis_points: int | None = None,
    revision: int = 0,
    id: str = "",  # the field's own name
) -> SharedChange:
    """A change with an id of its own."""
    return SharedChange(
        id=id or f"change-{next(_ids)}",
        scope=scope,
        rollback=rollback,
        basis_points=basis_points,
        revision=revision,
        reason="INC-42",
        actor="ada",
        since=12.5,
        audit='{"who":"ada"}',
    )


@asynccontextmanager
async def fleet(
    url: str, *names: str, kind: type[Replica] = Replica, **paces: float
) -> AsyncIterator[list[Replica]]:
    """Replicas of these names on one Redis; nobody waits for it."""
    settings = RedisSettings(url=parse_redis_url(url), replica="-", boot="-", **paces)  # type: ignore[arg-type]  # only times are given
    replicas = [
        kind(RedisStore(replace(settings, replica=name, boot=f"{name}-boot")), name)
        for name in names
    ]
    try:
        yield replicas
    finally:
        for each in replicas:
            await each.store.close()


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Let the loop run until the condition holds; AssertionError when it does not."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(0.002)


async def connected(replicas: list[Replica]) -> None:
    """Until every replica is well and hears."""
    await until(lambda: all(each.health.state == "ok" for each in replicas))
    await until(lambda: all(each.health.subscribed for each in replicas))
