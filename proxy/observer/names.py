"""Names for spans and comparisons: random, told apart, no secrets."""

from __future__ import annotations

from random import Random

# Seeded by the system once; asking it for every name would cost as much as a small comparison.
_RANDOM = Random()  # noqa: S311 -- nothing is kept secret by these


def span_id() -> bytes:
    """16 hex digits that are not all zero (W3C Trace Context, 3.2.2.4)."""
    return b"%016x" % (_RANDOM.getrandbits(64) or 1)


def comparison_id() -> str:
    """12 hex digits, by which `figway shadow show` finds a comparison."""
    return f"{_RANDOM.getrandbits(48):012x}"
