"""Flags as a provider holds them now, beside what routes.yaml allows."""

from __future__ import annotations

from typing import Any

import pytest

from flags.rule import Constraint, Parent, Rule, Strategy
from flags.snapshot import NOTHING_SET, FlagSnapshot
from flags.unleash.flag_state import Complaint
from proxy.config.lint import Finding, lint_live
from proxy.config.parse import parse_routes
from tests.proxy.config.lint.shop import shop

CANARY = "id: a, match: {path: {prefix: /a}}, new: catalog, stage: canary, max_percent: 25"
GROUPED = (
    "id: a, match: {path: {prefix: /a}}, new: catalog, stage: canary, group: g\n"
    "id: b, match: {path: {prefix: /b}}, new: catalog, stage: canary, group: g"
)
MAPPED = "groups: {g: {}}\nflags: {unleash: {context: {country: {header: X-Country}}}}\n"


def found(routes: str, flags: FlagSnapshot, *complaints: Complaint) -> tuple[Finding, ...]:
    text = shop(routes, MAPPED)
    return lint_live(parse_routes(text, "routes.yaml"), text, "routes.yaml", flags, complaints)


def rollout(percent: int, group: str = "a", **fields: Any) -> Strategy:
    return Strategy(name="flexibleRollout", basis_points=percent * 100, hash_group=group, **fields)


def rule_of_a(*strategies: Strategy, **fields: Any) -> FlagSnapshot:
    return FlagSnapshot(rules={"route:a": Rule(flag="figway-a", strategies=strategies, **fields)})


def percent(value: float) -> FlagSnapshot:
    return FlagSnapshot(route_basis_points={"a": round(value * 100)})


GERMANY = Constraint(field="country", operator="IN", values=("DE",))


@pytest.mark.parametrize(
    ("routes", "flags", "rule", "key", "says"),
    [
        pytest.param(
            CANARY,
            NOTHING_SET,
            "FLAG001",
            "routes[0]",
            "no source of flags speaks of route:a",
            id="missing",
        ),
        pytest.param(
            GROUPED,
            NOTHING_SET,
            "FLAG001",
            "routes[0]",
            "of group:g: a and 1 more routes",
            id="group",
        ),
        pytest.param(
            CANARY,
            rule_of_a(Strategy(name="byWeather", fault="there is no strategy 'byWeather'")),
            "FLAG002",
            "routes[0]",
            "figway-a: strategy byWeather: there is no strategy 'byWeather'",
            id="unknown strategy",
        ),
        pytest.param(
            CANARY,
            rule_of_a(rollout(5), parents=(Parent(flag="p", fault="there is no flag p"),)),
            "FLAG002",
            "routes[0]",
            "there is no flag p",
            id="unknown parent",
        ),
        pytest.param(
            CANARY,
            percent(25.01),
            "FLAG003",
            "routes[0].max_percent",
            "says 25.01 %, above max_percent 25",
            id="percentage above the ceiling",
        ),
        pytest.param(
            CANARY,
            rule_of_a(rollout(40, constraints=(GERMANY,))),
            "FLAG003",
            "routes[0].max_percent",
            "says 40 %",
            id="rule above the ceiling",
        ),
        pytest.param(
            CANARY,
            rule_of_a(rollout(5, "figway-a")),
            "FLAG004",
            "routes[0]",
            "picks its clients by figway-a:default, not by a",
            id="another groupId",
        ),
        pytest.param(
            CANARY,
            rule_of_a(rollout(5, constraints=(GERMANY,)), rollout(5, stickiness="country")),
            "FLAG004",
            "routes[0]",
            "percentages of 2 different hashes",
            id="several hashes below a ceiling",
        ),
        pytest.param(
            CANARY,
            rule_of_a(rollout(5, constraints=(Constraint(field="tier", operator="IN"),))),
            "FLAG005",
            "routes[0]",
            "asks for tier, and nothing says how to read it",
            id="a field that is not mapped",
        ),
    ],
)
def test_a_rule_finds_what_breaks_it_at_its_place(
    routes: str, flags: FlagSnapshot, rule: str, key: str, says: str
) -> None:
    of_rule = [each for each in found(routes, flags) if each.rule == rule]
    assert any(each.key == key and says in each.message for each in of_rule)
    assert all(each.line > 0 for each in of_rule)


@pytest.mark.parametrize(
    ("routes", "flags"),
    [
        pytest.param(CANARY, percent(25), id="at the ceiling"),
        pytest.param(CANARY, rule_of_a(rollout(25, constraints=(GERMANY,))), id="a rule"),
        pytest.param(CANARY.replace("canary", "live"), NOTHING_SET, id="live without a flag"),
        pytest.param(CANARY.replace("canary", "shadow"), NOTHING_SET, id="no flag is asked"),
        pytest.param(GROUPED, FlagSnapshot(group_basis_points={"g": 10_000}), id="a group"),
        pytest.param(
            CANARY,
            rule_of_a(
                Strategy(name="userWithId", values=("1",)),
                Strategy(
                    name="default",
                    constraints=(Constraint(field="environment", operator="IN", values=("p",)),),
                ),
            ),
            id="fields that are always known",
        ),
    ],
)
def test_what_is_in_order_is_not_found(routes: str, flags: FlagSnapshot) -> None:
    assert found(routes, flags) == ()


FAULT = "there is no strategy 'byWeather'"
SAME = f"strategy byWeather: {FAULT}; it lets nobody in"


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(Complaint(flag="figway-a", message=SAME), id="flag and words"),
        pytest.param(
            Complaint(flag="", message=f"figway-a: {SAME}"), id="as the admin API says it"
        ),
    ],
)
def test_complaints_of_the_provider_are_findings_once(same: Complaint) -> None:
    flags = rule_of_a(Strategy(name="byWeather", fault=FAULT), rollout(5, constraints=(GERMANY,)))
    other = Complaint(flag="", message="figway-rollback: has conditions")
    assert [each.message for each in found(CANARY, flags, same, other)] == [
        "figway-rollback: has conditions",
        f"figway-a: {SAME}",
    ]
