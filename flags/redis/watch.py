"""Keeping Redis in sight: connect, read everything, then ask for the revision again and again."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from flags.redis.counts import RedisCounts
from flags.redis.defect import survived
from flags.redis.ear import Ear
from flags.redis.faults import StoreFault, down
from flags.redis.finder import Finder
from flags.redis.health import Health
from flags.redis.line import Command, Line, Lines, Target
from flags.redis.settings import RedisSettings
from flags.redis.sight import Sight, texts_of

# A better sample of the server's clock is one with a shorter round trip; an old one is not kept.
_SAMPLE_LASTS = 10.0
_DRIFT_US = 5_000


class StoreClock:
    """The server's clock, as far as it is known: microseconds since the epoch."""

    def __init__(self) -> None:
        self._ahead = 0
        self._round_trip = float("inf")
        self._sampled = 0.0
        self.known = False

    def now_us(self) -> int:
        """Now, by the server's clock; by our own while the server was never heard."""
        if not self.known:
            return time.time_ns() // 1000
        return time.monotonic_ns() // 1000 + self._ahead

    def sample(self, seconds: int, microseconds: int, asked: float, answered: float) -> None:
        """The server's time, from an answer; `asked` and `answered` are monotonic seconds."""
        took = answered - asked
        ahead = seconds * 1_000_000 + microseconds - int((asked + answered) / 2 * 1_000_000)
        # Each sample is right within half its round trip. Two that cannot both be right: the clock
        # was set, or is that of another server.
        doubt = (took + self._round_trip) / 2 * 1_000_000 + _DRIFT_US
        agrees = not self.known or abs(ahead - self._ahead) <= doubt
        if agrees and took > self._round_trip and answered - self._sampled < _SAMPLE_LASTS:
            return
        self._ahead = ahead
        self._round_trip, self._sampled, self.known = took, answered, True

    def forget(self) -> None:
        """Believe the next sample, whatever it says."""
        self._round_trip = float("inf")


