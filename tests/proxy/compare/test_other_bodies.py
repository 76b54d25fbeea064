"""Forms, XML, text and binary bodies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.comparison import Comparison, Kind, Result
from proxy.compare.pair import compare
from proxy.compare.policy import CompiledPolicy
from proxy.compare_policy import ComparePolicy, Op, Rule, Severity
from proxy.exchange import Answer
from tests.proxy.compare.pairs import answer, rule

FORM = b"application/x-www-form-urlencoded"
XML = b"application/xml"
TEXT = b"text/plain"
PNG = b"image/png"
ITEMS = [f'<item id="{n}"><price>{n}.345</price></item>' for n in range(5)]


def feed(*items: str, attributes: str = "") -> bytes:
    return f"<feed{attributes}>{''.join(items)}</feed>".encode()


def compared(legacy: bytes, new: bytes, kind: bytes, *rules: Rule) -> Comparison:
    policy = CompiledPolicy.compile(ComparePolicy(rules=rules))
    return compare(answer(legacy, kind), answer(new, kind), policy)


@pytest.mark.parametrize(
    ("legacy", "new", "kind"),
    [
        pytest.param(b"a=1&b=2", b"b=2&a=1", FORM, id="fields in another order"),
        pytest.param(b"a=x+y", b"a=x%20y", FORM, id="a space"),
        pytest.param(
            b'<a x="1" y="2"><b/></a>',
            b"<?xml version='1.0'?>\n<a y='2' x='1'>\n<b></b></a>",
            XML,
            id="notation of XML",
        ),
        pytest.param(b'<p:a xmlns:p="u"/>', b'<a xmlns="u"/>', XML, id="another prefix"),
        pytest.param(b"<a>&#233;</a>", "<a>é</a>".encode(), XML, id="a reference"),
        pytest.param(b"a\r\nb\r\n", b"a\nb", TEXT, id="line ends"),
    ],
)
def test_another_notation_is_equal(legacy: bytes, new: bytes, kind: bytes) -> None:
    assert compared(legacy, new, kind).result is Result.NORMALISED


@pytest.mark.parametrize(
    ("legacy", "new", "kind", "told"),
    [
        pytest.param(
            b"a=1&i[0]=x",
            b"a=1&i[0]=y",
            FORM,
            ("form:i[*]", Kind.VALUE, Severity.MAJOR),
            id="a field",
        ),
        pytest.param(
            b"a=1&b=2", b"a=1", FORM, ("form:b", Kind.MISSING, Severity.CRITICAL), id="a field gone"
        ),
        pytest.param(
            b"a=1", b"a=1&a=2", FORM, ("form:a", Kind.EXTRA, Severity.MINOR), id="a value more"
        ),
        pytest.param(
            feed(*ITEMS),
            feed(*ITEMS[:2], *ITEMS[3:]),
            XML,
            ("xml:/feed/item", Kind.MISSING, Severity.CRITICAL),
            id="an element gone",
        ),
        pytest.param(
            feed(*ITEMS[:2], *ITEMS[3:]),
            feed(*ITEMS),
            XML,
            ("xml:/feed/item", Kind.EXTRA, Severity.MINOR),
            id="an element more",
        ),
        pytest.param(
            feed(*ITEMS),
            feed(*ITEMS[1:], ITEMS[0]),
            XML,
            ("xml:/feed/item", Kind.ORDER, Severity.MAJOR),
            id="another order",
        ),
        pytest.param(
            feed(*ITEMS),
            feed(*ITEMS).replace(b'id="2"', b'id="9"'),
            XML,
            ("xml:/feed/item/@id", Kind.VALUE, Severity.MAJOR),
            id="an attribute",
        ),
        pytest.param(
            feed(ITEMS[1]),
            feed(ITEMS[1].replace(' id="1"', "")),
            XML,
            ("xml:/feed/item/@id", Kind.MISSING, Severity.CRITICAL),
            id="an attribute gone",
        ),
        pytest.param(
            feed(*ITEMS),
            feed(*ITEMS, attributes=' xmlns="u"'),
            XML,
            ("xml:/feed/namespace::", Kind.VALUE, Severity.CRITICAL),
            id="another namespace",
        ),
        pytest.param(
            b"<a>", b"<a/>", XML, ("body", Kind.BODY, Severity.CRITICAL), id="no XML on one side"
        ),
        pytest.param(
            b"<a>", b"<b>", XML, ("text", Kind.VALUE, Severity.MAJOR), id="no XML on either side"
        ),
        pytest.param(
            b"id,price\n1,2.345\n",
            b"id,price\n1,2.35\n",
            b"text/csv",
            ("text", Kind.VALUE, Severity.MAJOR),
            id="a line",
        ),
        pytest.param(
            b"a\nb\nc", b"a\nc", TEXT, ("text", Kind.MISSING, Severity.CRITICAL), id="a line gone"
        ),
        pytest.param(
            b"\x89PNG12",
            b"\x89PNG34",
            PNG,
            ("body", Kind.BODY, Severity.MAJOR),
            id="another picture",
        ),
        pytest.param(
            b"\x89PNG12",
            b"\x89PNG",
            PNG,
            ("body", Kind.BODY, Severity.CRITICAL),
            id="a picture cut off",
        ),
    ],
)
def test_one_fault_is_one_difference(
    legacy: bytes, new: bytes, kind: bytes, told: tuple[str, Kind, Severity]
) -> None:
    found = compared(legacy, new, kind)
    assert [(d.path, d.kind, d.severity) for d in found.differences] == [told]


def test_values_in_xml_have_causes() -> None:
    found = compared(feed(*ITEMS), feed(*ITEMS).replace(b".345", b".35"), XML)
    [cause] = found.causes
    assert (cause.cause, cause.count, cause.paths) == ("rounding", 5, ("xml:/feed/item/price",))
    assert found.differences[2].at == "xml:/feed/item[3]/price"


@pytest.mark.parametrize(
    ("made", "result"),
    [
        pytest.param(rule("xml:/feed/item", Op.IGNORE), Result.NORMALISED, id="an element"),
        pytest.param(rule("xml:/feed/item/@id", Op.SHAPE), Result.NORMALISED, id="an attribute"),
        pytest.param(rule("xml:/feed/item/@x", Op.IGNORE), Result.DIFFERENT, id="another one"),
    ],
)
def test_rules_hold_in_xml(made: Rule, result: Result) -> None:
    new = feed(*ITEMS).replace(b'id="2"', b'id="9"')
    assert compared(feed(*ITEMS), new, XML, made).result is result


@pytest.mark.parametrize(
    ("legacy", "reason"),
    [
        pytest.param(b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "doctype", id="entities"),
        pytest.param(b"<a>" * 300 + b"</a>" * 300, "depth", id="deep"),
    ],
)
def test_what_is_not_read_is_incomparable(legacy: bytes, reason: str) -> None:
    assert compared(legacy, b"<a/>", XML).incomparable == reason


@pytest.mark.parametrize(
    ("legacy", "new", "severity", "bodies"),
    [
        pytest.param(200, 500, Severity.CRITICAL, False, id="another class"),
        pytest.param(200, 201, Severity.MAJOR, True, id="another code"),
        pytest.param(301, 302, Severity.MAJOR, False, id="another redirect"),
        pytest.param(404, 404, None, True, id="the same failure"),
        pytest.param(302, 302, None, False, id="the same redirect"),
    ],
)
def test_the_class_of_a_status_decides(
    legacy: int, new: int, severity: Severity | None, bodies: bool
) -> None:
    policy = CompiledPolicy.compile(ComparePolicy())
    kind = ((b"Content-Type", TEXT),)
    one = Answer(status=legacy, headers=kind, body=b"one")
    other = Answer(status=new, headers=kind, body=b"other")
    told = {d.path: d.severity for d in compare(one, other, policy).differences}
    assert told.get("status") is severity
    assert ("text" in told) is bodies


@given(
    st.sampled_from([FORM, XML, TEXT, PNG]),
    st.binary(max_size=60) | st.sampled_from([b"<a>x</a>", b"<a b='1'><c/></a>", b"a=1&b=%"]),
    st.binary(max_size=60) | st.sampled_from([b"<a>y</a>", b"<a b='2'><d/></a>", b"&&=&%zz"]),
)
def test_comparing_never_raises(kind: bytes, legacy: bytes, new: bytes) -> None:
    compared(legacy, new, kind)
    assert compared(legacy, legacy, kind).result is Result.EQUAL
