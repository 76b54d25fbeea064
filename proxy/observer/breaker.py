"""The breaker: an upstream that failed several times in a row is left alone for a while."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

# Failures in a row that open it.
FAILURES: Final = 5
# Seconds until one request may try again; doubled with every trial that fails.
COOLDOWN: Final = 1.0
LONGEST_COOLDOWN: Final = 30.0


class BreakerState(StrEnum):
    """Where a breaker is."""

    CLOSED = "closed"
    OPEN = "open"
    # One request is under way as a trial; what it comes to decides.
    HALF_OPEN = "half_open"


class Breaker:
    """One upstream's breaker. Times are seconds on any one clock that never runs backwards.

    An answer of any status is a success: what it says is for the comparison to judge.
    """

    __slots__ = ("_cooldown", "_failures", "_until", "state")

    def __init__(self) -> None:
        self.state = BreakerState.CLOSED
        self._failures = 0
        self._cooldown = COOLDOWN
        self._until = 0.0

    def would_refuse(self, now: float) -> bool:
        """Tell whether a request has no chance now. Changes nothing."""
        match self.state:
            case BreakerState.CLOSED:
                return False
            case BreakerState.OPEN:
                return now < self._until
            case BreakerState.HALF_OPEN:
                return True

    def admit(self, now: float) -> bool:
        """Let a request through, perhaps as the trial. One of the three below must follow."""
        if self.would_refuse(now):
            return False
        if self.state is BreakerState.OPEN:
            self.state = BreakerState.HALF_OPEN
        return True

    def succeeded(self) -> None:
        """The upstream answered."""
        self.state = BreakerState.CLOSED
        self._failures = 0
        self._cooldown = COOLDOWN

    def failed(self, now: float) -> None:
        """The upstream did not answer."""
        self._failures += 1
        if self.state is BreakerState.HALF_OPEN:
            self._cooldown = min(self._cooldown * 2, LONGEST_COOLDOWN)
        elif self._failures < FAILURES or self.state is BreakerState.OPEN:
            return
        self.state = BreakerState.OPEN
        self._until = now + self._cooldown

    def abandoned(self, now: float) -> None:
        """A request that was let through was given up: it says nothing, but a trial is over."""
        if self.state is BreakerState.HALF_OPEN:
            self.state = BreakerState.OPEN
            self._until = now

    def __repr__(self) -> str:
        return f"<Breaker {self.state.value}, {self._failures} failures in a row>"
