"""The bucket of a client, and what all flag sources together say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import mmh3

from flags.latch import Latch
from flags.provider import Flag, FlagState
from flags.scope import ALL, group_of, group_scope, route_of, route_scope
from flags.snapshot import FlagSnapshot

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


def combine(state: FlagState, latch: Latch, *, revision: int) -> FlagSnapshot:
    """What a source says and what the latch holds, as the one value that requests read.

    A rollback that either of them asks for is one. `revision` is the caller's own count.
    """
    said = state.rollbacks()
    scopes = {scope for scope, on in said.items() if on} | {hold.scope for hold in latch.holds}
    return FlagSnapshot(
        revision=revision,
        rollback_all=ALL in scopes,
        rollback_groups=frozenset(filter(None, map(group_of, scopes))),
        rollback_routes=frozenset(filter(None, map(route_of, scopes))),
        group_basis_points=_basis_points(state.groups),
        route_basis_points=_basis_points(state.routes),
        rules=MappingProxyType(
            {
                scope_of(name): flag.rule
                for scope_of, flags in ((group_scope, state.groups), (route_scope, state.routes))
                for name, flag in flags.items()
                if flag.rule is not None
            }
        ),
    )


def _basis_points(flags: Mapping[str, Flag]) -> Mapping[str, int]:
    return MappingProxyType(
        {name: flag.basis_points for name, flag in flags.items() if flag.basis_points is not None}
    )
