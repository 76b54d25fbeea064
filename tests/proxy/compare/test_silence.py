"""The rule beside a cause takes just that cause as equal, and says so only where it does."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from proxy.compare.comparison import Comparison, Kind, Result
from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare.silence import EXPIRES, REASON, silencing_rule, written
from proxy.compare_policy import ComparePolicy, Op, Profile, Rule
from proxy.conformance.comparison_text import cause_lines
from proxy.exchange import Answer
from tests.proxy.compare.pairs import answer

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


@pytest.mark.parametrize(
    ("legacy", "new", "op"),
    [
        pytest.param(
            ["2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"],
            ["2026-11-22T10:00:01Z", "2026-11-22T10:00:03Z"],
            Op.DATETIME,
            id="clocks",
        ),
        pytest.param([12.341, 1.2349], [12.34, 1.23], Op.NUMBER, id="numbers"),
        pytest.param(
            ["9f86d081884c7d659a2feaa0c55ad015", "red"],
            ["a3bf4f1b2b0b822cd15d6c15b0f00a08", "green"],
            Op.EXPECTED,
            id="not all of them generated",
        ),
    ],
)
def test_the_rule_is_wide_enough_for_all_that_was_seen(legacy: object, new: object, op: Op) -> None:
    found = compared({"a": legacy}, {"a": new})
    (cause,) = found.causes
    rule = silencing_rule(cause, found.differences)
    assert rule is not None
    assert rule.op is op
    filled = replace(rule, expires="2099-12-31") if rule.expires else rule
    assert compared({"a": legacy}, {"a": new}, filled).result is not Result.DIFFERENT


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


PAGE, XML, FORM = b"text/html; charset=utf-8", b"text/xml", b"application/x-www-form-urlencoded"
LATIN = b"application/json; charset=iso-8859-1"


def values(*pairs: tuple[object, object]) -> list[tuple[Answer, Answer]]:
    return [
        (answer(json.dumps(one).encode()), answer(json.dumps(other).encode()))
        for one, other in pairs
    ]


def bodies(kind: bytes, *pairs: tuple[str, str]) -> list[tuple[Answer, Answer]]:
    return [(answer(one.encode(), kind), answer(other.encode(), kind)) for one, other in pairs]


def fields(*triples: tuple[bytes, bytes | None, bytes | None]) -> list[tuple[Answer, Answer]]:
    def with_field(name: bytes, value: bytes | None) -> Answer:
        plain = answer(b"{}")
        return plain if value is None else replace(plain, headers=(*JSON, (name, value)))

    return [(with_field(name, one), with_field(name, other)) for name, one, other in triples]


DUPLICATE, NAN, ENCODING = (
    (answer(b'{"a":1,"a":2}'), answer(b'{"a":2}')),
    (answer(b'{"a":1}'), answer(b'{"a":NaN}')),
    (answer('{"a":"\xe9"}'.encode("latin-1"), LATIN), answer('{"a":"\xe9"}'.encode())),
)
# Without one that is of a kind that no rule reaches: those are below.
DIFFERENT = [
    *values(
        *((None, {}), ({"a": None}, {"a": ""}), ({"a": ""}, {"a": None}), ({"a": None}, {"a": []})),
        *(({"a": {}}, {"a": []}), ({"a": [1]}, {"a": {"x": 1}}), ({"a": None}, {}), ({"a": 1}, {})),
        *(({}, {"a": None}), ({}, {"a": 1}), ([1, 2, 3], [1, 2]), ([1], {"a": 1}), (1, 2)),
        *(({"a": [1, 2, 3]}, {"a": [3, 2, 1]}), ([{"id": 1}, {"id": 2}], [{"id": 2}, {"id": 1}])),
        *(({"created_at": 1}, {"createdAt": 1}), ({"x": 1, "a": "told"}, {"x": 1, "b": "told"})),
        *(({"a": {"b": 1}}, {"a": {"data": {"b": 1}}}), ({"data": {"b": 1, "c": 2}}, {"b": 1})),
        *(({"a": 1, "b": 2}, {"c": 3, "d": 4}), ({"two words": 1}, {"two words": 2})),
        *(({"1": {"a": 1}}, {"1": {"a": 2}}), ({"a@b.invalid": 1}, {"a@b.invalid": 2})),
        *(({"a": 12.345}, {"a": 12.35}), ({"a": 0.1 + 0.2}, {"a": 0.3}), ({"a": 4}, {"a": "4"})),
        *(({"a": "1,234.50"}, {"a": "1234.50"}), ({"a": "EUR 19.99"}, {"a": "EUR 20.00"})),
        *(({"a": "2026-11-22 10:00:00"}, {"a": "2026-11-22T10:00:00Z"}),),
        *(({"a": "2026-11-22T10:00:00.123Z"}, {"a": "2026-11-22T10:00:00Z"}),),
        *(({"a": "at 2026-11-22T10:00:00Z"}, {"a": "at 2026-11-22T10:00:03Z"}),),
        *(({"a": 1763805600}, {"a": "2025-11-22T10:00:00Z"}), ({"a": True}, {"a": 1})),
        *(({"a": "&amp;"}, {"a": "&"}), ({"a": "\xc4"}, {"a": "\xc3\u201e"})),
    ),
    *bodies(b"text/plain", ("x", "y"), ("abc", "abcd"), ("a\nb\n", "a\nc\n")),
    *bodies(FORM, ("a=1&b=2", "a=1&b=3"), ("a=1", "a=1&b=3")),
    *bodies(
        PAGE,
        *(("<p>a</p>", "<p>b</p>"), ("<p>a</p><p>b</p>", "<p>b</p><p>a</p>")),
        *(("<a href=/a>x</a>", "<a href=/b>x</a>"), ("<title>a</title>", "<title>b</title>")),
        *(("<p>a <b>b</b></p>", "<p><b>a</b> b</p>"), ("<p>&copy;</p>", "<p>&#169;</p>")),
        *(("<div><p>a</p></div>", "<div></div><p>a</p>"), ("<h1>a</h1>", "<h2>a</h2>")),
        *(("<form><input name=a value=1>", "<form><input name=a value=2>"),),
        *(("<form action=/a><input name=a>", "<form action=/a>"), ("<p lang=de>T", "<p lang=fr>T")),
        *(
            (
                f"<script type=application/{kind}>[1]</script>",
                f"<script type=application/{kind}>[2]",
            )
            for kind in ("json", "ld+json")
        ),
    ),
    *bodies(
        XML,
        *(("<r><a>1</a></r>", "<r><a>2</a></r>"), ("<r><a>1</a></r>", "<r/>"), ("<r/>", "<s/>")),
        *(("<r><a>1</a><b/></r>", "<r><b/><a>1</a></r>"), ("<r x='1'/>", "<r x='2'/>")),
        *(("<r>a<b/>c</r>", "<r><b/>ac</r>"), ("<r x=''/>", "<r/>")),
        *(("<r><t>2026-11-22T10:00:00Z</t></r>", "<r><t>2026-11-22T10:00:03Z</t></r>"),),
    ),
    *fields(
        *((b"location", b"/a", b"/b"), (b"cache-control", b"no-store", None)),
        *((b"cache-control", b"", None), (b"set-cookie", b"a=1; Path=/", b"a=1; Path=/x")),
        *((b"set-cookie", b"a=1", None), (b"set-cookie", b"PHPSESSID=a", b"sid=a")),
    ),
]


@pytest.mark.parametrize(("legacy", "new"), DIFFERENT)
@pytest.mark.parametrize("profile", list(Profile))
def test_whatever_the_cause_the_rule_beside_it_takes_it_away(
    legacy: Answer, new: Answer, profile: Profile
) -> None:
    before = compare(legacy, new, CompiledPolicy.compile(ComparePolicy(profile=profile)))
    for cause in before.causes:
        rule = silencing_rule(cause)
        assert rule is not None
        filled = replace(rule, expires="2099-12-31") if rule.expires else rule
        policy = CompiledPolicy.compile(ComparePolicy(profile=profile, rules=(filled,)))
        after = compare(legacy, new, policy)
        assert cause.fingerprint not in {each.fingerprint for each in after.causes}


@pytest.mark.parametrize(
    ("legacy", "new"),
    [
        pytest.param(*DUPLICATE, id="a name twice"),
        pytest.param(*NAN, id="no number"),
        pytest.param(*ENCODING, id="a charset"),
        pytest.param(answer(b'{"a":1}'), answer(b'{"a":'), id="no JSON"),
        pytest.param(answer(b"\0\1", b"image/png"), answer(b"\0\2", b"image/png"), id="a picture"),
        pytest.param(answer(b"<r/>", XML), answer(b"<r>", XML), id="no XML"),
        pytest.param(answer(b""), answer(b"{}"), id="no body"),
    ],
)
def test_no_rule_silences_a_body_that_is_broken_as_a_whole(legacy: Answer, new: Answer) -> None:
    causes = compare(legacy, new, CompiledPolicy.compile(ComparePolicy())).causes
    (cause,) = (cause for cause in causes if cause.kind is Kind.BODY)
    assert silencing_rule(cause) is None
    assert "  no rule silences it: mend it" in list(cause_lines(cause))
