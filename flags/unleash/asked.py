"""What a rule asks for: the fields it names, and the times at which its answer may change. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flags.rule import Constraint, Rule, Strategy, Variant
from flags.unleash.context import CURRENT_TIME, KEY_OF_THE_ROUTE
from flags.unleash.operators import read_moment

# Stands for what keeps a client on one side.
KEY: Final = "default"
_EVERYBODY: Final = 10_000


def fields_of(rule: Rule) -> frozenset[str]:
    """The fields that a rule asks for; `KEY` where it leaves the hash to the route."""
    return frozenset(_fields(rule))


def changes_of(rule: Rule) -> tuple[float, ...]:
    """The times that a rule compares the current one with, in seconds since the epoch, ordered."""
    moments = (
        read_moment(constraint.value.strip())
        for strategy in _strategies(rule)
        for constraint in strategy.constraints
        if constraint.field == CURRENT_TIME
    )
    return tuple(sorted({moment for moment in moments if moment is not None}))


def constraints_of(rule: Rule) -> Iterator[Constraint]:
    """Every constraint, those of segments and parents included."""
    for strategy in _strategies(rule):
        yield from strategy.constraints


def most_of(rule: Rule) -> int:
    """The greatest share of clients that a rule can let in, in basis points.

    Percentages of one hash hold the same clients; others may add up.
    """
    shares: dict[tuple[str, str], int] = {}
    for strategy in rule.strategies if rule.enabled else ():
        if strategy.fault:
            continue
        if strategy.basis_points is None:
            return _EVERYBODY
        share_of = strategy.hash_group, strategy.stickiness
        shares[share_of] = max(shares.get(share_of, 0), strategy.basis_points)
    if rule.enabled and not rule.strategies:
        return _EVERYBODY
    return min(_EVERYBODY, sum(shares.values()))


def _strategies(rule: Rule) -> Iterator[Strategy]:
    yield from rule.strategies
    for parent in rule.parents:
        yield from parent.strategies


def _fields(rule: Rule) -> Iterator[str]:
    # A ceiling asks for the key wherever no percentage does.
    yield KEY
    for constraint in constraints_of(rule):
        yield constraint.field
    for strategy in _strategies(rule):
        if strategy.basis_points is not None:
            yield KEY if strategy.stickiness in KEY_OF_THE_ROUTE else strategy.stickiness
        elif strategy.name in _LISTED_BY:
            yield _LISTED_BY[strategy.name]
        yield from _of_variants(strategy.variants)
    for parent in rule.parents:
        yield from _of_variants(parent.variants)


def _of_variants(variants: tuple[Variant, ...]) -> Iterator[str]:
    for variant in variants:
        yield KEY if variant.stickiness in KEY_OF_THE_ROUTE else variant.stickiness
        for override in variant.overrides:
            yield override.field


_LISTED_BY: Final = {"userWithId": "userId", "remoteAddress": "remoteAddress"}