class Watch:
    """One connection that is used for nothing else."""

    def __init__(
        self,
        settings: RedisSettings,
        name: str,
        *,
        finder: Finder,
        sight: Sight,
        health: Health,
        ear: Ear,
        lines: Lines,
        counts: RedisCounts,
    ) -> None:
        self._settings = settings
        self._name = name
        self._finder = finder
        self._sight = sight
        self._health = health
        self._ear = ear
        self._lines = lines
        self._counts = counts
        self.clock = StoreClock()
        self._look = asyncio.Event()
        self._elsewhere = False
        # The connection is new, so it leads where the address leads now.
        self._fresh = True
        # A revision that the poll found; the subscription must have told it by the next one.
        self._unheard = 0

    def look_now(self) -> None:
        """Do not wait for the next poll."""
        self._look.set()

    def look_elsewhere(self) -> None:
        """The server is not the right one (any more): find it again."""
        self._elsewhere = True
        self._look.set()

    async def run(self) -> None:
        """Keep in sight whatever there is, until cancelled."""
        pause = self._settings.pause
        while True:
            proven = self._counts.polls
            try:
                await self._once()
            except StoreFault as error:
                self._counts.connection_faults += 1
                self._health.reading(self._finder.explain(error.fault))
            except Exception as error:  # noqa: BLE001 - or rollbacks of others would be lost on us
                self._health.reading(survived(error, "reading from Redis"))
            if self._counts.polls > proven:
                pause = self._settings.pause
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads reconnects
            pause = min(pause * 2, self._settings.longest_pause)

    async def _once(self) -> None:
        self._fresh = True
        target = await self._find()
        line = Line(target, self._name)
        try:
            await self._hello(line)
            self._counts.connects += 1
            await self._keep_up(line)
        finally:
            await line.drop()

    async def _find(self) -> Target:
        try:
            async with asyncio.timeout(self._settings.answer_within):
                return await self._finder.find()
        except TimeoutError:
            raise down(self._settings.url.shown, "does not answer in time") from None

    async def _hello(self, line: Line) -> None:
        settings = self._settings
        self.clock.forget()
        self._sight.doubtful = True
        await line.open(settings.answer_within)
        try:
            async with asyncio.timeout(settings.answer_within):
                if self._finder.moving:
                    role = (await line.ask(("ROLE",)))[0][0].decode()
                    if fault := self._finder.check_role(role):
                        raise StoreFault(fault)
        except TimeoutError:
            raise down(line.target.shown, "does not answer in time") from None
        await self._poll(line)
        self._fresh = False
        moved = self._elsewhere or self._lines.target != line.target
        self._elsewhere = False
        await self._lines.aim(line.target)
        if moved or self._ear.task is None:
            self._unheard = 0
            self._ear.listen_to(line.target)

    async def _keep_up(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        whole = loop.time() + self._settings.whole_read
        looked = loop.time()
        looking: asyncio.Task[Target] | None = None
        try:
            while not self._elsewhere:
                due = max(due + self._settings.poll, loop.time())
                await self._wait_until(due)
                if loop.time() >= whole:
                    self._sight.doubtful = True
                    whole = loop.time() + self._settings.whole_read
                if self._finder.moving and loop.time() - looked >= self._settings.look_around:
                    looked = loop.time()
                    if looking is None:
                        looking = asyncio.create_task(self._find(), name="redis looks around")
                await self._poll(line)
                if looking is not None and looking.done():
                    if looking.exception() is None and looking.result() != line.target:
                        return
                    looking = None
        finally:
            if looking is not None:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)

    async def _wait_until(self, due: float) -> None:
        if not self._look.is_set():
            try:
                async with asyncio.timeout_at(due):
                    await self._look.wait()
            except TimeoutError:
                return
        self._look.clear()

    async def _poll(self, line: Line) -> None:
        state = self._settings.keys.state
        asked = time.monotonic()
        # A revision that changed is asked for a second time, whole.
        if not self._sight.doubtful:
            revision, _ = await self._ask(line, ("HGET", state, "rev"), ("TIME",))
            self._counts.polls += 1
            self._check_ear()
            if self._sight.agrees(revision):
                self._seen(asked)
                return
            if self._sight.open and self._ear.subscribed:
                self._unheard = int(revision) if (revision or b"").isdigit() else 0
            asked = time.monotonic()
        heard = self._sight.heard
        texts, _ = await self._ask(line, ("HGETALL", state), ("TIME",))
        self._counts.whole_reads += 1
        read = texts_of(texts)
        if not self._fresh and heard == self._sight.heard and self._sight.falls_back(read):
            # Something was lost, or the others lead to another server than this connection.
            self.look_elsewhere()
            return
        self._sight.whole(read, heard=heard)
        self._seen(None if self._sight.doubtful else asked)
        if self._sight.doubtful:
            self._look.set()

    def _check_ear(self) -> None:
        unheard, self._unheard = self._unheard, 0
        if unheard > self._sight.told and self._ear.subscribed and self._lines.target is not None:
            self._counts.unheard += 1
            self._ear.listen_to(self._lines.target)

    def _seen(self, asked: float | None) -> None:
        fields = self._sight.fields
        confirmed = None if self._health.elsewhere else asked
        self._health.seen(fields.state.revision, fields.damaged, confirmed)

    async def _ask(self, line: Line, *commands: Command) -> list[Any]:
        loop = asyncio.get_running_loop()
        shown, slow_after = line.target.shown, self._settings.slow_after
        slow = loop.call_later(slow_after, self._health.slow, shown, slow_after)
        asked = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.answer_within):
                answers = await line.ask(*commands)
        except TimeoutError:
            what = f"did not answer in {self._settings.answer_within:.0f} s"
            raise down(shown, what) from None
        finally:
            slow.cancel()
        answered = time.monotonic()
        seconds, microseconds = answers[-1]
        self.clock.sample(int(seconds), int(microseconds), asked, answered)
        self._counts.round_trip_seconds = answered - asked
        if answered - asked > slow_after:
            self._health.slow(shown, answered - asked)
        return answers
