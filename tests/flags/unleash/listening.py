"""A listener of a feed that remembers, and waits for what a test is about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from flags.feed import FeedHealth, FeedNews
from flags.provider import Flag, FlagState

# Far beyond what anything here takes on a busy machine.
PATIENCE_SECONDS = 20.0


class Listening:
    """Everything that was told, in order."""

    def __init__(self) -> None:
        self.news: list[FeedNews] = []
        self.healths: list[FeedHealth] = []
        self.elsewhere = 0
        self._told = asyncio.Event()

    def on_flags(self, news: FeedNews) -> None:
        self.news.append(news)
        self._told.set()

    def on_health(self, health: FeedHealth) -> None:
        self.healths.append(health)
        self._told.set()

    def on_changed_elsewhere(self) -> None:
        self.elsewhere += 1
        self._told.set()

    @property
    def state(self) -> FlagState:
        return self.news[-1].state

    @property
    def health(self) -> FeedHealth:
        return self.healths[-1]

    def percent(self, route: str) -> float | None:
        """The percentage that is told of a route."""
        flag = self.state.routes.get(route, Flag()) if self.news else Flag()
        return None if flag.basis_points is None else flag.basis_points / 100

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds; it is looked at whenever something is told."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._told.clear()
                await self._told.wait()

    async def another_look(self) -> None:
        """Wait until the feed has looked twice more: a fetch that began before does not count."""
        seen = len(self.healths)
        await self.until(lambda: len(self.healths) >= seen + 2)
