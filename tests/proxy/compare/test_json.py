"""Two JSON bodies: what is a difference, where it is, and what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.compare.comparison import Result
from proxy.compare.json_text import NotJson, colons_of, depth_of, parse
from proxy.compare_policy import CompareLimits, Profile, Severity
from tests.proxy.compare.pairs import compare_bodies, compare_values, told

LIMITS = CompareLimits()
TEXT = st.text(st.characters(codec=None), max_size=12)
JSON_VALUES = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), TEXT),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(TEXT, inner, max_size=6)),
    max_leaves=40,
)


@pytest.mark.parametrize(
    ("legacy", "new", "expected"),
    [
        pytest.param({"a": 1}, {"a": 2}, {("$.a", "value", "")}, id="value"),
        pytest.param({"a": 1}, {"a": "1"}, {("$.a", "type", "int_to_string")}, id="type"),
        pytest.param({"a": 1, "b": 2}, {"a": 1}, {("$.b", "missing", "missing")}, id="missing"),
        pytest.param({"a": 1}, {"a": 1, "b": 2}, {("$.b", "extra", "extra")}, id="extra"),
        pytest.param(
            *({"a": 1, "b": None}, {"a": 1}, {("$.b", "missing", "null_to_missing")}),
            id="null-is-not-missing",
        ),
        pytest.param(
            *({"a": 1}, {"a": 1, "b": None}, {("$.b", "extra", "missing_to_null")}),
            id="missing-is-not-null",
        ),
        pytest.param(
            *({"created_at": 1, "b": 1}, {"createdAt": 1, "b": 1}),
            {("$.created_at", "missing", "name_style")},
            id="name-in-another-style",
        ),
        pytest.param(
            *({"id": 1, "name": "x"}, {"error": "no", "code": 5}),
            {("$", "type", "other_object")},
            id="nothing-in-common",
        ),
        pytest.param(
            *({"a_b": 1, "x": 1}, {"aB": 1, "AB": 2, "x": 1}),
            {("$.a_b", "missing", "name_style"), ("$.AB", "extra", "extra")},
            id="only-one-can-be-the-same-in-another-style",
        ),
        pytest.param(
            *({"qty": "twelve", "b": 1}, {"quantity": "twelve", "b": 1}),
            {("$.qty", "missing", "renamed")},
            id="renamed",
        ),
        pytest.param(
            *({"qty": 1, "b": 1}, {"free": 1, "b": 1}),
            {("$.qty", "missing", "missing"), ("$.free", "extra", "extra")},
            id="equal-by-chance-is-not-renamed",
        ),
        pytest.param(
            *([1, 2], {"data": [1, 2], "total": 2}, {("$", "type", "wrapped:data")}), id="wrapped"
        ),
        pytest.param(
            {"data": {"a": 1, "b": 2}},
            {"a": 1, "b": 2},
            {("$", "type", "unwrapped:data")},
            id="bare",
        ),
        pytest.param([], {}, {("$", "type", "empty_container")}, id="empty-containers"),
        pytest.param(
            *([1, 2], {"0": 1, "1": 2}, {("$", "type", "array_to_object")}), id="array-to-object"
        ),
        pytest.param(
            {"a": {}}, {"a": None}, {("$.a", "type", "empty_to_null")}, id="empty-to-null"
        ),
        pytest.param({"a": [1]}, {"a": 1}, {("$.a", "type", "")}, id="array-to-number"),
        pytest.param(
            {"a b": {"c'd": 1}},
            {"a b": {"c'd": 2}},
            {(r"$['a b']['c\'d']", "value", "")},
            id="quoted",
        ),
        pytest.param(
            *({"m": {"17": {"x": 1}}}, {"m": {"17": {"x": 2}}}, {("$.m{*}.x", "value", "")}),
            id="ids-as-names",
        ),
        pytest.param(
            {"m": {f"warehouse {chr(65 + n)}": {"x": 1} for n in range(20)}},
            {"m": {f"warehouse {chr(65 + n)}": {"x": 2} for n in range(20)}},
            {("$.m{*}.x", "value", "")},
            id="many-names-of-one-shape",
        ),
        pytest.param([1, 2, 3], [1, 9, 2, 3], {("$[*]", "extra", "extra")}, id="inserted"),
        pytest.param([1, 2, 3], [1, 3], {("$[*]", "missing", "missing")}, id="removed"),
        pytest.param([1, 2, 3], [3, 2, 1], {("$", "order", "order")}, id="reordered"),
        pytest.param([1, 2, 3], [1, 5, 3], {("$[*]", "value", "")}, id="changed"),
        pytest.param(
            *([1, 2, 3], [4, 5, 6, 7], {("$", "length", "length"), ("$[*]", "value", "")}),
            id="nothing-in-common-but-the-name",
        ),
        pytest.param(
            [{"id": n, "v": 1} for n in range(9)],
            [{"id": n, "v": 2} for n in range(9) if n != 4],
            {("$[*]", "missing", "missing"), ("$[*].v", "value", "")},
            id="all-changed-and-one-removed",
        ),
        pytest.param(
            [{"id": n, "v": 1} for n in range(9)],
            [{"id": str(n), "v": 1} for n in range(9)],
            {("$[*].id", "type", "int_to_string")},
            id="ids-of-another-type-still-name",
        ),
        pytest.param(
            [{"id": 1, "v": 1}, {"id": 2, "v": 2}, {"id": 3, "v": 3}],
            [{"id": 3, "v": 3}, {"id": 1, "v": 1}, {"id": 2, "v": 9}],
            {("$", "order", "order"), ("$[*].v", "value", "")},
            id="reordered-and-changed",
        ),
        pytest.param(
            [{"id": n, "v": n} for n in range(4)],
            [{"id": n, "v": n} for n in (0, 1, 2, 9)],
            {("$[*]", "missing", "missing"), ("$[*]", "extra", "extra")},
            id="another-element-in-its-place",
        ),
        pytest.param(
            [{"id": n, "v": n, "w": n} for n in range(4)],
            [{"id": n + 100, "v": n, "w": n} for n in range(4)],
            {("$[*].id", "value", "")},
            id="another-name-for-the-same-element",
        ),
        pytest.param(
            [{"n": [k, k]} for k in range(50)],
            [{"n": [k, k]} for k in range(50) if k != 20] + [{"n": [99, 99]}],
            {("$[*]", "missing", "missing"), ("$[*]", "extra", "extra")},
            id="nameless-elements-by-their-hash",
        ),
    ],
)
def test_a_difference_is_told_once_where_it_is(
    legacy: object, new: object, expected: set[tuple[str, str, str]]
) -> None:
    assert told(compare_values(legacy, new)) == expected


@pytest.mark.parametrize(
    ("legacy", "new"),
    [
        pytest.param(b'{"a":1,"b":2}', b'{ "b": 2, "a": 1 }', id="order-and-space"),
        pytest.param(rb'"a\/b\u00e9"', '"a/bé"'.encode(), id="escapes"),
        pytest.param(b"\xef\xbb\xbf[1]", b"[ 1]", id="byte-order-mark"),
        pytest.param(b'{"a":1,"a":2}', b'{"a": 1,"a": 2}', id="duplicates-on-both-sides"),
        pytest.param(b"[NaN]", b"[ NaN]", id="nan-on-both-sides"),
    ],
)
def test_spelling_is_no_difference(legacy: bytes, new: bytes) -> None:
    assert compare_bodies(legacy, new).result is Result.EQUAL


@pytest.mark.parametrize(
    ("legacy", "new", "profile", "result"),
    [
        pytest.param(b"10", b"10.0", Profile.PHP, Result.NORMALISED, id="php-number"),
        pytest.param(b"10", b"10.0", Profile.STRICT, Result.DIFFERENT, id="strict-number"),
        pytest.param(b"1e2", b"100", Profile.PHP, Result.NORMALISED, id="php-exponent"),
        pytest.param(
            *(b"0.1", b"0.1000000000000000055", Profile.PHP, Result.NORMALISED),
            id="php-digits-beyond-a-double",
        ),
        pytest.param(
            *(b"12345678901234567890", b"12345678901234567891", Profile.PHP, Result.DIFFERENT),
            id="php-every-digit-of-an-integer",
        ),
        pytest.param(b"[]", b"{}", Profile.PHP, Result.NORMALISED, id="php-empty"),
        pytest.param(b"[]", b"{}", Profile.STRICT, Result.DIFFERENT, id="strict-empty"),
        pytest.param(
            *(b'"it&#039;s"', b'"it&#39;s"', Profile.PHP, Result.NORMALISED), id="php-entity"
        ),
        pytest.param(
            *(b'"it&#039;s"', b'"it\'s"', Profile.PHP, Result.DIFFERENT), id="php-no-entity"
        ),
        pytest.param(b'"1"', b"1", Profile.PHP, Result.DIFFERENT, id="php-text-is-no-number"),
        pytest.param(
            *(b'{"a":null}', b"{}", Profile.PHP, Result.DIFFERENT), id="php-null-is-not-missing"
        ),
    ],
)
def test_the_php_profile_is_about_spelling_only(
    legacy: bytes, new: bytes, profile: Profile, result: Result
) -> None:
    # An array around each: a bare scalar does not look like JSON to every reader.
    found = compare_bodies(b"[%b]" % legacy, b"[%b]" % new, profile=profile)
    assert found.result is result
    assert all(use.rule.startswith("php:") for use in found.rules_used)


@pytest.mark.parametrize(
    ("legacy", "new", "cause", "severity"),
    [
        pytest.param(b'{"a":1,"a":2}', b'{"a":2}', "duplicate_key", Severity.MAJOR, id="legacy"),
        pytest.param(b'{"a":2}', b'{"a":1,"a":2}', "duplicate_key", Severity.MAJOR, id="new"),
        pytest.param(
            *(b'{"x":":","a":1,"a":2}', b'{"x":"::","a":2}', "duplicate_key", Severity.MAJOR),
            id="colons-in-texts-hide-nothing",
        ),
        pytest.param(
            rb'{"x":"\u003a","a":1,"a":2}',
            *(b'{"x":":","a":2,"b":{}}', "duplicate_key", Severity.MAJOR),
            id="nor-do-members-and-escapes",
        ),
        pytest.param(b"[1]", b"[NaN]", "not_a_number", Severity.CRITICAL, id="nan"),
        pytest.param(b"[1]", b"[1", "not_json:new", Severity.CRITICAL, id="new-is-no-json"),
        pytest.param(b"[1 2]", b"[1]", "not_json:legacy", Severity.CRITICAL, id="legacy-is-none"),
    ],
)
def test_what_only_one_side_has_is_told(
    legacy: bytes, new: bytes, cause: str, severity: Severity
) -> None:
    causes = {found.cause: found for found in compare_bodies(legacy, new).causes}
    assert causes[cause].severity is severity


def test_every_digit_counts_however_many() -> None:
    long = b"7" * 5000
    assert compare_bodies(b"[%b1]" % long, b"[%b2]" % long).result is Result.DIFFERENT
    assert parse(b"[%b]" % long, "", LIMITS).value == [long]


def test_lone_surrogates_are_shown_escaped() -> None:
    (difference,) = compare_bodies(rb'["\ud800"]', b'["x"]').differences
    assert difference.legacy == r'"\ud800"'


@pytest.mark.parametrize(
    ("legacy", "new", "limits", "reason"),
    [
        pytest.param(b"[" * 100_000, b"[]", LIMITS, "depth", id="deeper-than-the-parser-goes"),
        pytest.param(
            *(b"[" * 300 + b"]" * 300, b"[]", LIMITS, "depth"), id="deeper-than-the-limit"
        ),
        pytest.param(b"[1,2,3]", b"[]", CompareLimits(nodes=3), "nodes", id="nodes"),
        pytest.param(b"[1,2,3]", b"[]", CompareLimits(decoded_bytes=3), "size", id="size"),
    ],
)
def test_beyond_a_limit_a_pair_is_incomparable(
    legacy: bytes, new: bytes, limits: CompareLimits, reason: str
) -> None:
    found = compare_bodies(legacy, new, limits=limits)
    assert (found.result, found.incomparable) == (Result.INCOMPARABLE, reason)


def test_the_deepest_that_is_allowed_is_walked() -> None:
    deep = LIMITS.depth
    legacy, new = (b"[" * deep + inner + b"]" * deep for inner in (b"1", b"2"))
    assert [d.at for d in compare_bodies(legacy, new).differences] == ["$" + "[0]" * deep]


def test_ten_thousand_differences_are_counted_and_few_are_told() -> None:
    legacy = [{"id": n, "price": n + 0.125, "at": "2026-01-05T10:00:00Z"} for n in range(5000)]
    new = [{"id": n, "price": n + 0.13, "at": "2026-01-05T11:00:00Z"} for n in range(5000)]
    found = compare_values(legacy, new)
    assert {(cause.cause, cause.count, cause.paths) for cause in found.causes} == {
        ("rounding", 5000, ("$[*].price",)),
        ("offset:+3600s", 5000, ("$[*].at",)),
    }
    assert len(found.differences) <= LIMITS.differences
    assert len(found.differences) + found.more == 10_000


def test_one_fault_in_many_fields_is_one_cause() -> None:
    legacy = {"created": "2026-01-05 10:00:00", "updated": "2026-07-05 10:00:00"}
    new = {"created": "2026-01-05 11:00:00", "updated": "2026-07-05 11:00:00"}
    (cause,) = compare_values(legacy, new).causes
    assert (cause.cause, cause.paths, cause.count) == (
        *("offset:+3600s", ("$.created", "$.updated")),
        2,
    )
    other = compare_values(
        [{"seen": "2031-01-05T10:00:00Z"}], [{"seen": "2031-01-05T11:00:00Z"}]
    ).causes
    assert [again.fingerprint for again in other] == [cause.fingerprint]


def test_unexplained_changes_of_two_paths_are_two_causes() -> None:
    legacy = [{"a": 1, "b": 5}, {"a": 2, "b": 6}]
    found = compare_values(legacy, [{"a": 7, "b": 8}, {"a": 8, "b": 9}])
    assert {(cause.paths, cause.count) for cause in found.causes} == {
        (("$[*].a",), 2),
        (("$[*].b",), 2),
    }


def test_another_order_is_shown_by_what_names_the_elements() -> None:
    legacy = [{"sku": name, "v": 1} for name in "ABCDEF"]
    new = [{"sku": name, "v": 1} for name in "ABDCEF"]
    (difference,) = compare_values(legacy, new).differences
    assert (difference.legacy, difference.new) == (
        '[…, "B", "C", "D", "E", "F"]',
        '[…, "B", "D", "C", "E", "F"]',
    )


def test_countless_paths_are_counted_under_one() -> None:
    legacy = {f"name {n}": [n] if n % 2 else str(n) for n in range(20_000)}
    new = {f"name {n}": [n + 1] if n % 2 else f"{n}x" for n in range(20_000)}
    found = compare_values(legacy, new)
    assert sum(cause.count for cause in found.causes) == 20_000
    assert len(found.causes) <= 5_002
    assert len(found.differing_paths) <= 1_000
    assert len(found.differences) + found.more == 20_000


def test_values_of_long_texts_are_shown_where_they_differ() -> None:
    (difference,) = compare_values(["x" * 5000 + "here"], ["x" * 5000 + "there"]).differences
    assert difference.legacy is not None
    assert "here" in difference.legacy
    assert len(difference.legacy) <= 200


@given(JSON_VALUES)
def test_everything_equals_itself_in_any_spelling(value: Any) -> None:
    spellings = json.dumps(value).encode(), json.dumps(value, indent=1, sort_keys=True).encode()
    assert compare_bodies(*spellings).result is Result.EQUAL


def plain(value: object) -> object:
    if isinstance(value, bytes):
        return float(value) if any(mark in value for mark in b".en") else int(value)
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


@given(JSON_VALUES)
def test_parsing_is_faithful(value: Any) -> None:
    text = json.dumps(value)
    parsed = parse(text.encode(), "", LIMITS).value
    assert plain(parsed) == value
    assert colons_of(parsed) == text.count(":")
    assert depth_of(parsed) == depth_of(value)


@given(JSON_VALUES, JSON_VALUES)
def test_both_directions_come_to_the_same_result(one: Any, other: Any) -> None:
    forth, back = compare_values(one, other), compare_values(other, one)
    assert forth.result is back.result
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (forth.result is Result.EQUAL) is same


@given(st.binary(max_size=200), st.binary(max_size=200))
@settings(max_examples=200)
def test_no_bytes_make_it_fail(one: bytes, other: bytes) -> None:
    found = compare_bodies(b"[" + one + b"]", b"[" + other + b"]")
    if one == other:
        assert found.result is Result.EQUAL
    assert sum(cause.count for cause in found.causes) == len(found.differences) + found.more


@given(JSON_VALUES, JSON_VALUES)
def test_every_difference_counts_in_a_cause(one: Any, other: Any) -> None:
    found = compare_values(one, other)
    assert sum(cause.count for cause in found.causes) == len(found.differences) + found.more
    assert {d.path for d in found.differences} <= set(found.differing_paths)


@pytest.mark.parametrize("text", [b"", b"[1,]", b"{a:1}", b"[01]", b"'x'", b"[\x01]"])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(NotJson):
        parse(text, "", LIMITS)
