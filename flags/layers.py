"""Several flag sources as one: each name is said by the first source that speaks of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from flags.provider import Flag, FlagState
from flags.scope import group_of, route_of
from flags.shared import SharedState


def overlay(above: FlagState, below: FlagState) -> FlagState:
    """What both say; of a percentage or rule that both speak of, what `above` says.

    A rollback that one of them asks for is one. The revision is that of `above`: the two do not
    count alike.
    """
    return FlagState(
        revision=above.revision,
        rollback=_either(above.rollback, below.rollback),
        groups=_overlaid(above.groups, below.groups),
        routes=_overlaid(above.routes, below.routes),
    )


def _overlaid(above: Mapping[str, Flag], below: Mapping[str, Flag]) -> Mapping[str, Flag]:
    flags = {}
    for name in (*above, *below):
        high, low = above.get(name, _SILENT), below.get(name, _SILENT)
        # Percentage and rule come from one source together.
        speaker = high if high.moves_traffic else low
        flags[name] = Flag(
            basis_points=speaker.basis_points,
            rule=speaker.rule,
            rollback=_either(high.rollback, low.rollback),
            line=speaker.line,
        )
    return MappingProxyType(flags)


_SILENT = Flag()


def _either(one: bool | None, other: bool | None) -> bool | None:
    if one is None or other is None:
        return one if other is None else other
    return one or other


def of_shares(shared: SharedState) -> FlagState:
    """The percentages that replicas share, as a source. Its rollbacks are the latch's."""
    groups, routes = {}, {}
    for scope, share in shared.shares.items():
        group, route = group_of(scope), route_of(scope)
        if group is not None:
            groups[group] = Flag(basis_points=share.basis_points)
        elif route is not None:
            routes[route] = Flag(basis_points=share.basis_points)
    newest = max((share.revision for share in shared.shares.values()), default=0)
    return FlagState(
        revision=newest, groups=MappingProxyType(groups), routes=MappingProxyType(routes)
    )
