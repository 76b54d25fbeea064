"""What a rule of a flag did to a request, as a step of its explanation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from flags.evaluate import BASIS_POINTS
from flags.snapshot import FlagSnapshot
from flags.unleash.account import RuleAccount, account_of
from proxy.routing.compiled import CompiledRoute
from proxy.routing.facts import RequestFacts
from proxy.routing.table import RouteTable
from proxy.stages import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One reason of the override chain, and whether it was the one."""

    reason: Reason
    applies: bool
    detail: str


def account_of_rule(
    table: RouteTable, compiled: CompiledRoute, flags: FlagSnapshot, facts: RequestFacts
) -> RuleAccount | None:
    """What the rule of a route's flag says; None when the flag is a percentage, or has no say."""
    rule = flags.rules.get(compiled.scope)
    if rule is None or compiled.settled is not None or compiled.parked is not None:
        return None
    return account_of(
        rule,
        facts,
        table.rules.context(compiled),
        own_hash=compiled.flag,
        ceiling=BASIS_POINTS if compiled.live else compiled.ceiling,
    )


def rule_chain(
    account: RuleAccount, compiled: CompiledRoute, facts: RequestFacts
) -> Iterator[Step]:
    """The reasons that a rule can come to, in their order."""
    told = f"{account.flag} {account.decided_by()}"
    yield Step(reason=Reason.FLAG_ON, applies=account.lets_in, detail=told)
    lacks_key = compiled.sticky is not None and compiled.sticky(facts) is None
    yield Step(
        reason=Reason.NO_STICKY_KEY,
        applies=lacks_key,
        detail="stickiness gives this request no key" if lacks_key else "the request has its key",
    )
    yield Step(reason=Reason.FLAG_OFF, applies=True, detail=told)


def rule_lines(account: RuleAccount) -> Iterator[str]:
    """A rule condition by condition, indented lines."""
    for parent in account.parents:
        yield f"    {_MARKS[parent.met]} needs {parent.asks}: {parent.has}"
    for number, strategy in enumerate(account.strategies, 1):
        yield f"    {_MARKS[strategy.lets_in]} strategy {number}, {strategy.name}"
        for check in strategy.checks:
            yield f"        {_MARKS[check.met]} {check.asks}: {check.has}"


_MARKS: Final = {True: "yes", False: "no "}
