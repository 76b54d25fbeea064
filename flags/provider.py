"""What a flag source says, and what holds when it falls silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from flags.rule import Rule
from flags.scope import ALL, group_scope, route_scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """What a source says of one group or route. None is silence: neither 0 nor off."""

    # 0..10000.
    basis_points: int | None = None
    # Instead of a percentage, where one cannot say it.
    rule: Rule | None = None
    rollback: bool | None = None
    # Where it says so; 0 when the source has no lines.
    line: int = 0

    @property
    def moves_traffic(self) -> bool:
        """Whether it says anything of who may reach the new side."""
        return self.basis_points is not None or self.rule is not None


def _nothing() -> Mapping[str, Flag]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagState:
    """Everything one source says, at one revision. A higher revision is newer."""

    revision: int = 0
    rollback: bool | None = None
    groups: Mapping[str, Flag] = field(default_factory=_nothing)
    routes: Mapping[str, Flag] = field(default_factory=_nothing)

    def rollbacks(self) -> dict[str, bool]:
        """What the source says of rollbacks, by scope; a scope it is silent about is not there."""
        said: dict[str, bool] = {} if self.rollback is None else {ALL: self.rollback}
        for scope_of, flags in ((group_scope, self.groups), (route_scope, self.routes)):
            for name, flag in flags.items():
                if flag.rollback is not None:
                    said[scope_of(name)] = flag.rollback
        return said


NOTHING_SAID = FlagState()


class FlagSourceError(Exception):
    """A source that cannot be read or written now; what it said before still holds."""


def hold_missing(before: FlagState, now: FlagState) -> tuple[FlagState, tuple[str, ...]]:
    """Keep what was said before of names that the source has fallen silent about.

    Missing information never moves traffic: an entry that vanishes is not 0 % and, on a live route,
    not 100 % either. Returns the state and the scopes whose percentage or rule is held.
    """
    groups, held_groups = _hold(before.groups, now.groups)
    routes, held_routes = _hold(before.routes, now.routes)
    held = (*map(group_scope, held_groups), *map(route_scope, held_routes))
    if not held:
        return now, ()
    state = FlagState(
        revision=now.revision,
        rollback=now.rollback,
        groups=MappingProxyType(groups),
        routes=MappingProxyType(routes),
    )
    return state, held


def _hold(
    before: Mapping[str, Flag], now: Mapping[str, Flag]
) -> tuple[dict[str, Flag], tuple[str, ...]]:
    flags = dict(now)
    held: list[str] = []
    for name, flag in before.items():
        current = flags.get(name)
        if not flag.moves_traffic or (current and current.moves_traffic):
            continue
        held.append(name)
        flags[name] = Flag(
            basis_points=flag.basis_points,
            rule=flag.rule,
            rollback=current.rollback if current else None,
            line=current.line if current else 0,
        )
    return flags, tuple(held)
