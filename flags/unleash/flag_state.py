"""What Unleash says of our groups and routes, by the names of our flags. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from flags.provider import Flag, FlagState
from flags.rule import Rule, Strategy
from flags.scope import ALL, group_of, group_scope, route_of, route_scope
from flags.unleash.context import KEY_OF_THE_ROUTE
from flags.unleash.features import PREFIX, Features, is_ours
from flags.unleash.operators import fault_of

KILL_SWITCH: Final = "figway-rollback"
_EVERYBODY: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """Something about one flag in Unleash that is not followed, or not as its owner may think."""

    flag: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnleashState:
    """What Unleash says, and what is to be told about it."""

    state: FlagState
    complaints: tuple[Complaint, ...] = ()


def flag_name(scope: str) -> str:
    """What the percentage flag of a group or route is called in Unleash."""
    return PREFIX + (group_of(scope) or route_of(scope) or "")


def rollback_name(scope: str) -> str:
    """What the rollback flag of a scope is called in Unleash."""
    return KILL_SWITCH if scope == ALL else f"{KILL_SWITCH}-{group_of(scope) or route_of(scope)}"


def our_flags(features: Features) -> frozenset[str]:
    """Every flag in the answer whose name begins as ours do."""
    return frozenset(filter(is_ours, features.names))


def flag_state(
    features: Features,
    groups: Iterable[str],
    routes: Iterable[str],
    *,
    revision: int | None = None,
) -> UnleashState:
    """Read our flags out of an answer; a flag that is not in it is not in the state either.

    `groups` and `routes` are all names in routes.yaml. `revision` is the caller's own count, else
    Unleash's.
    """
    reader = _Reader(features)
    names = tuple(dict.fromkeys(groups)), tuple(dict.fromkeys(routes))
    return reader.read(*names, features.revision if revision is None else revision)


class _Reader:
    def __init__(self, features: Features) -> None:
        self._rules = features.rules
        self._unreadable = features.unreadable
        self._complaints: dict[Complaint, None] = {}

    def read(self, groups: tuple[str, ...], routes: tuple[str, ...], revision: int) -> UnleashState:
        self._taken = {KILL_SWITCH, *(rollback_name(group_scope(n)) for n in (*groups, *routes))}
        both = set(groups) & set(routes)
        for name in groups:
            if name in both and flag_name(group_scope(name)) in self._rules:
                message = f"speaks for the group and for the route {name}: rename one of them"
                self._complain(flag_name(group_scope(name)), message)
        for flag, why in self._unreadable.items():
            self._complain(flag, f"cannot be read ({why}): what it said before holds")
        state = FlagState(
            revision=revision,
            rollback=self._rollback(KILL_SWITCH),
            groups=self._flags(groups, group_scope),
            routes=self._flags(routes, route_scope),
        )
        return UnleashState(state=state, complaints=tuple(self._complaints))

    def _flags(
        self, names: tuple[str, ...], scope_of: Callable[[str], str]
    ) -> MappingProxyType[str, Flag]:
        flags: dict[str, Flag] = {}
        for name in names:
            flag = replace(
                self._said(name, flag_name(scope_of(name))),
                rollback=self._rollback(rollback_name(scope_of(name))),
            )
            if flag != SILENT:
                flags[name] = flag
        return MappingProxyType(flags)

    def _said(self, name: str, flag: str) -> Flag:
        rule = self._rules.get(flag)
        if rule is None:
            return SILENT
        if flag in self._taken:
            message = f"is a rollback flag by its name, so it cannot say who gets {name}: rename it"
            self._complain(flag, message)
            return SILENT
        for fault in faults_of(rule):
            self._complain(flag, fault)
        basis_points = plain_percentage(rule, name)
        return Flag(rule=rule) if basis_points is None else Flag(basis_points=basis_points)

    def _rollback(self, flag: str) -> bool | None:
        rule = self._rules.get(flag)
        if rule is None:
            return None
        if not rule.enabled:
            return False
        open_to = [each for each in rule.strategies if not each.fault and each.basis_points != 0]
        if rule.strategies and not open_to:
            faults = [each.fault for each in rule.strategies if each.fault]
            if not faults:
                # Switched on for 0 %.
                return False
            # Neither on nor off can be read out of it, so it starts no rollback and ends none.
            self._complain(flag, f"is on, but lets nobody in ({faults[0]}): nothing changes")
            return None
        if rule.parents or not (rule.strategies == () or any(map(_for_all, open_to))):
            self._complain(flag, "has conditions, but a rollback is for everybody: it is on")
        return True

    def _complain(self, flag: str, message: str) -> None:
        self._complaints[Complaint(flag=flag, message=message)] = None


SILENT: Final = Flag()


def _for_all(strategy: Strategy) -> bool:
    unconditional = not strategy.constraints and not strategy.values
    return unconditional and strategy.basis_points in (None, _EVERYBODY)


def plain_percentage(rule: Rule, name: str) -> int | None:
    """The percentage that says all of a rule; None when no percentage can.

    `name` is the group or route: the hash of its bucket is of "name:key". A percentage of another
    hash stays a rule even at 100 %: below a ceiling it means other clients.
    """
    if not rule.enabled:
        return 0
    if rule.parents:
        return None
    possible = [each for each in rule.strategies if not each.fault and each.basis_points != 0]
    if not possible:
        return 0 if rule.strategies else _EVERYBODY
    if not all(_of_own_hash(each, name) for each in possible):
        return None
    if any(map(_for_all, possible)):
        return _EVERYBODY
    if len(possible) > 1 or possible[0].constraints:
        return None
    return possible[0].basis_points


def _of_own_hash(strategy: Strategy, name: str) -> bool:
    return strategy.basis_points is None or (
        strategy.hash_group == name and strategy.stickiness in KEY_OF_THE_ROUTE
    )


def faults_of(rule: Rule) -> Iterator[str]:
    """Everything in a rule that cannot be followed and so lets nobody in."""
    yield from (
        f"{each.fault}: that parent is never as it must be" for each in rule.parents if each.fault
    )
    for where, strategies in (
        ("", rule.strategies),
        *((p.flag, p.strategies) for p in rule.parents),
    ):
        for strategy in strategies:
            place = f"strategy {strategy.title or strategy.name}" + (
                f" of {where}" if where else ""
            )
            if strategy.fault:
                yield f"{place}: {strategy.fault}; it lets nobody in"
            for constraint in strategy.constraints:
                fault = fault_of(constraint)
                if fault:
                    yield f"{place}: {fault}; it lets nobody in"
