"""The offers: how many pairs of each cause are worth the work of making them fit for the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

# Of each cause so many are offered whatever comes; afterwards ever fewer, so that a cause that
# strikes with every request costs its redaction some hundred times and not a million times.
_FIRST: Final = 50
# Causes that are told apart. Beyond them a new one counts as known for long.
_REMEMBERED: Final = 10_000


class Offers:
    """Thins out what is offered to the reservoirs: the n-th pair of a cause with chance 50 / n."""

    def __init__(self, chance: Callable[[], float]) -> None:
        """`chance` gives a number in [0, 1)."""
        self._chance = chance
        self._seen: Counter[tuple[str, str]] = Counter()

    def wanted(self, route: str, fingerprints: Iterable[str]) -> bool:
        """Tell whether a pair with these causes is to be offered."""
        rarest = None
        for fingerprint in fingerprints:
            key = route, fingerprint
            if key in self._seen or len(self._seen) < _REMEMBERED:
                self._seen[key] += 1
            count = self._seen.get(key, _REMEMBERED)
            rarest = count if rarest is None else min(rarest, count)
        if rarest is None:
            return False
        return rarest <= _FIRST or self._chance() * rarest < _FIRST
