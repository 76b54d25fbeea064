"""A shared store in memory: replicas of one test share a `Sea`, each through a `MemoryStore`."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from types import MappingProxyType

from flags.shared import (
    LEFT,
    NOTHING_SHARED,
    AckView,
    Mark,
    NewerRollbackError,
    ReplicaView,
    Share,
    SharedChange,
    SharedListener,
    SharedState,
    SharedStoreError,
    StoreHealth,
    merge,
)


@dataclass
class Sea:
    """What all stores have in common."""

    state: SharedState = NOTHING_SHARED
    stores: list[MemoryStore] = field(default_factory=list)
    facts: dict[str, tuple[str, str]] = field(default_factory=dict)
    acks: dict[str, AckView] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    down: str = ""
    clock: itertools.count[int] = field(default_factory=lambda: itertools.count(1_000_000))

    def fail(self, detail: str) -> None:
        """From now on nobody is answered."""
        self.down = detail
        for store in self.stores:
            store.tell_health(StoreHealth(state="down", detail=detail))

    def heal(self, *, forgets: bool = False) -> None:
        """Answer again, perhaps with nothing remembered."""
        self.down = ""
        if forgets:
            self.state = NOTHING_SHARED
        for store in self.stores:
            store.restore()
            store.tell_health(StoreHealth(state="ok", revision=self.state.revision))
        self.tell()

    def tell(self) -> None:
        """Every replica hears what there is."""
        for store in self.stores:
            if not store.deaf:
                store.hear(self.state)


class MemoryStore:
    """A SharedStore for one replica."""

    def __init__(self, sea: Sea, replica: str, boot: str) -> None:
        self.sea = sea
        self.replica, self.boot = replica, boot
        self.asserted = NOTHING_SHARED
        self.deaf = False
        # Acks of this replica are lost on the way to the fast path.
        self.mute = False
        self.nudges: list[str] = []
        self.closed = False
        self._listener: SharedListener | None = None

    def now_us(self) -> int:
        return next(self.sea.clock)

    def start(self, listener: SharedListener) -> None:
        self._listener = listener
        self.sea.stores.append(self)
        if self.sea.down:
            self.tell_health(StoreHealth(state="down", detail=self.sea.down))
        else:
            self.tell_health(StoreHealth(state="ok", revision=self.sea.state.revision))
            self.hear(self.sea.state)

    async def close(self) -> None:
        self.closed = True
        self.sea.facts.pop(self.boot, None)
        self.nudge(LEFT + self.boot)

    def hear(self, state: SharedState) -> None:
        if self._listener is not None:
            self._listener.on_state(state)

    def tell_health(self, health: StoreHealth) -> None:
        if self._listener is not None:
            self._listener.on_health(health)

    def restore(self) -> None:
        """Write back what this replica asserts."""
        self.sea.state = merge(self.sea.state, self.asserted)

    async def write(self, change: SharedChange, patience: float) -> SharedState:
        await asyncio.sleep(0)
        self._answer()
        there = self.sea.state.marks.get(change.scope)
        if change.seen is not None and there and there.on and there.revision > change.seen:
            raise NewerRollbackError
        revision = max(self.sea.state.revision + 1, change.revision, self.now_us())
        marks, shares = {}, {}
        if change.rollback is not None:
            marks[change.scope] = Mark(
                scope=change.scope,
                on=change.rollback,
                revision=revision,
                reason=change.reason,
                actor=change.actor,
                replica=self.replica,
                since=change.since,
            )
        if change.basis_points is not None:
            shares[change.scope] = Share(
                scope=change.scope,
                basis_points=change.basis_points,
                revision=revision,
                actor=change.actor,
                replica=self.replica,
            )
        word = SharedState(
            revision=revision, marks=MappingProxyType(marks), shares=MappingProxyType(shares)
        )
        self.sea.state = merge(self.sea.state, word)
        asyncio.get_running_loop().call_soon(self.sea.tell)
        return self.sea.state

    def assert_state(self, state: SharedState) -> None:
        self.asserted = merge(self.asserted, state)
        if not self.sea.down and merge(self.sea.state, self.asserted) != self.sea.state:
            self.restore()
            asyncio.get_running_loop().call_soon(self.sea.tell)

    def register(self, facts: str) -> None:
        self.sea.facts[self.boot] = (self.replica, facts)

    def acknowledge(self, revision: int, applied_ms: float) -> None:
        ack = AckView(
            replica=self.replica, boot=self.boot, revision=revision, applied_ms=applied_ms
        )
        self.sea.acks[self.boot] = ack
        for store in () if self.mute else self.sea.stores:
            if store._listener is not None:
                store._listener.on_ack(ack)

    async def replicas(self, patience: float) -> tuple[ReplicaView, ...]:
        await asyncio.sleep(0)
        self._answer()
        return tuple(
            ReplicaView(
                replica=replica,
                boot=boot,
                live=boot not in self.sea.gone,
                seen_seconds=0.1,
                facts=facts,
            )
            for boot, (replica, facts) in self.sea.facts.items()
        )

    async def acks(self, revision: int, patience: float) -> tuple[AckView, ...]:
        await asyncio.sleep(0)
        self._answer()
        return tuple(ack for ack in self.sea.acks.values() if ack.revision >= revision)

    def nudge(self, what: str) -> None:
        for store in self.sea.stores:
            store.nudges.append(what)
            if store is not self and store._listener is not None:
                store._listener.on_nudge(what)

    def _answer(self) -> None:
        if self.sea.down:
            raise SharedStoreError(self.sea.down)


def proven(revision: int = 0) -> StoreHealth:
    """A health that says: this replica knows the newest there is."""
    return StoreHealth(
        state="ok", subscribed=True, revision=revision, confirmed_at=time.monotonic()
    )
