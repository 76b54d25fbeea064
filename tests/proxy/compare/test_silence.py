"""The rule beside a cause takes just that cause as equal, and says so only where it does."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from proxy.compare.comparison import Comparison, Result
from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare.silence import EXPIRES, REASON, silencing_rule, written
from proxy.compare_policy import ComparePolicy, Op, Rule
from proxy.exchange import Answer

JSON = ((b"content-type", b"application/json"),)


def compared(legacy: object, new: object, *rules: Rule) -> Comparison:
    answers = [Answer(status=200, headers=JSON, body=json.dumps(v).encode()) for v in (legacy, new)]
    return compare(*answers, CompiledPolicy.compile(ComparePolicy(rules=rules)))


@pytest.mark.parametrize(
    ("legacy", "new", "rule"),
    [
        pytest.param({"a": 12.345}, {"a": 12.35}, {"op": "number", "abs": "0.005"}, id="rounding"),
        pytest.param({"a": [1, 2, 3]}, {"a": [3, 1, 2]}, {"op": "unordered"}, id="order"),
        pytest.param({"a": None}, {}, {"op": "null_equals_missing"}, id="null"),
        pytest.param(
            {"a": "2026-11-22T10:00:00Z"},
            {"a": "2026-11-22T10:00:03Z"},
            {"op": "datetime", "tolerance": "3s"},
            id="clock",
        ),
        pytest.param(
            {"a": "9f86d081884c7d659a2feaa0c55ad015"},
            {"a": "a3bf4f1b2b0b822cd15d6c15b0f00a08"},
            {"op": "shape"},
            id="generated",
        ),
        pytest.param({"a": 4}, {"a": "4"}, {"op": "expected"}, id="a type is a defect"),
        pytest.param({"a": 4}, {"a": 5}, {"op": "expected"}, id="a value is a defect"),
        pytest.param({"a": "red"}, {"a": "blue"}, {"op": "expected"}, id="a word is a defect"),
        pytest.param({"a": 1}, {}, {"op": "expected"}, id="an absent member is a defect"),
        pytest.param(
            {"a": "2026-11-22T10:00:00Z"},
            {"a": "2026-11-22T11:00:00Z"},
            {"op": "expected"},
            id="a time zone is a defect",
        ),
    ],
)
def test_the_rule_silences_the_cause(legacy: object, new: object, rule: dict[str, str]) -> None:
    comparison = compared(legacy, new)
    (cause,) = comparison.causes
    found = silencing_rule(cause)
    assert found is not None
    usual = {"reason": REASON, "expires": EXPIRES} if rule["op"] == "expected" else {}
    assert written(found) == {"path": "$.a", **rule, **usual}
    filled = replace(found, expires="2099-12-31") if found.expires else found
    after = compared(legacy, new, filled)
    assert after.result is (Result.EXPECTED if found.op is Op.EXPECTED else Result.NORMALISED)


def test_one_rule_reaches_every_place_of_a_member() -> None:
    legacy = {"items": [{"n": 4}, {"n": 5}], "best": {"n": 6}}
    new = {"items": [{"n": "4"}, {"n": "5"}], "best": {"n": "6"}}
    (cause,) = compared(legacy, new).causes
    rule = silencing_rule(cause)
    assert rule is not None
    assert rule.path == "$..n"
    filled = replace(rule, expires="2099-12-31")
    assert compared(legacy, new, filled).result is Result.EXPECTED


def test_no_rule_reaches_a_status() -> None:
    policy = CompiledPolicy.compile(ComparePolicy())
    comparison = compare(Answer(status=200), Answer(status=404), policy)
    (cause,) = [cause for cause in comparison.causes if cause.paths == ("status",)]
    assert silencing_rule(cause) is None


def test_a_field_is_silenced_by_its_name() -> None:
    policy = CompiledPolicy.compile(ComparePolicy())
    one, other = (
        Answer(status=302, headers=((b"Location", place),)) for place in (b"/cart", b"/checkout")
    )
    (cause,) = compare(one, other, policy).causes
    rule = silencing_rule(cause)
    assert rule is not None
    assert (rule.path, rule.op) == ("header:location", Op.EXPECTED)
