"""Flags that say more than a percentage, at work on requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flags.evaluate import bucket_of
from flags.rule import Constraint, Parent, Rule, Strategy
from flags.snapshot import FlagSnapshot
from flags.unleash.admission import cap_hash
from proxy.routing.decision import decide
from proxy.routing.facts import PlainFacts
from proxy.routing.route import StickyKind
from proxy.routing.rules import Rules
from proxy.routing.table import RouteTable
from proxy.stages import Reason, Side, Stage
from tests.flags.unleash.drawn import rules
from tests.proxy.routing.samples import CONTEXT, get, route, sticky, table

GERMANY = Constraint(field="country", operator="IN", values=("DE",))
NOT_GERMANY = Constraint(field="country", operator="NOT_IN", values=("DE",))


def rollout(percent: int, *constraints: Constraint, group: str = "figway-r") -> Strategy:
    return Strategy(
        name="flexibleRollout",
        basis_points=percent * 100,
        hash_group=group,
        constraints=constraints,
    )


def everybody(*constraints: Constraint) -> Strategy:
    return Strategy(name="default", constraints=constraints)


def rule(*strategies: Strategy, **fields: Any) -> Rule:
    return Rule(flag="figway-r", strategies=strategies, **fields)


def saying(one: Rule) -> FlagSnapshot:
    return FlagSnapshot(rules={"route:r": one})


def canary(**fields: Any) -> RouteTable:
    return table(route("r", "^/x", stage=Stage.CANARY, **fields))


def outcome(one: Rule, facts: PlainFacts, **fields: Any) -> tuple[Side, Reason]:
    decision = decide(canary(**fields), saying(one), facts)
    return decision.side, decision.reason


@st.composite
def heads(draw: st.DrawFn) -> PlainFacts:
    """Requests that differ in their header sections."""
    headers = {
        name: draw(st.sampled_from(values))
        for name, values in (("X-Country", ["DE", "AT"]), ("Cookie", ["tier=1", "tier=1; tier=2"]))
        if draw(st.booleans())
    }
    return get("/x", headers=headers, device=f"{draw(st.integers(0, 999)):032x}")


ON, OFF = (Side.NEW, Reason.FLAG_ON), (Side.LEGACY, Reason.FLAG_OFF)


@pytest.mark.parametrize(
    ("one", "facts", "expected"),
    [
        pytest.param(
            rule(everybody(GERMANY)), get("/x", headers={"X-Country": "DE"}), ON, id="a header"
        ),
        pytest.param(rule(everybody(GERMANY)), get("/x"), OFF, id="a header that is not there"),
        pytest.param(
            rule(everybody(Constraint(field="tier", operator="IN", values=("gold",)))),
            get("/x", headers={"Cookie": "tier=gold"}),
            ON,
            id="a cookie",
        ),
        pytest.param(
            rule(everybody(Constraint(field="tier", operator="NOT_IN", values=("gold",)))),
            get("/x", headers={"Cookie": "tier=gold; tier=iron"}),
            OFF,
            id="a cookie that came twice, not even inverted",
        ),
        pytest.param(
            rule(everybody(Constraint(field="plan", operator="IN", values=("a b",)))),
            get("/x?plan=a+b"),
            ON,
            id="a query parameter",
        ),
        pytest.param(
            rule(everybody(Constraint(field="plan", operator="NOT_IN", values=("c",)))),
            get("/x?plan=a&plan=b"),
            OFF,
            id="a query parameter that came twice, not even inverted",
        ),
        pytest.param(
            rule(everybody(Constraint(field="weather", operator="NOT_IN", values=("rain",)))),
            get("/x"),
            OFF,
            id="a field that nothing says how to read, not even inverted",
        ),
        pytest.param(
            rule(
                everybody(
                    Constraint(field="remoteAddress", operator="IN_CIDR", values=("10.0.0.0/8",))
                )
            ),
            get("/x", client_ip="10.1.2.3"),
            ON,
            id="the client's address",
        ),
        pytest.param(
            rule(
                everybody(
                    Constraint(
                        field="currentTime", operator="DATE_AFTER", value="2026-11-22T18:00:00Z"
                    )
                )
            ),
            get("/x", moment=1795370401.0),
            ON,
            id="a second after a date",
        ),
        pytest.param(
            rule(
                everybody(
                    Constraint(
                        field="currentTime", operator="DATE_AFTER", value="2026-11-22T18:00:00Z"
                    )
                )
            ),
            get("/x", moment=1795370400.0),
            OFF,
            id="at that date",
        ),
        pytest.param(
            rule(
                everybody(Constraint(field="environment", operator="IN", values=("production",))),
                environment="production",
            ),
            get("/x"),
            ON,
            id="the environment",
        ),
        pytest.param(rule(enabled=False), get("/x"), OFF, id="switched off"),
        pytest.param(rule(), get("/x"), ON, id="no strategies are everybody"),
        pytest.param(
            rule(everybody(), parents=(Parent(flag="p", fault="there is no flag p"),)),
            get("/x"),
            OFF,
            id="a parent that does not exist",
        ),
        pytest.param(
            rule(
                everybody(),
                parents=(
                    Parent(flag="p", on=False, strategies=(Strategy(name="new", fault="unknown"),)),
                ),
            ),
            get("/x"),
            OFF,
            id="a parent that is off for want of knowledge",
        ),
        pytest.param(
            rule(Strategy(name="userWithId", values=("anna",))),
            get("/x", headers={"X-User": "anna"}),
            ON,
            id="userId is the sticky key",
        ),
    ],
)
def test_a_rule_asks_the_request(
    one: Rule, facts: PlainFacts, expected: tuple[Side, Reason]
) -> None:
    stickiness = sticky(StickyKind.HEADER, "x-user")
    fields = {"stickiness": stickiness} if facts.header("x-user") else {}
    assert outcome(one, facts, **fields) == expected


def test_a_rule_that_needs_a_key_and_gets_none_says_so() -> None:
    keyless = sticky(StickyKind.HEADER, "x-user")
    assert outcome(rule(rollout(100)), get("/x"), stickiness=keyless) == (
        Side.LEGACY,
        Reason.NO_STICKY_KEY,
    )
    # One that needs none does not ask for it.
    germany = get("/x", headers={"X-Country": "DE"})
    assert outcome(rule(everybody(GERMANY)), germany, stickiness=keyless) == ON


def test_no_device_id_is_minted_for_whom_a_constraint_keeps_out() -> None:
    class Shy(PlainFacts):
        def device_id(self) -> str:
            raise AssertionError("asking mints a cookie")

    shy = Shy(method="GET", host="a", path="/x")
    assert outcome(rule(rollout(50, GERMANY)), shy) == OFF
    assert outcome(rule(everybody(NOT_GERMANY)), shy) == ON
    all_of_it = Parent(flag="p", strategies=(rollout(100),))
    assert outcome(rule(everybody(NOT_GERMANY), parents=(all_of_it,)), shy) == ON


def test_a_rule_lowers_a_live_route_and_a_group_speaks_for_its_routes() -> None:
    live = table(route("r", "^/x", stage=Stage.LIVE, max_percent=1.0))
    germany, austria = (get("/x", headers={"X-Country": c}) for c in ("DE", "AT"))
    flags = saying(rule(everybody(GERMANY)))
    assert decide(live, flags, germany).reason is Reason.FLAG_ON
    assert decide(live, flags, germany).shadow is Side.LEGACY
    assert decide(live, flags, austria).reason is Reason.FLAG_OFF
    grouped = table(route("r", "^/x", stage=Stage.CANARY, group="purchase"))
    assert decide(grouped, flags, germany).reason is Reason.BUCKET_OUT
    of_group = FlagSnapshot(rules={"group:purchase": rule(everybody(GERMANY))})
    assert decide(grouped, of_group, germany).reason is Reason.FLAG_ON


def test_a_flag_of_25_percent_under_a_ceiling_of_25_is_25_percent_on_its_own_hash() -> None:
    routes = canary(max_percent=25.0)
    for number in range(500):
        facts = get("/x", device=f"{number:032x}")
        inside = bucket_of(f"figway-r:{number:032x}") < 2500
        for share in (25, 40, 100):
            decision = decide(routes, saying(rule(rollout(share))), facts)
            assert (decision.side is Side.NEW) is inside


def test_strategies_without_a_percentage_share_the_ceiling_with_those_that_have_one() -> None:
    routes = canary(max_percent=25.0)
    both = saying(rule(everybody(GERMANY), rollout(10)))
    for number in range(500):
        facts = get("/x", device=f"{number:032x}", headers={"X-Country": "DE"})
        inside = bucket_of(f"figway-r:{number:032x}") < 2500
        assert (decide(routes, both, facts).side is Side.NEW) is inside


@settings(max_examples=80, deadline=None)
@given(rules(), heads(), st.sampled_from([0.0, 5.0, 50.0, 99.99]))
def test_strategies_together_never_let_more_in_than_the_ceiling(
    one: Rule, facts: PlainFacts, ceiling: float
) -> None:
    routes = canary(max_percent=ceiling)
    if decide(routes, saying(one), facts).reason is Reason.FLAG_ON:
        prefix, field = cap_hash(one, "r")
        context = routes.rules.context(routes.compiled("r"))
        read = context.hashed(field or "default")
        assert read is not None
        assert bucket_of(f"{prefix}:{read(facts)}") < ceiling * 100


@settings(max_examples=100, deadline=None)
@given(rules(), heads(), st.data())
def test_raising_a_percentage_or_the_ceiling_never_moves_anyone_out(
    one: Rule, facts: PlainFacts, data: st.DataObject
) -> None:
    def raised(strategy: Strategy) -> Strategy:
        if strategy.basis_points is None:
            return strategy
        more = data.draw(st.integers(strategy.basis_points, 10_000))
        return replace(strategy, basis_points=more)

    def side(rule: Rule, ceiling: float) -> Side:
        routes = canary(max_percent=ceiling)
        return decide(routes, saying(rule), facts).side

    more = replace(one, strategies=tuple(map(raised, one.strategies)))
    low, high = sorted(data.draw(st.tuples(*[st.sampled_from([0.0, 10.0, 60.0, 99.0])] * 2)))
    if side(one, low) is Side.NEW:
        assert side(more, high) is Side.NEW


def test_a_rule_that_comes_again_keeps_its_question() -> None:
    routes = canary()
    asked = Rules(CONTEXT)
    compiled = routes.compiled("r")
    first = asked.admission(compiled, rule(rollout(25, GERMANY)))
    assert asked.admission(compiled, rule(rollout(25, GERMANY))) is first
    assert asked.admission(compiled, rule(rollout(26, GERMANY))) is not first


class Remembered:
    """Facts of a head that was seen before: they keep answers."""

    def __init__(self, facts: PlainFacts, answers: dict[object, bool]) -> None:
        self._facts = facts
        self.answers = answers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._facts, name)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(rules(), min_size=1, max_size=2),
    heads(),
    st.data(),
)
def test_an_answer_that_is_kept_is_the_one_that_would_be_given(
    some: list[Rule], head: PlainFacts, data: st.DataObject
) -> None:
    """One header section: what else may differ is line, address and time."""
    routes = table(
        route("r", "^/a", stage=Stage.CANARY, max_percent=50.0),
        route("q", "^/b", stage=Stage.CANARY, stickiness=sticky(StickyKind.QUERY, "id")),
    )
    answers: dict[object, bool] = {}
    for _ in range(8):
        one = data.draw(st.sampled_from(some))
        flags = FlagSnapshot(rules={"route:r": one, "route:q": one})
        facts = get(
            data.draw(st.sampled_from(["/a", "/a?plan=DE", "/b?id=1", "/b?id=2"])),
            headers=dict(head.headers),
            device=head.device,
            client_ip=data.draw(st.sampled_from(["10.1.2.3", "192.0.2.1"])),
            moment=data.draw(st.sampled_from([1.0, 1643461200.0, 1795365000.0, 1795366021.0, 2e9])),
        )
        kept: Any = Remembered(facts, answers)
        assert decide(routes, flags, kept) is decide(routes, flags, facts)
    assert len(answers) <= 16
