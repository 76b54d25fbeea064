"""A compare policy is checked when it is compiled, and every error names its place and its mend."""

from __future__ import annotations

import pickle
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.paths import PathError, member, parse
from proxy.compare.policy import CompareRuleError, CompiledPolicy, rules_hash
from proxy.compare_policy import ComparePolicy, Op, Profile, Rule
from tests.proxy.compare.pairs import rule


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        pytest.param(Rule(path="$.a", op=Op.IGNORE, expires="2030-01-01"), "reason", id="reason"),
        pytest.param(Rule(path="$.a", op=Op.EXPECTED, reason="T-1"), "expires", id="expires"),
        pytest.param(
            Rule(path="$.a", op=Op.IGNORE, reason="T-1", expires="2030-02-30"),
            "expires",
            id="no-day",
        ),
        pytest.param(
            Rule(path="$.a", op=Op.IGNORE, reason="T-1", expires="soon"), "expires", id="no-date"
        ),
        pytest.param(rule("$.a", Op.KEY_BY), "key", id="key-by-without-key"),
        pytest.param(rule("$.a", Op.SHAPE, key="x"), "key", id="key-without-key-by"),
        pytest.param(rule("header:etag", Op.KEY_BY, key="x"), "path", id="key-by-of-a-header"),
        pytest.param(rule("$.a", Op.DATETIME, tolerance=-1.0), "tolerance", id="tolerance"),
        pytest.param(rule("$.a", Op.SHAPE, tolerance=1.0), "tolerance", id="needless-tolerance"),
        pytest.param(rule("$.a", Op.NUMBER, absolute=Decimal(-1)), "abs", id="negative"),
        pytest.param(rule("$.a", Op.NUMBER, relative=Decimal("NaN")), "rel", id="nan"),
        pytest.param(rule("$.a", Op.SHAPE, relative=Decimal(1)), "rel", id="needless-rel"),
        *(
            pytest.param(rule(path, Op.SHAPE), "path", id=path)
            for path in (
                *("a", "$a", "$.", "$..", "$.a b", "$[x]", "$['a'", "$.a[", "$.a]", "$[-1]"),
                *("headers:x", "header:", "xml:a", "html:", "html:colour", "texts", ""),
            )
        ),
    ],
)
def test_a_wrong_rule_is_refused_with_its_place(wrong: Rule, place: str) -> None:
    policy = ComparePolicy(rules=(rule("$.fine", Op.SHAPE), replace(wrong, line=42)))
    with pytest.raises(CompareRuleError) as caught:
        CompiledPolicy.compile(policy)
    assert caught.value.place == f"rules[1].{place}"
    assert caught.value.line == 42
    assert str(caught.value).startswith(f"compare.rules[1].{place}: ")
    assert caught.value.mend


@pytest.mark.parametrize("path", ["$..email", "header:authorization", "query:token", "form:pin"])
def test_redacted_paths_are_checked_too(path: str) -> None:
    CompiledPolicy.compile(ComparePolicy(redact=(path,)))
    with pytest.raises(CompareRuleError, match=r"compare\.redact\[1\]"):
        CompiledPolicy.compile(ComparePolicy(redact=(path, "email")))


@pytest.mark.parametrize(
    ("today", "applied"),
    [
        pytest.param("2026-11-30", True, id="before"),
        pytest.param("2026-12-01", True, id="last-day"),
        pytest.param("2026-12-02", False, id="day-after"),
        pytest.param("", True, id="no-day"),
    ],
)
def test_a_rule_ends_after_its_last_day(today: str, applied: bool) -> None:
    ending = rule("$.a", Op.IGNORE, expires="2026-12-01")
    compiled = CompiledPolicy.compile(ComparePolicy(rules=(ending,)), today=today)
    assert bool(compiled.root.member("a").rules) is applied
    assert compiled.expired == (() if applied else (ending,))


def test_a_compiled_policy_goes_through_a_pipe() -> None:
    policy = ComparePolicy(profile=Profile.PHP, rules=(rule("$..id", Op.BIJECTION),))
    again = pickle.loads(pickle.dumps(CompiledPolicy.compile(policy, today="2026-01-05")))
    assert again.policy == policy
    assert [r.op for r in again.root.member("x").member("id").rules] == [Op.BIJECTION]


BASE = ComparePolicy(rules=(rule("$.a", Op.SHAPE), rule("$.b", Op.IGNORE)))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(replace(BASE, rules=BASE.rules[::-1]), True, id="order"),
        pytest.param(
            replace(BASE, rules=(BASE.rules[0], replace(BASE.rules[1], line=9, reason="T-2"))),
            True,
            id="line-and-reason",
        ),
        pytest.param(replace(BASE, redact=("$.a",)), True, id="redaction"),
        pytest.param(replace(BASE, rules=BASE.rules[:1]), False, id="rule"),
        pytest.param(replace(BASE, profile=Profile.PHP), False, id="profile"),
        pytest.param(
            replace(BASE, headers=replace(BASE.headers, compare=("vary",))), False, id="headers"
        ),
        pytest.param(replace(BASE, html=replace(BASE.html, drop=("x",))), False, id="html"),
    ],
)
def test_the_hash_is_of_what_decides_a_comparison(other: ComparePolicy, same: bool) -> None:
    assert (rules_hash(other) == rules_hash(BASE)) is same


@pytest.mark.parametrize(
    ("rule_path", "place", "hit"),
    [
        pytest.param("header:etag", "header:etag", True, id="header"),
        pytest.param("header:ETag", "header:etag", True, id="header-case"),
        pytest.param("header:x-*", "header:x-cache", True, id="glob"),
        pytest.param("header:x-*", "header:etag", False, id="other-header"),
        pytest.param("html:text", "html:text", True, id="facet"),
        pytest.param("html:text", "html:title", False, id="other-facet"),
        pytest.param("xml:/feed/*/id", "xml:/feed/entry/id", True, id="xml-any"),
        pytest.param("xml:/feed/*/id", "xml:/feed/a/b/id", False, id="xml-one-level"),
        pytest.param("xml://id", "xml:/feed/a/b/id", True, id="xml-any-level"),
        pytest.param("xml:/feed/@x.y", "xml:/feed/@xzy", False, id="no-pattern-language"),
        pytest.param("text", "text", True, id="text"),
    ],
)
def test_paths_outside_json(rule_path: str, place: str, hit: bool) -> None:
    compiled = CompiledPolicy.compile(ComparePolicy(rules=(rule(rule_path, Op.UNORDERED),)))
    assert bool(compiled.at(place).rules) is hit


@given(st.lists(st.text(max_size=8), max_size=5))
def test_a_written_path_reads_back(names: list[str]) -> None:
    path = "$"
    for name in names:
        path = member(path, name)
    assert [step.name for step in parse(path)] == names


@given(st.text(st.sampled_from("$.*[]{}'\"\\a0 "), max_size=12))
def test_any_path_is_read_or_refused(path: str) -> None:
    try:
        steps = parse("$" + path)
    except PathError:
        return
    assert len(steps) <= len(path)
