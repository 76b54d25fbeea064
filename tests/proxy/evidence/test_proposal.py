"""Proposals: the narrowest comparator that accepts what was seen, or a reason for none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.compare_policy import Op, Rule
from proxy.evidence.proposal import (
    PairShape,
    as_entry,
    is_like,
    merge,
    propose,
    shape_of_pair,
)

PATH = "$.token"
Pairs = list[tuple[str, str | None, str | None]]
UUIDS: Pairs = [
    (
        "value",
        '"3f2b8c1e-0d4a-4b6e-9c7f-1a2b3c4d5e6f"',
        '"00000000-1111-2222-3333-444444444444"',
    )
] * 3


def shape_of(pairs: Pairs) -> PairShape:
    shape = PairShape()
    for kind, legacy, again in pairs:
        shape = merge(shape, shape_of_pair(kind, legacy, again))
    return shape


@pytest.mark.parametrize(
    ("pairs", "rule", "accepts"),
    [
        pytest.param(UUIDS, Rule(path=PATH, op=Op.SHAPE), "any UUID", id="uuid"),
        pytest.param(
            [("value", "2026-03-01T10:00:00Z", "2026-03-01T10:00:02Z")] * 3,
            Rule(path=PATH, op=Op.DATETIME, tolerance=2.0),
            "points in time within 2 s",
            id="ISO time",
        ),
        pytest.param(
            [("value", "2026-03-01 10:00:00.5", "2026-03-01 10:00:00.9")] * 3,
            Rule(path=PATH, op=Op.DATETIME, tolerance=1.0),
            "points in time within 1 s",
            id="fractions of a second",
        ),
        pytest.param(
            [("value", "2026-03-01T12:00:00+02:00", "2026-03-01T10:00:01Z")] * 3,
            Rule(path=PATH, op=Op.DATETIME, tolerance=1.0),
            "points in time within 1 s",
            id="zones are obeyed",
        ),
        pytest.param(
            [
                (
                    "header",
                    "Sun, 01 Mar 2026 10:00:00 GMT",
                    "Sun, 01 Mar 2026 10:00:04 GMT",
                )
            ]
            * 3,
            Rule(path=PATH, op=Op.DATETIME, tolerance=4.0),
            "points in time within 4 s",
            id="HTTP date",
        ),
        pytest.param(
            [
                ("facet", "/cron.php?id=start&1795363181", "/cron.php?id=start&1795363182"),
                ("facet", "/cron.php?id=a&1795363181", "/cron.php?id=a&1795363183"),
                ("facet", "at 2026-03-01 10:00:00, by us", "at 2026-03-01 10:00:01, by us"),
            ],
            Rule(path=PATH, op=Op.DATETIME, tolerance=2.0),
            "points in time within 2 s",
            id="times that stand in texts",
        ),
        pytest.param(
            [("value", "2026-03-01T10:00:00Z", "2031-03-01T10:00:00Z")] * 3,
            Rule(path=PATH, op=Op.SHAPE),
            "any point in time",
            id="times far apart are no skew",
        ),
        pytest.param(
            [("value", "1041", "1043"), ("value", "1041", "1038"), ("value", "7", "8")],
            Rule(path=PATH, op=Op.NUMBER, absolute=Decimal(3)),
            "integers within 3",
            id="counter",
        ),
        pytest.param(
            [("value", "17", "90071992547")] * 3,
            Rule(path=PATH, op=Op.SHAPE),
            "any integer",
            id="generated numbers",
        ),
        pytest.param(
            [("value", '"deadbeef01"', '"0123456789"')] * 3,
            Rule(path=PATH, op=Op.SHAPE),
            "10 hexadecimal digits",
            id="hexadecimal",
        ),
        pytest.param(
            [("value", '"x_Yz12"', '"Ab_c99"')] * 3,
            Rule(path=PATH, op=Op.SHAPE),
            "6 characters of 0-9 A-Z _ a-z",
            id="token",
        ),
        pytest.param(
            [("order", None, None)] * 3,
            Rule(path=PATH, op=Op.UNORDERED),
            "the same elements in any order",
            id="order",
        ),
    ],
)
def test_the_narrowest_comparator_is_proposed(pairs: Pairs, rule: Rule, accepts: str) -> None:
    proposed = propose(PATH, shape_of(pairs))
    assert (proposed.rule, proposed.accepts, proposed.refused) == (rule, accepts, "")
    assert not proposed.automatic


@pytest.mark.parametrize(
    ("path", "pairs", "why"),
    [
        pytest.param(PATH, [*UUIDS, ("missing", "x", None)], "structural", id="missing"),
        pytest.param(PATH, [("type", "1", '"1"')] * 3, "structural", id="type"),
        pytest.param("status", [("status", "200", "503")] * 3, "structural", id="status"),
        pytest.param(
            PATH,
            [
                ("facet", "/a?1795363181", "/a?1795363182"),
                ("facet", "/b/c?1795363181", "/d/c?1795363182"),
                ("facet", "/a?1795363181", "/a?1795363182"),
            ],
            "over-broad",
            id="more than the time in a text",
        ),
        pytest.param(
            PATH,
            [("facet", "/a?1795363181", "/a?1795463182"), *([("facet", "/b?17", "/b?19")] * 2)],
            "over-broad",
            id="days apart in a text",
        ),
        pytest.param(PATH, [("length", "3", "4")] * 3, "array length", id="array length"),
        pytest.param("$", UUIDS, "over-broad", id="the whole body"),
        pytest.param("html:text", [("facet", "a b", "a c")] * 3, "over-broad", id="all text"),
        pytest.param(
            PATH, [("order", None, None), *UUIDS], "order-ambiguous", id="order and values"
        ),
        pytest.param(PATH, UUIDS[:2], "too few pairs: 2 of 3", id="two pairs"),
        pytest.param(PATH, [("value", "•••", "•••")] * 3, "redacted", id="redacted"),
        pytest.param(
            PATH, [("value", "short", "much longer text")] * 3, "over-broad", id="free text"
        ),
        pytest.param(
            PATH,
            [("value", "<b>12</b>", "<b>ab</b>")] * 3,
            "over-broad",
            id="markup of one length with other characters",
        ),
        pytest.param(
            PATH, [("value", "red car", "big dog")] * 3, "over-broad", id="prose of one length"
        ),
        pytest.param(
            PATH,
            [*UUIDS, ("value", "abc", "abcd")],
            "over-broad",
            id="one pair that is not like the others",
        ),
    ],
)
def test_what_a_rule_would_hide_is_refused_with_its_reason(
    path: str, pairs: Pairs, why: str
) -> None:
    proposed = propose(path, shape_of(pairs))
    assert proposed.rule is None
    assert proposed.refused.startswith(why) or why in proposed.refused
    assert not proposed.automatic


@pytest.mark.parametrize(
    ("path", "automatic"),
    [
        pytest.param("header:date", True, id="date"),
        pytest.param("header:X-Request-Id", True, id="names have no case"),
        pytest.param("header:set-cookie", False, id="a cookie is no volatile header"),
        pytest.param("header:location", False, id="nor is where one is sent"),
        pytest.param("$.date", False, id="nor a field of that name"),
    ],
)
def test_only_a_closed_list_of_headers_needs_no_person(path: str, automatic: bool) -> None:
    assert propose(path, shape_of(UUIDS)).automatic is automatic


@pytest.mark.parametrize(
    ("rule", "entry"),
    [
        pytest.param(
            Rule(path=PATH, op=Op.DATETIME, tolerance=5.0),
            {"path": PATH, "op": "datetime", "tolerance": "5s"},
            id="datetime",
        ),
        pytest.param(
            Rule(path=PATH, op=Op.NUMBER, absolute=Decimal(3)),
            {"path": PATH, "op": "number", "abs": 3},
            id="number",
        ),
        pytest.param(Rule(path=PATH, op=Op.SHAPE), {"path": PATH, "op": "shape"}, id="shape"),
    ],
)
def test_a_proposal_reads_as_it_would_stand_in_routes_yaml(
    rule: Rule, entry: dict[str, object]
) -> None:
    assert as_entry(rule) == entry


VALUES = st.text(max_size=30) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", fullmatch=True)
SHAPES = st.builds(
    shape_of_pair, st.sampled_from(["value", "order", "missing"]), VALUES, VALUES | st.none()
)


@settings(deadline=None)
@given(one=SHAPES, other=SHAPES, third=SHAPES)
def test_merging_does_not_depend_on_the_order_of_pairs(
    one: PairShape, other: PairShape, third: PairShape
) -> None:
    assert merge(one, other) == merge(other, one)
    assert merge(merge(one, other), third) == merge(one, merge(other, third))
    assert merge(PairShape(), one) == one


@settings(deadline=None)
@given(shape=SHAPES, other=SHAPES)
def test_more_pairs_never_make_a_proposal_narrower(shape: PairShape, other: PairShape) -> None:
    both = merge(merge(shape, shape), shape)
    wider = merge(both, other)
    assert not (wider.uuid and not both.uuid)
    assert both.hexadecimal in (None, wider.hexadecimal) or wider.hexadecimal is None
    assert (wider.time_distance is None) or wider.time_distance >= (both.time_distance or 0)


ISO_NEAR = ("value", "2026-03-01T10:00:00Z", "2026-03-01T10:00:02Z")
TOKENS = ("value", '"9f86d081884c7d65"', '"60303ae22b998861"')


@pytest.mark.parametrize(
    ("own", "pair", "like"),
    [
        pytest.param(ISO_NEAR, ISO_NEAR, True, id="times a moment apart"),
        pytest.param(
            *(ISO_NEAR, ("value", "2026-03-01T10:00:00Z", "2026-03-01T10:00:40Z")),
            True,
            id="clocks differ",
        ),
        pytest.param(
            *(ISO_NEAR, ("value", "2026-03-01T10:00:00Z", "2026-03-01T11:00:01Z")),
            False,
            id="an hour off",
        ),
        pytest.param(ISO_NEAR, ("value", "2026-03-01T10:00:00Z", "never"), False, id="no time"),
        pytest.param(TOKENS, ("value", TOKENS[1], '"null"'), False, id="null among tokens"),
        pytest.param(TOKENS, ("type", TOKENS[1], "null"), False, id="another type"),
        pytest.param(TOKENS, ("missing", TOKENS[1], None), False, id="missing"),
        pytest.param(UUIDS[0], UUIDS[0], True, id="uuids"),
        pytest.param(UUIDS[0], ("value", UUIDS[0][1], "17"), False, id="a number among uuids"),
        pytest.param(("value", "1041", "1043"), ("value", "1041", "1050"), True, id="counters"),
        pytest.param(("value", "1041", "1043"), ("value", "1041", "2"), False, id="another one"),
        pytest.param(
            *(("value", "a b", "a longer text"), ("value", "x", "quite something else")),
            True,
            id="free text tells nothing",
        ),
        pytest.param(("value", "•••", "•••"), ("value", "•••", "•••"), True, id="redacted"),
    ],
)
def test_a_difference_is_like_legacys_own_ones_or_not(
    own: tuple[str, str | None, str | None],
    pair: tuple[str, str | None, str | None],
    like: bool,
) -> None:
    assert is_like(shape_of([own] * 5), shape_of([pair])) is like
    # A few pairs tell nothing.
    assert is_like(shape_of([own] * 4), shape_of([pair]))


def test_one_length_tells_something_only_after_many_pairs() -> None:
    """9.99 and 12.50 are prices: that five pairs had five characters was chance."""
    own, pair = ("value", "12.50", "17.25"), ("value", "12.50", "9.99")
    assert is_like(shape_of([own] * 24), shape_of([pair]))
    assert not is_like(shape_of([own] * 25), shape_of([pair]))


@settings(deadline=None)
@given(shape=SHAPES)
def test_what_legacy_did_itself_is_like_it(shape: PairShape) -> None:
    own = PairShape()
    for _ in range(5):
        own = merge(own, shape)
    assert is_like(own, shape)
