"""Our evaluation beside the engine of Unleash's own SDKs: the same flags, the same answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, note, settings
from yggdrasil_engine.engine import UnleashEngine  # type: ignore[import-untyped]  # has no types

from flags.unleash.admission import compile_rule
from tests.flags.unleash.drawn import Json, answers, contexts
from tests.flags.unleash.subject import CONTEXT
from tests.flags.unleash.test_features import read


def by_sdk(answer: Json, context: Json) -> bool:
    engine: Any = UnleashEngine()
    engine.take_state(json.dumps(answer))
    said = engine.is_enabled("f", context)
    return bool(said.is_enabled)


def by_figway(answer: Json, context: Json) -> bool:
    rule = read(json.dumps(answer)).rules["f"]
    rule = replace(rule, environment=context["environment"], app_name=context["appName"])
    return compile_rule(rule, CONTEXT, own_hash="own")(context)


def is_read_more_strictly(answer: Json) -> bool:
    """Where Figway may say no and the engine yes; both ways go toward legacy.

    A parent that is off for want of knowledge is not off to us. A parent without any variant has
    not the variant that is wanted; the engine takes it for a match, other SDKs do not.
    """
    (flag, parent) = answer["features"]
    no_variants = not parent["variants"] and not all(s["variants"] for s in parent["strategies"])
    no_variants = no_variants or not (parent["variants"] or parent["strategies"])
    return any(
        (dependency.get("enabled") is False and parent["strategies"])
        or (dependency.get("variants") and no_variants)
        for dependency in flag["dependencies"]
    )


@settings(max_examples=300, deadline=None)
@given(answers(), contexts())
def test_every_flag_is_on_for_whom_the_sdk_says(answer: Json, context: Json) -> None:
    sdk, figway = by_sdk(answer, context), by_figway(answer, context)
    note(f"{json.dumps(answer)}\n{json.dumps(context)}")
    assert figway is sdk or (is_read_more_strictly(answer) and not figway)
