"""One version of a migration: a route table, and what the flags say with it."""

from __future__ import annotations

from dataclasses import dataclass

from flags.rule import Rule
from flags.scope import group_scope, route_scope
from flags.snapshot import FlagSnapshot
from proxy.replay.logged_facts import LoggedFacts
from proxy.routing.decision import Decision, decide
from proxy.routing.route import Route, Stickiness
from proxy.routing.table import RouteTable
from proxy.stages import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What decides: the same table and snapshot that a worker would hold."""

    table: RouteTable
    flags: FlagSnapshot
    # Of the identity.
    cookie_name: str = "figway_id"

    def decide(self, facts: LoggedFacts) -> Decision:
        """The decision that traffic would get, as far as the log tells."""
        facts.ask_for(self.cookie_name)
        return decide(self.table, self.flags, facts)

    def is_open(self, decision: Decision, facts: LoggedFacts) -> bool:
        """Whether that decision hangs on a key which the log does not hold."""
        return facts.keyless or (
            decision.reason is Reason.NO_STICKY_KEY and facts.lacks_key(decision.route.stickiness)
        )

    def has_rule(self, route: Route) -> bool:
        """Whether a rule says who gets the new side, and not a percentage alone."""
        return self._rule(route) is not None

    def _rule(self, route: Route) -> Rule | None:
        return self.flags.rules.get(
            group_scope(route.group) if route.group else route_scope(route.id)
        )

    def bucket_of_what(self, route: Route) -> tuple[str, Stickiness]:
        """What a client's bucket on a route is made of: equal means the same clients are in.

        A rule may ask for several buckets; then that of its first percentage.
        """
        prefix = self.table.compiled(route.id).hash_prefix
        rule = self._rule(route)
        for strategy in () if rule is None else rule.strategies:
            if strategy.basis_points is not None:
                prefix = f"{strategy.hash_group}:"
                break
        return prefix, route.stickiness

    def over(self, keys: tuple[str, ...], route: Route, facts: LoggedFacts) -> tuple[Decision, ...]:
        """What becomes of the request for a client with each of these keys."""
        facts.ask_for(self.cookie_name)
        facts.stand_in(route.stickiness)
        decisions = []
        for facts.key in keys:
            decisions.append(decide(self.table, self.flags, facts))
        facts.ask_for(self.cookie_name)
        return tuple(decisions)
