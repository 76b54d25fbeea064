"""The planner: asks everybody who knows for what the plan of a rollback is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from proxy.routing.route import RouteFile
from proxy.supervision.plan import Plan, plan
from proxy.supervision.traffic import Traffic, TrafficView

# What a figway that is in no fleet is called.
ALONE = "this figway"


class Planner:
    """Plans rollbacks of the routes in use."""

    def __init__(
        self,
        *,
        file: Callable[[], RouteFile],
        check: Callable[[str], None],
        traffic: Traffic,
        failing: Callable[[], tuple[str, ...]],
    ) -> None:
        """`check` raises Refused for a scope that there is not; `failing` are of legacy."""
        self._file = file
        self._check = check
        self.traffic = traffic
        self._failing = failing
        # Of the fleet: this replica's name, and what the other live ones tell; None: nothing.
        self.name = ALONE
        self.others: Callable[[], Mapping[str, TrafficView | None]] = dict

    def plan(self, scope: str) -> Plan:
        """The plan for a rollback of this scope, now. Raises Refused."""
        self._check(scope)
        others = self.others()
        told = {name: view for name, view in others.items() if view is not None}
        return plan(
            self._file(),
            scope,
            {self.name: self.traffic.now(), **told},
            silent=tuple(name for name in others if name not in told),
            failing=self._failing(),
        )
