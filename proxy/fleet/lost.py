"""Replicas that stood in the registry and do not, without having said that they leave.

A store that was emptied or began anew has no registry for a moment: whoever is not in it again yet
serves clients all the same, and may not be left out of a count of who confirmed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from proxy.fleet.replica import Replica

# Longer than any replica needs to find the store and to stand in its registry again.
KEPT_SECONDS = 60.0


class Lost:
    """Remembers them for a while, as replicas whose lease has ended."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, tuple[float, Replica]] = {}

    def among(
        self, before: tuple[Replica, ...], found: tuple[Replica, ...], *, own: str
    ) -> tuple[Replica, ...]:
        """Who is lost, given the registry before and as it was found; `own` is this boot."""
        there, now = {each.facts.boot for each in found} | {own}, self._clock()
        for each in before:
            if each.live:
                self._since.setdefault(each.facts.boot, (now, replace(each, live=False)))
        self._since = {
            boot: (since, each)
            for boot, (since, each) in self._since.items()
            if boot not in there and now - since < KEPT_SECONDS
        }
        return tuple(each.aged(now - since) for since, each in self._since.values())

    def left(self, boot: str) -> None:
        """It has said so."""
        self._since.pop(boot, None)
