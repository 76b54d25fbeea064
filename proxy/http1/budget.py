"""A budget: how much extra work may be done for every piece of regular work."""

from __future__ import annotations


class Budget:
    """A token bucket that requests fill and retries (or fallbacks) empty.

    Each deposit adds `ratio`, each withdrawal takes one; `reserve` is what it starts with and the
    most it holds. When everything fails, the extra load is bounded by ratio (tower's retry budget;
    Google SRE book, "Handling Overload").
    """

    __slots__ = ("_ratio", "_reserve", "tokens")

    def __init__(self, *, ratio: float, reserve: float) -> None:
        self._ratio = ratio
        self._reserve = reserve
        self.tokens = reserve

    def deposit(self) -> None:
        """Count a piece of regular work."""
        if self.tokens < self._reserve:
            self.tokens += self._ratio

    def withdraw(self) -> bool:
        """Take one token if there is one."""
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True

    def __repr__(self) -> str:
        return f"<Budget {self.tokens:.1f} of {self._reserve:.0f}>"
