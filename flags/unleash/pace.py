"""When to ask Unleash again: regularly, not in step with others, and in a hurry after a change."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

JITTER: Final = 0.2
# After a word that Unleash has changed: it serves the change on a tick of one second.
HURRY_SECONDS: Final = 3.0
HURRY_STEPS: Final = (0.03, 0.06, 0.12, 0.2, 0.3)
# Between the beginnings of two fetches, however many calls of the webhook come.
CLOSEST: Final = HURRY_STEPS[0]
# Refused credentials do not mend themselves from one second to the next.
REFUSED_FACTOR: Final = 3.0


class Pace:
    """The pauses between fetches, in seconds. `now` is a monotonic clock's."""

    def __init__(self, poll: float, *, spread: Callable[[], float] | None = None) -> None:
        """`spread` draws a factor from 1 - JITTER to 1 + JITTER."""
        self._poll = poll
        self._spread = spread or _drawn
        self._hurry_until = 0.0
        self._step = 0
        # A revision of Unleash that is known to be coming.
        self._awaited = 0

    def hurry(self, now: float, *, awaited: int = 0) -> None:
        """Something has changed: it is asked for some times at once, or until it is there."""
        self._hurry_until = now + HURRY_SECONDS
        self._step = 0
        self._awaited = max(self._awaited, awaited)

    def pause(self, now: float, *, seen: int, refused: bool) -> float:
        """How long to wait before the next fetch; `seen` is the revision that is held."""
        waits_for_more = self._awaited > seen or self._step < len(HURRY_STEPS)
        if now < self._hurry_until and waits_for_more:
            pause = HURRY_STEPS[min(self._step, len(HURRY_STEPS) - 1)]
            self._step += 1
            return pause
        self._awaited = 0
        return self.spread(self._poll) * (REFUSED_FACTOR if refused else 1.0)

    def rest(self, now: float, *, began: float) -> float:
        """How long to wait although there is a word of a change; `began` is the last fetch's."""
        return max(0.0, began + CLOSEST - now)

    def in_a_hurry(self, now: float) -> bool:
        """Whether a change that was told of may still be on its way."""
        return now < self._hurry_until

    def spread(self, seconds: float) -> float:
        """A time, give or take a fifth."""
        return seconds * self._spread()


def _drawn() -> float:
    return random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - it spreads replicas, it hides nothing
