"""Which variant of a flag a request gets. Figway asks this of parent flags only. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import mmh3

from flags.rule import Strategy, Variant
from flags.unleash.context import Context

# What a flag's variant is called that has none.
NO_VARIANT: Final = "disabled"
# Unleash's, so that variants do not go with the percentage.
_SEED: Final = 86028157


def variant_reader(
    flag: str,
    strategies: tuple[tuple[Strategy, Callable[[Any], bool]], ...],
    variants: tuple[Variant, ...],
    context: Context[Any],
) -> Callable[[Any], str]:
    """The name of the variant that a request gets of a flag that is on for it.

    `strategies` come with their checks: the first that says yes, and has variants, gives its own.
    """
    of_flag = _choice(flag, variants, context)
    of_strategies = tuple(
        (check, _choice(strategy.hash_group or flag, _sticking(strategy), context))
        for strategy, check in strategies
    )

    def variant(subject: Any) -> str:
        for check, choose in of_strategies:
            if check(subject):
                return (choose or of_flag or _none)(subject)
        return (of_flag or _none)(subject)

    return variant


def _sticking(strategy: Strategy) -> tuple[Variant, ...]:
    # Variants of a gradual rollout are hashed by what the rollout is hashed by.
    if strategy.name != "flexibleRollout":
        return strategy.variants
    return tuple(replace(each, stickiness=strategy.stickiness) for each in strategy.variants)


def _none(_subject: Any) -> str:
    return NO_VARIANT


def _choice(
    group: str, variants: tuple[Variant, ...], context: Context[Any]
) -> Callable[[Any], str] | None:
    if not variants:
        return None
    total = sum(each.weight for each in variants)
    if total <= 0:
        return _none
    overrides = tuple(
        (each.name, context.field(override.field), frozenset(override.values))
        for each in variants
        for override in each.overrides
    )
    read = context.hashed(variants[0].stickiness)

    def choose(subject: Any) -> str:
        for name, field, values in overrides:
            if field is not None and field(subject) in values:
                return name
        value = None if read is None else read(subject)
        if not value:
            return NO_VARIANT
        place = mmh3.hash(f"{group}:{value}", _SEED, signed=False) % total + 1
        for each in variants:
            place -= each.weight
            if place <= 0:
                return each.name
        return NO_VARIANT

    return choose
