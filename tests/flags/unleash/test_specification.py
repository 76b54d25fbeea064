"""Unleash's client specification: every case of it that concerns is_enabled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from flags.unleash.admission import compile_rule
from flags.unleash.features import Features
from tests.flags.unleash.subject import CONTEXT
from tests.flags.unleash.test_features import read
from tests.rigs.unleash_server import SPECIFICATION

# File and description of a case that is not run -> why. None is needed; a name that is in no file
# any more fails below.
EXCLUDED: Mapping[tuple[str, str], str] = {}
# Below these the specification was not read whole.
FILES, CASES = 22, 227


def cases() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for name in json.loads((SPECIFICATION / "index.json").read_text()):
        specification = json.loads((SPECIFICATION / name).read_text())
        for case in specification.get("tests", ()):
            yield name, specification["state"], case


def folded(state: dict[str, Any]) -> dict[str, Any]:
    """The answer that events of the streaming API amount to; Figway asks for whole answers."""
    features: dict[str, Any] = {}
    segments: dict[int, Any] = {}
    for event in state["events"]:
        match event["type"]:
            case "hydration":
                features = {each["name"]: each for each in event["features"]}
                segments = {each["id"]: each for each in event["segments"]}
            case "feature-updated":
                features[event["feature"]["name"]] = event["feature"]
            case "feature-removed":
                del features[event["featureName"]]
            case "segment-updated":
                segments[event["segment"]["id"]] = event["segment"]
            case "segment-removed":
                del segments[event["segmentId"]]
            case unknown:
                pytest.fail(f"an event of type {unknown}")
    return {"features": [*features.values()], "segments": [*segments.values()]}


def is_enabled(features: Features, flag: str, context: dict[str, Any]) -> bool:
    """As an SDK answers: a flag that does not exist is off."""
    rule = features.rules.get(flag)
    if rule is None:
        return False
    # Of one environment and application each, where a specification asks for several.
    rule = replace(
        rule, environment=context.get("environment", ""), app_name=context.get("appName", "")
    )
    return compile_rule(rule, CONTEXT, own_hash="own")(context)


def titled(case: tuple[str, dict[str, Any], dict[str, Any]]) -> str:
    name, _, test = case
    return f"{name.removesuffix('.json')}: {test['description']}"


@pytest.mark.parametrize("case", [pytest.param(case, id=titled(case)) for case in cases()])
def test_a_flag_is_on_for_whom_the_client_specification_says(
    case: tuple[str, dict[str, Any], dict[str, Any]],
) -> None:
    name, state, test = case
    if (name, test["description"]) in EXCLUDED:
        return
    payload = json.dumps(folded(state) if "events" in state else state)
    answer = is_enabled(read(payload), test["toggleName"], test["context"])
    assert answer is test["expectedResult"]


def test_the_specification_was_read_whole_and_nothing_is_left_out_that_it_no_longer_has() -> None:
    found = [(name, test["description"]) for name, _, test in cases()]
    files = json.loads((SPECIFICATION / "index.json").read_text())
    assert len(files) >= FILES
    assert len(found) >= CASES
    assert set(EXCLUDED) <= set(found)
    assert len(found) - len(EXCLUDED) >= CASES
