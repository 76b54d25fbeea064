"""The flag snapshot: one immutable value that every request reads once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from flags.rule import NO_RULES, Rule


def _empty() -> Mapping[str, int]:
    return MappingProxyType({})


def _no_rules() -> Mapping[str, Rule]:
    return NO_RULES


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSnapshot:
    """What all flag sources together say, after the rollback latch.

    Percentages are whole basis points, 0..10000, so that 0.01 % steps compare exactly. A route or
    group that is missing has no flag: that is not the same as zero.
    """

    revision: int = 0
    rollback_all: bool = False
    rollback_groups: frozenset[str] = frozenset()
    rollback_routes: frozenset[str] = frozenset()
    group_basis_points: Mapping[str, int] = field(default_factory=_empty)
    route_basis_points: Mapping[str, int] = field(default_factory=_empty)
    # By scope (`group:NAME`, `route:ID`): what is on for some requests and not for others in a way
    # that a percentage cannot say. Such a name has no percentage.
    rules: Mapping[str, Rule] = field(default_factory=_no_rules)
    # The kill switch of shadow traffic: no request begun with this snapshot is copied.
    shadow_paused: bool = False


NOTHING_SET = FlagSnapshot()
