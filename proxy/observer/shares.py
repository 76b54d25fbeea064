"""The shares: how many of the places at upstreams one route may take while others come too."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

# A request that is answered no sooner keeps its place from others. Seconds.
_LONG: Final = 1.0


class Shares:
    """Gives each route half of the places, and all of them to one that comes alone.

    A route that hangs keeps its places until its deadlines: were they all, nobody else's requests
    would be sent. A breaker does not help, for it belongs to an upstream, whose other routes answer
    well. Times are seconds on any one clock that never runs backwards.
    """

    __slots__ = ("_asking", "_last", "_shared_until")

    def __init__(self) -> None:
        # By route: who is being asked, oldest first, and since when.
        self._asking: dict[str, dict[Hashable, float]] = {}
        self._last = ""
        self._shared_until = 0.0

    def came(self, route: str, now: float, memory: float) -> None:
        """Note that something of a route came; two routes share for `memory` seconds."""
        if route != self._last:
            if self._last:
                self._shared_until = now + memory
            self._last = route

    def begin(self, route: str, who: Hashable, now: float) -> None:
        """Note that one takes a place."""
        self._asking.setdefault(route, {})[who] = now

    def end(self, route: str, who: Hashable) -> None:
        """Note that one has given its place back. Asked again it does nothing."""
        asking = self._asking.get(route)
        if asking is not None:
            asking.pop(who, None)
            if not asking:
                del self._asking[route]

    def full(self, places: int, now: float) -> frozenset[str]:
        """The routes that may take no more of so many places now."""
        # Of a single place there is no half.
        if places < 2 or now >= self._shared_until:
            return frozenset()
        return frozenset(r for r, asking in self._asking.items() if len(asking) >= places // 2)

    def is_stuck(self, route: str, places: int, now: float) -> bool:
        """Tell whether a route has all it may take, and has had it for long."""
        if route not in self.full(places, now):
            return False
        return now - next(iter(self._asking[route].values())) > _LONG
