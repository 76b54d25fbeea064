"""The subscription: the fast path, which is believed only while something is heard on it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

from flags.redis.counts import RedisCounts
from flags.redis.defect import survived
from flags.redis.faults import Fault, StoreFault, down
from flags.redis.line import Line, Target
from flags.redis.settings import RedisSettings


class Ear:
    """Listens on this replica's channels. A message is handed over on the event loop."""

    def __init__(
        self,
        settings: RedisSettings,
        name: str,
        counts: RedisCounts,
        *,
        hear: Callable[[str, bytes], None],
        changed: Callable[[bool, Fault | None], None],
    ) -> None:
        self._settings = settings
        self._name = name
        self._counts = counts
        self._hear = hear
        self._changed = changed
        self._channels = (settings.keys.bell, settings.keys.ears_of(settings.replica))
        self._task: asyncio.Task[None] | None = None
        self._heard = 0.0
        self.subscribed = False

    def listen_to(self, target: Target) -> None:
        """Listen there from now on, and on no connection from before."""
        self.stop()
        self._task = asyncio.create_task(self._run(target), name="redis ear")

    def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
        self._task = None

    @property
    def task(self) -> asyncio.Task[None] | None:
        """What listens now."""
        return self._task

    async def _run(self, target: Target) -> None:
        pause = self._settings.pause
        while True:
            fault: Fault | None = None
            try:
                await self._listen(target)
            except StoreFault as error:
                fault = error.fault
            except Exception as error:  # noqa: BLE001 - or this replica would stay deaf
                fault = survived(error, "listening to Redis")
            finally:
                was, self.subscribed = self.subscribed, False
                self._changed(False, fault)
            pause = self._settings.pause if was else pause
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads reconnects
            pause = min(pause * 2, self._settings.longest_pause)

    async def _listen(self, target: Target) -> None:
        line = Line(target, self._name)
        tasks: set[asyncio.Task[None]] = set()
        try:
            await line.open(self._settings.answer_within)
            await line.tell("SUBSCRIBE", *self._channels)
            self._heard = asyncio.get_running_loop().time()
            tasks = {
                asyncio.create_task(self._read(line), name="redis ear reads"),
                asyncio.create_task(self._ping(line), name="redis ear pings"),
            }
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await line.drop()

    async def _read(self, line: Line) -> None:
        clock = asyncio.get_running_loop().time
        waiting = set(self._channels)
        while True:
            answer = await line.read()
            # Pongs prove nothing while it is not known what they are pongs of.
            if self.subscribed:
                self._heard = clock()
            # A pong is heard, and says no more.
            if not isinstance(answer, list) or len(answer) != 3:
                continue
            kind, channel, data = answer
            if kind == b"message":
                self._hear(channel.decode("utf-8", "replace"), data)
            elif kind == b"subscribe" and waiting:
                waiting.discard(channel.decode("utf-8", "replace"))
                if not waiting:
                    self.subscribed, self._heard = True, clock()
                    self._changed(True, None)

    async def _ping(self, line: Line) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._settings.ping)
            if clock() - self._heard > self._settings.deaf_after:
                self._counts.deaf += 1
                raise down(line.target.shown, "is not heard on the subscription any more")
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.ping):
                    await line.tell("PING")
