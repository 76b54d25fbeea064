"""The bucket of a client, and what all flag sources together say. Pure."""

from __future__ import annotations

import mmh3

BASIS_POINTS = 10_000


def bucket(group_or_route: str, key: str) -> int:
    """The bucket of a key, 0..9999: it is in when `bucket < percent * 100`.

    Agrees with Unleash (murmur3_x86_32 of "group:key", seed 0, modulo 100) at every whole percent:
    its bucket is the leading two digits, the next two come from bits that Unleash leaves unused.
    """
    return bucket_of(f"{group_or_route}:{key}")


def bucket_of(hash_input: str) -> int:
    """The bucket of "group:key", already put together."""
    h: int = mmh3.hash(hash_input, 0, False)
    return (h % 100) * 100 + (h // 100) % 100
