"""Proposals: the narrowest comparator that accepts every pair legacy made with itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PairShape:
    """What two values of one path have in common, without the values. Merged over many pairs."""

    pairs: int = 0
    # Kinds of difference seen, proxy/compare's words: value, type, missing, order, length, ...
    kinds: frozenset[str] = frozenset()
    uuid: bool = True
    # Number of hexadecimal digits; None when not all are hexadecimal of one length.
    hexadecimal: int | None = None
    # Largest distance of two points in time, seconds; None when not all are points in time.
    time_distance: float | None = None
    # Largest distance of two integers; None when not all are integers.
    integer_distance: int | None = None
    # Characters, and which classes of them (`a` lower, `A` upper, `0` digit, others themselves);
    # None when lengths or classes differ.
    length: int | None = None
    classes: str | None = None


def shape_of_pair(kind: str, legacy: str | None, again: str | None) -> PairShape:
    """The shape of one pair: a difference of the given kind between legacy and legacy again."""
    raise NotImplementedError
