"""What the rules of one place say of two scalars: which of them makes the two equal, if any."""

from __future__ import annotations

from proxy.compare.moments import instant
from proxy.compare.numbers import near, number
from proxy.compare.rule_tree import NamedRule
from proxy.compare.scalars import Scalar, same_for_php
from proxy.compare.shapes import same_shape
from proxy.compare.token_causes import distance_inside, near_inside
from proxy.compare_policy import Op, Rule


class Bijections:
    """For each rule `bijection`, which legacy id stands for which new one in this response."""

    __slots__ = ("_pairs",)

    def __init__(self) -> None:
        self._pairs: dict[str, tuple[dict[Scalar, Scalar], dict[Scalar, Scalar]]] = {}

    def holds(self, rule: str, legacy: Scalar, new: Scalar) -> bool:
        """Whether the pair agrees with all before it; the first of its kind is remembered."""
        forth, back = self._pairs.setdefault(rule, ({}, {}))
        if legacy not in forth and new not in back:
            forth[legacy], back[new] = new, legacy
            return True
        return forth.get(legacy, _NOTHING) == new and back.get(new, _NOTHING) == legacy


_NOTHING = object()


def _are_near(legacy: Scalar, new: Scalar, rule: Rule) -> bool:
    one, other = number(legacy), number(new)
    if one is not None and other is not None:
        return near(one, other, rule.absolute, rule.relative)
    if not isinstance(legacy, str) or not isinstance(new, str):
        return False
    return near_inside(legacy, new, rule.absolute, rule.relative)


def accepting(
    rules: tuple[NamedRule, ...], legacy: Scalar, new: Scalar, bijections: Bijections, *, php: bool
) -> str:
    """The rule or equivalence that makes two different scalars equal, "" without one."""
    for rule in rules:
        if _accepts(rule, legacy, new, bijections):
            return rule.name
    return same_for_php(legacy, new) if php else ""


def _accepts(rule: NamedRule, legacy: Scalar, new: Scalar, bijections: Bijections) -> bool:
    match rule.op:
        case Op.IGNORE:
            return True
        case Op.SHAPE:
            return same_shape(legacy, new)
        case Op.DATETIME:
            one, other = instant(legacy), instant(new)
            if one is not None and other is not None:
                return abs(one - other) <= rule.rule.tolerance
            if not isinstance(legacy, str) or not isinstance(new, str):
                return False
            distance = distance_inside(legacy, new)
            return distance is not None and distance <= rule.rule.tolerance
        case Op.NUMBER:
            return _are_near(legacy, new, rule.rule)
        case Op.BIJECTION:
            return (
                type(legacy) is type(new)
                and legacy is not None
                and bijections.holds(rule.name, legacy, new)
            )
        case Op.EXPECTED | Op.UNORDERED | Op.KEY_BY | Op.NULL_EQUALS_MISSING:
            return False
