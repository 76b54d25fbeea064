"""Admission: a rule compiled into one question to a request, that nothing is left to compute for.

The meaning is Unleash's, held to its client specification. Two things are ours. A field that nobody
has said how to read meets nothing, not even inverted: what is not known never moves traffic. And a
ceiling is a share of the clients, measured on one hash for the whole rule, so that strategies
together never let more in than Git allows. Explained part by part: account.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flags.addresses import AddressSet, is_block
from flags.evaluate import BASIS_POINTS, bucket_of
from flags.rule import Constraint, Parent, Rule, Strategy
from flags.unleash.context import (
    CURRENT_TIME,
    DATE_OPERATORS,
    KEY_OF_THE_ROUTE,
    Context,
    Subject,
    UnclearField,
)
from flags.unleash.operators import (
    ConstraintError,
    compile_moment_test,
    compile_test,
    fault_of,
)
from flags.unleash.variants import variant_reader

Check = Callable[[Subject], bool]
# The hash of a percentage: the first half of its input, and what the rest is read from ("": key).
Hash = tuple[str, str]


def yes(_subject: object) -> bool:
    """Let everybody in; a check that is this one is left out."""
    return True


def no(_subject: object) -> bool:
    """Let nobody in."""
    return False


def compile_rule(
    rule: Rule, context: Context[Subject], *, own_hash: str, ceiling: int = BASIS_POINTS
) -> Check[Subject]:
    """The question whether a rule lets a request in, below a ceiling of basis points.

    `own_hash` is the first half of the hash input that the route uses by itself.
    """
    ask = RuleCompiler(rule, context).admission(own_hash, ceiling)
    if ask is yes or ask is no:
        return ask

    def admits(subject: Subject) -> bool:
        try:
            return ask(subject)
        except UnclearField:
            return False

    return admits


def cap_hash(rule: Rule, own_hash: str) -> Hash:
    """The hash that a ceiling is measured on: the one of all percentages, else the route's own.

    A percentage of 0 counts too, so that raising it changes no other client's side.
    """
    percentages = (each for each in rule.strategies if each.basis_points is not None)
    hashes = {hash_of(each) for each in percentages if not each.fault}
    return hashes.pop() if len(hashes) == 1 else (own_hash, "")


def hash_of(strategy: Strategy) -> Hash:
    """The hash of a strategy with a percentage."""
    of_key = strategy.stickiness in KEY_OF_THE_ROUTE
    return strategy.hash_group, "" if of_key else strategy.stickiness


class RuleCompiler:
    """Compiles the parts of one rule; `yes` and `no` are what they come to for everybody."""

    def __init__(self, rule: Rule, context: Context[Any]) -> None:
        self._rule = rule
        self._context = context
        self._same_for_all = static_fields(rule)

    def admission(self, own_hash: str, ceiling: int) -> Check[Any]:
        """The whole rule; see `compile_rule`."""
        if not self._rule.enabled:
            return no
        cap = cap_hash(self._rule, own_hash) if ceiling < BASIS_POINTS else None
        strategies = [self.strategy(each, cap, ceiling) for each in self._rule.strategies]
        if not self._rule.strategies:
            strategies = [yes if cap is None else self.below(cap, ceiling)]
        return all_of([*map(self.parent, self._rule.parents), any_of(strategies)])

    def strategy(self, strategy: Strategy, cap: Hash | None, ceiling: int) -> Check[Any]:
        """One strategy, below a ceiling on the hash `cap`; None is no ceiling."""
        if strategy.fault:
            return no
        checks = [*map(self.constraint, strategy.constraints)]
        limit = strategy.basis_points
        if limit is None:
            checks.append(self._listed(strategy))
        elif hash_of(strategy) == cap:
            limit, cap = min(limit, ceiling), None
        # Last, so that no client is given an identity who cannot get in anyway.
        if cap is not None:
            checks.append(self.below(cap, ceiling))
        if limit is not None:
            checks.append(self.below(hash_of(strategy), limit))
        return all_of(checks)

    def below(self, share_of: Hash, limit: int) -> Check[Any]:
        """Whether a bucket is below a limit of basis points. Without a value there is none."""
        prefix, field = share_of
        read = self._context.hashed(field or "default")
        if read is None or limit <= 0:
            return no
        prefix += ":"
        if limit >= BASIS_POINTS:
            if not field and self._context.always_keyed:
                return yes
            return lambda subject: bool(read(subject))

        def below(subject: Any) -> bool:
            value = read(subject)
            return bucket_of(prefix + value) < limit if value else False

        return below

    def _listed(self, strategy: Strategy) -> Check[Any]:
        match strategy.name:
            case "userWithId":
                return self._field("userId", frozenset(strategy.values).__contains__)
            case "remoteAddress":
                blocks = tuple(value for value in strategy.values if is_block(value))
                holds = AddressSet.of(blocks, strict=False).holds
                return self._field("remoteAddress", lambda ip: ip is not None and holds(ip) is True)
            case "applicationHostname":
                names = {value.lower() for value in strategy.values}
                return yes if self._rule.host_name.lower() in names else no
            case _:
                return yes

    def constraint(self, constraint: Constraint) -> Check[Any]:
        """One constraint."""
        try:
            if constraint.field == CURRENT_TIME:
                if constraint.operator not in DATE_OPERATORS:
                    return no
                in_time, moment = compile_moment_test(constraint), self._context.moment
                return lambda subject: in_time(moment(subject))
            return self._field(constraint.field, compile_test(constraint))
        except ConstraintError:
            return no

    def _field(self, name: str, test: Callable[[str | None], bool]) -> Check[Any]:
        if name in self._same_for_all:
            return yes if test(self._same_for_all[name] or None) else no
        read = self._context.field(name)
        if read is None:
            return no
        return lambda subject: test(read(subject))

    def parent(self, parent: Parent) -> Check[Any]:
        """Whether a parent is as it must be."""
        if parent.fault:
            return no
        strategies = [self.strategy(each, None, BASIS_POINTS) for each in parent.strategies]
        on = any_of(strategies) if parent.strategies else yes
        if not parent.enabled:
            on = no
        if not parent.on:
            unsure = parent.enabled and any(map(self._is_unsure, parent.strategies))
            # Off for want of knowledge is not off: that would move traffic.
            return no if unsure else negated(on)
        if not parent.wanted:
            return on
        variant = variant_reader(
            parent.flag,
            tuple(zip(parent.strategies, strategies, strict=True)),
            parent.variants,
            self._context,
        )
        wanted = frozenset(parent.wanted)
        return all_of([on, lambda subject: variant(subject) in wanted])

    def _is_unsure(self, strategy: Strategy) -> bool:
        return bool(strategy.fault) or any(
            fault_of(each) or not self.is_readable(each.field) for each in strategy.constraints
        )

    def is_readable(self, field: str) -> bool:
        """Whether anybody has said how to read a field."""
        return (
            field == CURRENT_TIME
            or field in self._same_for_all
            or self._context.field(field) is not None
        )


def static_fields(rule: Rule) -> dict[str, str]:
    """Fields that have one value for all requests; empty where it is not known."""
    return {"environment": rule.environment, "appName": rule.app_name}


def negated(check: Check[Any]) -> Check[Any]:
    """The opposite of a check."""
    if check is yes or check is no:
        return no if check is yes else yes
    return lambda subject: not check(subject)


def all_of(checks: Iterable[Check[Any]]) -> Check[Any]:
    """Whether every check says yes, asked in this order and no further than needed."""
    left = [check for check in checks if check is not yes]
    if no in left:
        return no
    match left:
        case []:
            return yes
        case [only]:
            return only
        case [first, second]:
            return lambda subject: first(subject) and second(subject)
        case _:
            return _all_of_many(tuple(left))


def _all_of_many(checks: tuple[Check[Any], ...]) -> Check[Any]:
    def ask(subject: Any) -> bool:
        for check in checks:  # noqa: SIM110 -- a generator costs more than the checks
            if not check(subject):
                return False
        return True

    return ask


def any_of(checks: Iterable[Check[Any]]) -> Check[Any]:
    """Whether one check says yes, asked in this order and no further than needed."""
    left = [check for check in checks if check is not no]
    if yes in left:
        return yes
    match left:
        case []:
            return no
        case [only]:
            return only
        case [first, second]:
            return lambda subject: first(subject) or second(subject)
        case _:
            return _any_of_many(tuple(left))


def _any_of_many(checks: tuple[Check[Any], ...]) -> Check[Any]:
    def ask(subject: Any) -> bool:
        for check in checks:  # noqa: SIM110 -- a generator costs more than the checks
            if check(subject):
                return True
        return False

    return ask
