"""How often flags were on and off, told to Unleash: counts of the workers, none lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Mapping
from datetime import UTC, datetime
from typing import Protocol

# By flag: how often it was on and off, counted since the start.
Usage = Callable[[], Awaitable[Mapping[str, tuple[int, int]]]]


class Reports(Protocol):
    """Where reports go."""

    async def report(
        self, counts: Mapping[str, tuple[int, int]], start: datetime, stop: datetime
    ) -> bool:
        """Send counts of a span of time; whether they were taken."""


class Reporter:
    """Sends what was counted since the last report that was taken."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self._since = datetime.now(UTC)
        self._sent: dict[str, tuple[int, int]] = {}
        self.counts = {"sent": 0, "failed": 0}

    async def report(self, to: Reports, known: Container[str]) -> bool:
        """Send one report, if there is anything to tell; False if it was not taken.

        Flags that Unleash does not have are left out: it would list them as unknown.
        """
        counted = dict(await self._usage())
        now = datetime.now(UTC)
        fresh = {
            flag: since
            for flag, total in counted.items()
            if any(since := self._new(flag, total)) and flag in known
        }
        if fresh:
            if not await to.report(fresh, self._since, now):
                self.counts["failed"] += 1
                return False
            self.counts["sent"] += 1
        self._sent |= counted
        self._since = now
        return True

    def _new(self, flag: str, total: tuple[int, int]) -> tuple[int, int]:
        yes, no = self._sent.get(flag, (0, 0))
        # A count that went back is a count that began again.
        return (
            total[0] - yes if total[0] >= yes else total[0],
            total[1] - no if total[1] >= no else total[1],
        )
