"""The budget: so many shadow requests per second of a route, and no more."""

from __future__ import annotations


class Budget:
    """A token bucket: `rate` per second, and at most a second's worth (or one) at once.

    None is no limit; 0 is nothing at all. Times are seconds on any one clock.
    """

    __slots__ = ("_at", "_most", "_rate", "_tokens")

    def __init__(self, rate: float | None, now: float) -> None:
        self._rate = rate
        self._most = 0.0 if rate == 0 else max(1.0, rate or 0.0)
        self._tokens = self._most
        self._at = now

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        if self._rate is None:
            return True
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Budgets:
    """One budget per name; a name whose rate has changed begins anew."""

    def __init__(self) -> None:
        self._budgets: dict[str, tuple[float | None, Budget]] = {}

    def take(self, name: str, rate: float | None, now: float) -> bool:
        """Take one token of this name."""
        known = self._budgets.get(name)
        if known is None or known[0] != rate:
            known = self._budgets[name] = (rate, Budget(rate, now))
        return known[1].take(now)

    def keep(self, names: set[str]) -> None:
        """Forget every other name."""
        for name in self._budgets.keys() - names:
            del self._budgets[name]
