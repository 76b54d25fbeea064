"""What this replica has to say to Redis: its lease, its acks, and what Redis has forgotten."""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from flags.redis.counts import RedisCounts
from flags.redis.defect import survived
from flags.redis.faults import Fault, StoreFault
from flags.redis.health import Health
from flags.redis.line import Lines
from flags.redis.scripts import CONFIRM, RENEW, RESTORE
from flags.redis.settings import RedisSettings
from flags.redis.sight import Sight, texts_of
from flags.redis.words import MAX_REVISION, missing, told_first
from flags.shared import LEFT, NOTHING_SHARED, SharedState

_MOST_NUDGES = 16


class Desk:
    """Sends in the background what may wait; only the newest of each kind is kept."""

    def __init__(
        self,
        settings: RedisSettings,
        *,
        sight: Sight,
        health: Health,
        lines: Lines,
        counts: RedisCounts,
        look_now: Callable[[], None],
        look_elsewhere: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._sight = sight
        self._health = health
        self._lines = lines
        self._counts = counts
        self._look_now = look_now
        self._look_elsewhere = look_elsewhere
        self._held: SharedState = NOTHING_SHARED
        self._facts: str | None = None
        self._renew_at = 0.0
        self._ack = ""
        self._ack_revision = self._acked = 0
        self._nudges: deque[str] = deque()
        self._poke = asyncio.Event()

    def hold(self, state: SharedState) -> None:
        """What this replica holds, and Redis shall."""
        self._held = state
        self.check()

    def check(self) -> None:
        """Something new is known of Redis: see whether it lacks anything."""
        if self._lacks():
            self._poke.set()

    def register(self, facts: str) -> None:
        """What this replica says of itself."""
        self._facts = facts
        self._renew_at = 0.0
        self._poke.set()

    def acknowledge(self, revision: int, applied_ms: float) -> None:
        """All workers use this revision; an older one is not told any more."""
        if revision < self._ack_revision:
            return
        settings = self._settings
        self._ack_revision = revision
        self._ack = json.dumps([settings.replica, settings.boot, revision, round(applied_ms, 3)])
        self._poke.set()

    def nudge(self, what: str) -> None:
        """Ask the others to look again; the oldest wish goes when there are too many."""
        if what in self._nudges:
            return
        if len(self._nudges) >= _MOST_NUDGES:
            self._nudges.popleft()
            self._counts.nudges_dropped += 1
        self._nudges.append(what)
        self._poke.set()

    async def run(self) -> None:
        """Say what is to be said, until cancelled."""
        pause = self._settings.pause
        duties = (self._restore, self._confirm, self._pass_on, self._renew)
        while True:
            await self._wait()
            asked, fault = await self._do(duties)
            # Who asked nothing has not learnt that writes are taken again.
            if asked or fault is not None or not self._health.refusing:
                self._health.writing(fault)
            if fault is None:
                pause = self._settings.pause
                continue
            if fault.elsewhere:
                self._look_elsewhere()
            await asyncio.sleep(self._settings.pause)
            # Whoever hears of Redis again need not wait to the end.
            with suppress(TimeoutError):
                async with asyncio.timeout(pause * random.uniform(0.5, 1)):  # noqa: S311 - spreads
                    await self._poke.wait()
            pause = min(pause * 2, self._settings.longest_pause)
            self._poke.set()

    async def leave(self, within: float) -> None:
        """Give the lease back, so that nobody waits for this replica."""
        keys, boot = self._settings.keys, self._settings.boot
        if self._facts is not None and self._lines.target is not None:
            await self._lines.ask(
                ("ZREM", keys.leases, boot),
                ("HDEL", keys.facts, boot),
                ("HDEL", keys.acks, boot),
                ("PUBLISH", keys.bell, json.dumps(["nudge", LEFT + boot, boot])),
                within=within,
            )

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        due = self._renew_at if self._facts is not None else loop.time() + self._settings.renew
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await self._poke.wait()
        self._poke.clear()

    async def _do(
        self, duties: tuple[Callable[[], Awaitable[bool]], ...]
    ) -> tuple[bool, Fault | None]:
        """Whether anything was asked of Redis, and the first thing that went wrong."""
        asked = False
        first: Fault | None = None
        for duty in duties:
            try:
                asked = await duty() or asked
            except StoreFault as error:
                first = first or error.fault
                # The same would happen to the others.
                if error.fault.state == "down":
                    break
            except Exception as error:  # noqa: BLE001 - or the lease would end
                first = first or survived(error, "writing to Redis")
        return asked, first

    def _lacks(self) -> bool:
        fields = self._sight.fields
        return self._sight.open and (
            min(self._held.revision, MAX_REVISION) > fields.revision
            or bool(missing(self._held, fields))
        )

    async def _restore(self) -> bool:
        # Only what is in sight can be compared; with nothing in sight, nothing is known to lack.
        if not self._lacks():
            return False
        keys, heard = self._settings.keys, self._sight.heard
        words = missing(self._held, self._sight.fields)
        texts = [text for word in words for text in word]
        least = min(self._held.revision, MAX_REVISION)
        told: tuple[str | int, ...] = (keys.bell, least, *texts)
        command = ("EVAL", RESTORE, 1, keys.state, *told)
        ((written, answer),) = await self._lines.ask(command, within=self._settings.answer_within)
        self._counts.restored += written
        self._sight.besides(texts_of(answer), heard=heard)
        if self._sight.doubtful:
            self._look_now()
        return True

    async def _confirm(self) -> bool:
        revision, ack = self._ack_revision, self._ack
        if revision <= self._acked:
            return False
        keys = self._settings.keys
        # What came by another way than Redis is in what is held.
        told = told_first(self._held, self._acked)
        told |= told_first(self._sight.fields.state, self._acked)
        ears = map(keys.ears_of, sorted(told))
        await self._lines.ask(
            ("EVAL", CONFIRM, 1, keys.acks, self._settings.boot, ack, *ears),
            within=self._settings.answer_within,
        )
        self._acked = revision
        return True

    async def _pass_on(self) -> bool:
        asked = bool(self._nudges)
        while self._nudges:
            message = json.dumps(["nudge", self._nudges[0], self._settings.boot])
            try:
                await self._lines.ask(
                    ("PUBLISH", self._settings.keys.bell, message),
                    within=self._settings.answer_within,
                )
            except StoreFault as error:
                if error.fault.final:
                    self._nudges.popleft()
                raise
            self._nudges.popleft()
        return asked

    async def _renew(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._facts is None or now < self._renew_at:
            return False
        settings, keys = self._settings, self._settings.keys
        entry = json.dumps({"replica": settings.replica, "facts": self._facts})
        facts = self._facts
        lease, forget = int(settings.lease * 1000), int(settings.forget * 1000)
        arguments = (settings.boot, entry, self._ack, lease, forget)
        await self._lines.ask(
            ("EVAL", RENEW, 3, keys.leases, keys.facts, keys.acks, *arguments),
            within=settings.answer_within,
        )
        # New facts that came meanwhile are told at once.
        if facts is self._facts:
            self._renew_at = now + settings.renew
        return True
