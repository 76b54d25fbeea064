"""RedisStore: the fleet's shared state in Redis, behind the protocol of flags/shared.py."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

from flags.redis.counts import RedisCounts
from flags.redis.defect import survived
from flags.redis.desk import Desk
from flags.redis.ear import Ear
from flags.redis.faults import Fault, StoreFault
from flags.redis.finder import finder_for
from flags.redis.health import Health
from flags.redis.line import Lines
from flags.redis.scripts import WRITE
from flags.redis.settings import RedisSettings
from flags.redis.sight import Sight, parse_message, texts_of
from flags.redis.watch import Watch
from flags.redis.words import read_fields, words_of
from flags.shared import (
    AckView,
    NewerRollbackError,
    ReplicaView,
    SharedChange,
    SharedListener,
    SharedState,
    SharedStoreError,
    StoreHealth,
    merge,
)

# Between two attempts to write, in seconds.
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.2
# A write that Redis reads this much after its sender gave up is not made.
_LATE_BY = 0.05
_CLOCK_SLACK = 1.0


class RedisStore:
    """Implements `SharedStore`. Make it on the event loop that it will run on."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._keys = settings.keys
        self.counts = RedisCounts()
        self._listener: SharedListener | None = None
        name = f"figway-{settings.boot}"
        self._lines = Lines(name)
        self._sight = Sight(self._on_state, self.counts)
        self._health = Health(self._on_health)
        self._ear = Ear(
            settings,
            name,
            self.counts,
            hear=self._on_message,
            changed=self._on_ear,
        )
        self._watch = Watch(
            settings,
            name,
            finder=finder_for(settings.url, self._keys.tag, name),
            sight=self._sight,
            health=self._health,
            ear=self._ear,
            lines=self._lines,
            counts=self.counts,
        )
        self._desk = Desk(
            settings,
            sight=self._sight,
            health=self._health,
            lines=self._lines,
            counts=self.counts,
            look_now=self._watch.look_now,
            look_elsewhere=self._watch.look_elsewhere,
        )
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def health(self) -> StoreHealth:
        """How the store is doing, now."""
        return self._health.now

    def now_us(self) -> int:
        """Microseconds since the epoch by the store's clock, by our own before it was heard.

        A replica that makes a revision itself takes at least this: then it is later than whatever
        the store may have made of a write that was not confirmed.
        """
        return self._watch.clock.now_us()

    def start(self, listener: SharedListener) -> None:
        """Begin to connect and to tell; never waits and never raises for a store that is down."""
        self._listener = listener
        self._tasks = [
            asyncio.create_task(self._watch.run(), name="redis watch"),
            asyncio.create_task(self._desk.run(), name="redis desk"),
        ]

    async def close(self) -> None:
        """Let go of everything, within a second."""
        self._listener = None
        tasks = [*self._tasks, *([self._ear.task] if self._ear.task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(StoreFault):
            await self._desk.leave(0.5)
        await self._lines.close()

    async def write(self, change: SharedChange, patience: float) -> SharedState:
        """Write a change, in `patience` seconds; what the store holds then.

        Raises SharedStoreError. A write that was not confirmed may have been made all the same, but
        is not made any more a moment after `patience`. Raises NewerRollbackError for a resume that
        has not `seen` everything.
        """
        try:
            words = words_of(change, self._settings.replica)
        except ValueError as error:
            raise SharedStoreError(f"not written: {error}") from None
        self.counts.writes += 1
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        pause = _FIRST_PAUSE
        while True:
            if self._lines.target is None and self._health.now.state == "refused":
                raise self._failed(self._health.now.detail)
            try:
                return await self._write(change, words, deadline - loop.time())
            except StoreFault as error:
                fault = error.fault
            if fault.elsewhere:
                self._watch.look_elsewhere()
            elif fault.final:
                self._health.writing(fault)
                raise self._failed(fault.detail)
            if loop.time() + pause >= deadline:
                raise self._failed(fault.detail)
            self.counts.write_retries += 1
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _write(self, change: SharedChange, words: list[str], within: float) -> SharedState:
        settings, keys, heard = self._settings, self._keys, self._sight.heard

        def command() -> tuple[str | int, ...]:
            # Made once there is a line, since only then the server's clock is known.
            last = self.now_us() + int((deadline - loop.time() + _LATE_BY) * 1_000_000)
            remember = int(settings.remember * 1000)
            return (
                *("EVAL", WRITE, 3, keys.state, keys.done(change.id), keys.audit),
                *(keys.bell, change.revision, last, remember, settings.audit_length),
                *(change.audit, "" if change.seen is None else change.seen, *words),
            )

        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        ((outcome, trouble, answer),) = await self._lines.ask(command, within=within)
        if outcome == b"late":
            # Or its clock was set a moment ago.
            self._watch.clock.forget()
            self._watch.look_now()
            detail = "Redis read the write only after its sender had given up, and left it"
            raise StoreFault(Fault(state="slow", detail=detail))
        self._health.writing(None)
        self.counts.audit_failures += bool(trouble)
        texts = texts_of(answer)
        self._sight.besides(texts, heard=heard)
        if self._sight.doubtful:
            self._watch.look_now()
        if outcome == b"newer":
            raise NewerRollbackError
        return merge(read_fields(texts).state, self._sight.fields.state)

    def _failed(self, detail: str) -> SharedStoreError:
        self.counts.write_failures += 1
        return SharedStoreError(detail)

    def assert_state(self, state: SharedState) -> None:
        """What this replica holds; the store is brought up to it wherever it knows less."""
        self._desk.hold(state)

    def register(self, facts: str) -> None:
        """What this replica says of itself from now on; renews the lease by itself."""
        self._desk.register(facts)

    def acknowledge(self, revision: int, applied_ms: float) -> None:
        """All workers use this shared revision; sent when the store can be reached."""
        self._desk.acknowledge(revision, applied_ms)

    def nudge(self, what: str) -> None:
        """Ask all other replicas to look again at a source."""
        self._desk.nudge(what)

    async def replicas(self, patience: float) -> tuple[ReplicaView, ...]:
        """Every replica that registered lately, by name. Raises SharedStoreError."""
        keys = self._keys
        try:
            leases, facts, time = await self._lines.ask(
                ("ZRANGE", keys.leases, 0, -1, "WITHSCORES"),
                ("HGETALL", keys.facts),
                ("TIME",),
                within=patience,
            )
        except StoreFault as error:
            raise SharedStoreError(error.fault.detail) from None
        now = int(time[0]) + int(time[1]) / 1_000_000
        entries = texts_of(facts)
        views: list[ReplicaView] = []
        for boot, ends in texts_of(leases).items():
            left = float(ends) / 1000 - now
            with suppress(ValueError, KeyError, TypeError):
                entry = json.loads(entries[boot])
                views.append(
                    ReplicaView(
                        replica=str(entry["replica"]),
                        boot=boot,
                        # More is left than was ever given: the server's clock was set back.
                        live=0 < left <= self._settings.lease + _CLOCK_SLACK,
                        seen_seconds=max(0.0, self._settings.lease - left),
                        facts=str(entry["facts"]),
                    )
                )
        return tuple(sorted(views, key=lambda view: (view.replica, view.seen_seconds)))

    async def acks(self, revision: int, patience: float) -> tuple[AckView, ...]:
        """Who has confirmed `revision` or a later one. Raises SharedStoreError."""
        try:
            (answer,) = await self._lines.ask(("HGETALL", self._keys.acks), within=patience)
        except StoreFault as error:
            raise SharedStoreError(error.fault.detail) from None
        found: list[AckView] = []
        for text in texts_of(answer).values():
            with suppress(ValueError, TypeError):
                ack = _ack(text)
                if ack.revision >= revision:
                    found.append(ack)
        return tuple(sorted(found, key=lambda ack: (ack.replica, ack.boot)))

    def _tell(self, tell: Callable[[SharedListener], None]) -> None:
        if self._listener is not None:
            try:
                tell(self._listener)
            except Exception as error:  # noqa: BLE001 - what the listener does is not our affair
                survived(error, "telling what Redis said")

    def _on_state(self, state: SharedState, whole: bool) -> None:
        self._tell(lambda it: it.on_state(state) if whole else it.on_part(state))
        self._desk.check()

    def _on_health(self, health: StoreHealth) -> None:
        self._tell(lambda listener: listener.on_health(health))

    def _on_ear(self, subscribed: bool, fault: Fault | None) -> None:
        self._health.listening(subscribed, fault)
        if subscribed:
            # Nobody knows what was said while nobody listened.
            self._sight.doubtful = True
            self._watch.look_now()

    def _on_message(self, channel: str, data: bytes) -> None:
        self.counts.messages += 1
        try:
            if channel != self._keys.bell:
                ack = _ack(data.decode())
                self._tell(lambda listener: listener.on_ack(ack))
                return
            kind, *rest = parse_message(data)
            if kind == "words":
                before, revision, *words = rest
                self._sight.news(before, revision, words)
                if self._sight.doubtful:
                    self._watch.look_now()
            elif kind == "nudge":
                what, boot = rest
                if boot != self._settings.boot:
                    self._tell(lambda listener: listener.on_nudge(what))
        except (ValueError, TypeError, RecursionError):
            # Whatever it was to say, a whole read knows.
            self.counts.damaged += 1
            self._sight.doubtful = True
            self._watch.look_now()


def _ack(text: str) -> AckView:
    replica, boot, revision, applied_ms = json.loads(text)
    return AckView(
        replica=str(replica), boot=str(boot), revision=int(revision), applied_ms=float(applied_ms)
    )
