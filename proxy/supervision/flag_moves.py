"""What moved when a source of flags said something new: rollbacks, percentages, rules. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from flags.latch import Hold, Latch
from flags.scope import group_scope, route_scope
from flags.snapshot import FlagSnapshot

# Beyond so many moves at once, the rest is counted: a restored source may move everything.
MAX_MOVES = 100


class Held(Protocol):
    """Whatever holds flags and rollbacks."""

    latch: Latch

    def snapshot(self, revision: int) -> FlagSnapshot:
        """What requests are decided with."""


@dataclass(frozen=True, slots=True)
class Position:
    """How flags and rollbacks stood at one moment."""

    holds: tuple[Hold, ...]
    flags: FlagSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One scope that is no longer as it was, in the words of the audit."""

    scope: str
    before: str
    after: str


def position(held: Held) -> Position:
    """How they stand now."""
    return Position(tuple(held.latch.holds), held.snapshot(0))


def moves(before: Position, after: Position) -> tuple[Move, ...]:
    """Everything that moved between two moments, rollbacks first; at most MAX_MOVES and one."""
    found = [
        *_changed(_rollbacks(before), _rollbacks(after), "not rolled back"),
        *_changed(_flags(before.flags), _flags(after.flags), "no flag"),
    ]
    if len(found) <= MAX_MOVES:
        return tuple(found)
    more = Move(scope="flags", before="", after=f"{len(found) - MAX_MOVES} more flags moved")
    return (*found[:MAX_MOVES], more)


def _rollbacks(position: Position) -> dict[str, str]:
    by: dict[str, list[str]] = {}
    for hold in position.holds:
        by.setdefault(hold.scope, []).append(hold.source.value)
    return {scope: f"rolled back by {', '.join(sorted(by[scope]))}" for scope in by}


def _flags(flags: FlagSnapshot) -> dict[str, str]:
    said = {
        scope_of(name): f"{points / 100:g} %"
        for scope_of, percentages in (
            (group_scope, flags.group_basis_points),
            (route_scope, flags.route_basis_points),
        )
        for name, points in percentages.items()
    }
    # A rule has no short form: that it is another one is told by its fingerprint.
    return said | {scope: f"rule {_fingerprint(rule)}" for scope, rule in flags.rules.items()}


def _changed(before: Mapping[str, str], after: Mapping[str, str], without: str) -> list[Move]:
    return [
        Move(scope=scope, before=was, after=now)
        for scope in sorted({*before, *after})
        if (was := before.get(scope, without)) != (now := after.get(scope, without))
    ]


def _fingerprint(rule: object) -> str:
    return hashlib.sha256(repr(rule).encode()).hexdigest()[:12]
