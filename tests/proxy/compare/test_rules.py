"""Rules of a path: what each operation makes equal, and what it does not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from proxy.compare.comparison import Result
from proxy.compare.findings import REDACTED
from proxy.compare_policy import Op
from tests.proxy.compare.pairs import compare_values, rule, told

NORMALISED, DIFFERENT = Result.NORMALISED, Result.DIFFERENT
UUIDS = "8b1a9953-c461-4296-a827-abf8c47804d7", "0cc175b9-c0f1-46b6-a831-c399e2697726"


@pytest.mark.parametrize(
    ("path", "hit"),
    [
        pytest.param("$.a.b", True, id="members"),
        pytest.param("$.a", True, id="what-is-above-when-ignored"),
        pytest.param("$", True, id="everything"),
        pytest.param("$..b", True, id="anywhere"),
        pytest.param("$.*.b", True, id="any-member"),
        pytest.param("$.a{*}", True, id="map"),
        pytest.param("$['a']['b']", True, id="quoted"),
        pytest.param('$["a"].b', True, id="double-quoted"),
        pytest.param("$..*", True, id="all-below"),
        pytest.param("$.b", False, id="other-level"),
        pytest.param("$.a.b.c", False, id="below"),
        pytest.param("$.a[*]", False, id="element-of-an-object"),
        pytest.param("$..c", False, id="other-name"),
    ],
)
def test_a_path_says_where_a_rule_holds(path: str, hit: bool) -> None:
    found = compare_values({"a": {"b": 1}}, {"a": {"b": 2}}, rule(path, Op.IGNORE))
    assert found.result is (NORMALISED if hit else DIFFERENT)
    assert [use.rule for use in found.rules_used] == (["rule:0"] if hit else [])


@pytest.mark.parametrize(
    ("path", "places"),
    [
        pytest.param("$.items[*].x", {"$.items[1].x", "$.items[2].x"}, id="each-element"),
        pytest.param("$.items[1].x", {"$.items[1].x"}, id="one-element"),
        pytest.param("$.items.*.x", {"$.items[1].x", "$.items[2].x"}, id="anything"),
        pytest.param("$..x", {"$.items[1].x", "$.items[2].x", "$.x"}, id="anywhere"),
        pytest.param("$..items[*].x", {"$.items[1].x", "$.items[2].x"}, id="anywhere-then-there"),
        pytest.param("$..[2]", {"$.items[2].x"}, id="anywhere-an-element"),
    ],
)
def test_elements_are_matched_while_walking(path: str, places: set[str]) -> None:
    legacy = {"items": [{"x": 0}, {"x": 1}, {"x": 2}, {"y": 3}], "x": 4}
    new = {"items": [{"x": 0}, {"x": 11}, {"x": 12}, {"y": 3}], "x": 14}
    everywhere = {"$.items[1].x", "$.items[2].x", "$.x"}
    found = compare_values(legacy, new, rule(path, Op.IGNORE))
    assert {difference.at for difference in found.differences} == everywhere - places


@pytest.mark.parametrize(
    ("op", "parameters", "legacy", "new", "equal"),
    [
        pytest.param(Op.SHAPE, {}, *UUIDS, True, id="uuid"),
        pytest.param(Op.SHAPE, {}, "d41d8cd98f", "0cc175b9c0", True, id="hex"),
        pytest.param(Op.SHAPE, {}, "d41d8cd98f", "1234567890", True, id="hex-of-digits-only"),
        pytest.param(Op.SHAPE, {}, "d41d8cd98f", "0cc175b9c0f1", False, id="hex-length"),
        pytest.param(Op.SHAPE, {}, "2026-01-05 10:00", "2031-11-15 11:30", True, id="time"),
        pytest.param(Op.SHAPE, {}, 17, 4711, True, id="integers"),
        pytest.param(Op.SHAPE, {}, 17, 47.11, False, id="integer-and-decimal"),
        pytest.param(Op.SHAPE, {}, 17, "17", False, id="number-and-text"),
        pytest.param(Op.SHAPE, {}, "aZ0-_x", "Qr9_b-", True, id="token"),
        pytest.param(Op.SHAPE, {}, "a b, c", "x y, z", True, id="characters"),
        pytest.param(Op.SHAPE, {}, "a b, c", "x y; z", False, id="other-characters"),
        pytest.param(Op.SHAPE, {}, None, "x", False, id="null-has-no-shape-of-a-text"),
        pytest.param(Op.SHAPE, {}, {"t": "abcd"}, {"t": "wxyz"}, True, id="all-below"),
        pytest.param(Op.SHAPE, {}, {"t": "abcd"}, {"u": "wxyz"}, False, id="other-members"),
        pytest.param(
            *(Op.DATETIME, {"tolerance": 5.0}, "2026-01-05T10:00:00Z", "2026-01-05T10:00:05Z"),
            True,
            id="within",
        ),
        pytest.param(
            *(Op.DATETIME, {"tolerance": 5.0}, "2026-01-05T10:00:00Z", "2026-01-05T10:00:06Z"),
            False,
            id="beyond",
        ),
        pytest.param(
            *(Op.DATETIME, {}, "2026-01-05T10:00:00Z", "2026-01-05T11:00:00+01:00", True),
            id="same-moment",
        ),
        pytest.param(
            *(Op.DATETIME, {"tolerance": 1.0}, 1767607200, "2026-01-05T10:00:00Z", True),
            id="timestamp-and-text",
        ),
        pytest.param(Op.DATETIME, {"tolerance": 9e9}, "soon", "now", False, id="no-moments"),
        pytest.param(
            *(Op.DATETIME, {"tolerance": 1.0}, "/cron?id=a&1795363181", "/cron?id=a&1795363182"),
            True,
            id="timestamp-in-a-text",
        ),
        pytest.param(
            *(Op.DATETIME, {"tolerance": 1.0}, "/cron?id=a&1795363181", "/cron?id=a&1795363183"),
            False,
            id="timestamp-in-a-text-beyond",
        ),
        pytest.param(
            *(Op.DATETIME, {"tolerance": 9e9}, "/cron?id=a&1795363181", "/cron?id=b&1795363181"),
            False,
            id="something-else-in-the-text",
        ),
        pytest.param(
            *(Op.DATETIME, {"tolerance": 9e9}, "3 left at 10:00", "2 left at 10:00", False),
            id="a-number-in-a-text",
        ),
        pytest.param(
            *(Op.DATETIME, {"tolerance": 60.0}),
            *("Made 2026-01-05 10:00:01, cached", "Made 2026-01-05 10:00:40, cached", True),
            id="date-in-a-text",
        ),
        pytest.param(Op.NUMBER, {"absolute": Decimal("0.005")}, 1.0, 1.005, True, id="absolute"),
        pytest.param(
            Op.NUMBER, {"absolute": Decimal("0.005")}, 1.0, 1.0051, False, id="beyond-absolute"
        ),
        pytest.param(Op.NUMBER, {"relative": Decimal("0.001")}, 1000, 1001, True, id="relative"),
        pytest.param(
            Op.NUMBER, {"relative": Decimal("0.001")}, 1000, 1002, False, id="beyond-relative"
        ),
        pytest.param(Op.NUMBER, {}, "12.50", 12.5, True, id="number-and-text-of-one-value"),
        pytest.param(Op.NUMBER, {"absolute": Decimal(9)}, "x", 1, False, id="no-number"),
        pytest.param(
            Op.NUMBER,
            {"absolute": Decimal("0.01")},
            "1,234.50 €",
            "1234.51 €",
            True,
            id="in-a-text",
        ),
        pytest.param(
            Op.NUMBER, {"absolute": Decimal("0.01")}, "12.50 €", "12.51 $", False, id="other-text"
        ),
        pytest.param(
            Op.NUMBER,
            {"absolute": Decimal("0.01")},
            "2 x 1.00",
            "3 x 1.00",
            False,
            id="one-too-far",
        ),
        pytest.param(Op.UNORDERED, {}, [1, 2, 3], [3, 1, 2], True, id="unordered"),
        pytest.param(Op.UNORDERED, {}, [1, 2, 2], [2, 1, 1], False, id="unordered-is-no-set"),
        pytest.param(Op.UNORDERED, {}, [1, 2], [2, 3], False, id="unordered-other-element"),
        pytest.param(
            Op.KEY_BY,
            {"key": "k"},
            [{"k": 1, "v": 1}, {"k": 2, "v": 2}],
            [{"k": 2, "v": 2}, {"k": 1, "v": 1}],
            True,
            id="key-by",
        ),
        pytest.param(
            Op.KEY_BY,
            {"key": "k"},
            [{"k": 1, "v": 1}, {"k": 2, "v": 2}],
            [{"k": 2, "v": 1}, {"k": 1, "v": 1}],
            False,
            id="key-by-compares-the-rest",
        ),
        pytest.param(Op.BIJECTION, {}, "a1", "x9", True, id="bijection"),
        pytest.param(Op.BIJECTION, {}, "a1", 9, False, id="bijection-of-another-type"),
        pytest.param(Op.NULL_EQUALS_MISSING, {}, None, "", False, id="an-empty-text-is-not-null"),
    ],
)
def test_an_operation_says_what_is_equal(
    op: Op, parameters: dict[str, object], legacy: object, new: object, equal: bool
) -> None:
    found = compare_values({"v": legacy}, {"v": new}, rule("$.v", op, **parameters))
    assert found.result is (NORMALISED if equal else DIFFERENT)
    assert [use.rule for use in found.rules_used if equal] == (["rule:0"] if equal else [])


@pytest.mark.parametrize(
    ("legacy", "new"),
    [
        pytest.param({"a": 1, "n": None}, {"a": 1}, id="missing"),
        pytest.param({"a": 1}, {"a": 1, "n": None}, id="extra"),
    ],
)
def test_null_and_an_absent_member_can_be_the_same(legacy: object, new: object) -> None:
    found = compare_values(legacy, new, rule("$.n", Op.NULL_EQUALS_MISSING))
    assert found.result is NORMALISED
    assert compare_values({"n": 0}, {}, rule("$.n", Op.NULL_EQUALS_MISSING)).result is DIFFERENT


def test_key_by_names_elements_at_the_array_or_at_its_elements() -> None:
    legacy = [{"k": n, "v": n} for n in range(6)]
    new = [{"k": n, "v": n} for n in (5, 0, 1, 2, 4)]
    for path in ("$", "$[*]"):
        found = compare_values(legacy, new, rule(path, Op.KEY_BY, key="k"))
        assert told(found) == {("$[*]", "missing", "missing")}
        assert [difference.at for difference in found.differences] == ["$[3]"]


def test_elements_that_differ_only_by_generated_ids_belong_together() -> None:
    legacy = [{"token": f"aaaa{n}", "v": n} for n in range(5)]
    new = [{"token": f"bbbb{n}", "v": n} for n in (0, 4, 1, 2, 3)]
    found = compare_values(legacy, new, rule("$[*].token", Op.BIJECTION), rule("$", Op.UNORDERED))
    assert found.result is NORMALISED


def test_a_bijection_holds_over_the_whole_response() -> None:
    rules = rule("$..id", Op.BIJECTION)
    legacy = {"order": {"id": "a"}, "lines": [{"order": {"id": "a"}}]}
    same = {"order": {"id": "x"}, "lines": [{"order": {"id": "x"}}]}
    torn = {"order": {"id": "x"}, "lines": [{"order": {"id": "y"}}]}
    assert compare_values(legacy, same, rules).result is NORMALISED
    found = compare_values(legacy, torn, rules)
    assert told(found) == {("$.lines[*].order.id", "value", "inconsistent_id")}


def test_a_bijection_knows_ids_that_are_equal_too() -> None:
    rules = rule("$..id", Op.BIJECTION)
    legacy, new = [{"id": "a"}, {"id": "b"}, {"id": "a"}], [{"id": "c"}, {"id": "b"}, {"id": "a"}]
    found = compare_values(legacy, new, rules)
    assert ("$[*].id", "value", "inconsistent_id") in told(found)


def test_a_bijection_knows_equal_ids_that_stand_elsewhere() -> None:
    legacy = [{"id": "z"}, {"id": "a"}, {"ref": {"id": "b"}}]
    new = [{"id": "z"}, {"x": 1}, {"id": "a"}, {"ref": {"id": "a"}}]
    found = compare_values(legacy, new, rule("$..id", Op.BIJECTION))
    assert "inconsistent_id" in {difference.cause for difference in found.differences}


def test_what_is_expected_is_told_but_does_not_count() -> None:
    found = compare_values({"a": 1, "b": 1}, {"a": 2, "b": 1}, rule("$.a", Op.EXPECTED))
    assert found.result is Result.EXPECTED
    assert (found.causes, found.differing_paths) == ((), ())
    (difference,) = found.differences
    assert difference.expected


def test_a_rule_is_used_by_every_difference_that_falls_under_it() -> None:
    legacy = [{"n": n, "m": n} for n in range(30)]
    new = [{"n": n + 1, "m": n} for n in range(30)]
    found = compare_values(legacy, new, rule("$..n", Op.EXPECTED), rule("$..m", Op.EXPECTED))
    (use,) = found.rules_used
    assert (use.rule, use.path, use.count, use.expected) == ("rule:0", "$[*].n", 30, True)
    (use,) = compare_values({"m": 1}, {}, rule("$.m", Op.EXPECTED)).rules_used
    assert (use.rule, use.path, use.count) == ("rule:0", "$.m", 1)


def test_what_is_expected_hides_nothing_else() -> None:
    found = compare_values({"a": 1, "b": 1}, {"a": 2, "b": 2}, rule("$.a", Op.EXPECTED))
    assert found.result is DIFFERENT
    assert [cause.paths for cause in found.causes] == [("$.b",)]


def test_uses_of_a_rule_are_counted_per_path() -> None:
    legacy = [{"at": "2026-01-05T10:00:00Z", "n": n} for n in range(9)]
    new = [{"at": "2026-01-05T10:00:01Z", "n": n} for n in range(9)]
    found = compare_values(legacy, new, rule("$..at", Op.DATETIME, tolerance=5.0))
    assert [(use.rule, use.path, use.count) for use in found.rules_used] == [
        ("rule:0", "$[*].at", 9)
    ]


def test_what_is_redacted_is_compared_and_never_shown() -> None:
    legacy = {"user": {"email": "ann@shop.invalid", "n": 1}, "list": [{"email": "a@b.invalid"}]}
    new = {"user": {"email": "bob@shop.invalid", "n": 2}, "list": []}
    found = compare_values(legacy, new, redact=("$..email",))
    assert {d.path for d in found.differences} == {"$.user.email", "$.user.n", "$.list[*]"}
    shown = repr(found)
    assert REDACTED in shown
    assert "invalid" not in shown


def test_names_within_what_is_redacted_are_not_shown_either() -> None:
    legacy = {"users": {"ann@shop.invalid": {"n": 1}, "cid@shop.invalid": {"n": 1}}}
    new = {"users": {"ann@shop.invalid": {"n": 2}, "bob@shop.invalid": {"n": 1}}}
    found = compare_values(legacy, new, redact=("$.users",))
    assert {d.path for d in found.differences} == {"$.users.*", "$.users.*.*"}
    assert "invalid" not in repr(found)


def test_a_thousand_rules_cost_a_look_up_each_step() -> None:
    rules = [rule(f"$.a{n}..b", Op.IGNORE) for n in range(1000)]
    legacy = {f"a{n}": {"x": {"b": 1}} for n in range(1000)}
    new = {f"a{n}": {"x": {"b": 2}} for n in range(1000)}
    found = compare_values(legacy, new, *rules)
    assert found.result is NORMALISED
    assert len(found.rules_used) == 1000
