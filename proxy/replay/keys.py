"""Sticky keys that stand in for clients the log does not tell apart: one for every bucket."""

from __future__ import annotations

from functools import lru_cache

from flags.evaluate import BASIS_POINTS, bucket_of


@lru_cache(maxsize=512)
def keys_by_bucket(hash_prefix: str) -> tuple[str, ...]:
    """10,000 keys in the form of identities; the one at place `b` has bucket `b`.

    `hash_prefix` is the first half of the hash input, with its colon. A share counted over them is
    exact to a basis point where one bucket decides.
    """
    found: dict[int, str] = {}
    number = 0
    while len(found) < BASIS_POINTS:
        key = f"{number:032x}"
        found.setdefault(bucket_of(hash_prefix + key), key)
        number += 1
    return tuple(found[bucket] for bucket in range(BASIS_POINTS))
