"""An account of a rule: what each part of it said of one request, for people to read. Pure.

The answers are those of the compiled parts (admission.py), so the account cannot come to another
end than traffic does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import mmh3

from flags.evaluate import BASIS_POINTS, bucket_of
from flags.rule import Constraint, Parent, Rule, Strategy
from flags.unleash.admission import (
    Check,
    Hash,
    RuleCompiler,
    cap_hash,
    hash_of,
    static_fields,
)
from flags.unleash.context import CURRENT_TIME, Context, Subject, UnclearField
from flags.unleash.operators import fault_of

# Values of a list that are told.
_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAccount:
    """One condition: what it asks, what the request has, and whether that meets it."""

    asks: str
    has: str
    met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyAccount:
    """One strategy, condition by condition."""

    name: str
    lets_in: bool
    checks: tuple[CheckAccount, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAccount:
    """What a rule said of one request."""

    flag: str
    enabled: bool
    lets_in: bool
    # Parents are conditions on the whole rule.
    parents: tuple[CheckAccount, ...]
    strategies: tuple[StrategyAccount, ...]
    # A field that readers of the request disagree about, which ends it; empty: all is clear.
    unclear: str = ""

    def decided_by(self) -> str:
        """In one sentence, the part that it came down to."""
        if not self.enabled:
            return "is switched off"
        if self.unclear:
            return f"lets nobody in: {self.unclear}"
        for parent in self.parents:
            if not parent.met:
                return f"needs {parent.asks}, but {parent.has}"
        for number, strategy in enumerate(self.strategies, 1):
            if strategy.lets_in:
                return f"strategy {number} ({strategy.name}) lets it in"
        if not self.strategies:
            return "is on for all" if self.lets_in else "is on for all below the ceiling"
        if len(self.strategies) > 1:
            return f"none of {len(self.strategies)} strategies lets it in"
        (only,) = self.strategies
        failed = next((check for check in only.checks if not check.met), None)
        why = "" if failed is None else f": {failed.asks}, but {failed.has}"
        return f"strategy 1 ({only.name}) does not let it in{why}"


def account_of(
    rule: Rule,
    subject: Subject,
    context: Context[Subject],
    *,
    own_hash: str,
    ceiling: int = BASIS_POINTS,
) -> RuleAccount:
    """Ask a rule as traffic does, and tell what each part said."""
    unclear = ""
    try:
        lets_in = RuleCompiler(rule, context).admission(own_hash, ceiling)(subject)
    except UnclearField as error:
        lets_in, unclear = False, str(error)
    cap = cap_hash(rule, own_hash) if ceiling < BASIS_POINTS else None
    teller = _Teller(rule, context, subject)
    strategies = tuple(teller.strategy(each, cap, ceiling) for each in rule.strategies)
    if not rule.strategies and cap is not None:
        below = teller.below(cap, ceiling, "max_percent")
        strategies = (StrategyAccount(name="everybody", lets_in=below.met, checks=(below,)),)
    return RuleAccount(
        flag=rule.flag,
        enabled=rule.enabled,
        lets_in=lets_in,
        parents=tuple(map(teller.parent, rule.parents)),
        strategies=strategies,
        unclear=unclear,
    )


class _Teller:
    def __init__(self, rule: Rule, context: Context[Any], subject: Any) -> None:
        self._compiler = RuleCompiler(rule, context)
        self._context = context
        self._subject = subject
        self._same_for_all = {**static_fields(rule), "host": rule.host_name}

    def _says(self, check: Check[Any]) -> bool:
        try:
            return check(self._subject)
        except UnclearField:
            return False

    def strategy(self, strategy: Strategy, cap: Hash | None, ceiling: int) -> StrategyAccount:
        checks = [*map(self._constraint, strategy.constraints)]
        if strategy.fault:
            checks.insert(
                0, CheckAccount(asks="that it can be followed", has=strategy.fault, met=False)
            )
        elif strategy.basis_points is not None:
            checks.append(self.below(hash_of(strategy), strategy.basis_points, "its percentage"))
        elif strategy.name in _LISTED:
            field = _LISTED[strategy.name]
            bare = Strategy(name=strategy.name, values=strategy.values)
            met = self._says(self._compiler.strategy(bare, None, BASIS_POINTS))
            asks = f"{field} is one of {_listed(strategy.values)}"
            checks.append(CheckAccount(asks=asks, has=self._value(field), met=met))
        if cap is not None and not strategy.fault:
            checks.append(self.below(cap, ceiling, "max_percent"))
        return StrategyAccount(
            name=strategy.title or strategy.name,
            lets_in=self._says(self._compiler.strategy(strategy, cap, ceiling)),
            checks=tuple(checks),
        )

    def below(self, share_of: Hash, limit: int, what: str) -> CheckAccount:
        group, field = share_of
        asks = f"a bucket below {limit / 100:.2f} ({what})"
        has = "no key to make one of"
        try:
            read = self._context.hashed(field or "default")
            value = None if read is None else read(self._subject)
        except UnclearField as error:
            value, has = None, str(error)
        if value:
            hashed = f"{group}:{value}"
            number = mmh3.hash(hashed, 0, signed=False)
            has = f"{bucket_of(hashed) / 100:.2f} (murmur3_x86_32({hashed!r}) = {number})"
        return CheckAccount(
            asks=asks, has=has, met=self._says(self._compiler.below(share_of, limit))
        )

    def parent(self, parent: Parent) -> CheckAccount:
        asks = f"{parent.flag} {'on' if parent.on else 'off'}"
        if parent.on and parent.wanted:
            asks += f" with variant {_listed(parent.wanted)}"
        met = self._says(self._compiler.parent(parent))
        has = parent.fault or ("it is so" if met else "it is not so")
        return CheckAccount(asks=asks, has=has, met=met)

    def _constraint(self, constraint: Constraint) -> CheckAccount:
        met = self._says(self._compiler.constraint(constraint))
        has = fault_of(constraint) or self._value(constraint.field)
        return CheckAccount(asks=describe(constraint), has=has, met=met)

    def _value(self, field: str) -> str:
        if field == CURRENT_TIME:
            moment = datetime.fromtimestamp(self._context.moment(self._subject), UTC)
            return f"it is {moment.isoformat(timespec='seconds')}"
        if not self._compiler.is_readable(field) and field not in self._same_for_all:
            return f"nothing says how to read {field} (flags.unleash.context in routes.yaml)"
        try:
            read = self._context.field(field)
            value = self._same_for_all.get(field) or (read and read(self._subject))
        except UnclearField as error:
            return str(error)
        return f"{field} is {value}" if value else f"the request has no {field}"


_LISTED = {
    "userWithId": "userId",
    "remoteAddress": "remoteAddress",
    "applicationHostname": "host",
}


def describe(constraint: Constraint) -> str:
    """A constraint on one line: `country IN DE, AT (segment dach)`."""
    words = [constraint.field, constraint.operator]
    words.append(_listed(constraint.values) if constraint.values else constraint.value)
    if constraint.case_insensitive:
        words.append("whatever the case")
    text = " ".join(filter(None, words))
    if constraint.inverted:
        text = f"not {text}"
    return f"{text} (segment {constraint.segment})" if constraint.segment else text


def describe_rule(rule: Rule) -> str:
    """A rule on one line: `needs figway-enabled on; 25 % if country IN DE; userId 7, 12`."""
    if not rule.enabled:
        return "off"
    parts = [f"needs {parent.flag} {'on' if parent.on else 'off'}" for parent in rule.parents]
    ways = [_describe_strategy(each) for each in rule.strategies] or ["everybody"]
    return "; ".join([*parts, " or ".join(ways)])


def _describe_strategy(strategy: Strategy) -> str:
    if strategy.fault:
        return f"nobody ({strategy.fault})"
    who = "everybody"
    if strategy.basis_points is not None:
        who = f"{strategy.basis_points / 100:g} %"
    elif strategy.name in _LISTED:
        who = f"{_LISTED[strategy.name]} {_listed(strategy.values)}"
    conditions = " and ".join(map(describe, strategy.constraints))
    return f"{who} if {conditions}" if conditions else who


def _listed(values: tuple[str, ...]) -> str:
    more = f" and {len(values) - _TOLD} more" if len(values) > _TOLD else ""
    return ", ".join(values[:_TOLD]) + more
