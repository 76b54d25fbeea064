"""A rule: which requests a flag is on for, where one percentage cannot say it. Frozen values.

The words are Unleash's. What a rule means: flags/unleash/gate.py. A rule holds everything that its
meaning needs (segments and parent flags are in it), so it can be sent, stored and held alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """One condition on a field of the request. An operator that nobody knows is never met."""

    # Such as country, userId, remoteAddress, currentTime.
    field: str
    operator: str
    # One of the two, by operator.
    values: tuple[str, ...] = ()
    value: str = ""
    inverted: bool = False
    case_insensitive: bool = False
    # The segment it came from; empty: the strategy's own.
    segment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Values of a field that get a variant whatever their hash says."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One variant of a flag, with its share of the weights."""

    name: str
    weight: int = 0
    stickiness: str = "default"
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One way in: every constraint is met, and the kind of strategy says yes."""

    # default, flexibleRollout, userWithId, ...
    name: str
    constraints: tuple[Constraint, ...] = ()
    # 0..10000; None: this kind of strategy has no percentage.
    basis_points: int | None = None
    # The first half of the hash input of a percentage.
    hash_group: str = ""
    # What the hash is of: default, random or a field.
    stickiness: str = "default"
    # User ids, addresses or host names, by kind.
    values: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    # As people wrote it; empty: none.
    title: str = ""
    # Why this strategy lets nobody in, such as a kind that is not known; empty: it may.
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A flag that another one depends on, and what it must say."""

    flag: str
    # What it must be: on, or off.
    on: bool = True
    # If on, one of these variants; empty: any.
    wanted: tuple[str, ...] = ()
    # Whether the parent is switched on in this environment.
    enabled: bool = True
    strategies: tuple[Strategy, ...] = ()
    variants: tuple[Variant, ...] = ()
    # Why it can never be as it must, such as a parent that does not exist; empty: it can.
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a flag says of each request: every parent is as it must be, and one strategy says yes.

    No strategies at all mean yes.
    """

    # What it is called where it stands, such as figway-product-page.
    flag: str
    enabled: bool = True
    strategies: tuple[Strategy, ...] = ()
    parents: tuple[Parent, ...] = ()
    # Of the flag itself; the first strategy that says yes may have its own.
    variants: tuple[Variant, ...] = ()
    # Fields that are the same for all requests.
    environment: str = ""
    app_name: str = ""
    host_name: str = ""

    def percentages(self) -> tuple[int, ...]:
        """Every percentage that it names, in basis points."""
        return tuple(s.basis_points for s in self.strategies if s.basis_points is not None)


NO_RULES: Final[Mapping[str, Rule]] = MappingProxyType({})
