"""The `tests:` block: each request goes through the same decision that traffic gets. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from flags.snapshot import FlagSnapshot
from proxy.routing.decision import decide
from proxy.routing.facts import PlainFacts
from proxy.routing.rewrite import upstream_target
from proxy.routing.route import RouteTest
from proxy.routing.table import RouteTable
from proxy.stages import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one test."""

    test: RouteTest
    route: str
    upstream: str
    reason: str
    side: str
    # The target that the upstream would get.
    path: str
    # One sentence for each expectation that was not met.
    failures: tuple[str, ...]


def run_tests(table: RouteTable, cookie_name: str) -> tuple[Outcome, ...]:
    """Run every test of the table's file, in file order."""
    return tuple(run_test(table, test, cookie_name) for test in table.file.tests)


def flags_of(table: RouteTable, test: RouteTest) -> FlagSnapshot:
    """The flags that a test asks for, and no others."""
    groups = {group.name for group in table.file.groups}
    points = {name: round(percent * 100) for name, percent in test.percent}
    return FlagSnapshot(
        rollback_all=test.rollback_all,
        rollback_groups=frozenset(test.rollback_groups),
        rollback_routes=frozenset(test.rollback_routes),
        group_basis_points=MappingProxyType({k: v for k, v in points.items() if k in groups}),
        route_basis_points=MappingProxyType({k: v for k, v in points.items() if k not in groups}),
    )


def run_test(table: RouteTable, test: RouteTest, cookie_name: str) -> Outcome:
    """Run one test of the table's file."""
    facts = PlainFacts.of(
        test.method,
        test.url,
        headers=test.headers,
        client_ip=test.client_ip,
        cookie_name=cookie_name,
    )
    decision = decide(table, flags_of(table, test), facts)
    path = f"{facts.path}?{facts.query}" if facts.has_query else facts.path
    if decision.side is Side.NEW:
        path = upstream_target(decision.route, facts)
    got = {
        "route": decision.route.id,
        "upstream": decision.upstream.name,
        "reason": decision.reason.value,
        "side": decision.side.value,
        "path": path,
    }
    wanted = {
        "route": test.expect_route,
        "upstream": test.expect_upstream,
        "reason": test.expect_reason,
        "side": test.expect_side,
        "path": test.expect_path,
    }
    return Outcome(
        test=test,
        **got,
        failures=tuple(
            f"{key} is {got[key]}, expected {value}"
            for key, value in wanted.items()
            if value is not None and value != got[key]
        ),
    )
