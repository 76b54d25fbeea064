"""What Unleash answers, read: rules, their faults, and what is no answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flags.rule import Constraint, Override, Parent, Strategy, Variant
from flags.unleash.features import Features, FeaturesError, read_features


def answer(*features: dict[str, Any], **fields: Any) -> str:
    return json.dumps({"version": 2, "features": list(features), **fields})


def read(payload: str, **fields: Any) -> Features:
    """Every feature, whatever its name."""
    return read_features(payload, wanted=lambda _: True, **fields)


def feature(name: str, *strategies: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": name, "enabled": True, "strategies": list(strategies), **fields}


def rollout(percent: object, **parameters: Any) -> dict[str, Any]:
    return {"name": "flexibleRollout", "parameters": {"rollout": percent, **parameters}}


def test_a_feature_is_read_whole() -> None:
    strategy = {
        "name": "flexibleRollout",
        "title": "Germany first",
        "parameters": {"rollout": "25", "groupId": "g", "stickiness": "tenant"},
        "constraints": [
            {"contextName": "country", "operator": "IN", "values": ["DE"], "inverted": True}
        ],
        "segments": [7],
        "variants": [
            {
                "name": "blue",
                "weight": 1000,
                "overrides": [{"contextName": "userId", "values": ["1"]}],
            }
        ],
    }
    segment = {
        "id": 7,
        "name": "beta",
        "constraints": [{"contextName": "tier", "operator": "NUM_GT", "value": "2"}],
    }
    features = read(
        answer(
            feature(
                "f", strategy, dependencies=[{"feature": "p", "variants": ["x"]}], type="release"
            ),
            feature("p", enabled=False),
            segments=[segment],
            query={"environment": "production", "inlineSegmentConstraints": True},
            meta={"revisionId": 42, "etag": '"abc:42:v1"', "queryHash": "abc"},
        ),
        host_name="web1",
    )
    assert (features.revision, features.environment) == (42, "production")
    rule = features.rules["f"]
    assert (rule.environment, rule.app_name, rule.host_name) == ("production", "figway", "web1")
    assert rule.strategies == (
        Strategy(
            name="flexibleRollout",
            title="Germany first",
            basis_points=2500,
            hash_group="g",
            stickiness="tenant",
            constraints=(
                Constraint(field="country", operator="IN", values=("DE",), inverted=True),
                Constraint(field="tier", operator="NUM_GT", value="2", segment="beta"),
            ),
            variants=(
                Variant(
                    name="blue", weight=1000, overrides=(Override(field="userId", values=("1",)),)
                ),
            ),
        ),
    )
    assert rule.parents == (Parent(flag="p", wanted=("x",), enabled=False),)


def test_what_unleash_leaves_out_has_its_usual_value() -> None:
    features = read(
        answer(
            {"name": "f", "strategies": [rollout("25"), {"name": "default"}]},
            {"name": "g", "enabled": True, "strategies": None, "variants": None},
        )
    )
    assert (features.revision, features.environment) == (0, "")
    rollout_strategy, default = features.rules["f"].strategies
    assert (rollout_strategy.hash_group, rollout_strategy.stickiness) == ("f", "default")
    assert default.basis_points is None
    assert features.rules["f"].enabled is False
    assert features.rules["g"].strategies == ()


@pytest.mark.parametrize(
    ("strategy", "fault"),
    [
        pytest.param({"name": "byWeather"}, "there is no strategy 'byWeather'", id="strategy"),
        pytest.param({"name": "default", "segments": [9]}, "there is no segment 9", id="segment"),
        pytest.param(rollout("12.5"), "rollout is '12.5', not a whole percentage", id="fraction"),
        pytest.param(rollout("101"), "rollout is '101', not a whole percentage", id="too much"),
        pytest.param({"name": "flexibleRollout"}, "rollout is '', not", id="no percentage"),
        pytest.param(
            {"name": "gradualRolloutUserId", "parameters": {"percentage": "half"}},
            "percentage is 'half'",
            id="old strategy",
        ),
    ],
)
def test_a_strategy_that_cannot_be_followed_has_a_fault(
    strategy: dict[str, Any], fault: str
) -> None:
    (told,) = read(answer(feature("f", strategy))).rules["f"].strategies
    assert fault in told.fault


@pytest.mark.parametrize("percent", ["25", 25, "025"])
def test_a_percentage_may_be_a_number(percent: object) -> None:
    (said,) = read(answer(feature("f", rollout(percent)))).rules["f"].strategies
    assert (said.basis_points, said.fault) == (2500, "")


def test_a_parent_that_cannot_be_as_it_must_has_a_fault() -> None:
    features = read(
        answer(
            feature("f", dependencies=[{"feature": "p"}, {"feature": "nobody"}, {"feature": "p"}]),
            feature("p", dependencies=[{"feature": "g"}]),
            feature("g"),
        )
    )
    first, second = features.rules["f"].parents
    assert first.fault == "p depends on another flag itself"
    assert second.fault == "there is no flag nobody"


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        pytest.param(b"<html>502</html>", "the whole: Invalid JSON", id="a page"),
        pytest.param(b"", "the whole: Invalid JSON", id="nothing"),
        pytest.param(b"\xff\xfe", "the whole", id="no UTF-8"),
        pytest.param(b"[]", "the whole: Input should be an object", id="a list"),
        pytest.param(b"{}", "features: Field required", id="no features"),
        pytest.param(b'{"features": null}', "features: Input should be", id="null"),
        pytest.param(b'{"features": [1]}', "features[0]: Input should be an object", id="a number"),
        pytest.param(
            b'{"features": [{"name": "f"}, {"name": 3}, {}]}',
            "without a name: features[1], features[2]",
            id="without a name",
        ),
        pytest.param(
            json.dumps({"features": [{}] * 9}).encode(), "features[4], ...", id="many problems"
        ),
    ],
)
def test_what_is_no_answer_is_refused_with_the_place(payload: bytes, told: str) -> None:
    with pytest.raises(FeaturesError) as refused:
        read_features(payload)
    assert told in str(refused.value)


def test_only_our_flags_and_their_parents_are_read() -> None:
    features = read_features(
        answer(
            feature("figway-r", dependencies=[{"feature": "switch"}]),
            feature("switch", {"name": "default"}),
            feature("theirs", {"name": 7}),
        )
    )
    assert features.names == {"figway-r", "switch", "theirs"}
    assert set(features.rules) == {"figway-r"}
    assert features.rules["figway-r"].parents[0].strategies == (Strategy(name="default"),)
    assert features.unreadable == {}


def test_a_flag_that_cannot_be_read_is_told_and_the_others_are_read() -> None:
    features = read_features(
        answer(
            feature("figway-a", {"parameters": {}}),
            feature("figway-b", dependencies=[{"feature": "switch"}]),
            feature("figway-c", {"name": "default", "segments": [7]}),
            {"name": "switch", "enabled": "yes"},
            segments=[{"id": 7, "constraints": "none"}],
        )
    )
    assert features.unreadable == {
        "figway-a": "strategies[0].name: Field required",
        "switch": "enabled: Input should be a valid boolean",
    }
    assert set(features.rules) == {"figway-b", "figway-c"}
    assert features.rules["figway-b"].parents[0].fault == "switch cannot be read"
    assert features.rules["figway-c"].strategies[0].fault == "there is no segment 7"
