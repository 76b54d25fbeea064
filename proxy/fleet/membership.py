"""This replica as one of a fleet: shares its commands, hears the others', proves what it uses.

A rollback never waits for the store: it is in the workers before it is written there. What the
store does not take now is asserted by this replica until it does.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine

from structlog.typing import FilteringBoundLogger

from flags.latch import Hold, Source
from flags.shared import (
    LEFT,
    AckView,
    SharedChange,
    SharedState,
    SharedStore,
    SharedStoreError,
    StoreHealth,
)
from proxy.fleet.acks import AckBook, ReplicaAck
from proxy.fleet.collecting import ASK_SECONDS, Collector
from proxy.fleet.comparison import Comparison
from proxy.fleet.divergence import Difference
from proxy.fleet.lost import Lost
from proxy.fleet.replica import Facts, Replica, read, told, told_of
from proxy.fleet.spread import Reach, Spread
from proxy.supervision.background import Background
from proxy.supervision.flag_moves import Move, moves, position
from proxy.supervision.publisher import Publisher
from proxy.supervision.switches import Switches

# How often this replica tells of itself and looks at the others.
LOOK_SECONDS = 1.0
# How long the store may take for one question.
ANSWER_SECONDS = 2.0
# How long it may take for a change, before every replica is to be asked by itself.
WRITE_SECONDS = 1.0
# How long a status may wait for the registry.
LOOK_PATIENCE = 0.5
# How long what was heard may wait before it is written to disk.
DISK_AFTER_SECONDS = 0.1
# What a replica that has joined asks the others to look at.
REGISTRY = "registry"
_FAILING = frozenset({"down", "refused", "full", "read_only", "damaged", "loading"})
# Nobody renews a lease then, or nobody can read it. What is damaged may be anything else.
_BLIND = _FAILING - {"damaged"}


Standing = Callable[[], Awaitable[Collection[tuple[str, Source]]]]


def _held_already() -> None:
    """Do nothing: it was made to hold here before anybody else was told."""


class Fleet:
    """Everything that this replica has to do with the others. It is a SharedListener."""

    def __init__(
        self,
        *,
        store: SharedStore,
        switches: Switches,
        publisher: Publisher,
        facts: Callable[[], Facts],
        standing: Standing,
        keep: Callable[[], Coroutine[object, object, object]],
        diverged_after: float,
        log: FilteringBoundLogger,
    ) -> None:
        """`facts` is what this replica says of itself; `standing` asks what still asks for its
        rollback here; `keep` writes the latch down."""
        self._store = store
        self._switches = switches
        self._publisher = publisher
        self._facts = facts
        self._standing = standing
        self._keep = keep
        self._comparison = Comparison(diverged_after, log)
        self._log = log
        self._book = AckBook()
        self._lost = Lost()
        self._collector = Collector(store=store, book=self._book, live=self._live, own=facts)
        self._background = Background(log)
        self._news = asyncio.Event()
        self._unkept = asyncio.Event()
        # The newest shared revision that workers were told of, in which publication, and when it
        # was heard of.
        self._heard = switches.latch.shared.revision
        self._published = 0
        self._heard_at = time.perf_counter()
        self._started = time.monotonic()
        self._registered = ""
        self._serving = False
        # Set once the store has said what it holds, or that it cannot.
        self.answered = asyncio.Event()
        self.applied = 0
        # Whom to ask while the store cannot be: those that are configured, and all that are known.
        self.configured: tuple[str, ...] = ()
        self.peers: tuple[str, ...] = ()
        self.health = StoreHealth(state="starting")
        # As the registry was read last, and when that was: `shown` is how they stand now.
        self.replicas: tuple[Replica, ...] = ()
        self._read_at = self._started
        # Told of every list of replicas, and of what others ask to be looked at.
        self.on_replicas: Callable[[tuple[Replica, ...]], None] = _nobody
        self.on_nudged: Callable[[str], None] = _nothing
        # Told of what others have moved here: the moves, and the state that says who did it.
        self.on_moved: Callable[[tuple[Move, ...], SharedState], None] = _nobody_told

    # Up and down.

    def connect(self) -> None:
        """Begin to hear; what is heard is taken over before there are workers to tell."""
        self._store.start(self)
        self._store.assert_state(self._switches.latch.shared)

    def serve(self) -> None:
        """From now on there are workers to tell."""
        self._serving = True

    def start(self) -> None:
        """Begin to confirm, once the workers are ready."""
        self.serve()
        self._published = self._publisher.revision
        self._news.set()
        for work, name in (
            (self._acknowledge, "acknowledge"),
            (self._look_regularly, "look"),
            (self._introduce, "introduce"),
            (self._keep_latest, "keep"),
        ):
            self._background.begin(work(), f"fleet {name}")

    async def close(self) -> None:
        """Stop, keep what was heard last, and give the lease back."""
        await self._background.close()
        if self._unkept.is_set():
            await self._keep()
        await self._store.close()

    # What the store tells.

    def on_state(self, state: SharedState) -> None:
        """Take over what is news in it."""
        if self._lifts_sentinel(state):
            # Whether it still stands decides what a resume lifts, and that is a question to a disk.
            self._background.begin(self._take_beside_sentinel(state), "hear of a change")
        else:
            self._take(state)
        self.answered.set()

    def on_part(self, state: SharedState) -> None:
        """Use what is news in it, and confirm nothing: the whole of it comes."""
        if not self._lifts_sentinel(state):
            self._take(state, whole=False)

    def _lifts_sentinel(self, state: SharedState) -> bool:
        before = self._switches.latch.local
        still = {hold.key for hold in self._switches.latch.hear(state).local}
        return any(h.source is Source.SENTINEL and h.key not in still for h in before)

    async def _take_beside_sentinel(self, state: SharedState) -> None:
        self._take(state, standing=await self._standing())

    def on_health(self, health: StoreHealth) -> None:
        """Tell when it gets better or worse."""
        before, self.health = self.health, health
        if health.state in _FAILING:
            self.answered.set()
        if (before.state, before.detail) == (health.state, health.detail):
            return
        if health.state in _FAILING:
            self._log.error("store_failing", state=health.state, detail=health.detail)
        elif before.state in _FAILING or before.state == "starting":
            self._log.info("store_connected", state=health.state, revision=health.revision)

    def on_ack(self, ack: AckView) -> None:
        """Keep it for whoever waits."""
        self._book.hear(ack)

    def on_nudge(self, what: str) -> None:
        """Look at the registry, or pass it on."""
        if what == REGISTRY:
            self._background.begin(self.look_soon(), "look at the registry")
        elif what.startswith(LEFT):
            boot = what.removeprefix(LEFT)
            self._lost.left(boot)
            self.replicas = tuple(each for each in self.replicas if each.facts.boot != boot)
        else:
            self.on_nudged(what)

    def _take(
        self,
        state: SharedState,
        *,
        standing: Collection[tuple[str, Source]] = (),
        whole: bool = True,
    ) -> None:
        switches, began = self._switches, time.perf_counter()
        before = switches.latch
        latch = before.hear(state, standing=standing)
        if latch.shared != state:
            self._store.assert_state(latch.shared)
        if latch == before and (not whole or latch.shared.revision <= self._heard):
            return
        stood = position(switches)
        switches.latch = latch
        stands = position(switches)
        if self._serving and stands.flags != stood.flags:
            self._publisher.tell()
        if whole:
            # Whatever was published last has it: the switches change and are published in one turn.
            self._heard, self._published = latch.shared.revision, self._publisher.revision
            self._heard_at = began
            self._news.set()
        self._tell(before.holds, latch.holds)
        self.on_moved(moves(stood, stands), latch.shared)
        self._unkept.set()

    async def _keep_latest(self) -> None:
        """Keep what was heard. A disk that is slower than the fleet keeps the newest only."""
        while not self._background.closed:
            await self._unkept.wait()
            # The store has it too; here and on neighbours of this machine, workers come first.
            await asyncio.sleep(DISK_AFTER_SECONDS)
            self._unkept.clear()
            await self._keep()

    def _tell(self, before: tuple[Hold, ...], after: tuple[Hold, ...]) -> None:
        had, has = {hold.key: hold for hold in before}, {hold.key: hold for hold in after}
        for key in has.keys() - had.keys():
            hold = has[key]
            self._log.warning(
                "rollback_heard",
                scope=hold.scope,
                actor=hold.actor,
                reason=hold.reason,
                replica=hold.origin,
                revision=hold.revision,
            )
        for key in had.keys() - has.keys():
            mark = self._switches.latch.shared.marks.get(had[key].scope)
            self._log.warning(
                "resume_heard",
                scope=had[key].scope,
                source=had[key].source.value,
                actor=mark.actor if mark else "",
                reason=mark.reason if mark else "",
                replica=mark.replica if mark else "",
            )

    # Proving what is in use here.

    async def _acknowledge(self) -> None:
        """Confirm the newest revision as soon as every live worker uses it."""
        while not self._background.closed:
            await self._news.wait()
            self._news.clear()
            revision, publication, began = self._heard, self._published, self._heard_at
            while not self._news.is_set() and not self._background.closed:
                if not (await self._publisher.used(publication)).missing:
                    self._acknowledged(revision, (time.perf_counter() - began) * 1000)
                    break

    def _acknowledged(self, revision: int, ms: float) -> None:
        self.applied = max(self.applied, revision)
        self._register()
        if revision:
            self._store.acknowledge(revision, ms)
            own = self._facts()
            self._book.hear(
                AckView(replica=own.replica, boot=own.boot, revision=revision, applied_ms=ms)
            )

    def _register(self) -> None:
        facts = told(self._facts())
        if facts != self._registered:
            self._registered = facts
            self._store.register(facts)

    # Sharing what was decided here.

    async def spread(
        self,
        change: SharedChange,
        *,
        began: float,
        patience: float,
        use_here: Callable[[], None] = _held_already,
    ) -> Spread:
        """Write a change, and wait for every live replica's word.

        `use_here` makes it hold here, if it does not yet, once the store has it or cannot be asked.
        Raises what that raises, and NewerRollbackError.
        """
        try:
            state = await self._write(change, patience)
        except SharedStoreError as error:
            use_here()
            # The store is brought up to it as soon as it takes anything.
            self._store.assert_state(self._switches.latch.shared)
            reach = Reach(state="unreachable", detail=str(error), peers=self.peers)
            return Spread(reach=reach, replicas=(await self._own_word(began, patience),))
        use_here()
        ms = round((time.perf_counter() - began) * 1000, 3)
        self._take(state, standing=await self._standing_if_asked(change))
        mark, share = state.marks.get(change.scope), state.shares.get(change.scope)
        said = [word.revision for word in (mark, share) if word is not None]
        revision = max(said, default=state.revision)
        replicas = await self._collector.collect(revision, began, patience)
        reach = Reach(
            state="shared", revision=revision, ms=ms, peers=self._unheard, unknown=self._unknown
        )
        return Spread(reach=reach, replicas=replicas)

    @property
    def _unheard(self) -> tuple[str, ...]:
        """Where replicas listen that left without a word: dead, or cut off from the store alone."""
        names = {each.facts.replica for each in self.replicas if each.live}
        return tuple(
            each.facts.admin
            for each in self.replicas
            if not each.live and each.facts.admin and each.facts.replica not in names
        )

    @property
    def _unknown(self) -> tuple[str, ...]:
        """Configured peers that are no address of a replica that is known."""
        known = {self._facts().admin, *(each.facts.admin for each in self.replicas)}
        return tuple(peer for peer in self.configured if peer not in known)

    async def _own_word(self, began: float, patience: float) -> ReplicaAck:
        """What the workers of this replica alone say."""
        used = await self._publisher.used(self._publisher.revision, patience)
        own, ms = self._facts(), (time.perf_counter() - began) * 1000
        return ReplicaAck(
            replica=own.replica,
            boot=own.boot,
            state="unconfirmed" if used.missing else "applied",
            ms=round(ms, 3),
            applied_ms=used.ms,
        )

    async def _standing_if_asked(self, change: SharedChange) -> Collection[tuple[str, Source]]:
        return await self._standing() if change.rollback is False else ()

    async def write(self, change: SharedChange, patience: float) -> SharedState:
        """Write a change that holds only once the store has it. Raises SharedStoreError."""
        state = await self._write(change, patience)
        self._take(state)
        return state

    async def _write(self, change: SharedChange, patience: float) -> SharedState:
        if self.health.state in _FAILING:
            raise SharedStoreError(self.health.detail or f"the store is {self.health.state}")
        return await self._store.write(change, min(patience, WRITE_SECONDS))

    async def wait(self, revision: int, *, began: float, patience: float) -> tuple[ReplicaAck, ...]:
        """Wait for every live replica to confirm a revision."""
        return await self._collector.collect(revision, began, patience)

    async def _live(self, patience: float) -> dict[str, str]:
        """Boot to name of every replica whose lease lasts; else what was known."""
        with contextlib.suppress(SharedStoreError):
            await self.look(min(patience, ANSWER_SECONDS))
        return {r.facts.boot: r.facts.replica for r in self.replicas if r.live}

    # Looking at the others.

    async def look(self, patience: float = ANSWER_SECONDS) -> None:
        """Read the registry again. Raises SharedStoreError."""
        views = await self._store.replicas(patience)
        found, own = tuple(map(read, views)), self._facts().boot
        lost = self._lost.among(self._aged(), found, own=own)
        self.replicas, self._read_at = told_of((*found, *lost)), time.monotonic()
        self._book.forget({view.boot for view in views} | {own})
        self.on_replicas(self.replicas)

    async def _introduce(self) -> None:
        """Have the others look once this replica stands in the registry."""
        self._register()
        own = self._facts().boot
        pause = ASK_SECONDS
        while not (self._background.closed or any(r.facts.boot == own for r in self.replicas)):
            await asyncio.sleep(pause)
            pause = min(pause * 2, LOOK_SECONDS)
            await self.look_soon()
        self._store.nudge(REGISTRY)

    async def look_soon(self) -> None:
        """Read the registry again, if the store answers at once."""
        await self._try_to_look(LOOK_PATIENCE)

    async def _try_to_look(self, patience: float) -> bool:
        if self.health.state in _BLIND:
            return False
        try:
            await self.look(patience)
        except SharedStoreError:
            return False
        return True

    async def _look_regularly(self) -> None:
        while not self._background.closed:
            self._register()
            read = await self._try_to_look(ANSWER_SECONDS)
            newest = max(self._heard, self.health.revision)
            self._comparison.look(self.shown, newest=newest, read=read)
            await asyncio.sleep(LOOK_SECONDS)

    @property
    def shown(self) -> tuple[Replica, ...]:
        """Every replica as it stands now: this one at first hand, the others as they were heard."""
        own = self._facts()
        others = (each for each in self._aged() if each.facts.boot != own.boot)
        return told_of((Replica(facts=own, live=True, seen_seconds=0.0), *others))

    def _aged(self) -> tuple[Replica, ...]:
        ago = time.monotonic() - self._read_at
        return tuple(each.aged(ago) for each in self.replicas)

    @property
    def differences(self) -> tuple[Difference, ...]:
        """In what live replicas have differed for too long, as far as they are heard."""
        return self._comparison.differences

    def held_elsewhere(self, scope: str) -> tuple[str, ...]:
        """What holds a scope on other live replicas, as far as they have told: "signal on b"."""
        own = self._facts().boot
        return tuple(
            f"{source} on {replica.facts.replica}"
            for replica in self.replicas
            if replica.live and replica.facts.boot != own
            for where, _, source in (hold.partition(" by ") for hold in replica.facts.holds)
            if where == scope and source != Source.COMMAND
        )

    async def settle_elsewhere(self, scope: str, patience: float) -> tuple[str, ...]:
        """What holds a scope elsewhere once the others have had time to tell of a change."""
        end = time.perf_counter() + patience
        while True:
            await self.look_soon()
            held = self.held_elsewhere(scope)
            if not held or time.perf_counter() >= end:
                return held
            await asyncio.sleep(ASK_SECONDS)

    def nudge(self, what: str) -> None:
        """Ask all other replicas to look again at a source."""
        self._store.nudge(what)

    @property
    def unproven_seconds(self) -> float:
        """How long ago this replica last knew that it holds the store's newest state."""
        return time.monotonic() - (self.health.confirmed_at or self._started)


def _nobody_told(_: tuple[Move, ...], __: SharedState) -> None:
    """Take the place of a listener that is not there yet."""


def _nobody(_: tuple[Replica, ...]) -> None:
    """Take the place of a listener that is not there yet."""


def _nothing(_: str) -> None:
    """Take the place of a listener that is not there yet."""
