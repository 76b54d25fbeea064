"""The lag of the event loop: how much later than asked it comes round, smoothed."""

from __future__ import annotations

import asyncio
import time
from typing import Final

_PERIOD: Final = 0.05
# The share of the newest measurement: one late turn is no overload, several in a row are.
_WEIGHT: Final = 0.2
# What one measurement adds at most: a process that was stopped for a minute is not behind by one.
_MOST: Final = 1.0


class LoopLag:
    """Measures its own timer twenty times a second. `seconds` is what to look at."""

    __slots__ = ("_due", "_timer", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure. Needs a running loop."""
        self._due = time.monotonic() + _PERIOD
        self._timer = asyncio.get_running_loop().call_later(_PERIOD, self._tick)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self.note(time.monotonic() - self._due)
        self.start()

    def note(self, late: float) -> None:
        """Take one measurement."""
        self.seconds += _WEIGHT * (min(max(late, 0.0), _MOST) - self.seconds)
