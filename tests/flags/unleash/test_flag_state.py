"""Our flags among Unleash's: percentages, rules, rollbacks, and what is told about them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flags.evaluate import bucket
from flags.provider import Flag, FlagState, hold_missing
from flags.unleash.admission import compile_rule
from flags.unleash.features import read_features
from flags.unleash.flag_state import (
    Complaint,
    UnleashState,
    flag_name,
    flag_state,
    our_flags,
    plain_percentage,
    rollback_name,
)
from tests.flags.unleash.drawn import rules
from tests.flags.unleash.subject import CONTEXT
from tests.flags.unleash.test_features import answer, feature, rollout

GERMANY = {"contextName": "country", "operator": "IN", "values": ["DE"]}
DEFAULT = {"name": "default"}


def state_of(
    *features: dict[str, Any], groups: Any = ("purchase",), routes: Any = ("r", "q")
) -> UnleashState:
    return flag_state(read_features(answer(*features, meta={"revisionId": 7})), groups, routes)


@pytest.mark.parametrize(
    ("feature_of_r", "basis_points"),
    [
        pytest.param(feature("figway-r", rollout("25", groupId="r")), 2500, id="rollout"),
        pytest.param(
            feature("figway-r", rollout("25", groupId="r", stickiness="random")), 2500, id="random"
        ),
        pytest.param(feature("figway-r", rollout("0", groupId="other")), 0, id="0 of any hash"),
        pytest.param(
            feature("figway-r", rollout("25", groupId="r"), rollout("0", groupId="r")),
            2500,
            id="25 and 0",
        ),
        pytest.param(feature("figway-r", DEFAULT), 10_000, id="everybody"),
        pytest.param(feature("figway-r"), 10_000, id="no strategies"),
        pytest.param(feature("figway-r", DEFAULT, rollout("25", groupId="r")), 10_000, id="both"),
        pytest.param(feature("figway-r", DEFAULT, enabled=False), 0, id="switched off"),
        pytest.param(feature("figway-r", {"name": "unknown"}), 0, id="nothing that is known"),
    ],
)
def test_what_one_percentage_can_say_is_one(
    feature_of_r: dict[str, Any], basis_points: int
) -> None:
    assert state_of(feature_of_r).state.routes["r"] == Flag(basis_points=basis_points)


@pytest.mark.parametrize(
    "feature_of_r",
    [
        pytest.param(feature("figway-r", rollout("25", groupId="figway-r")), id="another hash"),
        pytest.param(feature("figway-r", rollout("100", groupId="figway-r")), id="even at 100 %"),
        pytest.param(
            feature("figway-r", rollout("25", groupId="r", stickiness="tenant")), id="another key"
        ),
        pytest.param(
            feature("figway-r", rollout("25", groupId="r") | {"constraints": [GERMANY]}),
            id="a constraint",
        ),
        pytest.param(
            feature(
                "figway-r",
                rollout("5", groupId="r"),
                {"name": "userWithId", "parameters": {"userIds": "1"}},
            ),
            id="two strategies",
        ),
        pytest.param(feature("figway-r", DEFAULT, dependencies=[{"feature": "p"}]), id="a parent"),
    ],
)
def test_what_one_percentage_cannot_say_is_a_rule(feature_of_r: dict[str, Any]) -> None:
    flag = state_of(feature_of_r, feature("p")).state.routes["r"]
    assert flag.basis_points is None
    assert flag.rule is not None
    assert flag.rule.flag == "figway-r"


@settings(max_examples=200, deadline=None)
@given(rules(), st.integers(0, 9999), st.sampled_from(["purchase", "figway-purchase"]))
def test_a_percentage_says_of_every_client_what_the_rule_says(
    rule: Any, number: int, name: str
) -> None:
    percentage = plain_percentage(rule, name)
    if percentage is None:
        return
    key = str(number)
    by_rule = compile_rule(rule, CONTEXT, own_hash=name)({"userId": key})
    assert (bucket(name, key) < percentage) is by_rule


@pytest.mark.parametrize(
    ("switch", "said", "told"),
    [
        pytest.param(feature("figway-rollback", DEFAULT), True, "", id="on"),
        pytest.param(feature("figway-rollback"), True, "", id="on without strategies"),
        pytest.param(feature("figway-rollback", DEFAULT, enabled=False), False, "", id="off"),
        pytest.param(feature("figway-rollback", rollout("0")), False, "", id="on for 0 %"),
        pytest.param(
            feature("figway-rollback", rollout("10")), True, "has conditions", id="on for 10 %"
        ),
        pytest.param(
            feature("figway-rollback", DEFAULT | {"constraints": [GERMANY]}),
            True,
            "has conditions",
            id="on for some",
        ),
        pytest.param(
            feature("figway-rollback", DEFAULT, dependencies=[{"feature": "nobody"}]),
            True,
            "has conditions",
            id="with a parent",
        ),
        pytest.param(
            feature("figway-rollback", {"name": "unknown"}), None, "nothing changes", id="unknown"
        ),
    ],
)
def test_a_rollback_flag_is_on_off_or_says_nothing(
    switch: dict[str, Any], said: bool | None, told: str
) -> None:
    read = state_of(switch)
    assert read.state.rollback is said
    assert [told in each.message for each in read.complaints] == [True] * bool(told)


def test_groups_and_routes_have_their_own_rollback() -> None:
    read = state_of(
        feature("figway-rollback-purchase", DEFAULT),
        feature("figway-rollback-r", DEFAULT, enabled=False),
        feature("figway-r", rollout("5", groupId="r")),
    )
    assert read.state == FlagState(
        revision=7,
        groups={"purchase": Flag(rollback=True)},
        routes={"r": Flag(basis_points=500, rollback=False)},
    )


def test_a_flag_that_unleash_does_not_have_is_silence_and_what_it_said_is_held() -> None:
    before = state_of(feature("figway-r", rollout("25", groupId="figway-r"))).state
    now = state_of(feature("something-else")).state
    assert now == FlagState(revision=7)
    held, scopes = hold_missing(before, now)
    assert scopes == ("route:r",)
    assert held.routes == before.routes


def test_names_that_mean_two_things_are_told() -> None:
    read = state_of(
        feature("figway-rollback-r", DEFAULT),
        feature("figway-r", DEFAULT),
        groups=("r",),
        routes=("r", "rollback-r"),
    )
    assert read.complaints == (
        Complaint(
            flag="figway-r",
            message="speaks for the group and for the route r: rename one of them",
        ),
        Complaint(
            flag="figway-rollback-r",
            message="is a rollback flag by its name, so it cannot say who gets rollback-r:"
            " rename it",
        ),
    )
    assert "rollback-r" not in read.state.routes
    assert read.state.routes["r"].rollback is True


def test_what_cannot_be_followed_is_told_once_with_its_place() -> None:
    bad = {"contextName": "x", "operator": "LIKE", "values": ["a"]}
    read = state_of(
        feature(
            "figway-r",
            DEFAULT | {"title": "north", "constraints": [bad, bad]},
            dependencies=[{"feature": "nobody"}],
        )
    )
    assert [(each.flag, each.message) for each in read.complaints] == [
        ("figway-r", "there is no flag nobody: that parent is never as it must be"),
        (
            "figway-r",
            "strategy north: there is no operator 'LIKE' that Figway knows; it lets nobody in",
        ),
    ]
    assert state_of(feature("not-ours", {"name": "unknown"})).complaints == ()


def test_a_flag_that_cannot_be_read_holds_what_it_said() -> None:
    before = state_of(feature("figway-r", rollout("25", groupId="r"))).state
    read = state_of(
        feature("figway-r", {"parameters": {}}), {"name": "figway-rollback", "strategies": [1]}
    )
    assert [(each.flag, each.message) for each in read.complaints] == [
        (
            "figway-r",
            "cannot be read (strategies[0].name: Field required): what it said before holds",
        ),
        (
            "figway-rollback",
            "cannot be read (strategies[0]: Input should be an object): what it said before holds",
        ),
    ]
    assert read.state.rollback is None
    held, _ = hold_missing(before, read.state)
    assert held.routes["r"].basis_points == 2500


def test_names_of_flags() -> None:
    assert flag_name("group:purchase") == "figway-purchase"
    assert [rollback_name(scope) for scope in ("all", "group:purchase", "route:r")] == [
        "figway-rollback",
        "figway-rollback-purchase",
        "figway-rollback-r",
    ]
    features = read_features(json.dumps({"features": [{"name": "figway-a"}, {"name": "other"}]}))
    assert our_flags(features) == {"figway-a"}
