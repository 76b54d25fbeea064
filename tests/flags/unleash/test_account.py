"""The account of a rule: what each part said, and that it never says another thing than traffic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flags.rule import Constraint, Parent, Rule, Strategy
from flags.unleash.account import account_of, describe_rule
from flags.unleash.admission import compile_rule
from flags.unleash.asked import most_of
from tests.flags.unleash.drawn import contexts, rules
from tests.flags.unleash.subject import CONTEXT

GERMANY = Constraint(field="country", operator="IN", values=("DE", "AT"), segment="dach")


@settings(max_examples=150, deadline=None)
@given(rules(), contexts(), st.sampled_from([0, 2500, 10_000]))
def test_an_account_comes_to_the_same_end_as_traffic(
    rule: Rule, context: dict[str, Any], ceiling: int
) -> None:
    told = account_of(rule, context, CONTEXT, own_hash="own", ceiling=ceiling)
    assert told.lets_in is compile_rule(rule, CONTEXT, own_hash="own", ceiling=ceiling)(context)
    # Part by part it comes to the same: parents all, strategies one, checks all.
    some = not rule.strategies and not told.strategies
    whole = all(each.met for each in told.parents) and (
        some or any(each.lets_in for each in told.strategies)
    )
    assert (told.enabled and whole) is told.lets_in
    for strategy in told.strategies:
        assert strategy.lets_in is all(check.met for check in strategy.checks)
    assert told.decided_by()
    if told.lets_in and ceiling == 10_000:
        assert most_of(rule) > 0


def test_every_part_says_what_it_asks_and_what_the_request_has() -> None:
    rule = Rule(
        flag="figway-r",
        strategies=(
            Strategy(
                name="flexibleRollout",
                title="Germany first",
                basis_points=2500,
                hash_group="r",
                constraints=(
                    GERMANY,
                    Constraint(
                        field="currentTime", operator="DATE_AFTER", value="2026-01-01T00:00:00Z"
                    ),
                    Constraint(field="environment", operator="IN", values=("production",)),
                ),
            ),
        ),
        parents=(Parent(flag="figway-enabled", fault="there is no flag figway-enabled"),),
        environment="production",
    )
    told = account_of(rule, {"userId": "1"}, CONTEXT, own_hash="r", ceiling=1000)
    assert [(check.asks, check.has, check.met) for check in told.strategies[0].checks] == [
        ("country IN DE, AT (segment dach)", "the request has no country", False),
        ("currentTime DATE_AFTER 2026-01-01T00:00:00Z", "it is 2026-11-22T19:00:00+00:00", True),
        ("environment IN production", "environment is production", True),
        (
            "a bucket below 25.00 (its percentage)",
            "38.06 (murmur3_x86_32('r:1') = 1969090638)",
            False,
        ),
        ("a bucket below 10.00 (max_percent)", "38.06 (murmur3_x86_32('r:1') = 1969090638)", False),
    ]
    assert told.decided_by() == ("needs figway-enabled on, but there is no flag figway-enabled")
    alone = account_of(replace(rule, parents=()), {"userId": "1"}, CONTEXT, own_hash="r")
    assert alone.decided_by() == (
        "strategy 1 (Germany first) does not let it in:"
        " country IN DE, AT (segment dach), but the request has no country"
    )


def test_a_rule_on_one_line() -> None:
    rule = Rule(
        flag="f",
        strategies=(
            Strategy(name="userWithId", values=("7", "12")),
            Strategy(name="flexibleRollout", basis_points=2500, constraints=(GERMANY,)),
            Strategy(name="new", fault="there is no strategy 'new' that Figway knows"),
        ),
        parents=(Parent(flag="p", on=False),),
    )
    assert describe_rule(rule) == (
        "needs p off; userId 7, 12 or 25 % if country IN DE, AT (segment dach)"
        " or nobody (there is no strategy 'new' that Figway knows)"
    )
    assert describe_rule(replace(rule, enabled=False)) == "off"
    assert describe_rule(Rule(flag="f")) == "everybody"


def test_percentages_of_one_hash_hold_the_same_clients() -> None:
    def rollout(percent: int, group: str) -> Strategy:
        return Strategy(name="flexibleRollout", basis_points=percent * 100, hash_group=group)

    assert most_of(Rule(flag="f", strategies=(rollout(5, "g"), rollout(20, "g")))) == 2000
    assert most_of(Rule(flag="f", strategies=(rollout(5, "g"), rollout(20, "h")))) == 2500
    assert most_of(Rule(flag="f", strategies=(rollout(70, "g"), rollout(70, "h")))) == 10_000
    assert most_of(Rule(flag="f", strategies=(Strategy(name="default"),))) == 10_000
    assert most_of(Rule(flag="f", enabled=False, strategies=(Strategy(name="default"),))) == 0
